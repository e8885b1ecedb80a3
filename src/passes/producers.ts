/** Looking back from a value while a graph is rebuilt. */
import type { Builder } from "../ir/build.ts";
import { consumers, type Graph, type Node, producers, type Value } from "../ir/graph.ts";

/** Finds the nodes that were added to a builder, by the values that they compute. */
export class Producers {
  readonly #nodes = new Map<Value, Node>();
  #seen = 0;

  /** The node that computes a value, undefined for inputs and constants. */
  of(b: Builder, v: Value | null | undefined): Node | undefined {
    for (; this.#seen < b.nodes.length; this.#seen++) {
      for (const o of b.nodes[this.#seen].outs) this.#nodes.set(o, b.nodes[this.#seen]);
    }
    return v ? this.#nodes.get(v) : undefined;
  }
}

/** Who reads what in the graph that is being rebuilt. */
export class Uses {
  readonly #once = new Set<Value>();
  readonly #old: ReadonlyMap<Value, Node>;

  constructor(g: Graph) {
    const outputs = new Set(g.outputs);
    this.#old = producers(g);
    for (const [v, nodes] of consumers(g)) {
      const reads = nodes.reduce((n, c) => n + c.ins.filter((i) => i === v).length, 0);
      if (nodes.length === 1 && reads === 1 && !outputs.has(v)) this.#once.add(v);
    }
  }

  /**
   * Whether nothing but this node reads its input, once, so that the input's producer may change.
   *
   * @param n a node as `rebuild` hands it out
   */
  once(n: Node, input: number): boolean {
    const v = this.#old.get(n.outs[0])?.ins[input];
    return !!v && this.#once.has(v);
  }
}
