import assert from "node:assert/strict";
import { model, type ModelParts, node, value } from "../../tests/onnx_builder.ts";
import { evaluateGraph } from "../ir/evaluate.ts";
import { typeText } from "../ir/graph.ts";
import { verifyGraph } from "../ir/verify.ts";
import { numbers, tensor, type TensorData } from "../util/tensor.ts";
import { type Elements, importModel } from "./import.ts";

const float = (...shape: number[]) => ({ dtype: "float32" as const, shape });
const sequence = (name: string) => ({
  name,
  type: { sequenceType: { elemType: { tensorType: { elemType: 1 } } } },
});

function read(p: ModelParts, elements: Record<string, Elements>) {
  const { graph } = importModel(model({ opsets: { "": 17 }, ...p }), { elements });
  verifyGraph(graph, "import");
  return graph;
}
const run = (g: ReturnType<typeof read>, ins: TensorData[]): number[][] =>
  evaluateGraph(g, ins).map((t) => numbers(t));

Deno.test("inputs that are sequences: an input and an output for each element", () => {
  const g = read({
    inputs: [sequence("s"), value("s_1", "float32", [1])],
    outputs: [sequence("t"), value("t_0", "int64", [])],
    nodes: [
      node("SequenceInsert", ["s", "s_1"], ["u"]),
      node("Identity", ["u"], ["t"]),
      node("SequenceLength", ["t"], ["t_0"]),
    ],
  }, { s: [float(2), float(1, 3)] });
  assert.deepEqual(g.inputs.map((v) => `${v.name} ${typeText(v.type)}`), [
    "s_0 float32[2]",
    "s_1_2 float32[1,3]",
    "s_1 float32[1]",
  ]);
  assert.deepEqual(g.outputNames, ["t_0_2", "t_1", "t_2", "t_0"]);
  const ins = [
    tensor("float32", [2], [1, 2]),
    tensor("float32", [1, 3], [3, 4, 5]),
    tensor("float32", [1], [6]),
  ];
  assert.deepEqual(run(g, ins), [[1, 2], [3, 4, 5], [6], [3]]);
});

Deno.test("inputs that are optionals: their element, or no input at all", () => {
  const p: ModelParts = {
    inputs: [sequence("o"), value("x", "float32", [1])],
    outputs: [value("has", "bool", [])],
    nodes: [node("OptionalHasElement", ["o"], ["has"])],
    opsets: { "": 18 },
  };
  const x = tensor("float32", [1], [0]);
  const [full, empty] = [read(p, { o: float(1) }), read(p, { o: null })];
  assert.deepEqual(full.inputs.map((v) => v.name), ["o", "x"]);
  assert.deepEqual(empty.inputs.map((v) => v.name), ["x"]);
  assert.deepEqual([run(full, [x, x]), run(empty, [x])], [[[1]], [[0]]]);
});

Deno.test("a value that stands in a sequence twice is two outputs", () => {
  const g = read({
    inputs: [value("x", "float32", [1])],
    outputs: [sequence("y")],
    nodes: [node("Neg", ["x"], ["n"]), node("SequenceConstruct", ["n", "n"], ["y"])],
  }, {});
  assert.equal(new Set(g.outputs).size, 2);
  assert.deepEqual(run(g, [tensor("float32", [1], [3])]), [[-3], [-3]]);
});

Deno.test("a tensor may be given another type than the file declares", () => {
  const g = read({
    inputs: [value("x", "float32", [3, 4])],
    outputs: [value("y", "float32", ["n"])],
    nodes: [node("Relu", ["x"], ["y"])],
  }, { x: float(2) });
  assert.equal(typeText(g.outputs[0].type), "float32[2]");
});

Deno.test("without its elements a sequence is refused with what to do", () => {
  assert.throws(
    () => read({ inputs: [sequence("s")], outputs: [sequence("s")] }, {}),
    (e) =>
      /it is a sequence/.test((e as Error).message) &&
      /each of its elements/.test(`${(e as { hint?: string }).hint}`),
  );
});
