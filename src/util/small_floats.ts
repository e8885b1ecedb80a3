/** Floats that are stored in 16 bits: their bit patterns as numbers, and back. */
import type { DType } from "./dtype.ts";
import type { TensorData } from "./tensor.ts";

const SCRATCH = new DataView(new ArrayBuffer(8));

/** The float32 with these bits. */
function float32Of(bits: number): number {
  SCRATCH.setUint32(0, bits);
  return SCRATCH.getFloat32(0);
}

/** The value of a float16's bit pattern. */
export function float16Value(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1, exponent = (bits >> 10) & 31, fraction = bits & 1023;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : fraction * 2 ** -24);
}

const VALUES: Partial<Record<DType, (bits: number) => number>> = {
  float16: float16Value,
  bfloat16: (bits) => float32Of(bits << 16 >>> 0),
};

/** The elements of a float tensor as numbers. */
export function floatNumbers(t: TensorData): number[] {
  const value = VALUES[t.dtype] ?? ((x: number) => x);
  return Array.from(t.data as ArrayLike<number>, value);
}
