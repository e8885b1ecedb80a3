/** Nodes in topological order; files are meant to be sorted, and some are not. */
import type { GraphView, NodeView } from "./reader.ts";
import { malformed } from "./wire.ts";

/** Names that a node reads, those that its nested graphs take from outside included. */
export function reads(n: NodeView): string[] {
  const names = n.inputs.filter((x) => x !== "");
  for (const g of nestedGraphs(n)) names.push(...freeNames(g));
  return names;
}

/** The graphs in a node's attributes, by the attributes' names: If has else_branch, then_branch. */
export function nestedGraphs(n: NodeView): GraphView[] {
  return n.attributes
    .filter((a) => a.kind === "graph" || a.kind === "graphs")
    .sort((a, b) => a.name < b.name ? -1 : a.name > b.name ? 1 : 0)
    .flatMap((a) => a.value as GraphView | GraphView[]);
}

function freeNames(g: GraphView): Set<string> {
  const free = new Set<string>();
  for (const n of g.nodes) for (const x of reads(n)) free.add(x);
  for (const v of g.outputs) free.add(v.name);
  for (const n of g.nodes) for (const x of n.outputs) free.delete(x);
  for (const v of g.inputs) free.delete(v.name);
  for (const t of g.initializers) free.delete(t.name);
  return free;
}

/**
 * The nodes of a graph so that each stands behind what it reads; a sorted file keeps its order.
 *
 * @returns indices into `g.nodes`, and whether they had to be moved
 * @throws BurinError `model/malformed` where nodes depend on each other in a circle
 */
export function topological(g: GraphView): { order: number[]; sorted: boolean } {
  const producer = new Map<string, number>();
  g.nodes.forEach((n, i) => n.outputs.forEach((x) => x !== "" && producer.set(x, i)));
  const needs = g.nodes.map((n) =>
    reads(n).map((x) => producer.get(x)).filter((i): i is number => i !== undefined)
  );
  if (needs.every((list, i) => list.every((j) => j < i))) {
    return { order: g.nodes.map((_, i) => i), sorted: true };
  }
  // Depth first in the order of the file, on a stack of its own: files may be thousands deep.
  const order: number[] = [];
  const state = new Uint8Array(g.nodes.length);
  for (let root = 0; root < g.nodes.length; root++) {
    const stack = [root];
    while (stack.length) {
      const i = stack[stack.length - 1];
      if (state[i] === 0) {
        state[i] = 1;
        for (const j of needs[i].toReversed()) {
          if (state[j] === 1) throw circle(g.nodes[i], g.nodes[j]);
          if (state[j] === 0) stack.push(j);
        }
      } else {
        stack.pop();
        if (state[i] === 1) order.push(i);
        state[i] = 2;
      }
    }
  }
  return { order, sorted: false };
}

function circle(a: NodeView, b: NodeView) {
  const label = (n: NodeView): string => `'${n.name || n.outputs[0] || n.opType}' (${n.opType})`;
  return malformed(`its nodes ${label(a)} and ${label(b)} depend on each other in a circle`);
}
