/** Floats that are stored in at most 16 bits: their bit patterns as numbers. */
import type { DType } from "./dtype.ts";
import type { TensorData } from "./tensor.ts";

/** How a small float is laid out: sign, exponent, fraction, from the top. */
export interface FloatFormat {
  readonly exponentBits: number;
  readonly fractionBits: number;
  readonly bias: number;
  /**
   * What the highest patterns mean: `ieee` infinities and NaN, `fn` the very highest is NaN, `uz`
   * negative zero is NaN, `none` all are numbers.
   */
  readonly special: "ieee" | "fn" | "uz" | "none";
}

/** The formats with a sign; float8e8m0 is an exponent alone. */
export const FLOAT_FORMATS: Readonly<Partial<Record<DType, FloatFormat>>> = {
  float16: { exponentBits: 5, fractionBits: 10, bias: 15, special: "ieee" },
  bfloat16: { exponentBits: 8, fractionBits: 7, bias: 127, special: "ieee" },
  float8e4m3fn: { exponentBits: 4, fractionBits: 3, bias: 7, special: "fn" },
  float8e4m3fnuz: { exponentBits: 4, fractionBits: 3, bias: 8, special: "uz" },
  float8e5m2: { exponentBits: 5, fractionBits: 2, bias: 15, special: "ieee" },
  float8e5m2fnuz: { exponentBits: 5, fractionBits: 2, bias: 16, special: "uz" },
  float4e2m1: { exponentBits: 2, fractionBits: 1, bias: 1, special: "none" },
};

/** The pattern of the largest finite number, without its sign. */
export function largestPattern({ exponentBits, fractionBits, special }: FloatFormat): number {
  const all = 2 ** (exponentBits + fractionBits) - 1;
  return special === "ieee" ? all - 2 ** fractionBits : special === "fn" ? all - 1 : all;
}

/** The value of a bit pattern. */
export function smallFloat(dtype: DType, bits: number): number {
  if (dtype === "float8e8m0") return bits === 255 ? NaN : 2 ** (bits - 127);
  const f = FLOAT_FORMATS[dtype];
  if (!f) return bits;
  const magnitudeBits = f.exponentBits + f.fractionBits;
  const magnitude = bits & (2 ** magnitudeBits - 1), negative = bits >> magnitudeBits !== 0;
  if (f.special === "uz" && negative && magnitude === 0) return NaN;
  if (magnitude > largestPattern(f)) {
    const infinite = f.special === "ieee" && magnitude === largestPattern(f) + 1;
    return infinite ? negative ? -Infinity : Infinity : NaN;
  }
  const exponent = magnitude >> f.fractionBits;
  const fraction = (magnitude & (2 ** f.fractionBits - 1)) / 2 ** f.fractionBits;
  const value = exponent === 0
    ? fraction * 2 ** (1 - f.bias)
    : (1 + fraction) * 2 ** (exponent - f.bias);
  return negative ? -value : value;
}

/** The elements of a float tensor as numbers. */
export const floatNumbers = (t: TensorData): number[] =>
  Array.from(t.data as ArrayLike<number>, (x) => smallFloat(t.dtype, x));
