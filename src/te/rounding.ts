/**
 * The two rounding steps of quantised arithmetic (DESIGN: arithmetic). Definitions always go through
 * these functions, so that a target can print them as the instructions that it has for them.
 */
import { add, call, cast, clamp, type Expr, mul, rint, variable } from "./expr.ts";
import type { ScalarFn } from "./functions.ts";

function requantizeFunction(): ScalarFn {
  const acc = variable("acc"), scale = variable("scale", "float32");
  const lo = variable("lo"), hi = variable("hi");
  const x = variable("x", "float32");
  return {
    name: "requantize",
    dtype: "int32",
    def: {
      kind: "code",
      params: [acc, scale, lo, hi],
      lets: [[x, mul(cast("float32", acc), scale)]],
      result: cast("int32", rint(clamp(x, cast("float32", lo), cast("float32", hi)))),
    },
  };
}

function roundClampFunction(): ScalarFn {
  const x = variable("x", "float32"), lo = variable("lo"), hi = variable("hi");
  return {
    name: "round_clamp",
    dtype: "int32",
    def: {
      kind: "code",
      params: [x, lo, hi],
      lets: [],
      result: clamp(cast("int32", rint(x)), lo, hi),
    },
  };
}

/** `requantize(acc int32, scale float32, lo int32, hi int32)`: rint(clamp(float32(acc) × scale, lo, hi)). */
export const REQUANTIZE: ScalarFn = requantizeFunction();

/** `round_clamp(x float32, lo int32, hi int32)`: clamp(rint(x), lo, hi); NaN counts as 0. */
export const ROUND_CLAMP: ScalarFn = roundClampFunction();

/**
 * An accumulator (int32 or int64) times a scale, rounded half to even into [lo, hi] relative to the
 * zero point, then moved by the zero point: int32.
 */
export function requantize(acc: Expr, scale: Expr, lo: Expr, hi: Expr, zero: Expr): Expr {
  const r = acc.dtype === "int64"
    ? call(ROUND_CLAMP, mul(cast("float32", acc), scale), lo, hi)
    : call(REQUANTIZE, acc, scale, lo, hi);
  return add(r, zero);
}

/** A float rounded half to even into [lo, hi] relative to the zero point, then moved by it: int32. */
export const quantize = (x: Expr, lo: Expr, hi: Expr, zero: Expr): Expr =>
  add(call(ROUND_CLAMP, x, lo, hi), zero);
