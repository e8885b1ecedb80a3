/** What the names of a graph stand for while its nodes are read. */
import { type DType, dtypeByNumber } from "../util/dtype.ts";
import type { Builder } from "../ir/build.ts";
import { Names } from "../util/names.ts";
import { dims, type Value } from "../ir/graph.ts";
import { isSeveral, type Item, type Several } from "../ir/items.ts";
import { OpError } from "../ir/opdef.ts";
import type { wiring } from "./declared.ts";
import { nestedGraphs } from "./order.ts";
import type { GraphView, NodeView, TensorView, ValueInfoView } from "./reader.ts";
import { dtypeOf, unsupportedType } from "./tensors.ts";
import type { Found } from "./unsupported.ts";
import { malformed } from "./wire.ts";

/** Names of one graph; undefined stands for a value that an unsupported node should have made. */
export interface Scope {
  readonly values: Map<string, Item | undefined>;
  readonly tensors: ReadonlyMap<string, TensorView>;
  readonly declared: ReadonlyMap<string, ValueInfoView>;
  readonly wires: ReturnType<typeof wiring>;
  readonly outer: Scope | null;
  readonly b: Builder;
  /** Where the graph lies, for messages: "" or ` in 'loop'`. */
  readonly where: string;
}

/** What an input of a graph stands for. */
export interface Port {
  readonly name: string;
  readonly item: Item;
}

/** The element type that the file declares for a value, null where it does not or is unknown. */
export function declaredType(scope: Scope, name: string): DType | null {
  const declared = scope.declared.get(name)?.type;
  return declared?.kind === "tensor" ? dtypeByNumber(declared.elemType) ?? null : null;
}

export function checkOutputType(scope: Scope, name: string): void {
  const t = scope.tensors.get(name);
  if (t) dtypeOf(t.dataType, `the output '${name}'`);
}

/** The name of the element type of a tensor that cannot be used. */
export function foreignType(scope: Scope, name: string): string | null {
  for (let s: Scope | null = scope; s; s = s.outer) {
    const t = s.tensors.get(name);
    if (t) return unsupportedType(t.dataType);
    if (s.values.has(name)) return null;
  }
  return null;
}

/** The shape of a value or tensor that is there already. */
export function shapeThere(scope: Scope, name: string): readonly number[] | null {
  for (let s: Scope | null = scope; s; s = s.outer) {
    const v = s.values.get(name), t = s.tensors.get(name);
    if (v && !isSeveral(v)) return dims(v.type);
    if (t) return t.dims;
  }
  return null;
}

/** The operator works on sequences or optionals: its own kind, or as it is given or gives some. */
export function concernsItems(
  n: NodeView,
  { op }: Found,
  inputs: readonly (Item | null)[],
): boolean {
  if (!op.items) return false;
  const gives = nestedGraphs(n).some((g) =>
    g.outputs.some((v) => v.type.kind === "sequence" || v.type.kind === "optional")
  );
  return op.items.always === true || gives || inputs.some(isSeveral);
}

export function tensorsOnly(n: NodeView, inputs: readonly (Item | null)[]): (Value | null)[] {
  return inputs.map((v, i) => {
    if (!isSeveral(v)) return v;
    throw new OpError(`its input '${n.inputs[i]}' is a sequence or an empty optional`);
  });
}

/** The values that one name stands for, in order. */
export const valuesOf = (v: Item): Value[] =>
  isSeveral(v) ? (v.items ?? []).flatMap(valuesOf) : [v];

/** The names of these, of elements of a sequence with their number behind. */
export const portNames = (name: string, v: Item): string[] =>
  isSeveral(v) ? (v.items ?? []).flatMap((e, i) => portNames(`${name}_${i}`, e)) : [name];

/** The names of a graph's outputs, each once; those of elements make way. */
export function outputNames(g: GraphView, given: readonly Item[]): string[] {
  const own = [...byName(g.outputs).keys()], names = new Names();
  given.forEach((v, i) => !isSeveral(v) && names.unique(own[i]));
  return own.flatMap((x, i) => {
    const v = given[i];
    return isSeveral(v) ? portNames(x, v).map((n) => names.unique(n)) : [x];
  });
}

/** What the user should know of an output that is a sequence. */
export function ofSequence(name: string, v: Several): string {
  const n = portNames(name, v).length;
  return n === 0
    ? `the output '${name}' is always empty and left out`
    : `the output '${name}' is a sequence of ${n}: its elements are the outputs ${
      portNames(name, v).map((x) => `'${x}'`).join(", ")
    }`;
}

/** A value under its own name. */
export const portOf = (v: Value): Port => ({ name: v.name, item: v });

export function define(scope: Scope, name: string, v: Item | undefined): void {
  if (scope.values.has(name) || scope.tensors.has(name)) {
    throw malformed(`the value '${name}' is defined twice${scope.where}`);
  }
  scope.values.set(name, v);
}

export function byName<T extends { readonly name: string }>(list: readonly T[]): Map<string, T> {
  const map = new Map<string, T>();
  for (const x of list) {
    if (map.has(x.name)) throw malformed(`the name '${x.name}' stands twice in one list`);
    map.set(x.name, x);
  }
  return map;
}
