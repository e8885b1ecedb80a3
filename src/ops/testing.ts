/** What the tests of operators share: attribute readers without a file, representations, builders. */
import assert from "node:assert/strict";
import { numbers, tensor, type TensorData } from "../util/tensor.ts";
import { Builder } from "../ir/build.ts";
import { evaluateNode } from "../ir/evaluate.ts";
import { typeOf, type Value } from "../ir/graph.ts";
import { type AttrReader, type OpDef, OpError } from "../ir/opdef.ts";
import type { QuantContext, Rep } from "../ir/quant.ts";

type Attribute = number | string | readonly number[] | readonly string[] | TensorData;

/** A node as a file would hold it. */
export interface FakeNode {
  readonly opset?: number;
  readonly attrs?: Readonly<Record<string, Attribute>>;
  readonly inputs?: readonly (TensorData | null)[];
  readonly outputs?: number;
}

/** Reads the attributes that one operator set version gives a node. */
export function read<A>(op: OpDef<A>, type: string, n: FakeNode): A {
  const opset = n.opset ?? 18, attrs = n.attrs ?? {}, inputs = n.inputs ?? [];
  const binding = op.onnx.filter((b) => b.type === type && b.since <= opset)
    .sort((a, b) => b.since - a.since)[0];
  const get = <T>(name: string, fallback: T | undefined): T => {
    const v = (attrs[name] ?? fallback) as T | undefined;
    if (v === undefined) throw new OpError(`its attribute '${name}' is missing`);
    return v;
  };
  const reader: AttrReader = {
    opset,
    inputCount: inputs.length,
    outputCount: n.outputs ?? 1,
    has: (name) => name in attrs,
    int: get,
    float: get,
    string: get,
    ints: get,
    floats: get,
    strings: get,
    tensor: (name) => get<TensorData>(name, undefined),
    type: (i) => inputs[i] ? typeOf(inputs[i]) : null,
    operand: (i) => inputs[i] ?? undefined,
    operandNumbers: (i) => inputs[i] ? numbers(inputs[i]) : undefined,
    operandInts: (i) => inputs[i] ? numbers(inputs[i]) : undefined,
    declared: () => null,
    constant: (i) => inputs[i] ?? undefined,
    graph: (name) => {
      throw new OpError(`its attribute '${name}' is missing`);
    },
  };
  return binding.attrs(reader);
}

/** An operator of the array by name. */
// deno-lint-ignore no-explicit-any
export function named(ops: readonly OpDef<any>[], name: string): OpDef<any> {
  const op = ops.find((o) => o.name === name);
  assert.ok(op, `no operator ${name}`);
  return op;
}

export const floats = (shape: readonly number[], values: Iterable<number>): TensorData =>
  tensor("float32", shape, values);
export const int64s = (...values: number[]): TensorData => tensor("int64", [values.length], values);

/** The elements 0, 1, 2, … */
export const counting = (shape: readonly number[], dtype: TensorData["dtype"] = "float32") =>
  tensor(dtype, shape, Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => i));

/** Evaluates a node and checks shape, type and elements of its first output. */
export function expect<A>(
  op: OpDef<A>,
  attrs: A,
  ins: (TensorData | null)[],
  want: TensorData,
) {
  const [y] = evaluateNode(op, attrs, ins);
  assert.deepEqual([y.dtype, y.shape], [want.dtype, want.shape]);
  assert.deepEqual(numbers(y), numbers(want));
}

/** Checks that two float tensors agree within a relative error. */
export function close(got: TensorData, want: readonly number[], tolerance = 1e-6): void {
  const values = numbers(got);
  assert.equal(values.length, want.length);
  want.forEach((w, i) =>
    assert.ok(
      Object.is(values[i], w) || Math.abs(values[i] - w) <= tolerance * Math.max(1, Math.abs(w)),
      `element ${i} is ${values[i]}, not ${w}`,
    )
  );
}

/** Checks that a node is refused with a message that matches and a hint. */
export function refuses(f: () => unknown, message: RegExp): void {
  assert.throws(f, (e) => e instanceof OpError && message.test(e.message) && e.hint !== undefined);
}

/** A tensor that was dequantised: scale and zero for the whole, or one for each index along axis. */
export function dequantized(
  q: TensorData,
  scale: readonly number[],
  zero: readonly number[],
  axis = 1,
): { rep: Rep & { k: "deq" }; value: Value } {
  const value: Value = { name: "q", type: typeOf(q) };
  const shape = scale.length === 1 ? [] : [scale.length];
  const rep = {
    k: "deq" as const,
    q: value,
    scale: tensor("float32", shape, scale),
    zero: tensor(q.dtype, shape, zero),
    axis,
  };
  return { rep, value };
}

/** An accumulator with its waiting bounds. */
export function accumulator(
  lo: number | null = null,
  hi: number | null = null,
): Rep & { k: "acc" } {
  const acc: Value = { name: "acc", type: { dtype: "int32", shape: [1, 2, 2, 2] } };
  return { k: "acc", acc, scale: tensor("float32", [], [0.5]), axis: 1, lo, hi };
}

/** A context that records what a rule builds. */
export function quantContext(): QuantContext & { readonly b: Builder } {
  return {
    b: new Builder(),
    float: () => {
      throw new Error("no float is asked for");
    },
  };
}

/** Elements between −5/4 and 5/4 (−5 and 5 for integers) that look irregular and are exact. */
export function pattern(shape: readonly number[], dtype: TensorData["dtype"] = "float32") {
  const size = shape.reduce((a, b) => a * b, 1), unit = dtype.startsWith("float") ? 4 : 1;
  return tensor(dtype, shape, Array.from({ length: size }, (_, i) => ((i * 7) % 11 - 5) / unit));
}

/** A node and what onnx.reference computes from it: shape and elements of each output. */
export interface ReferenceCase {
  readonly type: string;
  readonly opset?: number;
  readonly attrs?: Readonly<Record<string, Attribute>>;
  readonly ins: readonly (TensorData | null)[];
  readonly outs: readonly (readonly [shape: readonly number[], elements: readonly number[]])[];
}

/** Evaluates a node and compares its outputs with a reference. */
// deno-lint-ignore no-explicit-any
export function agrees(ops: readonly OpDef<any>[], c: ReferenceCase, tolerance = 2e-6): void {
  const versions = ops.filter((o) => o.onnx.some((b) => b.type === c.type));
  const op = versions.find((o) => o.onnx.some((b) => b.type === c.type && b.since <= 99))!;
  assert.ok(op, `no operator ${c.type}`);
  const attrs = read(op, c.type, {
    opset: c.opset ?? 26,
    attrs: c.attrs,
    inputs: c.ins,
    outputs: c.outs.length,
  });
  const leading = op.onnx.find((b) => b.type === c.type)!.inputs ?? c.ins.length;
  const got = evaluateNode(op, attrs, c.ins.slice(0, leading));
  c.outs.forEach(([shape, elements], i) => {
    assert.deepEqual(got[i].shape, shape, `shape of output ${i}`);
    close(got[i], elements, tolerance);
  });
}
