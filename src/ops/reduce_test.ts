import assert from "node:assert/strict";
import { numbers, tensor, type TensorData } from "../util/tensor.ts";
import { evaluateNode } from "../ir/evaluate.ts";
import { typeOf } from "../ir/graph.ts";
import { ops as args } from "./arg.ts";
import { ops as normalizations } from "./normalization.ts";
import { ops as reductions, type ReduceAttrs } from "./reduce.ts";
import { logSoftmax, softmax } from "./softmax.ts";
import {
  close,
  counting,
  dequantized,
  expect,
  floats,
  int64s,
  named,
  quantContext,
  read,
  refuses,
} from "./testing.ts";

const values = [3, -1, 2, 0.5, -4, 1];
const x = floats([2, 3], values);
const rows = [values.slice(0, 3), values.slice(3)];
const last: ReduceAttrs = { axes: [-1], keepDims: false };

Deno.test("reductions along an axis", () => {
  const sum = (v: number[], f = (x: number) => x): number => v.reduce((a, b) => a + f(b), 0);
  const cases: Record<string, (v: number[]) => number> = {
    ReduceSum: (v) => sum(v),
    ReduceMean: (v) => sum(v) / v.length,
    ReduceMax: (v) => Math.max(...v),
    ReduceMin: (v) => Math.min(...v),
    ReduceProd: (v) => v.reduce((a, b) => a * b),
    ReduceL1: (v) => sum(v, Math.abs),
    ReduceL2: (v) => Math.hypot(...v),
    ReduceSumSquare: (v) => sum(v, (a) => a * a),
    ReduceLogSumExp: (v) => Math.log(sum(v, Math.exp)),
  };
  for (const [name, f] of Object.entries(cases)) {
    const [y] = evaluateNode(named(reductions, name), last, [x]);
    assert.deepEqual(y.shape, [2]);
    close(y, rows.map(f));
  }
  close(evaluateNode(named(reductions, "ReduceLogSum"), last, [counting([1, 4])])[0], [
    Math.log(6),
  ]);
});

Deno.test("axes come from attributes or inputs; none are all, or none", () => {
  const sum = named(reductions, "ReduceSum"),
    attrs = (n: Parameters<typeof read>[2]) => read(sum, "ReduceSum", n);
  assert.deepEqual(attrs({ opset: 11, attrs: { axes: [1], keepdims: 0 }, inputs: [x] }), {
    axes: [1],
    keepDims: false,
  });
  assert.deepEqual(attrs({ opset: 13, inputs: [x, int64s(0)] }), { axes: [0], keepDims: true });
  assert.deepEqual(attrs({ inputs: [x] }), { axes: null, keepDims: true });
  const noop = attrs({ attrs: { noop_with_empty_axes: 1 }, inputs: [x, int64s()] });
  expect(sum, noop, [x], x);
  expect(sum, { axes: null, keepDims: true }, [x], floats([1, 1], [1.5]));
  expect(
    sum,
    { axes: [0], keepDims: true },
    [tensor("int64", [2, 1], [5, 6])],
    tensor("int64", [1, 1], [11]),
  );
  refuses(() => sum.infer({ axes: [2], keepDims: true }, [typeOf(x)], () => undefined), /axis 2/);
});

Deno.test("ArgMax and ArgMin take the first or the last of equals", () => {
  const t = floats([2, 3], [1, 5, 5, 0, 0, 2]);
  const attrs = { axis: 1, keepDims: false, last: false };
  expect(named(args, "ArgMax"), attrs, [t], int64s(1, 2));
  expect(named(args, "ArgMin"), { ...attrs, last: true }, [t], int64s(0, 1));
  const q = dequantized(tensor("int8", [1, 3], [1, 2, 3]), [0.5], [0]).rep;
  const r = named(args, "ArgMax").quantized!(attrs, [q], quantContext());
  assert.ok(r?.k === "flt" && r.x.type.dtype === "int64");
});

/** Softmax of one vector in float64. */
function reference(v: number[]): number[] {
  const top = Math.max(...v),
    e = v.map((a) => Math.exp(a - top)),
    total = e.reduce((a, b) => a + b);
  return e.map((a) => a / total);
}

Deno.test("Softmax along an axis, and flattened before operator set 13", () => {
  const now = read(softmax, "Softmax", { opset: 13 }),
    old = read(softmax, "Softmax", { opset: 11 });
  assert.deepEqual([now, old], [{ axis: -1, flatten: false }, { axis: 1, flatten: true }]);
  close(evaluateNode(softmax, now, [x])[0], rows.flatMap(reference));
  const cube: TensorData = { ...x, shape: [1, 2, 3] };
  close(evaluateNode(softmax, old, [cube])[0], reference(values));
  close(evaluateNode(softmax, { axis: 0, flatten: false }, [floats([2, 1], [1000, 1000])])[0], [
    0.5,
    0.5,
  ]);
  close(evaluateNode(logSoftmax, now, [x])[0], rows.flatMap((r) => reference(r).map(Math.log)));
});

Deno.test("BatchNormalization with constant and with computed parameters", () => {
  const op = named(normalizations, "BatchNormalization"), t = counting([1, 2, 2]);
  const parameters = [[2, 3], [1, -1], [0.5, 2], [4, 9]].map((v) => floats([2], v));
  const want = [0, 1, 2, 3].map((v, i) => {
    const c = Math.floor(i / 2), [s, b, m, w] = parameters.map((p) => Number(p.data[c]));
    return (v - m) / Math.sqrt(w + 1e-5) * s + b;
  });
  close(evaluateNode(op, { epsilon: 1e-5, momentum: null }, [t, ...parameters])[0], want);
  // In training: by the batch's own mean (0.5, 2.5) and variance (0.25), which move the running ones.
  const [y, mean, variance] = evaluateNode(op, { epsilon: 0, momentum: 0.9 }, [t, ...parameters]);
  close(y, [-1, 3, -4, 2]);
  close(mean, [0.9 * 0.5 + 0.1 * 0.5, 0.9 * 2 + 0.1 * 2.5]);
  close(variance, [0.9 * 4 + 0.1 * 0.25, 0.9 * 9 + 0.1 * 0.25]);
});

Deno.test("LRN, InstanceNormalization and LayerNormalization", () => {
  const t = floats([1, 3, 1], [1, 2, 3]), lrn = named(normalizations, "LRN");
  const norm = (v: number, s: number): number => v / (1 + 0.1 * s) ** 0.5;
  close(evaluateNode(lrn, { size: 3, alpha: 0.3, beta: 0.5, bias: 1 }, [t])[0], [
    norm(1, 5),
    norm(2, 14),
    norm(3, 13),
  ]);
  const two = (v: number): TensorData => floats([2], [v, v]);
  const instance = named(normalizations, "InstanceNormalization");
  const [y] = evaluateNode(instance, { epsilon: 0 }, [
    floats([1, 2, 2], [1, 3, 10, 30]),
    two(2),
    two(1),
  ]);
  close(y, [-1, 3, -1, 3]);
  const layer = named(normalizations, "LayerNormalization");
  const outs = evaluateNode(layer, { epsilon: 0, axis: -1, outputs: 3 }, [
    floats([2, 2], [1, 3, 10, 30]),
    two(2),
  ]);
  assert.deepEqual(outs.map((o) => numbers(o).map((v) => Math.fround(v))), [
    [-2, 2, -2, 2],
    [2, 20],
    [1, Math.fround(0.1)],
  ]);
});

Deno.test("Softmax of float16 rounds after each step, as numpy does by ONNX's definition", () => {
  const halves = (...patterns: number[]) => tensor("float16", [2, 10], patterns);
  // deno-fmt-ignore
  const half = halves(
    0xbd00, 0x3800, 0xb800, 0x3d00, 0x3400, 0xba00, 0x3c00, 0x0000, 0xbc00, 0x3a00,
    0xb400, 0xbd00, 0x3800, 0xb800, 0x3d00, 0x3400, 0xba00, 0x3c00, 0x0000, 0xbc00,
  );
  const along = { axis: -1, flatten: false };
  // deno-fmt-ignore
  expect(softmax, along, [half], halves(
    0x253e, 0x2f8b, 0x298d, 0x33fc, 0x2de0, 0x2853, 0x3238, 0x2c94, 0x26bc, 0x30d8,
    0x2be1, 0x25cc, 0x302c, 0x2a23, 0x346a, 0x2e7f, 0x28c8, 0x32e0, 0x2d0f, 0x2772,
  ));
  // deno-fmt-ignore
  expect(logSoftmax, along, [half], halves(
    0xc3c7, 0xc047, 0xc247, 0xbd8e, 0xc0c7, 0xc2c7, 0xbe8e, 0xc147, 0xc347, 0xbf8e,
    0xc194, 0xc394, 0xc014, 0xc214, 0xbd27, 0xc094, 0xc294, 0xbe27, 0xc114, 0xc314,
  ));
});
