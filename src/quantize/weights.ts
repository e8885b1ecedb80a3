/** A layer's weights and bias as integers. */
import { intRange } from "../util/dtype.ts";
import { sizeOf, tensor, type TensorData } from "../util/tensor.ts";
import type { Columns } from "./columns.ts";
import type { Layer } from "./plan.ts";
import type { Params } from "./ranges.ts";
import {
  compensated,
  compensationOf,
  nearest,
  rowError,
  rowScale,
  secondMoments,
  WEIGHT_MAX,
  type WeightType,
} from "./rounding.ts";

/** How weights are rounded. */
export interface WeightOptions {
  /** Element type of the weights. */
  readonly weights: WeightType;
  /** A scale for each channel of a weight instead of one for all. */
  readonly perChannel: boolean;
  /** `nearest`, or `compensated` where it leaves less error on the samples. */
  readonly rounding: "nearest" | "compensated";
  /** Move the mean error of each channel into the bias. */
  readonly correctBias: boolean;
}

/** The constants of a quantised layer. */
export interface QuantLayer {
  /** int8 or int4, of the float weight's shape. */
  readonly weight: TensorData;
  /** Scale per index of the weight's axis, or one for all. */
  readonly scales: Float32Array;
  /** The float bias after correction; null where there is none and nothing can take one. */
  readonly bias: Float32Array | null;
  /** Signal to noise of the layer's results on the samples, alone, in dB. */
  readonly snr: number;
}

/** Widest product that compensation is worth its cubic time for. */
const WIDEST = 2304;

/** Largest bias in steps of its scale, half of what int32 holds. */
const BIAS_STEPS = 2 ** 30;

/**
 * Quantises one layer.
 *
 * @param columns what it reads, in float; @param input how its input is quantised
 */
export function quantizeLayer(
  layer: Layer,
  weight: TensorData,
  bias: Float32Array | null,
  columns: Columns,
  input: Params,
  options: WeightOptions,
): QuantLayer {
  const type = options.weights;
  const rows = rowsOf(weight, layer.weightAxis);
  const { width } = columns.reading, { count } = columns;
  const perGroup = rows.length / columns.reading.groups;
  const compensate = options.rounding === "compensated" && width <= WIDEST;
  const fake = (x: Float32Array) => fakeQuantised(x, input);
  const shared = options.perChannel
    ? 0
    : Math.max(...rows.map((r) => Math.max(...r.map(Math.abs)))) / WEIGHT_MAX[type];
  const scales = new Float32Array(rows.length), out: Int8Array[] = [];
  const means = new Float64Array(rows.length);
  let signal = 0, noise = 0;
  for (let group = 0; group < columns.reading.groups; group++) {
    const real = columns.groups[group].subarray(0, count * width), quantised = fake(real);
    const inside = clamped(real, input);
    const h = width <= WIDEST ? secondMoments(quantised, count, width) : null;
    const compensation = compensate && h ? compensationOf(h, width) : null;
    for (let r = group * perGroup; r < (group + 1) * perGroup; r++) {
      const row = rows[r];
      const scale = atLeast(
        options.perChannel ? rowScale(row, h, type) : shared,
        bias?.[r] ?? 0,
        input,
      );
      const plain = nearest(row, scale, type);
      const better = compensation && compensated(row, scale, compensation, type);
      const q = better && rowError(row, better, scale, h!) < rowError(row, plain, scale, h!)
        ? better
        : plain;
      scales[r] = scale;
      out.push(q);
      const e = errorOf(row, q, scale, { real, inside, quantised, count });
      means[r] = e.mean;
      signal += e.signal;
      noise += e.noise - (options.correctBias ? (2 * e.sum - e.mean * count) * e.mean : 0);
    }
  }
  const canCorrect = layer.bias !== null || layer.role.bias !== null;
  const corrected = options.correctBias && canCorrect
    ? Float32Array.from(means, (m, r) => (bias?.[r] ?? 0) + m)
    : bias;
  return {
    weight: fromRows(out, weight, layer.weightAxis, type),
    scales: options.perChannel ? scales : scales.slice(0, 1),
    bias: corrected,
    snr: 10 * Math.log10(signal / Math.max(noise, Number.MIN_VALUE)),
  };
}

/** The scale of a row, wide enough for its bias to fit in int32; zero rows get one that does. */
function atLeast(scale: number, bias: number, input: Params): number {
  const least = Math.abs(bias) / (BIAS_STEPS * input.scale);
  return Math.fround(Math.max(scale, least, 1e-10));
}

/** The weight as one list of operands for each result, in the order of the columns. */
export function rowsOf({ shape, data }: TensorData, axis: number): Float32Array[] {
  const all = data as Float32Array, n = shape[axis], width = sizeOf(shape) / n;
  if (axis === 0) {
    return Array.from({ length: n }, (_, r) => all.slice(r * width, (r + 1) * width));
  }
  return Array.from(
    { length: n },
    (_, r) => Float32Array.from({ length: width }, (_, k) => all[k * n + r]),
  );
}

function fromRows(
  rows: readonly Int8Array[],
  { shape }: TensorData,
  axis: number,
  type: WeightType,
): TensorData {
  const width = rows[0].length, n = rows.length;
  const values = axis === 0
    ? rows.flatMap((r) => [...r])
    : Array.from({ length: n * width }, (_, i) => rows[i % n][Math.floor(i / n)]);
  return tensor(type, shape, values);
}

function clamped(x: Float32Array, { scale, zero, dtype }: Params): Float32Array {
  const { min, max } = intRange(dtype);
  // Half a step beyond an end is rounding like any other.
  const low = (min - zero - 0.5) * scale, high = (max - zero + 0.5) * scale;
  return x.map((v) => Math.max(low, Math.min(high, v)));
}

/** Values as they are behind QuantizeLinear and DequantizeLinear. */
export function fakeQuantised(
  x: Float32Array,
  { scale, zero, dtype }: Params,
): Float32Array {
  const { min, max } = intRange(dtype);
  return x.map((v) => Math.max(min - zero, Math.min(max - zero, Math.round(v / scale))) * scale);
}

/** Signal, noise, errors summed and the error that a bias mends, of a row's results over the columns. */
function errorOf(
  row: Float32Array,
  q: Int8Array,
  scale: number,
  { real, inside, quantised, count }: {
    readonly real: Float32Array;
    /** The same, cut at the ends of the range: what is clipped is no error that a bias could mend. */
    readonly inside: Float32Array;
    readonly quantised: Float32Array;
    readonly count: number;
  },
): { mean: number; sum: number; signal: number; noise: number } {
  const width = row.length;
  let sum = 0, mean = 0, signal = 0, noise = 0;
  for (let n = 0, i = 0; n < count; n++) {
    let y = 0, z = 0, within = 0;
    for (let k = 0; k < width; k++, i++) {
      y += row[k] * real[i];
      within += row[k] * inside[i];
      z += q[k] * quantised[i];
    }
    const e = y - z * scale;
    sum += e;
    mean += (within - z * scale) / count;
    signal += y * y;
    noise += e * e;
  }
  return { mean, sum, signal, noise };
}
