/**
 * A dense layer on a flattened picture becomes a convolution with a kernel as large as the picture.
 * The picture then keeps whatever layout suits the convolution before it, and the transposes that
 * exporters put in front of the flattening disappear into the order of the weights.
 */
import { allocate, sizeOf, tensor, type TensorData } from "../util/tensor.ts";
import { type Builder, rebuild } from "../ir/build.ts";
import { evaluateNode } from "../ir/evaluate.ts";
import { dims, type Graph, type Node, type Value } from "../ir/graph.ts";
import { conv, matmul, type MatMulAttrs, reshape } from "../ops/mod.ts";
import { Producers } from "./producers.ts";

export function denseToConv(g: Graph): Graph {
  const made = new Producers();
  return rebuild(g, (n, b) => n.op === matmul ? widen(n, b, made) : undefined);
}

/** Where a flattened row came from: the picture, and its element at every column. */
interface Flattened {
  readonly picture: Value;
  readonly source: ArrayLike<number | bigint>;
}

function widen(n: Node, b: Builder, made: Producers): readonly Value[] | undefined {
  const [x, w, bias] = n.ins as readonly [Value, Value, Value | null | undefined];
  const a = n.attrs as MatMulAttrs;
  const shape = dims(x.type);
  if (!w.data || w.data.shape.length !== 2 || shape.length !== 2 || shape[0] !== 1) {
    return undefined;
  }
  if (a.transA || n.ins[3] || n.ins[4]) return undefined;
  const from = flattened(x, b, made);
  if (!from) return undefined;
  const [k, cout] = a.transB ? [w.data.shape[1], w.data.shape[0]] : w.data.shape;
  if (bias && (!bias.data || bias.data.data.length !== cout)) return undefined;
  const picture = dims(from.picture.type);
  const kernel = permute(w.data, cout, k, a.transB, from.source, [cout, ...picture.slice(1)]);
  const flatBias = bias && b.constant({ ...bias.data!, shape: [cout] }, bias.name);
  const attrs = {
    strides: [],
    dilations: [],
    pads: [],
    autoPad: "NOTSET" as const,
    group: 1,
    xZero: a.xZero,
    wZero: a.wZero,
    acc: a.acc,
  };
  const info = { name: n.name, origin: n.origin };
  const [y] = b.node(
    conv,
    attrs,
    [from.picture, b.constant(kernel, w.name), flatBias ?? null],
    info,
  );
  return b.node(reshape, { shape: [1, cout], allowZero: false }, [y]);
}

/** Follows movements back from a row [1, K] to a picture [1, C, spatial…] of more than one pixel. */
function flattened(x: Value, b: Builder, made: Producers): Flattened | null {
  const chain: Node[] = [];
  let found: Value | null = null;
  let depth = 0;
  for (let at = made.of(b, x); at?.op.view && at.outs.length === 1; at = made.of(b, at.ins[0])) {
    const from = at.ins[0];
    if (!from || at.ins.slice(1).some((v) => v && !v.data)) break;
    chain.unshift(at);
    const shape = dims(from.type), rank = shape.length;
    const picture = rank >= 3 && rank <= 5 && shape[0] === 1 && sizeOf(shape.slice(2)) > 1 &&
      shape[1] > 1 && sizeOf(shape) === sizeOf(dims(x.type));
    if (picture) [found, depth] = [from, chain.length];
  }
  if (!found) return null;
  const shape = dims(found.type);
  let ids: TensorData = tensor("int32", shape, Array.from({ length: sizeOf(shape) }, (_, i) => i));
  for (const n of chain.slice(chain.length - depth)) {
    ids = evaluateNode(n.op, n.attrs, [ids, ...n.ins.slice(1).map((v) => v?.data ?? null)])[0];
  }
  return { picture: found, source: ids.data };
}

/** Weights [Cout, C, spatial…] whose element at `source[k]` is the one that row k multiplies. */
function permute(
  w: TensorData,
  cout: number,
  k: number,
  transposed: boolean,
  source: ArrayLike<number | bigint>,
  shape: readonly number[],
): TensorData {
  const data = allocate(w.dtype, cout * k);
  for (let o = 0; o < cout; o++) {
    for (let i = 0; i < k; i++) {
      data[o * k + Number(source[i])] = w.data[transposed ? o * k + i : i * cout + o];
    }
  }
  return { dtype: w.dtype, shape, data };
}
