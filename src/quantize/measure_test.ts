import assert from "node:assert/strict";
import { model, type ModelParts, node, tensor, value } from "../../tests/onnx_builder.ts";
import { dims } from "../ir/graph.ts";
import { EditableModel } from "../onnx/editable.ts";
import { importModel } from "../onnx/import.ts";
import { judged } from "./measure.ts";

const X = value("x", "float32", [1, 4]);

/** What is compared of a model with these outputs. */
function compared(p: ModelParts): string[] {
  const file = model({ inputs: [X], opsets: { "": 13 }, ...p });
  const { graph } = importModel(file, { dims: {} });
  const values = [...graph.inputs, ...graph.nodes.flatMap((n) => n.outs)];
  assert(values.every((v) => dims(v.type).length > 0));
  return judged(EditableModel.read(file), new Map(values.map((v) => [v.name, v.type])));
}

Deno.test("measure: floats themselves, in front of Softmax, and what a label is made of", () => {
  const softmax = node("Softmax", ["x"], ["p"], { axis: 1 });
  const P = value("p", "float32", [1, 4]);
  assert.deepEqual(compared({ outputs: [P], nodes: [node("Neg", ["x"], ["p"])] }), ["p"]);
  assert.deepEqual(compared({ outputs: [P], nodes: [softmax] }), ["x"]);
  const label = [
    node("ArgMax", ["p"], ["best"], { axis: 1 }),
    node("Gather", ["classes", "best"], ["found"]),
    node("Cast", ["found"], ["label"], { to: 6 }),
  ];
  const classifier: ModelParts = {
    outputs: [value("label", "int32", [1, 1])],
    initializers: [tensor("classes", "int64", [4], [7, 8, 9, 10])],
    nodes: [node("Neg", ["x"], ["p"]), ...label],
  };
  assert.deepEqual(compared(classifier), ["p"]);
  const both = { ...classifier, outputs: [...classifier.outputs!, P], nodes: [softmax, ...label] };
  assert.deepEqual(compared(both), ["x", "x"]);
});

Deno.test("measure: an output that no float leads to is not compared", () => {
  const shape: ModelParts = {
    inputs: [value("i", "int64", [1])],
    outputs: [value("j", "int64", [1])],
    nodes: [node("Neg", ["i"], ["j"])],
  };
  assert.deepEqual(compared(shape), []);
});
