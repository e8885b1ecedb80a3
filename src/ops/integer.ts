/**
 * What integer convolution and matrix multiplication share: zero points, and the step from two
 * dequantised operands to exact accumulators (DESIGN: arithmetic).
 */
import { BurinError } from "../util/errors.ts";
import { DTYPES } from "../util/dtype.ts";
import { roundEven } from "../util/integers.ts";
import { numbers, tensor, type TensorData } from "../util/tensor.ts";
import type { Tensor } from "../te/compute.ts";
import { cast, type Expr, imm, load, sub, type Var } from "../te/expr.ts";
import type { Builder } from "../ir/build.ts";
import { dims, type Value } from "../ir/graph.ts";
import type { Deq, QuantContext, Rep } from "../ir/quant.ts";

/** How an operator treats stored integers; of no effect on floats. */
export interface IntegerAttrs {
  /** Zero points, where they are not inputs. */
  readonly xZero: number;
  readonly wZero: number;
  /** Type of the accumulator. */
  readonly acc: "int32" | "int64";
}

/** `e` minus its zero point: a tensor ([], [1], or indexed by `at`) or else a number. */
export function zeroPoint(
  e: Expr,
  zero: number,
  tensor: Tensor | null | undefined,
  at: readonly Var[],
): Expr {
  if (!tensor) return zero === 0 ? e : sub(e, imm(zero, e.dtype));
  const rank = tensor.shape.length;
  const idx = at.slice(at.length - Math.min(rank, at.length));
  const full = [...Array<Expr>(rank - idx.length).fill(imm(0)), ...idx];
  return sub(
    e,
    cast(e.dtype, load(tensor, full.map((v, i) => tensor.shape[i] === 1 ? imm(0) : v))),
  );
}

/** What becomes of zero points that are inputs: numbers or folded where they are constant. */
export interface Zeros {
  readonly w: Value;
  readonly attrs: Pick<IntegerAttrs, "xZero" | "wZero">;
  /** Those that are only known at run time. */
  readonly inputs: readonly [Value | null, Value | null];
}

/** Takes constant zero points out of the way. */
export function constantZeros(
  b: Builder,
  w: Value,
  [zx, zw]: readonly [Value | null, Value | null],
  channelAxis: number,
): Zeros {
  const single = (z: Value | null): number | null =>
    !z ? 0 : z.data?.data.length === 1 ? Number(z.data.data[0]) : null;
  const x = single(zx), known = single(zw);
  const folded = w.data && zw?.data && foldZero(w.data, numbers(zw.data), channelAxis);
  return {
    w: folded && folded !== w.data ? b.constant(folded, w.name) : w,
    attrs: { xZero: x ?? 0, wZero: folded ? 0 : known ?? 0 },
    inputs: [x === null ? zx : null, folded || known !== null ? null : zw],
  };
}

/** Operands of a sum of products, as representations. */
export interface Operands {
  readonly x: Deq;
  readonly w: Deq;
  readonly bias: Rep | null;
  /** Products in one output element. */
  readonly terms: number;
  /** The axis of `w` that its outputs run along. */
  readonly channelAxis: number;
}

/** Integer operands of a sum of products. */
export interface Accumulation {
  readonly x: Value;
  readonly w: Value;
  readonly bias: Value | null;
  readonly attrs: IntegerAttrs;
  /** float32(sx·sw): [] or one for every channel. */
  readonly scale: TensorData;
}

const NARROW = new Set(["int8", "uint8", "int16", "uint16"]);
/** A bias whose scale differs from sx·sw by less than this is taken as it is. */
const TOLERANCE = 1e-5;

/**
 * Turns dequantised operands into stored integers: folds the weights' zero point, brings the bias to
 * the accumulator's scale, and takes the narrowest accumulator that the worst case fits.
 *
 * @returns null where the operands do not have an exact integer form
 */
export function accumulate(o: Operands, ctx: QuantContext): Accumulation | null {
  const { x, w } = o;
  if (!NARROW.has(x.q.type.dtype) || !NARROW.has(w.q.type.dtype)) return null;
  if (x.scale.data.length !== 1 || x.zero.data.length !== 1) return null;
  const channels = dims(w.q.type)[o.channelAxis];
  const perChannel = w.scale.data.length > 1 || w.zero.data.length > 1;
  if (perChannel && normal(w.axis, w.q.type.shape.length) !== o.channelAxis) return null;
  const sx = Number(x.scale.data[0]), xZero = Number(x.zero.data[0]);
  const sw = numbers(w.scale), wZero = numbers(w.zero);

  const bias = biasIntegers(o.bias, channels, sx, sw);
  if (bias === undefined) return null;
  const range = reach(x.q, xZero);
  const folded = w.q.data && foldZero(w.q.data, wZero, o.channelAxis);
  if (!folded && wZero.some((z) => z !== wZero[0])) return null;
  const extremes = folded
    ? worstCase(folded, o.channelAxis, range)
    : [-1, 1].map((sign) => [sign * o.terms * widest(range) * widest(reach(w.q, wZero[0]))]);
  const fits = extremes.every((e) =>
    Array.from({ length: channels }, (_, c) => e[e.length === 1 ? 0 : c] + Number(bias?.[c] ?? 0))
      .every((v) => v >= -(2 ** 31) && v <= 2 ** 31 - 1)
  );
  const acc = fits ? "int32" as const : "int64" as const;
  const scales = sw.map((s) => Math.fround(sx * s));
  const uniform = scales.every((s) => s === scales[0]);
  return {
    x: x.q,
    w: !folded ? w.q : folded === w.q.data ? w.q : ctx.b.constant(folded, w.q.name),
    bias: bias && ctx.b.constant(tensor(acc, [channels], bias), biasName(o.bias)),
    attrs: { xZero, wZero: folded ? 0 : wZero[0], acc },
    scale: tensor("float32", uniform ? [] : [scales.length], uniform ? [scales[0]] : scales),
  };
}

const normal = (axis: number, rank: number): number => axis < 0 ? axis + rank : axis;
const widest = ([lo, hi]: readonly [number, number]): number => Math.max(-lo, hi);
const biasName = (r: Rep | null): string | undefined =>
  r?.k === "deq" ? r.q.name : r?.k === "flt" ? r.x.name : undefined;

/** Smallest and largest q − zero that a tensor can hold; both sides include 0 (padding). */
function reach(q: Value, zero: number): readonly [number, number] {
  const { min, max } = DTYPES[q.type.dtype];
  return [Math.min(Number(min) - zero, 0), Math.max(Number(max) - zero, 0)];
}

/** Index of the channel of every element in turn. */
function channelOf(shape: readonly number[], axis: number): (i: number) => number {
  const inner = shape.slice(axis + 1).reduce((a, b) => a * b, 1);
  return (i) => Math.floor(i / inner) % shape[axis];
}

/** Weights minus their zero points, as int8 where they fit, else int16, else int32. */
function foldZero(w: TensorData, zero: readonly number[], axis: number): TensorData {
  if (zero.every((z) => z === 0) && w.dtype === "int8") return w;
  const channel = channelOf(w.shape, axis);
  const values = numbers(w).map((q, i) => q - zero[zero.length === 1 ? 0 : channel(i)]);
  let lo = 0, hi = 0;
  for (const v of values) {
    lo = Math.min(lo, v);
    hi = Math.max(hi, v);
  }
  const fits = (["int8", "int16", "int32"] as const).find((d) =>
    lo >= Number(DTYPES[d].min) && hi <= Number(DTYPES[d].max)
  )!;
  return tensor(fits, w.shape, values);
}

/** Lower and upper bound of every channel's sum of products, whatever the order of the terms. */
function worstCase(
  w: TensorData,
  axis: number,
  [a, b]: readonly [number, number],
): readonly number[][] {
  const lo = new Array<number>(w.shape[axis]).fill(0), hi = [...lo];
  const channel = channelOf(w.shape, axis);
  numbers(w).forEach((v, i) => {
    const c = channel(i);
    lo[c] += v > 0 ? v * a : v * b;
    hi[c] += v > 0 ? v * b : v * a;
  });
  // Other axes before the channel (batched matrices) are summed in, which only widens the bound.
  return [lo, hi];
}

/** The bias in units of sx·sw; null where there is none, undefined where it has no such form. */
function biasIntegers(
  r: Rep | null,
  channels: number,
  sx: number,
  sw: readonly number[],
): bigint[] | null | undefined {
  if (!r) return null;
  const data = r.k === "deq" ? r.q.data : r.k === "flt" ? r.x.data : undefined;
  if (!data || (data.data.length !== channels && data.data.length !== 1)) return undefined;
  const at = (xs: readonly number[], c: number): number => xs[xs.length === 1 ? 0 : c];
  const stored = numbers(data);
  const scale = r.k === "deq" ? numbers(r.scale) : [1];
  const zero = r.k === "deq" ? numbers(r.zero) : [0];
  const units = scale.length > sw.length ? scale.map((_, c) => at(sw, c)) : sw;
  const asIs = r.k === "deq" && units.every((s, c) => {
    const product = Math.fround(sx * s);
    return Math.abs(at(scale, c) - product) <= TOLERANCE * product;
  });
  return Array.from({ length: channels }, (_, c) => {
    const b = at(stored, c) - at(zero, c);
    if (asIs) return BigInt(b);
    const v = roundEven(b * at(scale, c) / (sx * at(sw, c)));
    if (Math.abs(v) < 2 ** 62) return BigInt(v);
    throw new BurinError(
      "model/bad-scale",
      `Cannot quantise the bias ${biasName(r)} as its value ${b * at(scale, c)} is too large ` +
        `for the scale ${sx * at(sw, c)} of the accumulator`,
      "quantise the model again with a calibration set that covers its inputs",
    );
  });
}
