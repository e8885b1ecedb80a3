/** Scales of channels follow their channels, and are not moved where that cannot be said. */
import assert from "node:assert/strict";
import { numbers, tensor } from "../util/tensor.ts";
import { Builder } from "../ir/build.ts";
import { evaluateGraph } from "../ir/evaluate.ts";
import { dims, type Graph, type Value } from "../ir/graph.ts";
import { dequantizeLinear, quantizeLinear, slice, transpose } from "../ops/mod.ts";
import { hoistQuantize } from "./hoist_quantize.ts";
import { integerize } from "./integerize.ts";

const graph = (b: Builder, inputs: Value[], out: Value): Graph => ({
  name: "g",
  inputs,
  outputs: [out],
  outputNames: ["y"],
  nodes: b.nodes,
  states: [],
});

/** Runs a graph before and after a pass on the elements 1, 2, 3 … */
function unchanged(g: Graph, pass: (g: Graph) => Graph): Graph {
  const h = pass(g);
  const inputs = g.inputs.map(({ type }) => {
    const shape = dims(type), n = shape.reduce((a, b) => a * b, 1);
    return tensor(type.dtype, shape, Array.from({ length: n }, (_, i) => i + 1));
  });
  const [want] = evaluateGraph(g, inputs), [got] = evaluateGraph(h, inputs);
  assert.deepEqual(numbers(got), numbers(want));
  return h;
}

Deno.test("hoist-quantize: a scale for every channel stays behind a transpose", () => {
  const b = new Builder();
  const x: Value = { name: "x", type: { dtype: "float32", shape: [3, 3] } };
  const [t] = b.node(transpose, { perm: [1, 0] }, [x]);
  const scale = b.constant(tensor("float32", [3], [0.25, 0.5, 1]));
  const zero = b.constant(tensor("int8", [3], [0, 1, 2]));
  const attrs = { axis: 1, dtype: "int8" as const, scale: null, zero: null };
  unchanged(graph(b, [x], b.node(quantizeLinear, attrs, [t, scale, zero])[0]), hoistQuantize);
});

Deno.test("integerize: channels that a slice picks, and turns round, keep their scales", () => {
  for (const [start, end, step] of [[2, -4, -1], [1, 3, 1], [0, 3, 2]]) {
    const b = new Builder();
    const x: Value = { name: "x", type: { dtype: "int8", shape: [2, 3, 2] } };
    const scale = b.constant(tensor("float32", [3], [0.25, 0.5, 8]));
    const zero = b.constant(tensor("int8", [3], [0, 1, 2]));
    const [f] = b.node(dequantizeLinear, { axis: 1, scale: null, zero: null }, [x, scale, zero]);
    const cut = { starts: [start], ends: [end], axes: [1], steps: [step] };
    const h = unchanged(graph(b, [x], b.node(slice, cut, [f])[0]), integerize);
    assert.equal(h.nodes[0].outs[0].type.dtype, "int8", "the slice takes integers");
  }
});
