/** Checks of operands, and what they are computed from, run before anything else is written. */
import { type Graph, type Node, producers, type Value } from "../ir/graph.ts";

export function checksFirst(g: Graph): Graph {
  if (!g.nodes.some((n) => n.op.check)) return g;
  const made = producers(g), first = new Set<Node>();
  const need = (n: Node | undefined): void => {
    if (!n || first.has(n)) return;
    first.add(n);
    n.ins.forEach((v: Value | null) => v && need(made.get(v)));
  };
  g.nodes.filter((n) => n.op.check).forEach(need);
  const nodes = [...g.nodes.filter((n) => first.has(n)), ...g.nodes.filter((n) => !first.has(n))];
  return { ...g, nodes };
}
