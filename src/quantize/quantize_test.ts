import assert from "node:assert/strict";
import { floatAttr, model, node, tensor, value } from "../../tests/onnx_builder.ts";
import { compileModel, type CompileOptions } from "../compile.ts";
import { DEFAULTS } from "../compile/defaults.ts";
import { readModel } from "../onnx/reader.ts";
import { tensorData as elements } from "../onnx/tensors.ts";
import { loadBoard } from "../target/boards.ts";
import { BurinError } from "../util/errors.ts";
import { numbers, tensor as tensorData } from "../util/tensor.ts";
import { quantizeModel } from "./quantize.ts";

const compile: CompileOptions = {
  board: loadBoard("host"),
  fileStem: "m",
  ...DEFAULTS,
};

let state = 7;
const next = () => (state = Math.imul(state, 1664525) + 1013904223 >>> 0) / 2 ** 32 - 0.5;
const list = (n: number, scale = 1) => Array.from({ length: n }, () => next() * scale);
const weights = (name: string, dims: number[], scale = 1) =>
  tensor(name, "float32", dims, list(dims.reduce((a, b) => a * b, 1), scale));

/** A wave with noise: neighbours are alike, as in real signals. */
const samples = (dims: number[], count: number) =>
  Array.from({ length: count }, (_, s) => {
    const n = dims.reduce((a, b) => a * b, 1);
    const values = Array.from({ length: n }, (_, i) => Math.sin(i / 9 + s) + next() * 0.2);
    return [tensorData("float32", dims, values)];
  });

/** Every role: folded constants, depthwise, residuals, joined tensors, pools, dense layers. */
const net = model({
  inputs: [value("x", "float32", ["n", 3, 12, 10])],
  outputs: [value("p", "float32", ["n", 5]), value("mid", "float32", ["n", 6, 6, 5])],
  initializers: [
    weights("w0", [6, 3, 3, 3]),
    tensor("gamma", "float32", [6], [1, 2, 0.1, 1, 3, 0.5]),
    tensor("beta", "float32", [6], list(6)),
    tensor("mean", "float32", [6], list(6)),
    tensor("var", "float32", [6], [1, 2, 1, 0.5, 1, 1]),
    weights("w1", [6, 1, 3, 3]),
    weights("b1", [6]),
    weights("w2", [6, 6, 1, 1]),
    weights("shift", [1, 6, 1, 1]),
    weights("w3", [4, 3, 3, 3]),
    weights("factor", [1, 6, 1, 1]),
    tensor("shape", "int64", [2], [0, -1]),
    weights("w4", [10, 8]),
    weights("b4", [8]),
    weights("w5", [5, 8]),
    tensor("low", "float32", [], [0]),
    tensor("high", "float32", [], [6]),
  ],
  nodes: [
    node("Conv", ["x", "w0"], ["c0"], { strides: [2, 2], pads: [1, 1, 1, 1] }),
    node("BatchNormalization", ["c0", "gamma", "beta", "mean", "var"], ["n0"]),
    node("Relu", ["n0"], ["r0"]),
    node("Conv", ["r0", "w1", "b1"], ["c1"], { group: 6, auto_pad: "SAME_UPPER" }),
    node("Clip", ["c1", "low", "high"], ["r1"]),
    node("Conv", ["r1", "w2"], ["c2"]),
    node("Add", ["c2", "shift"], ["s2"]),
    node("Add", ["s2", "r0"], ["sum"]),
    node("LeakyRelu", ["sum"], ["mid"], { alpha: floatAttr(0.1) }),
    node("Mul", ["mid", "factor"], ["scaled"]),
    node("Conv", ["x", "w3"], ["c3"], { strides: [2, 2], pads: [1, 1, 1, 1] }),
    node("Concat", ["scaled", "c3"], ["joined"], { axis: 1 }),
    node("GlobalAveragePool", ["joined"], ["pooled"]),
    node("Reshape", ["pooled", "shape"], ["flat"]),
    node("MatMul", ["flat", "w4"], ["m4"]),
    node("Add", ["m4", "b4"], ["a4"]),
    node("Sigmoid", ["a4"], ["g4"]),
    node("Gemm", ["g4", "w5"], ["logits"], { transB: 1, alpha: floatAttr(4) }),
    node("Softmax", ["logits"], ["p"], { axis: 1 }),
  ],
});

const dims = [1, 3, 12, 10];

Deno.test("quantise: a net with every role comes near its float outputs", async () => {
  const r = await quantizeModel(net, samples(dims, 40), { compile, method: "mse" });
  for (const o of r.outputs) assert(o.snr > 28, `${o.name}: ${o.snr} dB`);
  assert.deepEqual(r.outputs.map((o) => o.name), ["p", "mid", "logits"]);
  assert.deepEqual(r.notes, []);
  const { graph, opsets } = readModel(r.file);
  const kinds = new Set(graph.nodes.map((n) => n.opType));
  assert(!kinds.has("BatchNormalization"), "it is folded");
  assert.equal(opsets.get(""), 17);
  assert.deepEqual(graph.inputs.map((v) => v.name), ["x"]);
  assert.deepEqual(graph.outputs.map((v) => v.name), ["p", "mid"]);
  const weights = graph.initializers.filter((t) => t.name.endsWith("_quantized"));
  // int8 weights of seven layers and of the factor, int32 biases of those that have one.
  assert.equal(weights.filter((t) => t.dataType === 3).length, 7);
  assert(!graph.initializers.some((t) => /^w\d$/.test(t.name)), "float weights are gone");
  const by = new Map(r.tensors.map((t) => [t.tensor, t]));
  const same = (a: string, b: string) =>
    assert.deepEqual([by.get(a)!.scale, by.get(a)!.zero], [by.get(b)!.scale, by.get(b)!.zero]);
  same("scaled", "joined");
  same("c3", "joined");
  same("pooled", "flat");
  assert.deepEqual([by.get("p")!.scale, by.get("p")!.zero], [1 / 256, -128]);
});

Deno.test("quantise: unsigned, symmetric, per tensor, nearest, with integer ports", async () => {
  const inputs = samples(dims, 24);
  const r = await quantizeModel(net, inputs, {
    compile,
    method: "minmax",
    dtype: "uint8",
    perChannel: false,
    rounding: "nearest",
    correctBias: false,
    integerPorts: true,
    equalize: false,
  });
  assert(r.outputs.every((o) => o.snr > 20), JSON.stringify(r.outputs));
  const { graph } = readModel(r.file);
  assert.deepEqual([...graph.inputs, ...graph.outputs].map((v) => v.type.elemType), [2, 2, 2]);
  const s = await quantizeModel(net, inputs, { compile, method: "minmax", symmetric: true });
  assert(s.tensors.every((t) => t.zero === 0 || t.tensor === "p" || t.tensor === "g4"));
});

Deno.test("quantise: rounding by samples, bias correction and equalising pay together", async () => {
  const inputs = samples(dims, 40);
  const plain = await quantizeModel(net, inputs, {
    compile,
    method: "minmax",
    rounding: "nearest",
    correctBias: false,
    equalize: false,
  });
  const full = await quantizeModel(net, inputs, { compile });
  const snr = (r: typeof full) => r.outputs.find((o) => o.name === "logits")!.snr;
  assert(snr(full) > snr(plain) + 1, `${snr(full)} against ${snr(plain)} dB`);
});

Deno.test("quantise: a node that is kept in float has no quantised result of its own", async () => {
  const r = await quantizeModel(net, samples(dims, 20), {
    compile,
    method: "minmax",
    exclude: ["logits_node"],
  });
  const gemm = readModel(r.file).graph.nodes.find((n) => n.opType === "Gemm")!;
  assert.equal(gemm.inputs[1], "w5");
  assert.deepEqual(r.notes, ["1 Gemm node stays in float"]);
});

const refused = (code: string, task: () => Promise<unknown>) =>
  assert.rejects(task, (e) => e instanceof BurinError && e.code === code && !!e.hint);

Deno.test("quantise: what cannot be calibrated or quantised is refused", async () => {
  const one = samples(dims, 1);
  await refused("data/calibration", () => quantizeModel(net, [], { compile }));
  const flat = [[tensorData("float32", dims, Array(360).fill(0.25))]];
  await refused("data/calibration", () => quantizeModel(net, [...flat, ...flat], { compile }));
  const broken = [[tensorData("float32", dims, Array(360).fill(0).map((_, i) => i ? i : NaN))]];
  await refused("data/calibration", () => quantizeModel(net, broken, { compile }));
  await refused(
    "usage/unknown-node",
    () => quantizeModel(net, one, { compile, exclude: ["nobody"] }),
  );
  const done = (await quantizeModel(net, one, { compile, method: "minmax" })).file;
  await refused("model/quantized", () => quantizeModel(done, one, { compile }));
  const relu = model({
    inputs: [value("x", "float32", [1, 4])],
    outputs: [value("y", "float32", [1, 4])],
    nodes: [node("Relu", ["x"], ["y"])],
  });
  const four = [[tensorData("float32", [1, 4], [1, 2, 3, -4])]];
  await refused("model/nothing-to-quantize", () => quantizeModel(relu, four, { compile }));
  const old = model({
    inputs: [value("x", "float32", [1, 4])],
    outputs: [value("y", "float32", [1, 2])],
    initializers: [weights("w", [4, 2])],
    nodes: [node("MatMul", ["x", "w"], ["y"])],
    opsets: { "": 10 },
  });
  await refused("model/old-opset", () => quantizeModel(old, four, { compile }));
});

Deno.test("quantise: few samples and samples of noise get a note", async () => {
  const noise = Array.from({ length: 4 }, () => [tensorData("float32", dims, list(360))]);
  const r = await quantizeModel(net, noise, { compile, method: "minmax" });
  assert.equal(r.notes.length, 2);
  assert.match(r.notes[0], /^4 samples are few/);
  assert.match(r.notes[1], /look like noise/);
});

const m4: CompileOptions = { ...compile, board: loadBoard("mps2-an386") };

Deno.test("quantise: named tensors and nodes become int16, and those that share with them", async () => {
  const inputs = samples(dims, 24);
  const plain = await quantizeModel(net, inputs, { compile, method: "minmax" });
  const int16 = ["c3_node", "sum", "g4"];
  const r = await quantizeModel(net, inputs, { compile, method: "minmax", int16 });
  const wide = r.tensors.filter((t) => t.dtype === "int16");
  // The results of the convolution and of Mul are joined, and share their parameters with that.
  assert.deepEqual(wide.map((t) => t.tensor).sort(), ["c3", "g4", "joined", "scaled", "sum"]);
  assert(wide.every((t) => t.zero === 0));
  assert.equal(wide.find((t) => t.tensor === "g4")!.scale, Math.fround(1 / 32767));
  assert(r.setting.snr > plain.setting.snr, `${r.setting.snr} after ${plain.setting.snr} dB`);
  const { graph, opsets } = readModel(r.file);
  assert.equal(opsets.get(""), 21);
  const zero = graph.initializers.find((t) => t.name === "sum_zero_point")!;
  assert.equal(zero.dataType, 5);
  await refused(
    "usage/unknown-node",
    () => quantizeModel(net, inputs, { compile, method: "minmax", int16: ["nobody"] }),
  );
});

/** Two convolutions and a dense layer. */
const small = () =>
  model({
    inputs: [value("x", "float32", ["n", 2, 8, 6])],
    outputs: [value("y", "float32", ["n", 3])],
    initializers: [
      weights("k0", [4, 2, 3, 3]),
      weights("k1", [4, 1, 3, 3]),
      weights("k2", [3, 4]),
      tensor("flat", "int64", [2], [0, -1]),
    ],
    nodes: [
      node("Conv", ["x", "k0"], ["a"], { strides: [2, 2], pads: [1, 1, 1, 1] }),
      node("Relu", ["a"], ["ra"]),
      node("Conv", ["ra", "k1"], ["b"], { group: 4 }),
      node("GlobalAveragePool", ["b"], ["p"]),
      node("Reshape", ["p", "flat"], ["f"]),
      node("Gemm", ["f", "k2"], ["y"], { transB: 1 }),
    ],
  });
const smallDims = [1, 2, 8, 6];

Deno.test("quantise: the noisiest tensors become int16 until the outputs are near enough", async () => {
  const file = small(),
    inputs = samples(smallDims, 24),
    base = { compile, costOn: m4, method: "minmax" } as const;
  const plain = await quantizeModel(file, inputs, base);
  assert.equal(plain.cost, null);
  const minSnr = plain.setting.snr + 2;
  const r = await quantizeModel(file, inputs, { ...base, minSnr, mixFloat: false });
  assert(r.setting.snr >= minSnr, `${r.setting.snr} dB after ${plain.setting.snr}`);
  const wide = new Set(r.tensors.filter((t) => t.dtype === "int16").map((t) => t.tensor));
  const tensors = r.sources.filter((s) => s.kind === "tensor").sort((a, b) => a.snr - b.snr);
  const raised = tensors.filter((s) => wide.has(s.name)).length;
  assert(raised > 0 && raised < tensors.length);
  assert(tensors.slice(0, raised).every((s) => wide.has(s.name)), "the worst ones");
  assert(r.cost!.taken.ram >= r.cost!.plain.ram);
  // Noise from independent sources adds up: alone, they predict the whole.
  const sum = r.sources.reduce((noise, s) => noise + 10 ** (-s.snr / 10), 0);
  assert(Math.abs(-10 * Math.log10(sum) - plain.setting.snr) < 3, `${-10 * Math.log10(sum)}`);
  const budget = { minSnr: 200, instructionBudget: { percent: 50 } };
  const none = await quantizeModel(file, inputs, { ...base, ...budget });
  assert.deepEqual(none.cost!.taken, none.cost!.plain);
  assert(none.notes.some((n) => /is the most that is reached, not 200, as .* exceed/.test(n)));
});

Deno.test("quantise: weights of int4 lie two in a byte, in fifteen steps, and compile to integers", async () => {
  const file = small(),
    inputs = samples(smallDims, 24),
    base = { compile, method: "minmax" } as const;
  const r = await quantizeModel(file, inputs, { ...base, weights: "int4" });
  const { graph, opsets } = readModel(r.file);
  assert.equal(opsets.get(""), 21);
  for (const name of ["k0", "k1", "k2"]) {
    const t = graph.initializers.find((i) => i.name === `${name}_quantized`)!;
    assert.equal(t.dataType, 22);
    const values = numbers(elements(t));
    assert(values.every((v) => v >= -7 && v <= 7) && values.some((v) => Math.abs(v) === 7));
  }
  assert(r.outputs[0].snr > 15, `${r.outputs[0].snr} dB`);
  const artifact = await compileModel(r.file, m4);
  const nodes = artifact.kernels.flatMap((k) => k.ops);
  assert(nodes.includes("Requantize") && !nodes.includes("DequantizeAny"), `${nodes}`);
});

Deno.test("quantise: layers stay in float until the outputs are near enough", async () => {
  const inputs = samples(dims, 24);
  // One coarse scale for all channels makes the weights the worst of it.
  const coarse = {
    compile,
    method: "minmax",
    perChannel: false,
    rounding: "nearest",
    correctBias: false,
    equalize: false,
  } as const;
  const plain = await quantizeModel(net, inputs, coarse);
  const wanted = plain.setting.snr + 0.5;
  const r = await quantizeModel(net, inputs, { ...coarse, minSnr: wanted });
  assert(r.setting.snr >= wanted, `${r.setting.snr} dB`);
  const of = (kept: boolean) =>
    r.layers.filter((l) => (l.snr === null) === kept)
      .map((l) => r.sources.find((s) => s.kind === "weights" && s.name === l.node)!.snr);
  assert(of(true).length > 0 && of(false).length > 0);
  assert(Math.max(...of(true)) <= Math.min(...of(false)), "the worst ones");
  assert(r.notes.some((n) => /stays? in float/.test(n)));
});

Deno.test("quantise: weights of float16 leave everything else in float and take half of the flash", async () => {
  const file = model({
    inputs: [value("x", "float32", [1, 24])],
    outputs: [value("y", "float32", [1, 20])],
    initializers: [weights("w0", [24, 40]), weights("b0", [40]), weights("w1", [40, 20])],
    nodes: [
      node("MatMul", ["x", "w0"], ["m"]),
      node("Add", ["m", "b0"], ["a"]),
      node("Relu", ["a"], ["r"]),
      node("MatMul", ["r", "w1"], ["y"]),
    ],
  });
  const inputs = samples([1, 24], 24);
  const r = await quantizeModel(file, inputs, { compile, weights: "float16" });
  const { graph, opsets } = readModel(r.file);
  assert.deepEqual(graph.nodes.filter((n) => n.opType === "Cast").length, 2);
  const half = graph.initializers.filter((t) => t.dataType === 10);
  assert.deepEqual(half.map((t) => t.name), ["w0_float16", "w1_float16"]);
  assert(!graph.initializers.some((t) => /^w\d$/.test(t.name)), "float weights are gone");
  assert.equal(opsets.get(""), 17);
  assert(r.outputs[0].snr > 55 && r.outputs[0].snr < 100, `${r.outputs[0].snr} dB`);
  const bytes = async (f: Uint8Array) => (await compileModel(f, m4)).paramsBytes;
  const [before, after] = [await bytes(file), await bytes(r.file)];
  assert(after < 0.58 * before, `${after} of ${before}`);
  const huge = model({
    inputs: [value("x", "float32", [1, 4])],
    outputs: [value("y", "float32", [1, 2])],
    initializers: [tensor("w", "float32", [4, 2], [1e6, 1, 1, 1, 1, 1, 1, 1])],
    nodes: [node("MatMul", ["x", "w"], ["y"])],
  });
  const four = [[tensorData("float32", [1, 4], [1, 2, 3, -4])]];
  await refused(
    "model/nothing-to-quantize",
    () => quantizeModel(huge, four, { compile, weights: "float16" }),
  );
});
