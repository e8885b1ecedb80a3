import assert from "node:assert/strict";
import { BurinError } from "../util/errors.ts";
import { numbers, sizeOf, tensor, type TensorData } from "../util/tensor.ts";
import { Builder } from "../ir/build.ts";
import { evaluateGraph } from "../ir/evaluate.ts";
import type { Graph, Value } from "../ir/graph.ts";
import {
  add,
  clip,
  conv,
  dequantizeLinear,
  matmul,
  ops,
  quantizeLinear,
  relu,
  type RequantizeAttrs,
  table,
} from "../ops/mod.ts";
import { commonSubexpressions } from "./common_subexpressions.ts";
import { integerize } from "./integerize.ts";

type Byte = "int8" | "uint8";
const CONV = {
  strides: [],
  dilations: [],
  pads: [1, 1, 1, 1],
  autoPad: "NOTSET" as const,
  group: 1,
  xZero: 0,
  wZero: 0,
  acc: "int32" as const,
};
const MATMUL = { transA: false, transB: false, xZero: 0, wZero: 0, acc: "int32" as const };
const op = (name: string) => ops.find((o) => o.name === name)!;

/** Builds QDQ graphs with the operators as an importer would leave them. */
class Qdq {
  readonly b = new Builder();
  readonly inputs: Value[] = [];

  input(dtype: Byte | "float32", shape: number[]): Value {
    const v = { name: `in${this.inputs.length}`, type: { dtype, shape } };
    this.inputs.push(v);
    return v;
  }
  constant(t: TensorData): Value {
    return this.b.constant(t);
  }
  parameters(dtype: TensorData["dtype"], scale: number[], zero: number[]): Value[] {
    const shape = scale.length > 1 ? [scale.length] : [];
    return [
      this.constant(tensor("float32", shape, scale)),
      this.constant(tensor(dtype, shape, zero)),
    ];
  }
  q(x: Value, scale: number, zero: number, dtype: Byte = "int8"): Value {
    const attrs = { axis: 1, dtype, scale: null, zero: null };
    return this.b.node(quantizeLinear, attrs, [x, ...this.parameters(dtype, [scale], [zero])])[0];
  }
  dq(x: Value, scale: number[], zero: number[] = scale.map(() => 0), axis = 1): Value {
    const params = this.parameters(x.type.dtype, scale, zero);
    return this.b.node(dequantizeLinear, { axis, scale: null, zero: null }, [x, ...params])[0];
  }
  graph(...outputs: Value[]): Graph {
    const outputNames = outputs.map((_, i) => `out${i}`);
    return {
      name: "g",
      inputs: this.inputs,
      outputs,
      outputNames,
      nodes: this.b.nodes,
      states: [],
    };
  }
}

const bytes = (dtype: Byte, shape: number[], seed = 1): TensorData => {
  const low = dtype === "int8" ? -128 : 0;
  const values = Array.from({ length: sizeOf(shape) }, (_, i) => low + (i * 97 + seed * 31) % 256);
  return tensor(dtype, shape, values);
};
const names = (g: Graph): string[] => g.nodes.map((n) => n.op.name);
const attrsOf = <A>(g: Graph, name: string): A =>
  g.nodes.find((n) => n.op.name === name)!.attrs as A;

/** Runs both graphs; scales that are powers of two make the float graph exact, so that they agree. */
function same(g: Graph, inputs: TensorData[]): Graph {
  const h = integerize(g);
  const a = evaluateGraph(g, inputs), b = evaluateGraph(h, inputs);
  a.forEach((t, i) => assert.deepEqual(numbers(b[i]), numbers(t), names(h).join(" ")));
  return h;
}

Deno.test("a convolution between quantisations becomes integer, per channel, with its bias", () => {
  const cases = [
    ["int8", "int8", [0, 0, 0], "int8"],
    ["uint8", "int8", [0, 0, 0], "int8"],
    ["int8", "int8", [-3, -3, -3], "int16"],
    ["uint8", "uint8", [128, 128, 128], "int8"],
    ["uint8", "uint8", [128, 100, 7], "int16"],
  ] as const;
  for (const [xt, wt, zeros, folded] of cases) {
    const t = new Qdq();
    const x = t.input(xt, [1, 2, 4, 4]);
    const w = t.constant(bytes(wt, [3, 2, 3, 3], 2));
    const bias = t.constant(tensor("int32", [3], [1000, -2000, 30]));
    const y = t.b.node(conv, CONV, [
      t.dq(x, [0.5], [3]),
      t.dq(w, [0.25, 0.5, 1], [...zeros], 0),
      t.dq(bias, [0.125, 0.25, 0.5], [0, 0, 0], 0),
    ])[0];
    const h = same(t.graph(t.q(y, 64, -5)), [bytes(xt, [1, 2, 4, 4])]);
    assert.deepEqual(names(h), ["Conv", "Requantize"]);
    assert.deepEqual(h.nodes[0].ins.map((v) => v!.type.dtype), [
      xt,
      folded,
      "int32",
    ]);
    assert.deepEqual(attrsOf<typeof CONV>(h, "Conv").wZero, 0);
  }
});

Deno.test("Relu and Clip before a quantisation become its bounds", () => {
  const build = (clipped: (t: Qdq, y: Value) => Value): Graph => {
    const t = new Qdq();
    const x = t.dq(t.input("int8", [1, 8]), [0.5], [3]);
    const w = t.dq(t.constant(bytes("int8", [8, 4])), [0.25]);
    return t.graph(t.q(clipped(t, t.b.node(matmul, MATMUL, [x, w])[0]), 8, -20));
  };
  const input = [bytes("int8", [1, 8], 5)];
  const r = same(build((t, y) => t.b.node(relu, null, [y])[0]), input);
  assert.deepEqual(names(r), ["MatMul", "Requantize"]);
  assert.deepEqual(attrsOf<RequantizeAttrs>(r, "Requantize").lo, -20);
  const c = same(build((t, y) => t.b.node(clip, { lo: -16, hi: 44 }, [y])[0]), input);
  assert.deepEqual(names(c), ["MatMul", "Requantize"]);
  const { lo, hi } = attrsOf<RequantizeAttrs>(c, "Requantize");
  assert.deepEqual([lo, hi], [-22, -14]); // rint(44 / 8) is 6: 5.5 goes to even
});

Deno.test("a chain of functions of one byte becomes a table", () => {
  for (const dtype of ["int8", "uint8"] as const) {
    const t = new Qdq();
    const q = t.input(dtype, [256]);
    const x = t.dq(q, [0.0625], [7]);
    const two = t.constant(tensor("float32", [1], [2]));
    const leaky = t.b.node(op("LeakyRelu"), { alpha: 0.1 }, [x])[0];
    const gate = t.b.node(op("Sigmoid"), null, [t.b.node(add, null, [leaky, two])[0]])[0];
    const y = t.b.node(op("Mul"), null, [x, gate])[0];
    const h = same(t.graph(t.q(y, 0.07, 3, dtype), t.b.node(op("Tanh"), null, [x])[0]), [
      bytes(dtype, [256]),
    ]);
    assert.deepEqual(names(h), ["Table", "Table"]);
    assert.deepEqual(h.nodes.map((n) => n.ins[1]!.type.dtype), [dtype, "float32"]);
  }
});

Deno.test("quantising with the parameters that a value has already is nothing", () => {
  const t = new Qdq();
  const q = t.input("uint8", [4]);
  const h = integerize(t.graph(t.q(t.dq(q, [0.1], [9]), 0.1, 9, "uint8")));
  assert.deepEqual([h.nodes.length, h.outputs[0]], [0, q]);
  const other = new Qdq();
  const p = other.input("uint8", [4]);
  const requantised = other.graph(other.q(other.dq(p, [0.1], [9]), 0.2, 4, "int8"));
  const g = same(requantised, [tensor("uint8", [4], [0, 9, 128, 255])]);
  assert.deepEqual(names(g), ["Table"]);
});

Deno.test("movements act on the integers, and a channel axis moves along", () => {
  const t = new Qdq();
  const x = t.input("int8", [1, 3, 2, 2]);
  // Weights that an exporter stored transposed: scale along the rows, then a Transpose.
  const w = t.constant(bytes("int8", [5, 12], 3));
  const scales = [0.25, 0.5, 1, 2, 4];
  const wt = t.b.node(op("Transpose"), { perm: [1, 0] }, [t.dq(w, scales, [0, 0, 0, 0, 0], 0)])[0];
  const flat = t.b.node(op("Reshape"), { shape: [1, 12], allowZero: false }, [
    t.b.node(op("Transpose"), { perm: [0, 2, 3, 1] }, [t.dq(x, [0.5], [1])])[0],
  ])[0];
  const y = t.b.node(matmul, MATMUL, [flat, wt])[0];
  const h = same(t.graph(t.q(y, 64, 0)), [bytes("int8", [1, 3, 2, 2])]);
  assert.deepEqual(names(h), ["Transpose", "Reshape", "MatMul", "Requantize"]);
  assert.deepEqual(h.nodes[0].outs[0].type.dtype, "int8");
});

Deno.test("an accumulator that 32 bits cannot hold has 64", () => {
  const t = new Qdq();
  const x = t.dq(t.input("int8", [1, 2]), [2 ** -20], [-128]);
  const w = t.dq(t.constant(tensor("int8", [2, 1], [127, 127])), [1]);
  const bias = t.dq(t.constant(tensor("int32", [1], [2 ** 31 - 1])), [2 ** -20]);
  const y = t.b.node(matmul, MATMUL, [x, w, bias])[0];
  const h = same(t.graph(t.q(y, 32, 0)), [tensor("int8", [1, 2], [127, 127])]);
  assert.deepEqual(attrsOf<typeof MATMUL>(h, "MatMul").acc, "int64");
});

Deno.test("a bias of another scale is rescaled once; one within 1e-5 is taken as it is", () => {
  const biasOf = (scale: number): number => {
    const t = new Qdq();
    const x = t.dq(t.input("int8", [1, 2]), [0.5], [0]);
    const w = t.dq(t.constant(tensor("int8", [2, 1], [1, 1])), [0.5]);
    const bias = t.dq(t.constant(tensor("int32", [1], [300001])), [scale]);
    const h = integerize(t.graph(t.q(t.b.node(matmul, MATMUL, [x, w, bias])[0], 1, 0)));
    return Number(h.nodes[0].ins[2]!.data!.data[0]);
  };
  assert.equal(biasOf(0.25), 300001);
  assert.equal(biasOf(0.25 * (1 + 9e-6)), 300001);
  assert.equal(biasOf(0.125), 150000); // 150000.5 goes to even
  assert.equal(biasOf(0.5), 600002);
});

Deno.test("every reader dequantises for itself, so that no float is stored", () => {
  const t = new Qdq();
  const x = t.dq(t.input("int8", [1, 4]), [0.5], [3]);
  const y = t.dq(t.input("int8", [1, 4]), [0.25]);
  const sum = t.b.node(add, null, [x, y])[0], product = t.b.node(op("Mul"), null, [x, y])[0];
  const g = same(t.graph(t.q(sum, 1, 0), t.q(product, 2, 0)), [
    bytes("int8", [1, 4]),
    bytes("int8", [1, 4], 2),
  ]);
  assert.equal(names(g).filter((n) => n === "DequantizeLinear").length, 4);
  assert.deepEqual(names(commonSubexpressions(g)).sort(), names(g).sort());
});

Deno.test("floats stay where somebody needs them", () => {
  const t = new Qdq();
  const x = t.input("float32", [1, 4]);
  const q = t.q(x, 0.5, 3);
  const a = t.dq(q, [0.5], [3]);
  const sum = t.b.node(add, null, [a, t.dq(t.input("int8", [1, 4]), [0.25], [-1])])[0];
  const weights = t.dq(t.constant(bytes("int8", [4, 2])), [0.5]);
  const product = t.b.node(matmul, MATMUL, [x, weights])[0];
  const g = t.graph(t.q(sum, 1, 0), product, a);
  const h = same(g, [tensor("float32", [1, 4], [0.3, -9, 100, 2.25]), bytes("int8", [1, 4])]);
  assert.deepEqual(names(h).sort(), [
    "Add",
    "DequantizeLinear",
    "DequantizeLinear",
    "DequantizeLinear",
    "DequantizeLinear",
    "MatMul",
    "QuantizeLinear",
    "QuantizeLinear",
  ]);
  // Scales and zero points of whole tensors are numbers in the nodes, not tensors beside them.
  assert.ok(h.nodes.filter((n) => n.op === quantizeLinear).every((n) => n.ins.length === 1));
});

Deno.test("scales that are no scales are refused", () => {
  for (const scale of [0, -1, Infinity, NaN]) {
    const t = new Qdq();
    const x = t.input("int8", [1, 4]);
    assert.throws(
      () => integerize(t.graph(t.dq(x, [scale]))),
      (e) => e instanceof BurinError && e.code === "model/bad-scale",
    );
  }
});

Deno.test("a graph without quantisation comes back as it is", () => {
  const t = new Qdq();
  const x = t.input("float32", [4]);
  const g = t.graph(t.b.node(relu, null, [x])[0]);
  assert.equal(integerize(g), g);
  assert.equal(table.name, "Table");
});
