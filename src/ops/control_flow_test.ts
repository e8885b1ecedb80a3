import assert from "node:assert/strict";
import { numbers } from "../util/tensor.ts";
import {
  graph,
  graphAttr,
  model,
  type ModelParts,
  node,
  tensor,
  value,
} from "../../tests/onnx_builder.ts";
import { importModel } from "../onnx/import.ts";

/** Outputs of a model without inputs, which are computed while it is read. */
const computed = (p: ModelParts) =>
  importModel(model(p)).graph.outputs.map((v) => [v.type.shape, numbers(v.data!)]);
const refused = (p: ModelParts, text: RegExp) =>
  assert.throws(() => importModel(model(p)), (e) => text.test((e as Error).message));

const X = tensor("x", "float32", [2], [1, 2]);
const Y = value("y", "float32", [2]);

Deno.test("Loop carries values, gathers others, and reads those around it", () => {
  const body = graph({
    inputs: [value("i", "int64", []), value("go", "bool", []), value("sum", "float32", [2])],
    outputs: [
      value("go_on", "bool", []),
      value("next", "float32", [2]),
      value("each", "float32", [2]),
    ],
    nodes: [
      node("Identity", ["go"], ["go_on"]),
      node("Cast", ["i"], ["turn"], { to: 1 }),
      node("Mul", ["x", "turn"], ["each"]),
      node("Add", ["sum", "each"], ["next"]),
    ],
  });
  const parts = (turns: number): ModelParts => ({
    outputs: [Y, value("all", "float32", [turns, 2])],
    initializers: [X, tensor("n", "int64", [], [turns]), tensor("yes", "bool", [], [1])],
    nodes: [node("Loop", ["n", "yes", "x"], ["y", "all"], { body: graphAttr(body) })],
  });
  assert.deepEqual(computed(parts(3)), [
    [[2], [1 + 3, 2 + 6]],
    [[3, 2], [0, 0, 1, 2, 2, 4]],
  ]);
  assert.deepEqual(computed(parts(1)), [[[2], [1, 2]], [[1, 2], [0, 0]]]);
});

Deno.test("Loop ends where its condition does", () => {
  const body = graph({
    inputs: [value("i", "int64", []), value("go", "bool", []), value("v", "float32", [2])],
    outputs: [value("go_on", "bool", []), value("next", "float32", [2])],
    nodes: [node("Less", ["i", "last"], ["go_on"]), node("Add", ["v", "x"], ["next"])],
  });
  const p: ModelParts = {
    outputs: [Y],
    initializers: [
      X,
      tensor("n", "int64", [], [100]),
      tensor("last", "int64", [], [2]),
      tensor("yes", "bool", [], [1]),
    ],
    nodes: [node("Loop", ["n", "yes", "x"], ["y"], { body: graphAttr(body) })],
  };
  assert.deepEqual(computed(p), [[[2], [4, 8]]]);
});

Deno.test("Scan goes along an axis, either way", () => {
  const body = graph({
    inputs: [value("sum", "float32", []), value("e", "float32", [])],
    outputs: [value("next", "float32", []), value("seen", "float32", [])],
    nodes: [node("Add", ["sum", "e"], ["next"]), node("Identity", ["next"], ["seen"])],
  });
  const scan = (attrs: Record<string, number[]>) =>
    computed({
      outputs: [value("y", "float32", []), value("all", "float32", [3])],
      initializers: [
        tensor("zero", "float32", [], [0]),
        tensor("v", "float32", [3], [1, 10, 100]),
      ],
      nodes: [node("Scan", ["zero", "v"], ["y", "all"], {
        num_scan_inputs: 1,
        body: graphAttr(body),
        ...attrs,
      })],
    });
  assert.deepEqual(scan({}), [[[], [111]], [[3], [1, 11, 111]]]);
  assert.deepEqual(scan({ scan_input_directions: [1] }), [[[], [111]], [[3], [100, 110, 111]]]);
  assert.deepEqual(scan({ scan_output_directions: [1] }), [[[], [111]], [[3], [111, 11, 1]]]);
});

Deno.test("If with a known condition is the branch, else both are computed and one is taken", () => {
  const branch = (type: string) =>
    graphAttr(
      graph({ nodes: [node(type, ["x"], [type])], outputs: [value(type, "float32", [2])] }),
    );
  const p = (c: number): ModelParts => ({
    outputs: [Y],
    initializers: [X, tensor("c", "bool", [], [c])],
    nodes: [node("If", ["c"], ["y"], { then_branch: branch("Neg"), else_branch: branch("Exp") })],
  });
  assert.deepEqual(computed(p(1)), [[[2], [-1, -2]]]);
  const open = importModel(model({
    ...p(1),
    inputs: [value("c", "bool", [])],
    initializers: [X],
  })).graph;
  assert.deepEqual(open.nodes.map((n) => n.op.name), ["If"]);
});

Deno.test("a loop whose number of turns comes when the model runs is refused", () => {
  const body = graph({
    inputs: [value("i", "int64", []), value("go", "bool", []), value("v", "float32", [2])],
    outputs: [value("go_on", "bool", []), value("next", "float32", [2])],
    nodes: [node("Identity", ["go"], ["go_on"]), node("Neg", ["v"], ["next"])],
  });
  refused({
    inputs: [value("n", "int64", [])],
    outputs: [Y],
    initializers: [X],
    nodes: [node("Loop", ["n", "", "x"], ["y"], { body: graphAttr(body) })],
  }, /its input 0 \('n'\) is computed when the model runs/);
});
