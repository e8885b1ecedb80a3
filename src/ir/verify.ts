/** The invariants that every graph keeps between passes. A violation is a defect of the compiler. */
import { BurinError } from "../util/errors.ts";
import { sizeOf } from "../util/tensor.ts";
import { captures, type Graph, type Node, type TensorType, typeOf, typeText } from "./graph.ts";
import type { Value } from "./graph.ts";

/**
 * Checks a graph and the graphs nested in it: values are assigned once, before they are read; names
 * are unique; types are what the operators infer; constants hold what their types say.
 *
 * @param stage what made the graph, for the message
 * @throws BurinError `internal/graph`, naming stage and node
 */
export function verifyGraph(g: Graph, stage: string): void {
  new Verifier(stage).graph(g, new Set(), "");
}

class Verifier {
  constructor(readonly stage: string) {}

  #fail(where: string, why: string): never {
    throw new BurinError(
      "internal/graph",
      `Cannot go on after '${this.stage}' as the graph is not sound: ${where}: ${why}`,
      "please report this with the model",
    );
  }

  graph(g: Graph, outer: ReadonlySet<Value>, path: string): void {
    const defined = new Set<Value>(outer);
    const valueNames = new Map<string, Value>();
    const nodeNames = new Set<string>();
    const name = (v: Value, where: string): void => {
      const other = valueNames.get(v.name);
      if (other && other !== v) this.#fail(where, `two values are called '${v.name}'`);
      valueNames.set(v.name, v);
    };
    const read = (v: Value, where: string): void => {
      if (v.data) this.#constant(v, where);
      else if (!defined.has(v)) this.#fail(where, `'${v.name}' is read before it is computed`);
      if (!outer.has(v)) name(v, where);
    };
    const define = (v: Value, where: string): void => {
      if (v.data) this.#fail(where, `'${v.name}' is computed and a constant`);
      if (defined.has(v)) this.#fail(where, `'${v.name}' is assigned twice`);
      name(v, where);
      defined.add(v);
    };
    for (const v of g.inputs) define(v, `${path}input '${v.name}'`);
    for (const n of g.nodes) {
      const where = `${path}node '${n.name}' (${n.op.name})`;
      if (nodeNames.has(n.name)) this.#fail(where, "two nodes have this name");
      nodeNames.add(n.name);
      for (const v of n.ins) if (v) read(v, where);
      for (const body of n.bodies) {
        for (const v of captures(body)) read(v, `${where}, captured`);
        this.graph(body, defined, `${where}, `);
      }
      this.#types(n, where);
      for (const v of n.outs) define(v, where);
    }
    for (const v of g.outputs) read(v, `${path}output '${v.name}'`);
    if (g.outputNames.length !== g.outputs.length) {
      this.#fail(`${path}outputs`, `${g.outputNames.length} names for ${g.outputs.length} outputs`);
    }
    if (new Set(g.outputNames).size !== g.outputNames.length) {
      this.#fail(`${path}outputs`, "two outputs have one name");
    }
    this.#states(g, defined, path);
  }

  #constant(v: Value, where: string): void {
    const data = v.data!;
    if (typeText(typeOf(data)) !== typeText(v.type)) {
      this.#fail(where, `'${v.name}' is ${typeText(v.type)} with data ${typeText(typeOf(data))}`);
    }
    if (data.data.length !== sizeOf(data.shape)) {
      this.#fail(where, `'${v.name}' has ${data.data.length} elements for ${typeText(v.type)}`);
    }
  }

  #types(n: Node, where: string): void {
    let types: readonly TensorType[];
    try {
      types = n.op.infer(n.attrs, n.ins.map((v) => v?.type ?? null), (i) => n.ins[i]?.data);
    } catch (e) {
      this.#fail(where, `its types do not infer: ${(e as Error).message}`);
    }
    if (types.length !== n.outs.length) {
      this.#fail(where, `it has ${n.outs.length} outputs where ${types.length} are inferred`);
    }
    n.outs.forEach((v, i) => {
      const stored = typeText(v.type), inferred = typeText(types[i]);
      if (stored !== inferred) this.#fail(where, `'${v.name}' is ${stored}, inferred ${inferred}`);
    });
  }

  #states(g: Graph, defined: ReadonlySet<Value>, path: string): void {
    for (const s of g.states) {
      const where = `${path}state '${s.name}'`;
      if (!g.inputs.includes(s.input)) this.#fail(where, `'${s.input.name}' is not an input`);
      if (!s.output.data && !defined.has(s.output)) {
        this.#fail(where, `'${s.output.name}' is not computed`);
      }
      const before = typeText(s.input.type), after = typeText(s.output.type);
      if (before !== after) this.#fail(where, `it is ${before} before and ${after} after a run`);
    }
  }
}
