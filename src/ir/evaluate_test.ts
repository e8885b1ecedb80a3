import assert from "node:assert/strict";
import { BurinError } from "../util/errors.ts";
import { numbers, tensor, type TensorData } from "../util/tensor.ts";
import { axis, compute, sum } from "../te/compute.ts";
import { add, imm, load, mul, sub, variable } from "../te/expr.ts";
import type { Stmt } from "../tir/stmt.ts";
import { Builder } from "./build.ts";
import { constantOutputs, evaluateGraph, evaluateNode, foldBudget } from "./evaluate.ts";
import { dims, type Graph, type TensorType, type Value } from "./graph.ts";
import type { OpDef } from "./opdef.ts";

const ints = (shape: number[], values: number[]): TensorData => tensor("int32", shape, values);
const constant = (name: string, data: TensorData): Value => ({ name, type: data, data });

/** Two stages, an optional second input: y = 2x (+ z). */
const twice: OpDef<null> = {
  name: "Twice",
  onnx: [],
  infer: (_, [x]) => [x!],
  body: {
    kind: "compute",
    define(_, [x, z], [out]) {
      const shape = dims(out);
      const doubled = compute("d", "int32", shape, (...at) => mul(load(x!, at), 2));
      return [
        doubled,
        compute(
          "y",
          "int32",
          shape,
          (...at) => z ? add(load(doubled.out, at), load(z, at)) : load(doubled.out, at),
        ),
      ];
    },
  },
};
/** Sum of all elements, and their number, which loads nothing. */
const total: OpDef<null> = {
  name: "Total",
  onnx: [],
  infer: () => [{ dtype: "int32", shape: [] }, { dtype: "int32", shape: [] }],
  body: {
    kind: "compute",
    define: (_, [x]) => [
      compute("sum", "int32", [], () => {
        const over = x!.shape.map((n, i) => axis(`r${i}`, n));
        return sum(over, load(x!, over.map((r) => r.v)));
      }),
      compute("count", "int32", [], () => imm(x!.shape.reduce((a, b) => a * b, 1))),
    ],
  },
};
const rank: OpDef<null> = {
  name: "Rank",
  onnx: [],
  infer: () => [{ dtype: "int32", shape: [] }],
  body: {
    kind: "compute",
    define: (_, [x]) => [compute("y", "int32", [], () => imm(x!.shape.length))],
  },
};
const fourTimes: OpDef<null> = {
  name: "FourTimes",
  onnx: [],
  infer: (_, [x]) => [x!],
  body: {
    kind: "expand",
    rewrite: (_, [x], _outs, b) => b.node(twice, null, b.node(twice, null, [x])),
  },
};
const reversed: OpDef<null> = {
  name: "Reversed",
  onnx: [],
  infer: (_, [x]) => [x!],
  body: {
    kind: "kernel",
    program(_, { ins: [x], outs: [y] }) {
      const v = variable("i"), n = y.shape[0];
      const value = load(x!, [sub(n - 1, v)]);
      const body: Stmt = { k: "store", buf: y, idx: [v], value };
      return { k: "for", v, lo: imm(0), hi: imm(n), body };
    },
  },
};

const T: TensorType = { dtype: "int32", shape: [2] };

Deno.test("a node is evaluated by its definition, whatever its kind", () => {
  const x = ints([2], [3, 4]);
  assert.deepEqual(evaluateNode(twice, null, [x]).map(numbers), [[6, 8]]);
  assert.deepEqual(evaluateNode(twice, null, [x, ints([2], [1, 2])]).map(numbers), [[7, 10]]);
  assert.deepEqual(evaluateNode(twice, null, [x, null]).map(numbers), [[6, 8]]);
  assert.deepEqual(evaluateNode(total, null, [x]).map(numbers), [[7], [2]]);
  assert.deepEqual(evaluateNode(fourTimes, null, [x]).map(numbers), [[12, 16]]);
  assert.deepEqual(evaluateNode(reversed, null, [x]).map(numbers), [[4, 3]]);
});

Deno.test("a node of constants is constant, one of run-time values only if it loads none", () => {
  const c = constant("c", ints([2], [3, 4])), x: Value = { name: "x", type: T };
  const fold = (op: OpDef<null>, v: Value, outs = [T]) =>
    constantOutputs({ op, attrs: null, ins: [v], outs }, foldBudget())?.map(numbers);
  assert.deepEqual(fold(twice, c), [[6, 8]]);
  assert.deepEqual(fold(fourTimes, c), [[12, 16]]);
  assert.deepEqual(fold(reversed, c), [[4, 3]]);
  assert.deepEqual(fold(rank, x, [{ dtype: "int32", shape: [] }]), [[1]]);
  for (const op of [twice, fourTimes, reversed]) assert.equal(fold(op, x), undefined);
  assert.equal(fold(total, x, [...total.infer(null, [T], () => undefined)]), undefined);
});

Deno.test("folding stays within its budget", () => {
  const c = constant("c", ints([2], [3, 4]));
  const node = { op: twice, attrs: null, ins: [c], outs: [T] };
  const budget = { steps: 9 };
  assert.notEqual(constantOutputs(node, budget), null);
  assert.equal(budget.steps, 5); // two stages of two elements
  assert.notEqual(constantOutputs(node, budget), null);
  assert.equal(constantOutputs(node, budget), null);
  assert.equal(budget.steps, 1);
});

Deno.test("a graph runs from inputs to outputs, constants and inputs among them", () => {
  const x: Value = { name: "x", type: T }, c = constant("c", ints([2], [10, 20]));
  const b = new Builder().reserve(["x"]);
  const [y] = b.node(twice, null, [x, c]);
  const [z] = b.node(fourTimes, null, [y]);
  const g: Graph = {
    name: "g",
    inputs: [x],
    outputs: [z, y, x, c],
    outputNames: ["z", "y", "x", "c"],
    nodes: b.nodes,
    states: [],
  };
  assert.deepEqual(
    evaluateGraph(g, [ints([2], [1, 2])]).map(numbers),
    [[48, 96], [12, 24], [1, 2], [10, 20]],
  );
  for (const inputs of [[], [ints([3], [1, 2, 3])], [tensor("int8", [2], [1, 2])]]) {
    assert.throws(
      () => evaluateGraph(g, inputs),
      (e) => e instanceof BurinError && e.code === "data/wrong-input",
    );
  }
});
