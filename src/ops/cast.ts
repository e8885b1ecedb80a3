/** Cast: conversion between element types. */
import { type DType, dtypeByNumber, DTYPES, isFloat } from "../util/dtype.ts";
import { compute } from "../te/compute.ts";
import { cast as castExpr, type Expr, load } from "../te/expr.ts";
import { type Narrowing, toStored } from "../te/stored.ts";
import { type AttrReader, type OpDef, OpError } from "../ir/opdef.ts";
import { dims } from "../ir/graph.ts";
import { axisNames } from "./axes.ts";
import { onnx, operand } from "./common.ts";

export interface CastAttrs {
  readonly to: DType;
  /** Only where `to` is a float of less than 16 bits. */
  readonly narrowing?: Narrowing;
}

const ROUND = ["up", "down", "nearest"] as const;

function target(r: AttrReader, to: DType): CastAttrs {
  const saturate = r.int("saturate", 1) !== 0;
  const round = r.string("round_mode", "up") as Narrowing["round"];
  if (!ROUND.includes(round)) throw new OpError(`it has no round_mode '${round}'`);
  const isSmall = isFloat(to) && DTYPES[to].bytes === 1;
  return { to, ...isSmall && { narrowing: { saturate, round } } };
}

/** The element type that ONNX gives this number. */
export function typeNumbered(n: number): DType {
  const to = dtypeByNumber(n);
  if (to) return to;
  throw new OpError(
    n === 8 ? "it makes text" : `it makes ONNX's element type ${n}`,
    "use a number or bool",
  );
}

/** Before operator set 6 the type is a text. */
function typeNamed(name: string): DType {
  const lower = name.toLowerCase();
  const to = { float: "float32", double: "float64" }[lower] ?? lower;
  if (to in DTYPES) return to as DType;
  throw new OpError(`it makes '${name}'`, "use a number or bool");
}

const read = (r: AttrReader): CastAttrs =>
  target(r, r.opset < 6 ? typeNamed(r.string("to")) : typeNumbered(r.int("to")));

function readLike(r: AttrReader): CastAttrs {
  const like = r.type(1);
  if (!like) throw new OpError("its second input is missing", "give the node all of its inputs");
  return target(r, like.dtype);
}

/**
 * Floats truncate towards zero and saturate, integers keep their low bits; what becomes a smaller
 * float is rounded half to even.
 */
export const cast: OpDef<CastAttrs> = {
  name: "Cast",
  onnx: [onnx("Cast", 1, read), onnx("CastLike", 15, readLike, 1)],
  pointwise: true,
  infer: ({ to }, ins) => [{ dtype: to, shape: operand(ins, 0, "any").shape }],
  body: {
    kind: "compute",
    define({ to, narrowing }, [x], [out]) {
      const shape = dims(out);
      const convert = (e: Expr): Expr =>
        narrowing && e.dtype !== to
          ? toStored(to, castExpr("float32", e), narrowing)
          : castExpr(to, e);
      return [
        compute("y", to, shape, (...at) => convert(load(x!, at)), axisNames(shape.length)),
      ];
    },
  },
  // A dequantised value is float32 already.
  quantized: ({ to }, [x]) => to === "float32" ? x : null,
};

export const ops = [cast] as OpDef<unknown>[];
