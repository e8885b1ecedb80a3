/** The nodes of an ONNX graph, one after another, into a graph of operators. */
import { BurinError } from "../util/errors.ts";
import { sizeOf, type TensorData } from "../util/tensor.ts";
import { Builder } from "../ir/build.ts";
import { constantOutputs, foldBudget } from "../ir/evaluate.ts";
import { dims, type Graph, type Node, type TensorType, type Value } from "../ir/graph.ts";
import { capturedBy } from "../ir/inline.ts";
import { isSeveral, type Item } from "../ir/items.ts";
import { type Candidate, type GraphInput, OpError } from "../ir/opdef.ts";
import { identity } from "../ops/mod.ts";
import { NodeAttributes, Undecided } from "./attributes.ts";
import { chosen, decide, type Reading, sameShape } from "./readings.ts";
import type { DimSizes } from "./dims.ts";
import { nestedGraphs, topological } from "./order.ts";
import { shapeOf, wiring } from "./declared.ts";
import type { GraphView, ModelView, NodeView } from "./reader.ts";
import { tensorData, TYPES_HINT, unsupportedType } from "./tensors.ts";
import {
  byName,
  checkOutputType,
  concernsItems,
  declaredType,
  define,
  foreignType,
  ofSequence,
  outputNames,
  type Port,
  portOf,
  type Scope,
  shapeThere,
  tensorsOnly,
  valuesOf,
} from "./scope.ts";
import { type Found, type OpTable, type Problem, typeName } from "./unsupported.ts";
import { type Make, widened } from "./widen.ts";
import { malformed } from "./wire.ts";

/** Imports a model's graphs and gathers what is wrong with them. */
export class GraphImporter {
  readonly problems: Problem[] = [];
  readonly opCounts = new Map<string, number>();
  /** Nodes seen so far. */
  total = 0;
  readonly #budget = foldBudget();
  /** Nodes of nothing but constants that were kept as nodes; evaluated when somebody asks. */
  readonly #keptConstants = new Map<Value, Node>();
  readonly #evaluated = new Map<Node, TensorData[] | null>();
  /** Values that stand in for those of unsupported nodes, and what was computed from them. */
  readonly #tainted = new Set<Value>();
  /** Attributes that no operator asked for: `Conv.foo` to node count. */
  readonly #dropped = new Map<string, number>();

  constructor(
    readonly model: ModelView,
    readonly table: OpTable,
    readonly sizes: DimSizes,
    readonly notes: string[],
  ) {}

  /** The graph, or null after unsupported nodes (see {@link problems}). */
  graph(g: GraphView, inputs: readonly Port[], name: string): Graph | null {
    const graph = this.#graph(g, inputs, name, null, "");
    return this.problems.length === 0 ? graph : null;
  }

  /** Notes about attributes that were not read. */
  droppedAttributes(): string[] {
    return [...this.#dropped].map(([what, n]) => {
      const dot = what.lastIndexOf(".");
      const nodes = n === 1 ? "one node" : `${n} nodes`;
      return `the attribute '${what.slice(dot + 1)}' of ${
        what.slice(0, dot)
      } is not used (${nodes})`;
    });
  }

  #graph(
    g: GraphView,
    ports: readonly Port[],
    name: string,
    outer: Scope | null,
    where: string,
  ): Graph | null {
    if (g.sparseInitializers.length) {
      throw new BurinError(
        "model/unsupported-type",
        `Cannot read the tensor '${g.sparseInitializers[0]}' as it is sparse`,
        "store it as a dense tensor",
      );
    }
    const inputs = ports.flatMap(({ item }) => valuesOf(item));
    const b = new Builder().reserve(inputs.map((v) => v.name));
    const scope = this.#nodes(g, ports, outer, b, where);
    const given = g.outputs.map((v) => this.#item(scope, v.name, "the graph's outputs"));
    const twice = { name: "output", origin: [] };
    if (outer && given.some(isSeveral)) throw new OpError("its graph gives a sequence");
    const outputs = given.flatMap((v) => v ? valuesOf(v) : [undefined]);
    given.forEach((v, i) => isSeveral(v) && this.notes.push(ofSequence(g.outputs[i].name, v)));
    if (outputs.includes(undefined)) {
      // An output that is a constant of such a type has no node that could be named.
      g.outputs.forEach((v) => checkOutputType(scope, v.name));
      return null;
    }
    return {
      name,
      inputs,
      // A value that stands in a sequence twice is two outputs.
      outputs: (outputs as Value[]).map((v, i, all) =>
        all.indexOf(v) === i ? v : b.at(twice).node(identity, null, [v])[0]
      ),
      outputNames: outputNames(g, given as Item[]),
      nodes: b.nodes,
      states: [],
    };
  }

  /** The nodes of a graph in the builder, and what their names stand for. */
  #nodes(
    g: GraphView,
    inputs: readonly Port[],
    outer: Scope | null,
    b: Builder,
    where: string,
  ): Scope {
    const scope: Scope = {
      values: new Map(),
      tensors: byName(g.initializers),
      declared: new Map([...g.valueInfo, ...g.outputs].map((v) => [v.name, v])),
      wires: wiring(g.nodes),
      outer,
      b,
      where,
    };
    for (const { name, item } of inputs) define(scope, name, item);
    const { order, sorted } = topological(g);
    if (!sorted) this.notes.push(`the nodes are not in order${where}; they were sorted`);
    for (const i of order) this.#node(g.nodes[i], i, scope);
    return scope;
  }

  #node(n: NodeView, index: number, scope: Scope): void {
    const type = typeName(n.domain, n.opType);
    const name = n.name || `${n.opType}_${index}`;
    this.total++;
    this.opCounts.set(type, (this.opCounts.get(type) ?? 0) + 1);
    if (n.outputs.length === 0) throw malformed(`the node '${name}' (${type}) has no outputs`);
    const inputs = n.inputs.map((x) =>
      x === "" ? null : this.#item(scope, x, `the node '${name}' (${type})`)
    );
    const known = inputs.filter((v) => v !== undefined);
    const problem = this.#attempt(() => {
      const foreign = n.inputs.map((x) => [x, foreignType(scope, x)]).find(([, t]) => t);
      if (foreign) throw new OpError(`its input '${foreign[0]}' is ${foreign[1]}`, TYPES_HINT);
      const found = this.table.find(n, this.#opsets(n));
      if (!("op" in found)) throw new OpError(found.reason, found.hint);
      this.#noteVersion(n);
      if (known.length < inputs.length) return;
      if (concernsItems(n, found, known)) this.#applyItems(n, name, found, known, scope);
      else this.#apply(n, name, found, tensorsOnly(n, known), scope);
    });
    const tainted = known.some((v) => v && !isSeveral(v) && this.#tainted.has(v));
    // What was computed from a stand-in is not known only because its maker is not supported.
    if (problem && !(tainted && problem.code === "model/operand-not-constant")) {
      const { message: reason, hint } = problem;
      this.problems.push({ node: name, where: scope.where, type, reason, hint });
    }
    if (n.outputs.every((x) => x === "" || scope.values.has(x))) return;
    // The rest of the graph is still looked at, so that one run names all that is missing.
    for (const g of nestedGraphs(n)) this.#survey(g, ` in '${name}'${scope.where}`);
    for (const x of n.outputs) if (x !== "") define(scope, x, this.#standIn(scope, x));
  }

  /** Says once by which version a domain is read that the file does not import. */
  #noteVersion(n: NodeView): void {
    const opsets = this.#opsets(n), version = this.table.version(n, opsets);
    if (opsets.has(n.domain)) return;
    const note = `the model imports no operator set '${n.domain}'; version ${version} is taken`;
    if (!this.notes.includes(note)) this.notes.push(note);
  }

  #opsets(n: NodeView): ReadonlyMap<string, number> {
    return n.opsets ?? this.model.opsets;
  }

  #apply(
    n: NodeView,
    name: string,
    found: Found,
    inputs: readonly (Value | null)[],
    scope: Scope,
  ): void {
    const make: Make = (ins, outNames) => this.#make(n, name, found, ins, outNames, scope);
    const outs = widened(inputs, n.outputs, make, {
      b: scope.b.at({ name, origin: [name] }),
      declared: (x) => declaredType(scope, x),
    });
    n.outputs.forEach((x, i) => x !== "" && define(scope, x, outs[i]));
    if (inputs.some((v) => v && this.#tainted.has(v))) outs.forEach((v) => this.#tainted.add(v));
  }

  /** What an operator makes of sequences and optionals. */
  #applyItems(
    n: NodeView,
    name: string,
    { op, binding }: Found,
    inputs: readonly (Item | null)[],
    scope: Scope,
  ): void {
    const reader = new NodeAttributes(n, {
      opset: this.table.version(n, this.#opsets(n))!,
      ins: inputs.map((v) => isSeveral(v) ? null : v),
      known: (v) => this.#data(v),
      outs: n.outputs.map((x) => this.#declared(scope, x)),
      graph: () => {
        throw new OpError("its graph works on sequences");
      },
      assumed: new Map(),
    });
    if (binding.note && !this.notes.includes(binding.note)) this.notes.push(binding.note);
    const here = { name, origin: [name], outNames: n.outputs };
    const outs = op.items!.apply(reader, inputs, {
      b: scope.b.at(here),
      data: (v) => this.#data(v),
      inline: (attribute, ins) => {
        const g = n.attributes.find((a) => a.name === attribute)?.value as GraphView | undefined;
        if (!g) throw new OpError(`its attribute '${attribute}' is missing`);
        if (ins.length !== g.inputs.length) {
          throw new OpError(`its graph has ${g.inputs.length} inputs for ${ins.length} values`);
        }
        const ports = g.inputs.map((v, i) => ({ name: v.name, item: ins[i] }));
        const where = ` in '${name}'${scope.where}`;
        const inner = this.#nodes(g, ports, scope, scope.b, where);
        scope.b.at(here);
        return g.outputs.map((v) => {
          const out = this.#item(inner, v.name, "the graph's outputs");
          if (out === undefined) {
            throw new OpError("its graph holds nodes that are not supported");
          }
          return out;
        });
      },
    });
    n.outputs.forEach((x, i) => x !== "" && define(scope, x, outs[i]));
  }

  /** The outputs of a node, computed where they are constant. */
  #make(
    n: NodeView,
    name: string,
    found: Found,
    inputs: readonly (Value | null)[],
    outNames: readonly string[],
    scope: Scope,
  ): Value[] {
    const declared = n.outputs.map((x, i) => this.#declared(scope, x) ?? this.#shown(scope, x, i));
    let readings: Reading[];
    try {
      readings = this.#readings(n, found, inputs, declared, new Map(), scope);
    } catch (e) {
      const wanted = e instanceof BurinError && e.code === "model/operand-not-constant";
      if (!found.runtime || !wanted) throw e;
      return this.#make(n, name, found.runtime, inputs, outNames, scope);
    }
    if (readings.length === 1 && readings[0].assumed.size === 0) {
      return this.#emit(n, name, found, readings[0], outNames, scope);
    }
    return chosen(readings, inputs, scope.b.at({ name, origin: [name] }), (r, i) => {
      const names = readings.length === 1 ? outNames : outNames.map((x) => `${x}_${i}`);
      return this.#emit(n, name, found, r, names, scope);
    });
  }

  /** The ways to read a node: one, or where a run-time operand is not known, one a possible value. */
  #readings(
    n: NodeView,
    { op, binding }: Found,
    inputs: readonly (Value | null)[],
    declared: readonly (TensorType | null)[],
    assumed: ReadonlyMap<number, Candidate>,
    scope: Scope,
  ): Reading[] {
    const reader = new NodeAttributes(n, {
      opset: this.table.version(n, this.#opsets(n))!,
      ins: inputs,
      known: (v) => this.#data(v),
      outs: declared,
      graph: (g, ins) => this.#nested(g, ins, n.name || n.opType, scope),
      assumed,
    });
    try {
      const attrs = binding.attrs(reader);
      // What nested graphs read of this one are inputs too, so that passes see them.
      const captured = capturedBy(reader.graphs);
      const ins = [...inputs.slice(0, binding.inputs), ...captured];
      const types = op.infer(attrs, ins.map((v) => v?.type ?? null), (i) => ins[i]?.data);
      types.forEach((t) => checkSize(t));
      const fits = declared.every((t, i) => !t || !types[i] || sameShape(t, types[i]));
      if (assumed.size > 0 && !fits) return [];
      const bodies = reader.graphs.length === 0;
      return [{ attrs, ins, types, assumed, bodies, unread: reader.unread() }];
    } catch (e) {
      if (!(e instanceof Undecided)) throw e;
      return decide(
        e,
        inputs,
        (c) =>
          this.#readings(
            n,
            { op, binding },
            inputs,
            declared,
            new Map([...assumed, [e.input, c]]),
            scope,
          ),
      );
    }
  }

  #emit(
    n: NodeView,
    name: string,
    { op, binding }: Found,
    { attrs, ins, types, bodies: own, unread }: Reading,
    outNames: readonly string[],
    scope: Scope,
  ): Value[] {
    if (binding.note && !this.notes.includes(binding.note)) this.notes.push(binding.note);
    const extra = n.outputs.slice(types.length).find((x) => x !== "");
    if (extra !== undefined) throw new OpError(`its output '${extra}' is not supported`);
    if (op.literal) return [scope.b.constant(op.literal(attrs), outNames[0])];
    const bodies = own ? nestedGraphs(n).map((g) => this.#body(g, name, scope)) : [];
    const foldable = op.fold !== false && bodies.length === 0;
    // Without a budget nothing is computed, but the definition is made and may throw.
    const budget = foldable ? this.#budget : { steps: 0 };
    const computed = constantOutputs({ op, attrs, ins, outs: types }, budget);
    for (const a of unread) {
      const key = `${typeName(n.domain, n.opType)}.${a}`;
      this.#dropped.set(key, (this.#dropped.get(key) ?? 0) + 1);
    }
    if (computed && foldable) {
      return computed.map((d, i) => scope.b.constant(d, outNames[i] || `${name}_out${i}`));
    }
    const outs = scope.b.node(op, attrs, ins, { name, origin: [name], outNames, bodies });
    this.#remember(scope.b.nodes[scope.b.nodes.length - 1]);
    return outs;
  }

  /** The type that the file declares for a value, where it is complete. */
  #declared(scope: Scope, name: string): TensorType | null {
    const v = name === "" ? undefined : scope.declared.get(name);
    if (!v || (v.type.kind === "tensor" && unsupportedType(v.type.elemType))) return null;
    return this.sizes.type(v.type, `the value '${name}'`);
  }

  /** The shape that follows for a first output from what is computed of it, its element type unknown. */
  #shown(scope: Scope, name: string, output: number): TensorType | null {
    if (name === "" || output > 0) return null;
    const shape = shapeOf(name, {
      ...scope.wires,
      declared: (x) => {
        const type = this.#declared(scope, x);
        return type && dims(type);
      },
      known: (x) => shapeThere(scope, x),
      operands: (m) => {
        const found = this.table.find(m, this.#opsets(m));
        if (!("op" in found) || !found.op.pointwise) return null;
        return m.inputs.slice(0, found.binding.inputs).filter((x) => x !== "");
      },
    });
    return shape && { dtype: "float32", shape };
  }

  #remember(node: Node): void {
    if (node.bodies.length) return;
    if (!node.ins.every((v) => v === null || v.data || this.#keptConstants.has(v))) return;
    node.outs.forEach((v) => this.#keptConstants.set(v, node));
  }

  /** The data of a constant, or of what nodes compute from constants alone. */
  #data(v: Value): TensorData | undefined {
    if (v.data) return v.data;
    const node = this.#keptConstants.get(v);
    if (!node) return undefined;
    let outs = this.#evaluated.get(node);
    if (outs === undefined) {
      const ins = node.ins.map((x) => x && { ...x, data: this.#data(x) });
      const types = node.outs.map((x) => x.type);
      outs = constantOutputs({ ...node, ins, outs: types }, this.#budget);
      this.#evaluated.set(node, outs);
    }
    return outs?.[node.outs.indexOf(v)];
  }

  #body(g: GraphView, name: string, outer: Scope): Graph {
    const where = ` in '${name}'${outer.where}`;
    const inputs = g.inputs.map((v) => {
      const type = this.sizes.type(v.type, `the input '${v.name}'${where}`);
      if (!type) throw new OpError(`its graph's input '${v.name}' has no declared type and shape`);
      return portOf({ name: v.name, type });
    });
    const graph = this.#graph(g, inputs, g.name || name, outer, where);
    if (!graph) throw new OpError("its graph holds nodes that are not supported");
    return graph;
  }

  /** A nested graph for inputs of given types; those with data are constants. */
  #nested(g: GraphView, types: readonly GraphInput[], name: string, outer: Scope): Graph {
    const where = ` in '${name}'${outer.where}`;
    if (types.length !== g.inputs.length) {
      throw new OpError(`its graph has ${g.inputs.length} inputs for ${types.length} values`);
    }
    const inputs = g.inputs.map((v, i) => portOf({ name: v.name, ...types[i] }));
    const graph = this.#graph(g, inputs, g.name || name, outer, where);
    if (!graph) throw new OpError("its graph holds nodes that are not supported");
    return graph;
  }

  /** Looks for operators that do not exist in graphs that are not imported. */
  #survey(g: GraphView, where: string): void {
    g.nodes.forEach((n, i) => {
      const type = typeName(n.domain, n.opType);
      this.total++;
      this.opCounts.set(type, (this.opCounts.get(type) ?? 0) + 1);
      for (const inner of nestedGraphs(n)) this.#survey(inner, ` in '${n.name}'${where}`);
      const found = this.table.find(n, this.#opsets(n));
      if ("op" in found) return;
      const node = n.name || `${n.opType}_${i}`;
      this.problems.push({ node, where, type, reason: found.reason, hint: found.hint });
    });
  }

  /** Runs a step of the import; what speaks against the node comes back, other errors go on. */
  #attempt(step: () => void): { code: string; message: string; hint: string | undefined } | null {
    try {
      step();
      return null;
    } catch (e) {
      if (e instanceof BurinError) {
        const ofNode = e instanceof OpError || e.code === "model/operand-not-constant" ||
          e.code === "model/unsupported-type";
        if (!ofNode) throw e;
        return e;
      }
      // An operator that stumbles over inputs which no valid model has.
      const message = `its inputs and attributes do not fit together (${(e as Error).message})`;
      const hint = "check the model with onnx.checker; if it is valid, please report this";
      return { code: "model/bad-operator", message, hint };
    }
  }

  /** A value of the declared type in place of one that is not computed. */
  #standIn(scope: Scope, name: string): Value | undefined {
    const declared = scope.declared.get(name);
    const type = declared && this.sizes.type(declared.type, `the value '${name}'`);
    if (!type) return undefined;
    const v = { name, type };
    this.#tainted.add(v);
    return v;
  }

  #item(scope: Scope, name: string, reader: string): Item | undefined {
    for (let s: Scope | null = scope; s; s = s.outer) {
      if (s.values.has(name)) return s.values.get(name);
      const t = s.tensors.get(name);
      if (t) {
        if (unsupportedType(t.dataType)) return undefined;
        const v = s.b.constant(tensorData(t), name);
        s.values.set(name, v);
        return v;
      }
    }
    throw malformed(
      `${reader} read${reader.startsWith("the node") ? "s" : ""} '${name}', ` +
        `which nothing computes${scope.where}`,
    );
  }
}

function checkSize(t: TensorType): void {
  const n = sizeOf(dims(t));
  if (t.shape.some((d) => !Number.isSafeInteger(d) || (d as number) < 0) || n >= 2 ** 31) {
    throw new OpError(`its result would have the shape [${t.shape}]`);
  }
}
