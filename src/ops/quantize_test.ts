import assert from "node:assert/strict";
import { numbers, tensor } from "../util/tensor.ts";
import { evaluateNode } from "../ir/evaluate.ts";
import {
  dequantizeAcc,
  dequantizeLinear,
  dynamicQuantizeLinear,
  quantizeLinear,
  requantizeOp,
  table,
} from "./quantize.ts";

const f = (shape: number[], values: number[]) => tensor("float32", shape, values);
const FROM_INPUTS = { axis: 1, scale: null, zero: null };

Deno.test("QuantizeLinear: the examples of the ONNX documentation", () => {
  const u8 = { ...FROM_INPUTS, dtype: "uint8" as const };
  assert.deepEqual(
    numbers(
      evaluateNode(quantizeLinear, u8, [
        f([6], [0, 2, 3, 1000, -254, -1000]),
        f([], [2]),
        tensor("uint8", [], [128]),
      ])[0],
    ),
    [128, 129, 130, 255, 1, 0],
  );
  const perAxis = [
    f([1, 3, 3, 2], [
      -162,
      10,
      -100,
      232,
      -20,
      -50,
      -76,
      0,
      0,
      252,
      32,
      -44,
      245,
      -485,
      -960,
      -270,
      -375,
      -470,
    ]),
    f([3], [2, 4, 5]),
    tensor("uint8", [3], [84, 24, 196]),
  ];
  assert.deepEqual(
    numbers(evaluateNode(quantizeLinear, u8, perAxis)[0]),
    [3, 89, 34, 200, 74, 59, 5, 24, 24, 87, 32, 13, 245, 99, 4, 142, 121, 102],
  );
});

Deno.test("QuantizeLinear: ties go to even before the zero point is added", () => {
  const run = (dtype: "int8" | "int16", zero: number, values: number[]) =>
    numbers(
      evaluateNode(quantizeLinear, { axis: 0, dtype, scale: 1, zero }, [
        f([values.length], values),
      ])[0],
    );
  assert.deepEqual(run("int8", 0, [0.5, 1.5, 2.5, -0.5, -1.5]), [0, 2, 2, 0, -2]);
  assert.deepEqual(run("int8", 1, [0.5, 1.5, 2.5, -0.5, -1.5]), [1, 3, 3, 1, -1]);
  assert.deepEqual(run("int8", -128, [-1, 0, 255, 256, Infinity, -Infinity, NaN]), [
    ...[-128, -128, 127, 127, 127, -128, -128],
  ]);
  assert.deepEqual(run("int16", 7, [40000, -40000, 3.5]), [32767, -32768, 11]);
});

Deno.test("DequantizeLinear: per tensor, per axis, int32", () => {
  const run = (attrs: Parameters<typeof evaluateNode>[1], ...ins: ReturnType<typeof tensor>[]) =>
    numbers(evaluateNode(dequantizeLinear, attrs as typeof FROM_INPUTS, ins)[0]);
  assert.deepEqual(
    run(
      FROM_INPUTS,
      tensor("uint8", [4], [0, 3, 128, 255]),
      f([], [2]),
      tensor("uint8", [], [128]),
    ),
    [-256, -250, 0, 254],
  );
  assert.deepEqual(
    run({ ...FROM_INPUTS, axis: -1 }, tensor("int8", [2, 2], [1, 2, 3, 4]), f([2], [1, 10])),
    [1, 20, 3, 40],
  );
  const big = 16777217; // not a float32: converted first, then multiplied
  assert.deepEqual(run({ axis: 0, scale: 3, zero: 0 }, tensor("int32", [1], [big])), [50331648]);
});

Deno.test("DynamicQuantizeLinear: the examples of the ONNX documentation", () => {
  const run = (values: number[]) => {
    const [y, s, z] = evaluateNode(dynamicQuantizeLinear, null, [f([values.length], values)]);
    return [numbers(y), numbers(s)[0], numbers(z)[0]];
  };
  assert.deepEqual(run([0, 2, -3, -2.5, 1.34, 0.5]), [
    [153, 255, 0, 26, 221, 179],
    Math.fround(5 / 255),
    153,
  ]);
  assert.deepEqual(run([-1, -2.1, -1.3, -2.5, -3.34, -4]), [
    [191, 121, 172, 96, 42, 0],
    Math.fround(4 / 255),
    255,
  ]);
  assert.deepEqual(run([1, 2.1, 1.3, 2.5, 3.34, 4]).slice(1), [Math.fround(4 / 255), 0]);
});

Deno.test("Requantize: rounds once in float32, clamps, then adds the zero point", () => {
  const attrs = { dtype: "int8" as const, zero: -5, lo: -5, hi: 100, axis: 1 };
  const run = (dtype: "int32" | "int64", acc: number[], scale: number[]) =>
    numbers(
      evaluateNode(requantizeOp, attrs, [
        tensor(dtype, [1, acc.length], acc),
        f(scale.length > 1 ? [scale.length] : [], scale),
      ])[0],
    );
  for (const dtype of ["int32", "int64"] as const) {
    assert.deepEqual(run(dtype, [5, 15, -15, 100000, 25], [0.1]), [-5, -3, -5, 100, -3]);
    assert.deepEqual(run(dtype, [100, 100], [0.5, 0.25]), [45, 20]);
  }
  assert.deepEqual(run("int64", [2 ** 40], [2 ** -36]), [11]);
});

Deno.test("DequantizeAcc clips; Table goes by the unsigned byte", () => {
  const acc = tensor("int32", [1, 3], [-4, 2, 100]);
  const clip = { axis: 1, lo: 0, hi: 6 };
  assert.deepEqual(numbers(evaluateNode(dequantizeAcc, clip, [acc, f([], [0.5])])[0]), [0, 1, 6]);
  const squares = tensor("int32", [256], Array.from({ length: 256 }, (_, i) => i * i));
  assert.deepEqual(
    numbers(evaluateNode(table, null, [tensor("int8", [3], [-1, 0, 127]), squares])[0]),
    [255 * 255, 0, 127 * 127],
  );
});
