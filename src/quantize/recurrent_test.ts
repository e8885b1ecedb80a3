import assert from "node:assert/strict";
import { model, node, tensor, value } from "../../tests/onnx_builder.ts";
import { readModel } from "../onnx/reader.ts";
import { loadBoard } from "../target/boards.ts";
import { tensor as tensorData } from "../util/tensor.ts";
import { quantizeModel } from "./quantize.ts";

const compile = {
  board: loadBoard("host"),
  fileStem: "m",
  optLevel: 3,
  optimize: "balanced",
  requant: "exact",
  io: "caller",
  dims: { steps: 5, n: 1 },
} as const;

let state = 3;
const next = () => (state = Math.imul(state, 1664525) + 1013904223 >>> 0) / 2 ** 32 - 0.5;
const list = (n: number) => Array.from({ length: n }, next);
const weights = (name: string, dims: number[]) =>
  tensor(name, "float32", dims, list(dims.reduce((a, b) => a * b, 1)));

/** Steps of a sequence and a state in; what is said of the last step and the next state out. */
const net = model({
  inputs: [
    value("x", "float32", ["steps", "n", 3]),
    value("h", "float32", [1, "n", 4]),
    value("c", "float32", [1, "n", 4]),
    value("gate", "float32", ["n", 6]),
  ],
  outputs: [
    value("y", "float32", ["n", 5]),
    value("h1", "float32", [1, "n", 4]),
    value("c1", "float32", [1, "n", 4]),
  ],
  initializers: [
    weights("k", [3, 3]),
    weights("w", [1, 16, 3]),
    weights("r", [1, 16, 4]),
    weights("b", [1, 32]),
    weights("k2", [4, 6]),
    weights("k3", [12, 5]),
  ],
  nodes: [
    node("MatMul", ["x", "k"], ["e"]),
    node("Relu", ["e"], ["re"]),
    node("LSTM", ["re", "w", "r", "b", "", "h", "c"], ["all", "h1", "c1"], { hidden_size: 4 }),
    node("Squeeze", ["h1"], ["flat"], { axes: [0] }),
    node("MatMul", ["flat", "k2"], ["m"]),
    node("Mul", ["m", "gate"], ["gated"]),
    node("Add", ["gated", "m"], ["sum"]),
    node("Concat", ["sum", "gate"], ["joined"], { axis: 1 }),
    node("MatMul", ["joined", "k3"], ["logits"]),
    node("Softmax", ["logits"], ["y"], { axis: 1 }),
  ],
  opsets: { "": 11 },
});

Deno.test("quantise: several inputs, a state, symbolic sizes, operator set 11: the recurrence stays float", async () => {
  const samples = Array.from(
    { length: 20 },
    (_, s) =>
      [[5, 1, 3], [1, 1, 4], [1, 1, 4], [1, 6]].map((dims) => {
        const n = dims.reduce((a, b) => a * b, 1);
        return tensorData(
          "float32",
          dims,
          Array.from({ length: n }, (_, i) => Math.sin(i / 3 + s) + next()),
        );
      }),
  );
  const r = await quantizeModel(net, samples, { compile, method: "minmax" });
  for (const o of r.outputs) assert(o.snr > 25, `${o.name}: ${o.snr} dB`);
  assert.deepEqual(r.outputs.map((o) => o.name), ["y", "h1", "c1", "logits"]);
  assert(r.notes.includes("1 LSTM node stays in float"), `${r.notes}`);
  const { graph, opsets } = readModel(r.file);
  assert.equal(opsets.get(""), 13);
  assert.deepEqual(graph.inputs.map((v) => v.name), ["x", "h", "c", "gate"]);
  assert.deepEqual(graph.outputs.map((v) => v.name), ["y", "h1", "c1"]);
  const lstm = graph.nodes.find((n) => n.opType === "LSTM")!;
  assert.deepEqual(lstm.inputs.slice(1, 4), ["w", "r", "b"], "as they were");
  // What is joined shares its parameters, so that bytes are moved and nothing is rounded again.
  const by = new Map(r.tensors.map((t) => [t.tensor, t]));
  const of = (name: string) => [by.get(name)!.scale, by.get(name)!.zero];
  for (const name of ["sum", "gate"]) assert.deepEqual(of(name), of("joined"), name);
  // The three dense layers are integers.
  assert.deepEqual(r.layers.map((l) => l.snr !== null), [true, true, true]);
});

Deno.test("quantise: constants of Constant nodes that computed ones are made of do not vanish", async () => {
  const at = (name: string, dims: number[], values: number[]) => ({
    ...node("Constant", [], [name]),
    attribute: [{ name: "value", type: 4, t: tensor("", "int64", dims, values) }],
  });
  const file = model({
    inputs: [value("x", "float32", [1, 4, 4])],
    outputs: [value("y", "float32", [1, 2])],
    initializers: [weights("k", [4, 2])],
    nodes: [
      at("zero", [], [0]),
      node("Shape", ["x"], ["shape"]),
      node("Gather", ["shape", "zero"], ["n"]),
      node("Gather", ["x", "zero"], ["row"], { axis: 1 }),
      node("MatMul", ["row", "k"], ["y"]),
    ],
  });
  const samples = Array.from({ length: 16 }, (_, s) => [
    tensorData("float32", [1, 4, 4], Array.from({ length: 16 }, (_, i) => Math.sin(i / 5 + s))),
  ]);
  const r = await quantizeModel(file, samples, {
    compile: { ...compile, dims: {} },
    method: "minmax",
  });
  assert(r.outputs[0].snr > 30);
});
