/** BitCast: the same bits as another type of the same width. */
import { bytesOf, type DType, DTYPES, isInt, isStored, packedBits } from "../util/dtype.ts";
import { compute } from "../te/compute.ts";
import { bits, cast, type Expr, load } from "../te/expr.ts";
import { type OpDef, OpError } from "../ir/opdef.ts";
import { dims } from "../ir/graph.ts";
import { axisNames } from "./axes.ts";
import { typeNumbered } from "./cast.ts";
import { onnx, operand } from "./common.ts";

/** The bits as an integer. */
function raw(x: Expr): Expr {
  if (x.dtype === "float32") return bits("uint32", x);
  if (x.dtype === "float64") return bits("int64", x);
  if (x.dtype === "bool") return cast("uint8", x);
  return isStored(x.dtype) ? bits(DTYPES[x.dtype].carrier!, x) : x;
}

function fromRaw(to: DType, x: Expr): Expr {
  if (to === "float32") return bits(to, cast("uint32", x));
  if (to === "float64") return bits(to, cast("int64", x));
  return isStored(to) ? bits(to, cast(DTYPES[to].carrier!, x)) : cast(to, x);
}

const bitCast: OpDef<{ to: DType }> = {
  name: "BitCast",
  onnx: [onnx("BitCast", 26, (r) => ({ to: typeNumbered(r.int("to")) }))],
  infer({ to }, ins) {
    const x = operand(ins, 0, "any"), from = x.dtype;
    const whole = [from, to].every((d) => packedBits(d) === 8 * bytesOf(d));
    if (!whole || bytesOf(from) !== bytesOf(to)) {
      throw new OpError(
        `it takes the bits of ${from} as ${to}`,
        "both types have one width, of at least a byte",
      );
    }
    if (to === "bool" && from !== "bool") {
      throw new OpError(`it takes the bits of ${from} as bool`, "compare with 0 instead");
    }
    return [{ dtype: to, shape: x.shape }];
  },
  body: {
    kind: "compute",
    define({ to }, [x], [out]) {
      const shape = dims(out);
      return [compute("y", to, shape, (...at) => {
        const e = load(x!, at);
        return e.dtype === to ? e : isInt(e.dtype) && isInt(to) ? cast(to, e) : fromRaw(to, raw(e));
      }, axisNames(shape.length))];
    },
  },
};

export const ops = [bitCast] as OpDef<unknown>[];
