/** Cast: conversion between element types. */
import type { DType } from "../util/dtype.ts";
import { compute } from "../te/compute.ts";
import { cast as castExpr, load } from "../te/expr.ts";
import { type AttrReader, type OpDef, OpError } from "../ir/opdef.ts";
import { dims } from "../ir/graph.ts";
import { axisNames } from "./axes.ts";
import { onnx, operand } from "./common.ts";

/** ONNX's numbers of the element types (TensorProto.DataType). */
const BY_NUMBER: Readonly<Record<number, DType>> = {
  1: "float32",
  2: "uint8",
  3: "int8",
  4: "uint16",
  5: "int16",
  6: "int32",
  7: "int64",
  9: "bool",
  11: "float64",
  12: "uint32",
  13: "uint64",
};

export interface CastAttrs {
  readonly to: DType;
}

function target(to: DType | undefined, name: string): CastAttrs {
  if (to && to !== "float16" && to !== "bfloat16") return { to };
  throw new OpError(
    `it converts to ${name}, which is not supported`,
    "use float32, float64, bool or an integer type",
  );
}

/** The element type that ONNX gives this number. */
export const typeNumbered = (n: number): DType =>
  target(BY_NUMBER[n], `ONNX's element type ${n}`).to;

const read = (r: AttrReader): CastAttrs => ({ to: typeNumbered(r.int("to")) });

function readLike(r: AttrReader): CastAttrs {
  const like = r.type(1);
  if (!like) throw new OpError("its second input is missing", "give the node all of its inputs");
  return target(like.dtype, like.dtype);
}

/** Floats truncate towards zero and saturate; integers keep their low bits. */
export const cast: OpDef<CastAttrs> = {
  name: "Cast",
  onnx: [onnx("Cast", 6, read), onnx("CastLike", 15, readLike, 1)],
  infer: ({ to }, ins) => [{ dtype: to, shape: operand(ins, 0, "any").shape }],
  body: {
    kind: "compute",
    define({ to }, [x], [out]) {
      const shape = dims(out);
      return [
        compute("y", to, shape, (...at) => castExpr(to, load(x!, at)), axisNames(shape.length)),
      ];
    },
  },
  // A dequantised value is float32 already.
  quantized: ({ to }, [x]) => to === "float32" ? x : null,
};

export const ops = [cast] as OpDef<unknown>[];
