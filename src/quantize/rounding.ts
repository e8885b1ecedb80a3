/** From float weights to int8: a scale a row, and the rounding that costs the output least. */

/** int8 weights are symmetric: −127 to 127, so that no product of a pair saturates; int4 ones too. */
export const WEIGHT_MAX: Readonly<Record<WeightType, number>> = { int8: 127, int4: 7 };

/** Element types of weights. */
export type WeightType = "int8" | "int4";

/** Fractions of a row's largest weight that are tried as its range. */
const CLIPS = Array.from({ length: 17 }, (_, i) => 1 - i / 40);

/** Part of the mean diagonal that is added to make the matrix regular. */
const DAMPING = 0.01;

const round = (v: number, most: number): number => Math.max(-most, Math.min(most, Math.round(v)));

/** A symmetric matrix, row by row. */
type Matrix = Float64Array;

/** Xᵀ·X / n of `count` columns of `width` operands. */
export function secondMoments(columns: Float32Array, count: number, width: number): Matrix {
  const h = new Float64Array(width * width);
  for (let n = 0; n < count; n++) {
    const x = columns.subarray(n * width, (n + 1) * width);
    for (let i = 0; i < width; i++) {
      const v = x[i] / count;
      if (v === 0) continue;
      for (let j = 0; j <= i; j++) h[i * width + j] += v * x[j];
    }
  }
  for (let i = 0; i < width; i++) for (let j = 0; j < i; j++) h[j * width + i] = h[i * width + j];
  return h;
}

/** Scale of a row that leaves the least error, each weight weighed by the size of its operand. */
export function rowScale(row: Float32Array, h: Matrix | null, type: WeightType = "int8"): number {
  const width = row.length, steps = WEIGHT_MAX[type];
  let most = 0;
  for (const v of row) most = Math.max(most, Math.abs(v));
  if (most === 0) return 0;
  if (h === null) return Math.fround(most / steps);
  let best = 0, least = Infinity;
  for (const clip of CLIPS) {
    const scale = Math.fround(most * clip / steps);
    let error = 0;
    for (let k = 0; k < width; k++) {
      const e = row[k] - round(row[k] / scale, steps) * scale;
      error += h[k * width + k] * e * e;
    }
    if (error < least) [best, least] = [scale, error];
  }
  return best;
}

/** Rounds each weight to the nearest. */
export const nearest = (
  row: Float32Array,
  scale: number,
  type: WeightType = "int8",
): Int8Array => Int8Array.from(row, (v) => scale === 0 ? 0 : round(v / scale, WEIGHT_MAX[type]));

/**
 * The triangle that {@link compensated} needs: the Cholesky factor U of the damped H⁻¹ = Uᵀ·U, in
 * an order of the operands, the largest first.
 */
export interface Compensation {
  readonly order: readonly number[];
  readonly upper: Matrix;
}

/** Prepares the rounding of all rows that read the same operands. */
export function compensationOf(h: Matrix, width: number): Compensation {
  const order = Array.from({ length: width }, (_, k) => k)
    .sort((a, b) => h[b * width + b] - h[a * width + a] || a - b);
  let trace = 0;
  for (let k = 0; k < width; k++) trace += h[k * width + k];
  const damping = DAMPING * trace / width || 1;
  const m = new Float64Array(width * width);
  for (let i = 0; i < width; i++) {
    for (let j = 0; j < width; j++) {
      m[i * width + j] = h[order[i] * width + order[j]] + (i === j ? damping : 0);
    }
  }
  return { order, upper: inverseFactor(m, width) };
}

/** Lower Cholesky factor of a positive definite matrix. */
function cholesky(m: Matrix, n: number): Matrix {
  const l = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = m[i * n + j];
      for (let k = 0; k < j; k++) sum -= l[i * n + k] * l[j * n + k];
      l[i * n + j] = i === j ? Math.sqrt(Math.max(sum, 1e-300)) : sum / l[j * n + j];
    }
  }
  return l;
}

/** U of M⁻¹ = Uᵀ·U, U upper triangular. */
function inverseFactor(m: Matrix, n: number): Matrix {
  // With J the reversal, J·M·J = L·Lᵀ gives M = (J·L·J)·(J·L·J)ᵀ, an upper factor; its inverse is U.
  const reversed = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) reversed[i * n + j] = m[(n - 1 - i) * n + (n - 1 - j)];
  }
  const l = cholesky(reversed, n);
  const inverse = new Float64Array(n * n);
  for (let j = 0; j < n; j++) {
    inverse[j * n + j] = 1 / l[j * n + j];
    for (let i = j + 1; i < n; i++) {
      let sum = 0;
      for (let k = j; k < i; k++) sum -= l[i * n + k] * inverse[k * n + j];
      inverse[i * n + j] = sum / l[i * n + i];
    }
  }
  const upper = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) upper[i * n + j] = inverse[(n - 1 - i) * n + (n - 1 - j)];
  }
  return upper;
}

/**
 * Rounds weight after weight and lets those that are still open make up for the error (Frantar et
 * al., "GPTQ", 2022: optimal brain quantisation in a fixed order).
 */
export function compensated(
  row: Float32Array,
  scale: number,
  c: Compensation,
  type: WeightType = "int8",
): Int8Array {
  const { order, upper } = c, width = row.length;
  const open = Float64Array.from(order, (k) => row[k]);
  const out = new Int8Array(width);
  if (scale === 0) return out;
  for (let i = 0; i < width; i++) {
    const q = round(open[i] / scale, WEIGHT_MAX[type]);
    out[order[i]] = q;
    const error = (open[i] - q * scale) / upper[i * width + i];
    for (let j = i + 1; j < width; j++) open[j] -= error * upper[i * width + j];
  }
  return out;
}

/** Mean squared error of a row's results: Δᵀ·H·Δ. */
export function rowError(row: Float32Array, q: Int8Array, scale: number, h: Matrix): number {
  const width = row.length;
  const delta = Float64Array.from(row, (v, k) => v - q[k] * scale);
  let sum = 0;
  for (let i = 0; i < width; i++) {
    let inner = 0;
    for (let j = 0; j < width; j++) inner += h[i * width + j] * delta[j];
    sum += delta[i] * inner;
  }
  return sum;
}
