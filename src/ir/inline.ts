/** Graphs of If, Loop and Scan as nodes of the graph around them. */
import type { Builder } from "./build.ts";
import { captures, type Graph, type Value } from "./graph.ts";

/** Values of the enclosing graph that any of the graphs reads, each once. */
export const capturedBy = (graphs: readonly Graph[]): Value[] => [
  ...new Set(graphs.flatMap(captures)),
];

/**
 * Adds a nested graph's nodes to a builder.
 *
 * @param args values of the graph's inputs
 * @param outer what stands for values of the enclosing graph
 * @returns values of its outputs
 */
export function inline(
  g: Graph,
  args: readonly Value[],
  outer: ReadonlyMap<Value, Value>,
  b: Builder,
): Value[] {
  const map = new Map(outer);
  g.inputs.forEach((v, i) => map.set(v, args[i]));
  const get = (v: Value): Value => map.get(v) ?? v;
  for (const n of g.nodes) {
    const info = { name: n.name, origin: n.origin, outNames: n.outs.map((v) => v.name) };
    const outs = b.node(n.op, n.attrs, n.ins.map((v) => v && get(v)), info);
    n.outs.forEach((v, i) => map.set(v, outs[i]));
  }
  return g.outputs.map(get);
}
