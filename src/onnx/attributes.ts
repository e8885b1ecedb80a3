/** Typed access to the attributes and constant operands of one ONNX node. */
import { BurinError } from "../util/errors.ts";
import { numbers, sizeOf, type TensorData, zeros } from "../util/tensor.ts";
import { dims, type Graph, type TensorType, type Value } from "../ir/graph.ts";
import {
  type AttrReader,
  type Candidate,
  type GraphInput,
  OpError,
  type Solve,
} from "../ir/opdef.ts";
import type { AttributeKind, GraphView, NodeView, TensorView } from "./reader.ts";
import { tensorData } from "./tensors.ts";
import { malformed } from "./wire.ts";

/** What a reader needs beside the node. */
export interface Operands {
  readonly opset: number;
  readonly ins: readonly (Value | null)[];
  /** The data of a value where it can be known at import. */
  known(v: Value): TensorData | undefined;
  /** Types of the outputs as the file declares them. */
  readonly outs: readonly (TensorType | null)[];
  /** Imports a nested graph. */
  readonly graph: (g: GraphView, inputs: readonly GraphInput[]) => Graph;
  /** What run-time operands are taken to be, by input. */
  readonly assumed: ReadonlyMap<number, Candidate>;
}

/** Thrown where a node can be read for each of several values of an operand. */
export class Undecided extends Error {
  constructor(readonly input: number, readonly candidates: readonly Candidate[]) {
    super();
  }
}

const KIND_TEXT: Readonly<Record<AttributeKind, string>> = {
  float: "a float",
  int: "an integer",
  string: "a text",
  tensor: "a tensor",
  graph: "a graph",
  floats: "a list of floats",
  ints: "a list of integers",
  strings: "a list of texts",
  tensors: "a list of tensors",
  graphs: "a list of graphs",
  other: "of an unknown kind",
};

/** {@link AttrReader} over a node; remembers which attributes were asked for. */
export class NodeAttributes implements AttrReader {
  readonly opset: number;
  readonly inputCount: number;
  readonly outputCount: number;
  readonly #asked = new Set<string>();
  readonly #byName = new Map<string, { kind: AttributeKind; value: unknown }>();

  constructor(readonly node: NodeView, readonly operands: Operands) {
    this.opset = operands.opset;
    this.inputCount = operands.ins.length;
    this.outputCount = node.outputs.length;
    for (const a of node.attributes) {
      if (this.#byName.has(a.name)) {
        throw malformed(`the node '${node.name}' has two attributes '${a.name}'`);
      }
      this.#byName.set(a.name, a);
    }
  }

  /** Attributes that nobody asked for, graphs excepted. */
  unread(): string[] {
    return this.node.attributes
      .filter((a) => !this.#asked.has(a.name) && a.kind !== "graph" && a.kind !== "graphs")
      .map((a) => a.name);
  }

  has(name: string): boolean {
    this.#asked.add(name);
    return this.#byName.has(name);
  }

  int(name: string, fallback?: number): number {
    return this.#get("int", name, fallback);
  }
  float(name: string, fallback?: number): number {
    return this.#get("float", name, fallback);
  }
  string(name: string, fallback?: string): string {
    return this.#get("string", name, fallback);
  }
  ints(name: string, fallback?: readonly number[]): readonly number[] {
    return this.#get("ints", name, fallback);
  }
  strings(name: string, fallback?: readonly string[]): readonly string[] {
    return this.#get("strings", name, fallback);
  }
  floats(name: string, fallback?: readonly number[]): readonly number[] {
    return this.#get("floats", name, fallback);
  }
  tensor(name: string): TensorData {
    const t = this.#get<TensorView>("tensor", name);
    return tensorData(t.name ? t : { ...t, name: this.node.name });
  }

  type(input: number): TensorType | null {
    return this.operands.ins[input]?.type ?? null;
  }

  operand(input: number): TensorData | undefined {
    const v = this.operands.ins[input];
    if (!v) return undefined;
    const data = this.operands.known(v);
    if (data) return data;
    if (sizeOf(dims(v.type)) === 0) return zeros(v.type.dtype, dims(v.type));
    throw notConstant(input, v);
  }

  operandInts(input: number, solve?: Solve): readonly number[] | undefined {
    const dtype = this.type(input)?.dtype;
    const whole = dtype === "int64" || dtype === "int32" || dtype === "bool";
    if (dtype !== undefined && !whole) {
      throw new OpError(`its input ${input} is ${dtype} where integers belong`);
    }
    return this.operandNumbers(input, solve);
  }

  operandNumbers(input: number, solve?: Solve): readonly number[] | undefined {
    const assumed = this.operands.assumed.get(input);
    if (assumed) return assumed.values;
    const v = this.operands.ins[input];
    if (solve && v && !this.operands.known(v) && sizeOf(dims(v.type)) > 0) {
      const { ins, outs } = this.operands;
      const types = ins.map((x) => x && x.type);
      const candidates = solve({ type: v.type, ins: types, outs });
      if (candidates.length > 0) throw new Undecided(input, candidates);
    }
    const t = this.operand(input);
    return t && numbers(t);
  }

  /** Nested graphs that were asked for. */
  readonly graphs: Graph[] = [];

  declared(output: number): TensorType | null {
    return this.operands.outs[output] ?? null;
  }

  constant(input: number): TensorData | undefined {
    const v = this.operands.ins[input];
    return v ? this.operands.known(v) : undefined;
  }

  graph(name: string, inputs: readonly GraphInput[]): Graph {
    const g = this.operands.graph(this.#get<GraphView>("graph", name), inputs);
    this.graphs.push(g);
    return g;
  }

  #get<T>(kind: AttributeKind, name: string, fallback?: T): T {
    this.#asked.add(name);
    const a = this.#byName.get(name);
    if (!a) {
      if (fallback !== undefined) return fallback;
      throw new OpError(`its attribute '${name}' is missing`);
    }
    // A list may be written as a single element, an empty list has no kind of its own, and a whole
    // number is a float too.
    if (a.kind === kind || (a.kind === "int" && kind === "float")) return a.value as T;
    if (`${a.kind}s` === kind) return [a.value] as T;
    if (a.kind === "other" && kind.endsWith("s")) return [] as T;
    throw new OpError(
      `its attribute '${name}' is ${KIND_TEXT[a.kind]} where ${KIND_TEXT[kind]} belongs`,
    );
  }
}

/** The error of an operand that is not known while compiling. */
export const notConstant = (input: number, v: Value): BurinError =>
  new BurinError(
    "model/operand-not-constant",
    `its input ${input} ('${v.name}') is computed when the model runs`,
    "this input must be a constant: fix the shapes when exporting the model",
  );
