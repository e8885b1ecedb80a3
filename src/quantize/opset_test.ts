import assert from "node:assert/strict";
import { model, node, tensor, value } from "../../tests/onnx_builder.ts";
import { EditableModel, intsOf } from "../onnx/editable.ts";
import { importModel } from "../onnx/import.ts";
import { evaluateGraph } from "../ir/evaluate.ts";
import { BurinError } from "../util/errors.ts";
import { numbers, tensor as tensorData } from "../util/tensor.ts";
import { raiseOpset } from "./opset.ts";

const x = value("x", "float32", [1, 4, 3]);

Deno.test("opset: what became an input or an attribute is written so, and means the same", () => {
  const file = model({
    inputs: [x],
    outputs: [value("y", "float32", [1, 1, 3]), value("m", "float32", [1])],
    initializers: [tensor("one", "float32", [1], [1])],
    nodes: [
      node("Split", ["x"], ["a", "b"], { axis: 1 }),
      node("Sub", ["a", "b"], ["d"]),
      node("ReduceMax", ["d"], ["y"], { axes: [1], keepdims: 1 }),
      node("ReduceMean", ["d"], ["all"], { keepdims: 0 }),
      node("Mul", ["all", "one"], ["m"]),
    ],
    opsets: { "": 13 },
  });
  const raised = EditableModel.read(file);
  raiseOpset(raised, 21);
  assert.equal(raised.opset, 21);
  const [split, , max] = raised.nodes;
  assert.deepEqual(split.attributes.map((a) => a.name), ["axis", "num_outputs"]);
  assert.deepEqual(numbers(raised.constant(max.inputs[1])!), [1]);
  assert.deepEqual(intsOf(max, "axes", []), []);
  const data = tensorData("float32", [1, 4, 3], Array.from({ length: 12 }, (_, i) => i * i % 7));
  const run = (bytes: Uint8Array) =>
    evaluateGraph(importModel(bytes, { dims: {} }).graph, [data]).map((t) => numbers(t));
  assert.deepEqual(run(raised.encode()), run(file));
});

Deno.test("opset: a newer model stays, an operator of another meaning is refused", () => {
  const of = (opset: number, type: string) =>
    EditableModel.read(model({
      inputs: [x],
      outputs: [value("y", "float32", [1, 4, 3])],
      initializers: [tensor("s", "float32", [2], [1, 1]), tensor("b", "float32", [2], [0, 0])],
      nodes: [node(type, ["x", "s", "b"], ["y"], { num_groups: 2 })],
      opsets: { "": opset },
    }));
  const newer = of(22, "GroupNormalization");
  raiseOpset(newer, 21);
  assert.equal(newer.opset, 22);
  assert.throws(
    () => raiseOpset(of(18, "GroupNormalization"), 21),
    (e) => e instanceof BurinError && e.code === "model/old-opset" && /18/.test(e.message),
  );
});
