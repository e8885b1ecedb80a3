import assert from "node:assert/strict";
import {
  graph as graphOf,
  graphAttr,
  model,
  node,
  tensor,
  value,
} from "../../tests/onnx_builder.ts";
import { tensor as tensorData } from "../util/tensor.ts";
import { EditableModel, intAttribute, intOf, intsOf, stringOf } from "./editable.ts";
import { importModel } from "./import.ts";
import { readModel } from "./reader.ts";

const file = model({
  inputs: [value("x", "float32", [1, 1, 4, 4]), value("w", "float32", [1, 1, 2, 2])],
  outputs: [value("y", "float32", [1, 1, 3, 3])],
  initializers: [
    tensor("w", "float32", [1, 1, 2, 2], [1, 2, 3, 4]),
    tensor("unused", "float32", [1], [1]),
  ],
  nodes: [node("Conv", ["x", "w"], ["y"], { dilations: [1, 1], auto_pad: "VALID", group: 1 })],
});

Deno.test("editable: an untouched model is the same model, unread constants left out", () => {
  const m = EditableModel.read(file);
  const again = readModel(m.encode()), before = readModel(file);
  assert.deepEqual({ ...again.graph, initializers: [] }, { ...before.graph, initializers: [] });
  assert.deepEqual(again.graph.initializers.map((t) => t.name), ["w"]);
  assert.deepEqual([m.inputs, m.outputs, m.opset], [["x"], ["y"], 17]);
  assert.equal(again.producer, before.producer);
});

Deno.test("editable: attributes are read as ONNX types them", () => {
  const [conv] = EditableModel.read(file).nodes;
  assert.deepEqual(intsOf(conv, "dilations", []), [1, 1]);
  assert.deepEqual([intOf(conv, "group", 7), intOf(conv, "none", 7)], [1, 7]);
  assert.equal(stringOf(conv, "auto_pad", "NOTSET"), "VALID");
  conv.attributes.push(intAttribute("axis", -1));
  assert.equal(intOf(conv, "axis", 0), -1);
});

Deno.test("editable: constants, outputs and nodes that were changed arrive", () => {
  const m = EditableModel.read(file);
  m.setConstant("w", tensorData("float32", [1, 1, 2, 2], [2, 0, 0, 0]));
  m.nodes[0].outputs = ["z"];
  m.nodes.push({
    name: "r",
    opType: "Relu",
    domain: "",
    inputs: ["z"],
    outputs: ["y"],
    attributes: [],
  });
  m.addOutput("z");
  const { graph } = importModel(m.encode().slice());
  assert.deepEqual(graph.outputNames, ["y", "z"]);
  const constants = graph.nodes.flatMap((n) =>
    n.ins.flatMap((v) => v?.data ? [[...v.data.data]] : [])
  );
  assert.deepEqual(constants, [[2, 0, 0, 0]]);
});

Deno.test("editable: a constant that only a nested graph reads stays", () => {
  const branch = graphOf({
    nodes: [node("Identity", ["inner"], ["b"])],
    outputs: [value("b", "float32", [1])],
  });
  const nested = model({
    inputs: [value("c", "bool", [])],
    outputs: [value("y", "float32", [1])],
    initializers: [tensor("inner", "float32", [1], [3])],
    nodes: [
      node("If", ["c"], ["y"], { then_branch: graphAttr(branch), else_branch: graphAttr(branch) }),
    ],
  });
  const names = readModel(EditableModel.read(nested).encode()).graph.initializers.map((t) =>
    t.name
  );
  assert.deepEqual(names, ["inner"]);
});

Deno.test("editable: functions stay, those with fields that would be lost are refused", () => {
  const f = (overload: string) =>
    model({
      inputs: [value("x", "float32", [2])],
      outputs: [value("y", "float32", [2])],
      opsets: { "": 17, local: 1 },
      functions: [{
        name: "F",
        overload,
        inputs: ["a"],
        outputs: ["b"],
        nodes: [node("Neg", ["a"], ["b"])],
      }],
      nodes: [{ ...node("local:F", ["x"], ["y"]), overload }],
    });
  const { graph } = importModel(EditableModel.read(f("")).encode());
  assert.deepEqual(graph.nodes.map((n) => n.op.name), ["Neg"]);
  assert.throws(() => EditableModel.read(f("other")), /its function 'F' has overloads/);
});
