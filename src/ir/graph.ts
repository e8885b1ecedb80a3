/**
 * The graph: values in single assignment, nodes in topological order. Graphs are immutable; a pass
 * builds a new one (see build.ts).
 */
import { BurinError } from "../util/errors.ts";
import type { DType } from "../util/dtype.ts";
import type { TensorData } from "../util/tensor.ts";
import type { OpDef } from "./opdef.ts";

/** A dimension that `bindDims` has to give a number. */
export interface Sym {
  readonly sym: string;
}
export type Dim = number | Sym;

/** Element type and logical shape (ONNX's order of axes, whatever the layout in memory). */
export interface TensorType {
  readonly dtype: DType;
  readonly shape: readonly Dim[];
}

/** A tensor in the graph; `data` where it is a constant. Compared by identity. */
export interface Value {
  readonly name: string;
  readonly type: TensorType;
  readonly data?: TensorData;
}

/** An operator applied to values; a null input is an optional one left out. */
export interface Node {
  readonly name: string;
  // deno-lint-ignore no-explicit-any
  readonly op: OpDef<any>;
  readonly attrs: unknown;
  readonly ins: readonly (Value | null)[];
  readonly outs: readonly Value[];
  /** Names of the ONNX nodes that this one came from, for messages and comments. */
  readonly origin: readonly string[];
  /** Nested graphs (If, Loop, scan steps); they may capture values of the enclosing graph. */
  readonly bodies: readonly Graph[];
}

/** A value that survives from one run to the next. */
export interface StateSlot {
  readonly name: string;
  readonly input: Value;
  readonly output: Value;
}

export interface Graph {
  readonly name: string;
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
  /** Names of the outputs as the user wrote them; passes may replace the values behind them. */
  readonly outputNames: readonly string[];
  readonly nodes: readonly Node[];
  readonly states: readonly StateSlot[];
}

/** The shape as numbers; throws where a dimension is still symbolic. */
export function dims(t: TensorType): number[] {
  return t.shape.map((d) => {
    if (typeof d === "number") return d;
    throw new BurinError(
      "model/unbound-dimension",
      `Cannot compile as the dimension '${d.sym}' has no size`,
      `give it one with --dim ${d.sym}=N`,
    );
  });
}

/** Which nodes read each value, graph outputs not counted. */
export function consumers(g: Graph): Map<Value, Node[]> {
  const uses = new Map<Value, Node[]>();
  for (const n of g.nodes) {
    for (const v of new Set([...n.ins, ...n.bodies.flatMap(captures)])) {
      if (v) uses.set(v, [...(uses.get(v) ?? []), n]);
    }
  }
  return uses;
}

/** Which node computes each value. */
export function producers(g: Graph): Map<Value, Node> {
  return new Map(g.nodes.flatMap((n) => n.outs.map((v) => [v, n] as const)));
}

/** Values of enclosing graphs that a nested graph reads. */
export function captures(g: Graph): Value[] {
  const own = new Set<Value>(g.inputs);
  const free = new Set<Value>();
  const read = (v: Value | null): void => {
    if (v && !v.data && !own.has(v)) free.add(v);
  };
  for (const n of g.nodes) {
    n.ins.forEach(read);
    n.bodies.flatMap(captures).forEach(read);
    n.outs.forEach((v) => own.add(v));
  }
  g.outputs.forEach(read);
  return [...free];
}

/** `int8[1,64,25,5]`; symbolic dimensions by name. */
export const typeText = (t: TensorType): string =>
  `${t.dtype}[${t.shape.map((d) => typeof d === "number" ? d : d.sym).join(",")}]`;

/** The type of a constant. */
export const typeOf = (t: TensorData): TensorType => ({ dtype: t.dtype, shape: t.shape });
