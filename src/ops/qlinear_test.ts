import assert from "node:assert/strict";
import { numbers, tensor, type TensorData } from "../util/tensor.ts";
import { Builder } from "../ir/build.ts";
import { evaluateNode } from "../ir/evaluate.ts";
import type { AttrReader, OpDef } from "../ir/opdef.ts";
import { PLAIN } from "./matmul.ts";
import { ops as dynamic } from "./dynamic_quant.ts";
import { ops } from "./qlinear.ts";

const op = (name: string): OpDef<unknown> => [...ops, ...dynamic].find((o) => o.name === name)!;
const f = (v: number | number[]): TensorData =>
  typeof v === "number" ? tensor("float32", [], [v]) : tensor("float32", [v.length], v);
const u8 = (shape: number[], values: number[]): TensorData => tensor("uint8", shape, values);
const run = (name: string, attrs: unknown, ins: (TensorData | null)[]): TensorData =>
  evaluateNode(op(name), attrs, ins)[0];

Deno.test("QLinearMatMul: the example of the ONNX documentation", () => {
  const y = run("QLinearMatMul", PLAIN, [
    u8([2, 4], [208, 236, 0, 238, 3, 214, 255, 29]),
    f(0.0066),
    u8([], [113]),
    u8([4, 3], [152, 51, 244, 60, 26, 255, 0, 127, 246, 127, 254, 247]),
    f(0.00705),
    u8([], [114]),
    f(0.0107),
    u8([], [118]),
  ]);
  assert.deepEqual([y.shape, numbers(y)], [[2, 3], [168, 115, 255, 1, 66, 151]]);
});

Deno.test("QLinearConv: the example of the ONNX documentation", () => {
  const x = [
    ...[255, 174, 162, 25, 203, 168, 58, 15, 59, 237, 95, 129, 0, 64, 56, 242, 153],
    ...[221, 168, 12, 166, 232, 178, 186, 195, 237, 162, 237, 188, 39, 124, 77, 80, 102],
    ...[43, 127, 230, 21, 83, 41, 40, 134, 255, 154, 92, 141, 42, 148, 247],
  ];
  const attrs = {
    ...{ strides: [], dilations: [], pads: [], autoPad: "NOTSET", group: 1 },
    ...{ xZero: 0, wZero: 0, acc: "int32" },
  };
  const y = run("QLinearConv", attrs, [
    u8([1, 1, 7, 7], x),
    f(0.00369204697),
    u8([], [132]),
    u8([1, 1, 1, 1], [0]),
    f([0.00172794575]),
    u8([1], [255]),
    f(0.00162681262),
    u8([], [123]),
  ]);
  // A 1×1 kernel of −255 · 0.00172794575 with the output's scale mirrors the input.
  assert.deepEqual(numbers(y), x.map((v) => 255 - v));
});

Deno.test("QGemm: bias in the accumulator, alpha in the scale, float without an output scale", () => {
  const a = tensor("int8", [1, 2], [3, -4]), b = tensor("int8", [2, 2], [1, 2, 3, 4]);
  const c = tensor("int32", [2], [10, 20]);
  const attrs = { alpha: 2, beta: 1, transA: false, transB: true };
  const ins = [
    a,
    f(0.5),
    tensor("int8", [], [1]),
    b,
    f([0.25, 0.5]),
    tensor("int8", [2], [0, 1]),
    c,
  ];
  // (2, −5) · (1, 2) + 10 = 2 and (2, −5) · (2, 3) + 20 = 9, times 2 · 0.5 · (0.25, 0.5)
  assert.deepEqual(numbers(run("QGemm", attrs, ins)), [0.5, 4.5]);
  const q = run("QGemm", attrs, [...ins, f(0.5), tensor("int8", [], [-3])]);
  assert.deepEqual([q.dtype, numbers(q)], ["int8", [-2, 6]]);
  // One bias for all columns: (−8 + 10) and (−11 + 10).
  for (const one of [tensor("int32", [1], [10]), tensor("int32", [], [10])]) {
    assert.deepEqual(numbers(run("QGemm", attrs, ins.with(6, one))), [0.5, -0.5]);
  }
});

Deno.test("QLinearConcat: every operand has its own scale and zero point", () => {
  const y = run("QLinearConcat", { axis: 0 }, [
    ...[f(0.5), u8([], [10])],
    ...[u8([2], [0, 255]), f(0.25), u8([], [100])],
    ...[u8([1], [7]), f(1), u8([], [4])],
  ]);
  assert.deepEqual(numbers(y), [0, 88, 16]); // −50 + 10 is below 0, 77.5 goes to 78
});

Deno.test("DynamicQuantizeMatMul and MatMulIntegerToFloat: float32(acc) × (sa·sb) + bias", () => {
  const b = tensor("int8", [2, 2], [1, -2, 3, 4]), sb = f([0.5, 0.25]), bias = f([100, 200]);
  const a = u8([1, 2], [12, 9]), za = u8([], [10]);
  const y = run("MatMulIntegerToFloat", null, [a, b, f(0.5), sb, za, null, bias]);
  assert.deepEqual(numbers(y), [100 - 0.25, 200 - 1]);
  const x = tensor("float32", [1, 2], [2, -3]), step = Math.fround(5 / 255);
  const d = numbers(run("DynamicQuantizeMatMul", null, [x, b, sb, null, bias]));
  const acc = [102 * 1 - 153 * 3, 102 * -2 - 153 * 4];
  const want = acc.map((v, i) =>
    Math.fround(
      Math.fround(v * Math.fround(step * numbers(sb)[i])) + numbers(bias)[i],
    )
  );
  assert.deepEqual(d, want);
});

Deno.test("QLinearSoftmax reads its axis as the operator set that it names does", () => {
  const read = (opset: number): unknown =>
    op("QLinearSoftmax").onnx[0].attrs(
      { int: (n: string, d?: number) => n === "opset" ? opset : d } as AttrReader,
    );
  assert.deepEqual(read(12), { axis: 1, flatten: true });
  assert.deepEqual(read(13), { axis: -1, flatten: false });
});

Deno.test("QLinearWhere chooses between stored tensors", () => {
  const y = run("QLinearWhere", null, [
    tensor("bool", [2, 2], [1, 0, 0, 1]),
    u8([2, 2], [11, 48, 85, 122]),
    f(0.03125),
    u8([], [120]),
    u8([1, 2], [11, 48]),
    f(0.0625),
    u8([], [140]),
    f(0.125),
    u8([], [128]),
  ]);
  assert.deepEqual([y.shape, numbers(y)], [[2, 2], [101, 82, 64, 128]]);
});

Deno.test("QGemm takes scales that are known when the model runs", () => {
  const attrs = { alpha: 0.5, beta: 1, transA: false, transB: false };
  const ins = [
    u8([1, 2], [130, 120]),
    f(0.5),
    u8([], [128]),
    tensor("int8", [2, 2], [3, -4, 5, 6]),
    f([0.25, 2]),
    tensor("int8", [2], [0, 0]),
    tensor("int32", [2], [7, 9]),
  ];
  // 0.5 · 0.5 · sw · (2·w0 − 8·w1 + bias)
  const want = [0.0625 * (6 - 40 + 7), 0.5 * (-8 - 48 + 9)];
  const builder = new Builder(), known = ins.map((t) => builder.constant(t));
  const scale = { name: "sx", type: known[1].type };
  const rewritten = op("QGemm").body;
  assert.ok(rewritten.kind === "expand");
  const outs = [{ dtype: "float32" as const, shape: [1, 2] }];
  const inputs = known.with(1, scale).map((v, i) => i === 4 ? { ...v, data: undefined } : v);
  assert.doesNotThrow(() => rewritten.rewrite(attrs, inputs, outs, builder));
  assert.deepEqual(numbers(run("QGemm", attrs, ins)), want);
});
