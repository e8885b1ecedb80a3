import assert from "node:assert/strict";
import { numbers, sizeOf, tensor, type TensorData } from "../util/tensor.ts";
import { Builder } from "../ir/build.ts";
import { evaluateGraph } from "../ir/evaluate.ts";
import { dims, type Graph, type Value } from "../ir/graph.ts";
import type { OpDef } from "../ir/opdef.ts";
import { verifyGraph } from "../ir/verify.ts";
import {
  clip,
  conv,
  type ConvAttrs,
  matmul,
  maxPool,
  ops,
  type QuantizeAttrs,
  quantizeLinear,
  relu,
  type RequantizeAttrs,
  requantizeOp,
  table,
} from "../ops/mod.ts";
import { commonSubexpressions } from "./common_subexpressions.ts";
import { denseToConv } from "./dense_to_conv.ts";
import { distinctNames } from "./distinct_names.ts";
import { expand } from "./expand.ts";
import { foldBatchNorm } from "./fold_batch_norm.ts";
import { foldConstants } from "./fold_constants.ts";
import { hoistQuantize } from "./hoist_quantize.ts";
import { mergeBias } from "./merge_bias.ts";
import { mergePad } from "./merge_pad.ts";
import { PASSES, runPasses } from "./pipeline.ts";
import { simplify } from "./simplify.ts";

const CONV: ConvAttrs = {
  strides: [],
  dilations: [],
  pads: [],
  autoPad: "NOTSET",
  group: 1,
  xZero: 0,
  wZero: 0,
  acc: "int32",
};
const MATMUL = { transA: false, transB: false, xZero: 0, wZero: 0, acc: "int32" as const };

/** Small integers, which floats add and multiply exactly in any order. */
const small = (dtype: TensorData["dtype"], shape: number[], seed = 1): TensorData =>
  tensor(
    dtype,
    shape,
    Array.from({ length: sizeOf(shape) }, (_, i) => (i * 7 + seed * 5) % 11 - 4),
  );

/** A graph under construction, with operators by name. */
class Net {
  readonly b = new Builder();
  readonly inputs: Value[] = [];
  input(shape: number[], dtype: TensorData["dtype"] = "float32"): Value {
    const v = { name: `in${this.inputs.length}`, type: { dtype, shape } };
    this.inputs.push(v);
    return v;
  }
  weights(shape: number[], seed = 2, dtype: TensorData["dtype"] = "float32"): Value {
    return this.b.constant(small(dtype, shape, seed));
  }
  add<A>(op: string | OpDef<A>, attrs: A, ...ins: (Value | null)[]): Value {
    const def: OpDef<A> = typeof op === "string" ? ops.find((o) => o.name === op)! : op;
    return this.b.node(def, attrs, ins)[0];
  }
  graph(...outputs: Value[]): Graph {
    const outputNames = outputs.map((v) => v.name);
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

const names = (g: Graph): string[] => g.nodes.map((n) => n.op.name);

/** Runs a pass, proves that nothing changed, and says what operators are left. */
function unchanged(g: Graph, pass: (g: Graph) => Graph): Graph {
  const h = pass(g);
  verifyGraph(distinctNames(h), pass.name);
  const inputs = g.inputs.map((v, i) => small(v.type.dtype, dims(v.type), i));
  const before = evaluateGraph(g, inputs), after = evaluateGraph(h, inputs);
  before.forEach((t, i) => {
    assert.deepEqual(after[i].shape, t.shape);
    assert.deepEqual(numbers(after[i]), numbers(t));
  });
  return h;
}

Deno.test("merge-bias: the constant may stand on either side, and needs the channels' shape", () => {
  for (const shape of [[5], [1, 5], [1]]) {
    const n = new Net();
    const y = n.add(matmul, MATMUL, n.input([2, 3]), n.weights([3, 5]));
    const g = unchanged(n.graph(n.add("Add", null, n.weights(shape), y)), mergeBias);
    assert.deepEqual(names(g), ["MatMul"]);
  }
  const c = new Net();
  const y = c.add(conv, CONV, c.input([1, 2, 4, 4]), c.weights([3, 2, 3, 3]));
  const g = unchanged(c.graph(c.add("Add", null, y, c.weights([3, 1, 1]))), mergeBias);
  assert.deepEqual(names(g), ["Conv"]);
});

Deno.test("merge-bias: leaves what is no bias", () => {
  const plane = new Net();
  const y = plane.add(conv, CONV, plane.input([1, 2, 4, 4]), plane.weights([3, 2, 3, 3]));
  const g = plane.graph(plane.add("Add", null, y, plane.weights([3, 2, 2])));
  assert.deepEqual(names(unchanged(g, mergeBias)), ["Conv", "Add"]);
  const shared = new Net();
  const z = shared.add(matmul, MATMUL, shared.input([2, 3]), shared.weights([3, 5]));
  const h = shared.graph(shared.add("Add", null, z, shared.weights([5])), z);
  assert.deepEqual(names(unchanged(h, mergeBias)), ["MatMul", "Add"]);
});

Deno.test("fold-batch-norm: factor and offset go into weights and bias", () => {
  for (const bias of [false, true]) {
    const n = new Net();
    const b = bias ? n.weights([4], 7) : null;
    const y = n.add(conv, { ...CONV, group: 2 }, n.input([1, 6, 5, 5]), n.weights([4, 3, 2, 2]), b);
    const scaled = n.add("Mul", null, y, n.weights([4, 1, 1], 3));
    const g = unchanged(
      n.graph(n.add("Add", null, n.weights([1, 4, 1, 1], 9), scaled)),
      foldBatchNorm,
    );
    assert.deepEqual(names(g), ["Conv"]);
  }
  const d = new Net();
  const y = d.add(matmul, { ...MATMUL, transB: true }, d.input([2, 3]), d.weights([5, 3]));
  const g = unchanged(d.graph(d.add("Mul", null, y, d.weights([5]))), foldBatchNorm);
  assert.deepEqual(names(g), ["MatMul"]);
});

Deno.test("merge-pad: zeros of a Pad add to the convolution's own, integers pad with the zero point", () => {
  for (const dtype of ["float32", "int8"] as const) {
    const n = new Net();
    const value = dtype === "int8" ? 3 : 0;
    const attrs = { mode: "constant", pads: [0, 0, 1, 0, 0, 0, 2, 1], axes: null, value };
    const x = n.add("Pad", attrs, n.input([1, 2, 4, 5], dtype));
    const own = { ...CONV, pads: [1, 1, 0, 0], strides: [2, 1], xZero: value };
    const g = n.graph(n.add(conv, own, x, n.weights([3, 2, 3, 3], 4, dtype)));
    const h = unchanged(g, mergePad);
    assert.deepEqual(names(h), ["Conv"]);
    assert.deepEqual((h.nodes[0].attrs as ConvAttrs).pads, [2, 1, 2, 1]);
  }
  const other = new Net();
  const ones = { mode: "constant", pads: [0, 0, 1, 1, 0, 0, 1, 1], axes: null, value: 1 };
  const x = other.add("Pad", ones, other.input([1, 2, 4, 4]));
  const g = other.graph(other.add(conv, CONV, x, other.weights([3, 2, 3, 3])));
  assert.deepEqual(names(unchanged(g, mergePad)), ["Pad", "Conv"]);
});

Deno.test("dense-to-conv: a flattened picture is not flattened, transposes vanish into weights", () => {
  for (const transB of [false, true]) {
    for (const perm of [null, [0, 2, 3, 1]]) {
      const n = new Net();
      const x = n.add(relu, null, n.input([1, 3, 2, 4]));
      const turned = perm ? n.add("Transpose", { perm }, x) : x;
      const flat = n.add("Flatten", { axis: 1 }, turned);
      const w = n.weights(transB ? [5, 24] : [24, 5]);
      const y = n.add(matmul, { ...MATMUL, transB }, flat, w, n.weights([5], 8));
      const g = unchanged(n.graph(n.add(relu, null, y)), denseToConv);
      assert.deepEqual(names(g), ["Relu", "Conv", "Reshape", "Relu"]);
    }
  }
  const vector = new Net();
  const flat = vector.add("Flatten", { axis: 1 }, vector.input([1, 24, 1, 1]));
  const g = vector.graph(vector.add(matmul, MATMUL, flat, vector.weights([24, 5])));
  assert.deepEqual(names(unchanged(g, denseToConv)), ["Flatten", "MatMul"]);
});

Deno.test("simplify: movements that end where they began disappear", () => {
  const n = new Net();
  const x = n.input([1, 2, 3, 4]);
  const there = n.add("Transpose", { perm: [0, 2, 3, 1] }, x);
  const back = n.add("Transpose", { perm: [0, 3, 1, 2] }, n.add("Identity", null, there));
  const flat = n.add("Reshape", { shape: [24], allowZero: false }, back);
  const shaped = n.add("Reshape", { shape: [1, 2, 3, 4], allowZero: false }, flat);
  const all = { starts: [0], ends: [9], axes: [1], steps: null };
  const g = unchanged(n.graph(n.add(relu, null, n.add("Slice", all, shaped))), simplify);
  assert.deepEqual(names(g), ["Relu"]);
  const idle = new Net();
  const none = { mode: "constant", pads: [0, 0], axes: null, value: 5 };
  const same = idle.add("Cast", { to: "float32" }, idle.add("Pad", none, idle.input([3])));
  const one = unchanged(
    idle.graph(idle.add(relu, null, idle.add("Concat", { axis: 0 }, same))),
    simplify,
  );
  assert.deepEqual(names(one), ["Relu"]);
  const other = new Net();
  const t = other.add("Transpose", { perm: [1, 0] }, other.input([3, 3]));
  const r = { starts: [2], ends: [-9], axes: [0], steps: [-1] };
  const h = unchanged(other.graph(t, other.add("Slice", r, other.inputs[0])), simplify);
  assert.deepEqual(names(h), ["Transpose", "Slice"]);
});

Deno.test("simplify: clamps become the bounds of the rounding before them", () => {
  const n = new Net();
  const attrs: RequantizeAttrs = { dtype: "int8", zero: 1, lo: -128, hi: 100, axis: 1 };
  const scale = n.b.constant(tensor("float32", [], [0.5]));
  const q = n.add(requantizeOp, attrs, n.input([1, 40], "int32"), scale);
  const clamp = Array.from({ length: 256 }, (_, i) => Math.min(Math.max(i << 24 >> 24, 1), 3));
  const values = n.b.constant(tensor("int8", [256], clamp));
  const g = unchanged(n.graph(n.add(table, null, q, values)), simplify);
  assert.deepEqual(names(g), ["Requantize"]);
  const { lo, hi } = g.nodes[0].attrs as RequantizeAttrs;
  assert.deepEqual([lo, hi], [1, 3]);

  const f = new Net();
  const quantize: QuantizeAttrs = { axis: 0, dtype: "uint8", scale: 0.5, zero: 4 };
  const real = f.add(clip, { lo: -1, hi: 2.25 }, f.input([40]));
  const h = unchanged(f.graph(f.add(quantizeLinear, quantize, real)), simplify);
  assert.deepEqual(names(h), ["QuantizeLinear"]);
  const a = h.nodes[0].attrs as QuantizeAttrs;
  assert.deepEqual([a.lo, a.hi], [2, 8]); // 2.25 / 0.5 = 4.5 goes to 4
});

Deno.test("hoist-quantize: each operand of a Concat is quantised, through movements", () => {
  const n = new Net();
  const joined = n.add("Concat", { axis: 1 }, n.input([1, 2]), n.input([1, 3]));
  const shaped = n.add("Reshape", { shape: [5], allowZero: false }, joined);
  const attrs: QuantizeAttrs = { axis: 0, dtype: "int8", scale: 0.5, zero: 2 };
  const g = unchanged(n.graph(n.add(quantizeLinear, attrs, shaped)), hoistQuantize);
  assert.deepEqual(names(g), ["QuantizeLinear", "QuantizeLinear", "Concat", "Reshape"]);
});

Deno.test("hoist-quantize: a maximum is taken of bytes", () => {
  const n = new Net();
  const kernel = { kernel: [2, 2], strides: [2, 2], dilations: [], pads: [1, 0, 0, 1] };
  const attrs = { ...kernel, autoPad: "NOTSET" as const, ceil: false };
  const y = n.add(maxPool, { ...attrs, indices: false, columnMajor: false }, n.input([1, 2, 5, 6]));
  const q: QuantizeAttrs = { axis: 0, dtype: "int8", scale: 0.3, zero: 2 };
  const g = unchanged(n.graph(n.add(quantizeLinear, q, y)), hoistQuantize);
  assert.deepEqual(names(g), ["QuantizeLinear", "MaxPool"]);
});

Deno.test("fold-constants keeps to its budget", () => {
  const n = new Net();
  const w = n.add("Transpose", { perm: [1, 0] }, n.weights([4, 3]));
  const g = n.graph(n.add(matmul, MATMUL, n.input([2, 3]), w));
  assert.deepEqual(names(unchanged(g, foldConstants)), ["MatMul"]);
  assert.deepEqual(names(foldConstants(g, 47)), ["Transpose", "MatMul"]);
});

Deno.test("common-subexpressions: the same from the same once, by contents for constants", () => {
  const n = new Net();
  const x = n.input([2, 3]);
  const a = n.add(matmul, MATMUL, x, n.weights([3, 5])),
    b = n.add(matmul, MATMUL, x, n.weights([3, 5]));
  const c = n.add(matmul, MATMUL, x, n.weights([3, 5], 3));
  const g = n.graph(n.add("Add", null, n.add("Add", null, a, b), c));
  assert.deepEqual(names(unchanged(g, commonSubexpressions)), ["MatMul", "MatMul", "Add", "Add"]);
});

Deno.test("expand leaves no operator that is defined by others", () => {
  const n = new Net();
  const gemm = { alpha: 2, beta: 1, transA: false, transB: false };
  const y = n.add("Gemm", gemm, n.input([2, 3]), n.weights([3, 5]), n.weights([5]));
  const g = unchanged(n.graph(y), expand);
  assert.ok(g.nodes.every((m) => m.op.body.kind === "compute"));
});

Deno.test("constants of one name stay apart", () => {
  const n = new Net();
  const w = { ...n.weights([3, 5]), name: "w" }, v = { ...n.weights([3, 5], 4), name: "w" };
  const x = n.input([2, 3]);
  const g = n.graph(n.add("Add", null, n.add(matmul, MATMUL, x, w), n.add(matmul, MATMUL, x, v)));
  const h = unchanged(g, distinctNames);
  assert.deepEqual(h.nodes.slice(0, 2).map((m) => m.ins[1]!.name), ["w", "w_2"]);
});

Deno.test("pipeline: a level runs its passes in order and shows each result", () => {
  const n = new Net();
  const g = n.graph(n.add("Identity", null, n.add(relu, null, n.input([4]))));
  const seen: string[] = [];
  runPasses(g, { level: 0, observe: (pass) => seen.push(pass) });
  assert.deepEqual(seen, PASSES.filter((p) => p.level === 0).map((p) => p.name));
  assert.deepEqual(seen, ["expand", "merge-bias", "integerize", "checks-first"]);
  assert.deepEqual(names(runPasses(g)), ["Relu"]);
});
