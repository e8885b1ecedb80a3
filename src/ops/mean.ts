/** Averages of stored integers: an exact sum, then the formula of DESIGN's arithmetic in float32. */
import { type DType, intRange, isInt } from "../util/dtype.ts";
import { numbers } from "../util/tensor.ts";
import { cast, div, type Expr, f32, imm, mul, sub } from "../te/expr.ts";
import { type OpDef, OpError } from "../ir/opdef.ts";
import type { TensorType } from "../ir/graph.ts";
import type { Flt, QuantContext, Rep } from "../ir/quant.ts";
import { operand, type Types } from "./common.ts";

/** How the integers of the input stand for real numbers: (q − zero) · scale. */
export interface QuantAttrs {
  /** A float32. */
  readonly scale: number;
  readonly zero: number;
}

/** The input of an average: floats, or integers with `quant`. */
export function averaged(ins: Types, quant: QuantAttrs | undefined): TensorType {
  if (!quant) return operand(ins, 0, "number");
  const x = operand(ins, 0, "int");
  if (x.dtype.endsWith("64")) throw new OpError(`its quantised input is ${x.dtype}`);
  return x;
}

/** A type that holds the exact sum of `count` elements. */
export function sumType(x: DType, count: number, quant: QuantAttrs | undefined): DType {
  if (!quant) return x;
  const { min, max } = intRange(x);
  const worst = count * Math.max(Math.abs(min - quant.zero), Math.abs(max - quant.zero));
  return worst < 2 ** 31 ? "int32" : "int64";
}

/** An element of the sum. */
export function term(x: Expr, type: DType, quant: QuantAttrs | undefined): Expr {
  if (!quant) return x;
  const q = cast(type, x);
  return quant.zero === 0 ? q : sub(q, imm(quant.zero, type));
}

/** float32(float32(float32(acc) · scale) / n); without `quant` acc / n. */
export function average(acc: Expr, n: Expr, quant: QuantAttrs | undefined): Expr {
  if (quant) return div(mul(cast("float32", acc), f32(quant.scale)), n);
  return div(acc, cast(acc.dtype, n));
}

/** An average of a tensor that was quantised as a whole is computed from its integers. */
export function averageIntegers<A extends { readonly quant?: QuantAttrs }>(
  op: () => OpDef<A>,
): (a: A, ins: readonly (Rep | null)[], ctx: QuantContext) => Flt | null {
  return (a, [x], { b }) => {
    if (x?.k !== "deq" || x.scale.data.length !== 1 || x.zero.data.length !== 1) return null;
    if (!isInt(x.q.type.dtype) || x.q.type.dtype.endsWith("64")) return null;
    const quant = { scale: numbers(x.scale)[0], zero: numbers(x.zero)[0] };
    return { k: "flt", x: b.node(op(), { ...a, quant }, [x.q])[0] };
  };
}
