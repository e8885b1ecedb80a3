/**
 * The Add of a constant behind a convolution or a matrix product becomes its bias, which is also what
 * puts it into the accumulator of quantised graphs before their one rounding (DESIGN: arithmetic).
 */
import { sizeOf } from "../util/tensor.ts";
import { type Builder, rebuild } from "../ir/build.ts";
import { dims, type Graph, type Node, type Value } from "../ir/graph.ts";
import { add, conv, dequantizeLinear, type LinearAttrs, matmul } from "../ops/mod.ts";
import { Producers, Uses } from "./producers.ts";

export function mergeBias(g: Graph): Graph {
  const made = new Producers();
  const uses = new Uses(g);
  return rebuild(g, (n, b) => {
    if (n.op !== add || n.ins.length !== 2) return undefined;
    for (const i of [0, 1]) {
      const x = n.ins[i]!, c = n.ins[1 - i]!;
      const p = made.of(b, x);
      if (!p || (p.op !== conv && p.op !== matmul) || p.ins[2] || !uses.once(n, i)) continue;
      if (x.type.shape.length !== n.outs[0].type.shape.length) continue;
      const bias = biasOf(p, c, made.of(b, c), b);
      if (!bias) continue;
      return b.at({ name: p.name, origin: [...p.origin, ...n.origin] })
        .node(p.op, p.attrs, [p.ins[0], p.ins[1], bias, ...p.ins.slice(3)], {
          name: p.name,
          origin: [...p.origin, ...n.origin],
          outNames: n.outs.map((v) => v.name),
        });
    }
  });
}

/** The constant in the form of a bias; null where it is none. */
function biasOf(p: Node, c: Value, from: Node | undefined, b: Builder): Value | null {
  const out = dims(p.outs[0].type), shape = dims(c.type), rank = out.length;
  const dequantised = from?.op === dequantizeLinear && from.ins.every((v) => !v || v.data);
  const stored = c.data ? c : dequantised ? from.ins[0]! : null;
  if (!stored) return null;
  const axis = p.op === conv ? 1 : rank - 1;
  const channels = out[axis], size = sizeOf(shape);
  if (size !== channels && size !== 1) return null;
  // Every extent but the channels' is 1, aligned from the right as broadcasting does.
  if (shape.some((d, i) => d !== 1 && i - shape.length + rank !== axis)) return null;
  if (p.op === matmul && shape.length <= 1) return c;
  if (size !== channels) return null;
  const flat = b.constant({ ...stored.data!, shape: [channels] }, stored.name);
  if (c.data) return flat;
  const attrs = { ...from!.attrs as LinearAttrs, axis: 0 };
  return b.node(dequantizeLinear, attrs, [flat, ...from!.ins.slice(1)])[0];
}
