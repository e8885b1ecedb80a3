/** From statistics to scale and zero point. */
import { DTYPES } from "../util/dtype.ts";
import type { Statistics } from "./statistics.ts";

/** How the range of an activation is chosen. */
export type Method = "minmax" | "percentile" | "mse" | "entropy";

/** All methods. */
export const METHODS: readonly Method[] = ["minmax", "percentile", "mse", "entropy"];

/** Element types of quantised activations. */
export type ActivationType = "int8" | "uint8";

/** Element types of tensors: those that need it are wider than the others. */
export type QuantType = ActivationType | "int16";

/** Parameters of a quantised tensor: value = (q − zero)·scale. */
export interface Params {
  readonly dtype: QuantType;
  /** A float32. */
  readonly scale: number;
  readonly zero: number;
}

/** How ranges become parameters. */
export interface RangeOptions {
  readonly method: Method;
  /** Percent of the values that `percentile` keeps inside. */
  readonly percentile: number;
  readonly dtype: ActivationType;
  /** The zero point lies in the middle of the type. */
  readonly symmetric: boolean;
}

/** What a tensor's integers cover. */
export type Range = readonly [low: number, high: number];

/** Smallest scale: below it float32 quotients lose their meaning. */
const LEAST_SCALE = 1e-12;

/** Largest int16. */
const WIDE_MAX = 2 ** 15 - 1;

/**
 * Scale and zero point that cover a range; zero is always exact (padding depends on it).
 * `scale = (high − low)/255`, `zero = round(least − low/scale)` (ONNX, DynamicQuantizeLinear).
 */
export function paramsOf([low, high]: Range, dtype: ActivationType, symmetric: boolean): Params {
  const least = Number(DTYPES[dtype].min), most = Number(DTYPES[dtype].max);
  if (symmetric) {
    const zero = dtype === "int8" ? 0 : 128;
    const scale = Math.max(Math.abs(low), Math.abs(high)) / 127;
    return { dtype, scale: Math.fround(Math.max(scale, LEAST_SCALE)), zero };
  }
  const [from, to] = [Math.min(low, 0), Math.max(high, 0)];
  const scale = Math.fround(Math.max((to - from) / (most - least), LEAST_SCALE));
  return { dtype, scale, zero: Math.max(least, Math.min(most, Math.round(least - from / scale))) };
}

/**
 * The same for int16: symmetric, so that products need no zero point, and over all that was seen, as
 * its steps are fine enough.
 */
export function wideParamsOf(low: number, high: number): Params {
  const scale = Math.max(Math.abs(low), Math.abs(high)) / WIDE_MAX;
  return { dtype: "int16", scale: Math.fround(Math.max(scale, LEAST_SCALE)), zero: 0 };
}

/** The range of a tensor by a method. */
export function rangeOf(
  s: Statistics,
  { method, percentile, dtype, symmetric }: RangeOptions,
): Range {
  if (!(s.max > s.min) || s.width === 0) return [Math.min(0, s.min), Math.max(0, s.max)];
  switch (method) {
    case "minmax":
      return [s.min, s.max];
    case "percentile":
      return percentileRange(s, percentile);
    case "mse":
      return bestClip(s, (range) => squaredError(s, paramsOf(range, dtype, symmetric), dtype));
    case "entropy":
      return bestClip(s, (range) => divergence(s, range));
  }
}

/** The range that leaves out half of `100 − percent` percent of the values on each side. */
function percentileRange(s: Statistics, percent: number): Range {
  const outside = s.count * (100 - percent) / 200;
  let low = s.min, high = s.max, below = 0;
  for (const [value, n] of s.values()) {
    if (below <= outside) low = value;
    below += n;
    if (below <= s.count - outside) high = value;
  }
  // A side without outliers keeps its end: half a bin is no outlier.
  return [
    low - s.min <= 2 * s.width ? s.min : low,
    s.max - high <= 2 * s.width ? s.max : high,
  ];
}

/** Fractions of the full range that are tried as clips. */
const CLIPS = Array.from({ length: 60 }, (_, i) => 1 - i / 64);

/** Shrinks the ends one after the other as long as the error falls. */
function bestClip(s: Statistics, error: (range: Range) => number): Range {
  let best: Range = [s.min, s.max], least = error(best);
  for (let round = 0; round < 2; round++) {
    for (const side of [1, 0]) {
      const from = best;
      for (const clip of CLIPS.slice(1)) {
        const range: Range = side === 1 ? [from[0], s.max * clip] : [s.min * clip, from[1]];
        if ((side === 1 ? s.max : -s.min) <= 0) break;
        const e = error(range);
        if (e < least) [best, least] = [range, e];
      }
    }
  }
  return best;
}

/** Sum of squared differences that quantising the histogram makes. */
function squaredError(s: Statistics, { scale, zero }: Params, dtype: ActivationType): number {
  const least = Number(DTYPES[dtype].min) - zero, most = Number(DTYPES[dtype].max) - zero;
  let sum = 0;
  for (const [value, n] of s.values()) {
    const q = Math.max(least, Math.min(most, Math.round(value / scale)));
    const e = value - q * scale;
    // A bin is wider than a point: its own spread is no error of the parameters.
    sum += n * e * e;
  }
  return sum;
}

/** Levels and bins of the published method; finer ones measure the noise of few samples. */
const LEVELS = 128, COARSE = 8;

/**
 * Kullback-Leibler divergence between the histogram, clipped at the range's ends, and itself in 128
 * levels (Migacz, "8-bit inference with TensorRT", 2017).
 */
function divergence(s: Statistics, [low, high]: Range): number {
  const width = s.width * COARSE;
  const first = Math.floor(low / width), last = Math.max(first, Math.ceil(high / width) - 1);
  const bins = new Float64Array(last - first + 1);
  let below = 0, above = 0;
  for (const [value, n] of s.values()) {
    const bin = Math.floor(value / width) - first;
    if (bin < 0) below += n;
    else if (bin >= bins.length) above += n;
    else bins[bin] += n;
  }
  // Zero is exact in every range: what lies on it says nothing about the others.
  if (first <= 0 && -first < bins.length) bins[-first] = Math.max(0, bins[-first] - s.zeros);
  const total = s.count - s.zeros;
  const levelOf = (bin: number) => Math.floor(bin * LEVELS / Math.max(LEVELS, bins.length));
  const sums = new Float64Array(LEVELS), filled = new Float64Array(LEVELS);
  bins.forEach((n, bin) => {
    if (n === 0) return;
    sums[levelOf(bin)] += n;
    filled[levelOf(bin)]++;
  });
  const inside = bins.reduce((a, b) => a + b, 0);
  if (inside === 0) return Infinity;
  let sum = 0;
  bins.forEach((n, bin) => {
    const p = n + (bin === 0 ? below : 0) + (bin === bins.length - 1 ? above : 0);
    if (p === 0) return;
    const level = levelOf(bin);
    // A clipped end without values of its own would be infinitely far: half a value stands there.
    const q = n > 0 ? sums[level] / filled[level] : 0.5;
    sum += p / total * Math.log((p / total) / (q / inside));
  });
  return sum;
}
