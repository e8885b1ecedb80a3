/**
 * Channels whose contents no input can change. A channel is known as a plane, not as a number: behind
 * a padded convolution a constant that is not the zero point differs at the borders.
 */
import { intRange } from "../util/dtype.ts";
import { allocate, numbers, sizeOf, tensor, type TensorData } from "../util/tensor.ts";
import { dims, type Graph, type Node, type Value } from "../ir/graph.ts";
import { evaluateNode } from "../ir/evaluate.ts";
import {
  averagePool,
  clip,
  dequantizeLinear,
  maxPool,
  quantizeLinear,
  relu,
  type RequantizeAttrs,
  requantizeOp,
  table,
} from "../ops/mod.ts";
import { type Product, productOf } from "./products.ts";

/** The elements of a channel, row-major over its spatial axes. */
export type Plane = ArrayLike<number>;

export interface ChannelFacts {
  readonly products: ReadonlyMap<Node, Product>;
  /** By value, by channel; undefined where the channel depends on the input. */
  plane(v: Value, channel: number): Plane | undefined;
  /** The known input channels of a product that vanish into its bias. */
  folded(n: Node): ReadonlySet<number>;
  /** The bias with those folded in. */
  bias(n: Node): readonly number[];
}

/** Operators that keep channels apart and need nothing but their first input and constants. */
const CHANNELWISE = new Set<unknown>([
  averagePool,
  clip,
  dequantizeLinear,
  maxPool,
  quantizeLinear,
  relu,
  requantizeOp,
  table,
]);

/** Whether an operator treats every channel alike and apart. */
export const isChannelwise = (n: Node): boolean =>
  CHANNELWISE.has(n.op) && n.outs.length === 1 && n.ins.slice(1).every((v) => !v || v.data);

/** The one number of a plane, or undefined. */
export const uniform = (p: Plane | undefined): number | undefined => {
  if (!p) return undefined;
  for (let i = 1; i < p.length; i++) if (p[i] !== p[0]) return undefined;
  return p[0];
};

/** Finds the known channels of all values. */
export function channelFacts(g: Graph): ChannelFacts {
  const planes = new Map<Value, (Plane | undefined)[]>();
  const products = new Map<Node, Product>();
  const ranges = new Map<Value, readonly [number, number]>();
  const accRanges = new Map<Value, (readonly [number, number])[]>();
  const foldings = new Map<Node, { folded: Set<number>; bias: number[] }>();
  const plane = (v: Value, c: number): Plane | undefined => planes.get(v)?.[c];

  for (const n of g.nodes) {
    const p = productOf(n);
    if (p) {
      products.set(n, p);
      const x = n.ins[0]!, y = n.outs[0];
      const known = Array.from({ length: p.cin }, (_, c) => plane(x, c));
      const outs = knownOutputs(n, p, known);
      planes.set(y, outs);
      const fold = foldInputs(p, known, outs);
      foldings.set(n, fold);
      const range = ranges.get(x) ?? rangeOfType(x);
      if (range) accRanges.set(y, p.bias.map((_, co) => accumulatorRange(p, co, fold, range)));
    } else if (isChannelwise(n)) {
      planes.set(n.outs[0], channelwise(n, (c) => plane(n.ins[0]!, c), accRanges.get(n.ins[0]!)));
      if (n.op === requantizeOp) {
        const a = n.attrs as RequantizeAttrs;
        ranges.set(n.outs[0], [a.lo, a.hi]);
      }
    } else if (movesChannels(n)) planes.set(n.outs[0], planes.get(n.ins[0]!) ?? []);
  }
  return {
    products,
    plane,
    folded: (n) => foldings.get(n)!.folded,
    bias: (n) => foldings.get(n)!.bias,
  };
}

/** [1, C, 1, …] to [1, C] or back: the channels stay what they are. */
export function movesChannels(n: Node): boolean {
  const source = n.ins[0];
  if (!source || !n.op.view || n.outs.length !== 1) return false;
  const a = dims(source.type), b = dims(n.outs[0].type);
  return a[0] === 1 && b[0] === 1 && a[1] === b[1] && sizeOf(a) === a[1] && sizeOf(b) === b[1];
}

const rangeOfType = (v: Value): readonly [number, number] | null =>
  v.type.dtype === "int8" || v.type.dtype === "uint8"
    ? [intRange(v.type.dtype).min, intRange(v.type.dtype).max]
    : null;

/** Planes of the output channels that read known channels only. */
function knownOutputs(
  n: Node,
  p: Product,
  known: readonly (Plane | undefined)[],
): (Plane | undefined)[] {
  const shape = dims(n.outs[0].type), size = sizeOf(shape.slice(2));
  const partners = (co: number): number[] =>
    p.depthwise ? [co] : Array.from({ length: p.cin }, (_, ci) => ci);
  const closed = Array.from({ length: p.cout }, (_, co) => co)
    .filter((co) => partners(co).every((ci) => known[ci] || !p.reads(co, ci)));
  const result = new Array<Plane | undefined>(p.cout).fill(undefined);
  const still = (co: number): boolean =>
    partners(co).every((ci) => !p.reads(co, ci) || uniform(known[ci]) === p.xZero);
  for (const co of closed.filter(still)) result[co] = new Int32Array(size).fill(p.bias[co]);
  const moving = closed.filter((co) => !still(co));
  if (moving.length === 0) return result;
  // Evaluated as they stand, on just these channels.
  const ins = p.depthwise ? moving : known.flatMap((k, ci) => k ? [ci] : []);
  const { w, bias } = p.slice(moving, ins, p.bias, () => false);
  const x = dims(n.ins[0]!.type);
  const data = allocate(n.ins[0]!.type.dtype, ins.length * sizeOf(x.slice(2)));
  ins.forEach((ci, i) =>
    (data as Int8Array).set(
      (known[ci] as number[] | undefined) ?? [],
      i * sizeOf(x.slice(2)),
    )
  );
  const input: TensorData = {
    dtype: n.ins[0]!.type.dtype,
    shape: [1, ins.length, ...x.slice(2)],
    data,
  };
  const [y] = evaluateNode(n.op, p.attrs(ins.length), [input, w, bias]);
  moving.forEach((co, i) => result[co] = (y.data as Int32Array).slice(i * size, (i + 1) * size));
  return result;
}

/** Which known inputs contribute the same everywhere, and the bias that holds their contribution. */
function foldInputs(
  p: Product,
  known: readonly (Plane | undefined)[],
  outs: readonly (Plane | undefined)[],
): { folded: Set<number>; bias: number[] } {
  const folded = new Set<number>();
  const bias = p.bias.map((b, co) => uniform(outs[co]) ?? b);
  if (p.depthwise) return { folded, bias };
  known.forEach((k, ci) => {
    const v = uniform(k);
    if (v === undefined || (p.padded && v !== p.xZero)) return;
    folded.add(ci);
    for (let co = 0; co < p.cout; co++) {
      if (uniform(outs[co]) !== undefined) continue;
      for (let t = 0; t < p.taps; t++) bias[co] += p.weight(co, ci, t) * (v - p.xZero);
    }
  });
  return { folded, bias };
}

/** Smallest and largest accumulator of a channel over all inputs within a range. */
function accumulatorRange(
  p: Product,
  co: number,
  fold: { folded: ReadonlySet<number>; bias: readonly number[] },
  [lo, hi]: readonly [number, number],
): readonly [number, number] {
  let min = fold.bias[co], max = fold.bias[co];
  // At a border a tap may see the zero point as well.
  const ends = [lo - p.xZero, hi - p.xZero, ...(p.padded ? [0] : [])];
  const small = Math.min(...ends), large = Math.max(...ends);
  for (const ci of p.depthwise ? [co] : Array.from({ length: p.cin }, (_, i) => i)) {
    if (fold.folded.has(ci)) continue;
    for (let k = 0; k < p.taps; k++) {
      const w = p.weight(co, ci, k);
      min += w > 0 ? w * small : w * large;
      max += w > 0 ? w * large : w * small;
    }
  }
  return [min, max];
}

/** Planes behind a channelwise operator; a requantisation can saturate to one value whatever comes. */
function channelwise(
  n: Node,
  plane: (c: number) => Plane | undefined,
  accRanges: readonly (readonly [number, number])[] | undefined,
): (Plane | undefined)[] {
  const shape = dims(n.ins[0]!.type), out = dims(n.outs[0].type);
  if (shape.length < 2 || shape[0] !== 1) return [];
  const inSize = sizeOf(shape.slice(2)), outSize = sizeOf(out.slice(2));
  const known = Array.from({ length: shape[1] }, (_, c) => c).filter((c) => plane(c));
  const result = new Array<Plane | undefined>(shape[1]).fill(undefined);
  const evaluate = (channels: readonly number[], planes: readonly Plane[], size: number) => {
    const dtype = n.ins[0]!.type.dtype;
    const spatial = size === inSize ? shape.slice(2) : [size, ...shape.slice(3).map(() => 1)];
    const values = planes.flatMap((p) => Array.from(p));
    const ins = n.ins.slice(1).map((v) => v && selectChannels(v.data!, channels, shape[1]));
    const x = tensor(dtype, [1, channels.length, ...spatial.slice(0, shape.length - 2)], values);
    return numbers(evaluateNode(n.op, n.attrs, [x, ...ins])[0]);
  };
  if (known.length) {
    const y = evaluate(known, known.map((c) => plane(c)!), inSize);
    known.forEach((c, i) => result[c] = y.slice(i * outSize, (i + 1) * outSize));
  }
  if (n.op === requantizeOp && accRanges && n.ins[0]!.type.dtype === "int32") {
    const open = result.flatMap((p, c) => !p && fitsInt32(accRanges[c]) ? [c] : []);
    if (open.length) {
      const pick = (i: 0 | 1): number[] => evaluate(open, open.map((c) => [accRanges[c][i]]), 1);
      const lo = pick(0), hi = pick(1);
      open.forEach((c, i) => {
        if (lo[i] === hi[i]) result[c] = new Array<number>(outSize).fill(lo[i]);
      });
    }
  }
  return result;
}

const fitsInt32 = ([lo, hi]: readonly [number, number]): boolean =>
  lo >= -(2 ** 31) && hi < 2 ** 31;

/** A per-channel constant for some channels; others are shared. */
export function selectChannels(
  t: TensorData,
  channels: readonly number[],
  count: number,
): TensorData {
  if (t.shape.length !== 1 || t.shape[0] !== count || count === 1) return t;
  return tensor(t.dtype, [channels.length], channels.map((c) => t.data[c]));
}
