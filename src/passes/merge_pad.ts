/** A Pad with the value that a convolution pads with anyway becomes part of the convolution. */
import { rebuild } from "../ir/build.ts";
import { dims, type Graph, type Node, type Value } from "../ir/graph.ts";
import { conv, type ConvAttrs, convGeometry, pad, type PadAttrs, padding } from "../ops/mod.ts";
import { isFloat } from "../util/dtype.ts";
import { Producers } from "./producers.ts";

export function mergePad(g: Graph): Graph {
  const made = new Producers();
  return rebuild(g, (n, b) => {
    if (n.op !== conv || n.ins[3]) return undefined;
    const p = made.of(b, n.ins[0]);
    const pads = p?.op === pad ? mergedPads(n, p, p.ins[0]!) : null;
    if (!p || !pads) return undefined;
    const attrs: ConvAttrs = { ...n.attrs as ConvAttrs, pads, autoPad: "NOTSET" };
    return b.node(conv, attrs, [p.ins[0], ...n.ins.slice(1)], {
      name: n.name,
      origin: [...p.origin, ...n.origin],
      outNames: n.outs.map((v) => v.name),
    });
  });
}

/** The pads of both together; null where they do not add up to one padding with real zeros. */
function mergedPads(n: Node, p: Node, x: Value): number[] | null {
  const a = n.attrs as ConvAttrs, q = p.attrs as PadAttrs;
  const zero = isFloat(x.type.dtype) ? 0 : a.xZero;
  if (q.mode !== "constant" || q.value !== zero) return null;
  const { begin, end } = padding(q, dims(x.type).length);
  if (begin[0] || end[0] || begin[1] || end[1]) return null;
  if ([...begin, ...end].some((v) => v < 0)) return null;
  // SAME depends on the size of the padded input, so it is resolved before the pads add up.
  const own = convGeometry(a, n.ins[0]!.type, n.ins[1]!.type);
  return [
    ...own.begin.map((v, i) => v + begin[i + 2]),
    ...own.end.map((v, i) => v + end[i + 2]),
  ];
}
