/**
 * The two rounding steps of quantised arithmetic (DESIGN: arithmetic). Definitions always go through
 * these functions, so that a target can print them as the instructions that it has for them.
 */
import { add, call, cast, clamp, type Expr, mul, rint, sub, variable } from "./expr.ts";
import type { ScalarFn } from "./functions.ts";

function requantizeFunction(): ScalarFn {
  const acc = variable("acc"), scale = variable("scale", "float32");
  const zero = variable("zero"), lo = variable("lo"), hi = variable("hi");
  const x = variable("x", "float32");
  const bounds = [cast("float32", sub(lo, zero)), cast("float32", sub(hi, zero))] as const;
  return {
    name: "requantize",
    dtype: "int32",
    def: {
      kind: "code",
      params: [acc, scale, zero, lo, hi],
      lets: [[x, mul(cast("float32", acc), scale)]],
      result: add(cast("int32", rint(clamp(x, ...bounds))), zero),
    },
  };
}

function roundClampFunction(): ScalarFn {
  const x = variable("x", "float32");
  const zero = variable("zero"), lo = variable("lo"), hi = variable("hi");
  return {
    name: "round_clamp",
    dtype: "int32",
    def: {
      kind: "code",
      params: [x, zero, lo, hi],
      lets: [],
      result: add(clamp(cast("int32", rint(x)), sub(lo, zero), sub(hi, zero)), zero),
    },
  };
}

/**
 * `requantize(acc int32, scale float32, zero int32, lo int32, hi int32)`:
 * rint(float32(acc) × scale) + zero, saturated to [lo, hi]. The scale is positive and finite.
 */
export const REQUANTIZE: ScalarFn = requantizeFunction();

/**
 * `round_clamp(x float32, zero int32, lo int32, hi int32)`: rint(x) + zero, saturated to [lo, hi];
 * NaN counts as 0.
 */
export const ROUND_CLAMP: ScalarFn = roundClampFunction();

/**
 * An accumulator (int32 or int64) times a scale, rounded half to even, moved by the zero point and
 * saturated to [lo, hi]: int32.
 */
export const requantize = (acc: Expr, scale: Expr, zero: Expr, lo: Expr, hi: Expr): Expr =>
  acc.dtype === "int64"
    ? call(ROUND_CLAMP, mul(cast("float32", acc), scale), zero, lo, hi)
    : call(REQUANTIZE, acc, scale, zero, lo, hi);

/** A float rounded half to even, moved by the zero point and saturated to [lo, hi]: int32. */
export const quantize = (x: Expr, zero: Expr, lo: Expr, hi: Expr): Expr =>
  call(ROUND_CLAMP, x, zero, lo, hi);
