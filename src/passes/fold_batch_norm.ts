/**
 * A factor for every channel behind a convolution or a matrix product goes into its weights and
 * bias: what batch normalisation is at inference. Floats only; a quantised graph keeps its weights.
 */
import { numbers, sizeOf, tensor, type TensorData } from "../util/tensor.ts";
import { type Builder, rebuild } from "../ir/build.ts";
import { dims, type Graph, type Node, type Value } from "../ir/graph.ts";
import { add, conv, matmul, type MatMulAttrs, mul } from "../ops/mod.ts";
import { Producers, Uses } from "./producers.ts";

export function foldBatchNorm(g: Graph): Graph {
  const made = new Producers();
  const uses = new Uses(g);
  return rebuild(g, (n, b) => {
    if ((n.op !== mul && n.op !== add) || n.ins.length !== 2) return undefined;
    for (const i of [0, 1]) {
      const p = made.of(b, n.ins[i]), c = n.ins[1 - i]!;
      if (!p || (p.op !== conv && p.op !== matmul) || !uses.once(n, i)) continue;
      const values = perChannel(p, n, c);
      if (!values || !p.ins[1]!.data || (p.ins[2] && !p.ins[2].data)) continue;
      return n.op === mul ? scaled(p, n, values, b) : shifted(p, n, values, b);
    }
  });
}

const channelAxis = (p: Node): number => p.op === conv ? 1 : p.outs[0].type.shape.length - 1;

/** A constant as one number for every output channel; null where it is none. */
function perChannel(p: Node, n: Node, c: Value): number[] | null {
  const out = dims(p.outs[0].type), shape = dims(c.type), axis = channelAxis(p);
  if (!c.data || c.type.dtype !== "float32" || out.length !== n.outs[0].type.shape.length) {
    return null;
  }
  if (p.op === matmul && p.ins[1]!.type.shape.length !== 2) return null;
  const size = sizeOf(shape), values = numbers(c.data);
  if (size === 1) return new Array<number>(out[axis]).fill(values[0]);
  const along = shape.every((d, i) => d === 1 || i - shape.length + out.length === axis);
  return along && size === out[axis] ? values : null;
}

const named = (p: Node, n: Node) => ({
  name: p.name,
  origin: [...p.origin, ...n.origin],
  outNames: n.outs.map((v) => v.name),
});

function scaled(p: Node, n: Node, factor: readonly number[], b: Builder): readonly Value[] {
  const w = p.ins[1]!, shape = w.data!.shape;
  const axis = p.op === conv ? 0 : (p.attrs as MatMulAttrs).transB ? 0 : 1;
  const inner = sizeOf(shape.slice(axis + 1));
  const weights = numbers(w.data!).map((v, i) => v * factor[Math.floor(i / inner) % shape[axis]]);
  const ins = [p.ins[0], b.constant(tensor("float32", shape, weights), w.name)];
  const bias = biasValues(p, factor.length)?.map((v, i) => v * factor[i]);
  return b.node(p.op, p.attrs, bias ? [...ins, vector(bias, b)] : ins, named(p, n));
}

function shifted(p: Node, n: Node, offset: readonly number[], b: Builder): readonly Value[] {
  const bias = biasValues(p, offset.length)?.map((v, i) => v + offset[i]) ?? offset;
  return b.node(p.op, p.attrs, [p.ins[0], p.ins[1], vector(bias, b)], named(p, n));
}

const vector = (values: readonly number[], b: Builder): Value =>
  b.constant(tensor("float32", [values.length], values));

function biasValues(p: Node, channels: number): number[] | null {
  const data: TensorData | undefined = p.ins[2]?.data;
  if (!data) return null;
  const values = numbers(data);
  return values.length === channels ? values : new Array<number>(channels).fill(values[0]);
}
