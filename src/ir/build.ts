/** Building graphs: nodes are typed as they are added; a pass rebuilds a graph from front to back. */
import type { TensorData } from "../util/tensor.ts";
import { Names } from "../util/names.ts";
import { type Graph, type Node, typeOf, type Value } from "./graph.ts";
import type { OpDef } from "./opdef.ts";

/** Where a node comes from: a base for its name, and the ONNX nodes that it stands for. */
export interface NodeInfo {
  readonly name: string;
  readonly origin: readonly string[];
  readonly outNames?: readonly string[];
  readonly bodies?: readonly Graph[];
}

/** Adds nodes to a graph under construction. */
export class Builder {
  readonly nodes: Node[] = [];
  readonly #values = new Names();
  readonly #nodes = new Names();
  #info: NodeInfo = { name: "node", origin: [] };

  /** Sets what the nodes added from now on are named after. */
  at(info: NodeInfo): this {
    this.#info = info;
    return this;
  }

  /** A constant. */
  constant(data: TensorData, name = `${this.#info.name}_const`): Value {
    return { name: this.#values.unique(name), type: typeOf(data), data };
  }

  /** Adds a node, inferring the types of its outputs. */
  node<A>(
    op: OpDef<A>,
    attrs: A,
    ins: readonly (Value | null)[],
    info: NodeInfo = this.#info,
  ): Value[] {
    const types = op.infer(attrs, ins.map((v) => v?.type ?? null), (i) => ins[i]?.data);
    const outs = types.map((type, i) => ({
      name: this.#values.unique(info.outNames?.[i] || `${info.name}_out${i || ""}`),
      type,
    }));
    this.nodes.push({
      name: this.#nodes.unique(info.name),
      op,
      attrs,
      ins,
      outs,
      origin: info.origin,
      bodies: info.bodies ?? [],
    });
    return outs;
  }

  /** Reserves the names of values that exist already (graph inputs). */
  reserve(names: Iterable<string>): this {
    for (const n of names) this.#values.unique(n);
    return this;
  }
}

/**
 * Rebuilds a graph. `f` sees every node in order with its inputs already mapped; it returns the
 * values that replace the node's outputs (adding nodes to the builder as it likes), or undefined to
 * keep the node. What no output needs any more is dropped.
 */
export function rebuild(
  g: Graph,
  f: (n: Node, b: Builder) => readonly Value[] | undefined,
): Graph {
  // Constants keep their names, so new ones must not take them.
  const b = new Builder().reserve([...g.inputs, ...constants(g)].map((v) => v.name));
  const map = new Map<Value, Value>();
  const get = (v: Value): Value => map.get(v) ?? v;
  for (const old of g.nodes) {
    const n = { ...old, ins: old.ins.map((v) => v && get(v)) };
    const info = {
      name: n.name,
      origin: n.origin,
      outNames: n.outs.map((v) => v.name),
      bodies: n.bodies,
    };
    const outs = f(n, b.at(info)) ?? b.node(n.op, n.attrs, n.ins, info);
    old.outs.forEach((v, i) => outs[i] && map.set(v, outs[i]));
  }
  return prune({ ...g, outputs: g.outputs.map(get), nodes: b.nodes });
}

/** The constants that nodes and outputs read, in order of first use; nested graphs not included. */
export function constants(g: Graph): Value[] {
  const found = new Set<Value>();
  for (const v of [...g.nodes.flatMap((n) => n.ins), ...g.outputs]) if (v?.data) found.add(v);
  return [...found];
}

/** Drops nodes that no output depends on. */
export function prune(g: Graph): Graph {
  const needed = new Set<Value>(g.outputs);
  const nodes: Node[] = [];
  for (const n of [...g.nodes].reverse()) {
    if (!n.op.check && !n.outs.some((v) => needed.has(v))) continue;
    nodes.push(n);
    const read = (v: Value | null): void => void (v && needed.add(v));
    n.ins.forEach(read);
    for (const body of n.bodies) readInside(body, read);
  }
  return { ...g, nodes: nodes.reverse() };
}

function readInside(g: Graph, read: (v: Value | null) => void): void {
  g.outputs.forEach(read);
  for (const n of g.nodes) {
    n.ins.forEach(read);
    n.bodies.forEach((b) => readInside(b, read));
  }
}
