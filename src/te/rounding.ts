/**
 * The two rounding steps of quantised arithmetic (DESIGN: arithmetic). Definitions always go through
 * these functions, so that a target can print them as the instructions that it has for them.
 */
import {
  add,
  bin,
  bits,
  call,
  cast,
  clamp,
  type Expr,
  imm,
  lt,
  mul,
  rint,
  select,
  sub,
  variable,
} from "./expr.ts";
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

function shiftClampFunction(): ScalarFn {
  const x = variable("x"), shift = variable("shift");
  const lo = variable("lo"), hi = variable("hi");
  return {
    name: "shift_clamp",
    dtype: "int32",
    def: {
      kind: "code",
      params: [x, shift, lo, hi],
      lets: [],
      result: clamp(bin("shr", x, shift), lo, hi),
    },
  };
}

/** `shift_clamp(x int32, shift int32, lo int32, hi int32)`: floor(x ÷ 2^shift), saturated to [lo, hi]. */
export const SHIFT_CLAMP: ScalarFn = shiftClampFunction();

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

/** Bits behind the point of {@link REQUANTIZE_WORD}'s products. */
export const WORD_SHIFT = 2;

function requantizeWordFunction(): ScalarFn {
  const acc = variable("acc"), word = variable("word");
  const zero = variable("zero"), lo = variable("lo"), hi = variable("hi");
  const wide = (e: Expr): Expr => cast("int64", e);
  const offset = add(mul(zero, 2 ** WORD_SHIFT), 2 ** (WORD_SHIFT - 1));
  const sum = sub(mul(wide(offset), imm(2 ** 32, "int64")), mul(wide(acc), wide(word)));
  const fixed = cast("int32", bin("shr", sum, imm(32 + WORD_SHIFT, "int64")));
  const x = mul(cast("float32", acc), bits("float32", word));
  const bounds = [cast("float32", sub(lo, zero)), cast("float32", sub(hi, zero))] as const;
  const float = add(cast("int32", rint(clamp(x, ...bounds))), zero);
  return {
    name: "requantize_word",
    dtype: "int32",
    def: {
      kind: "code",
      params: [acc, word, zero, lo, hi],
      lets: [],
      result: select(lt(word, 0), clamp(fixed, lo, hi), float),
    },
  };
}

/**
 * `requantize_word(acc int32, word int32, zero int32, lo int32, hi int32)`: {@link REQUANTIZE} by a
 * word that holds the bits of a scale or, negative, minus the multiplier of a fixed-point product with
 * `WORD_SHIFT` bits behind the point, which gives the same (util/fixed_point.ts).
 */
export const REQUANTIZE_WORD: ScalarFn = requantizeWordFunction();

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
