import assert from "node:assert/strict";
import { numbers, tensor } from "../util/tensor.ts";
import { evaluateNode } from "../ir/evaluate.ts";
import { gemm, matmul, matmulInteger, PLAIN } from "./matmul.ts";

const f = (shape: number[], values: number[]) => tensor("float32", shape, values);

Deno.test("MatMulInteger: the example of the ONNX documentation", () => {
  const a = tensor("uint8", [4, 3], [11, 7, 3, 10, 6, 2, 9, 5, 1, 8, 4, 0]);
  const b = tensor("uint8", [3, 2], [1, 4, 2, 5, 3, 6]);
  const zeros = [tensor("uint8", [1], [12]), tensor("uint8", [1], [0])];
  assert.deepEqual(
    numbers(evaluateNode(matmulInteger, PLAIN, [a, b, ...zeros])[0]),
    [-38, -83, -44, -98, -50, -113, -56, -128],
  );
});

Deno.test("MatMulInteger: a zero point for every row of a and every column of b", () => {
  const a = tensor("int8", [2, 2], [1, 2, 3, 4]), b = tensor("int8", [2, 2], [5, 6, 7, 8]);
  const rows = tensor("int8", [2], [1, 2]), columns = tensor("int8", [2], [3, 4]);
  assert.deepEqual(
    numbers(evaluateNode(matmulInteger, PLAIN, [a, b, rows, columns])[0]),
    [4, 4, 1 * 2 + 2 * 4, 1 * 2 + 2 * 4],
  );
});

Deno.test("MatMul: vectors and batches broadcast as numpy does", () => {
  const m = f([2, 2], [1, 2, 3, 4]);
  const run = (a: Parameters<typeof f>, b: Parameters<typeof f>) =>
    evaluateNode(matmul, PLAIN, [f(...a), f(...b)])[0];
  assert.deepEqual(numbers(evaluateNode(matmul, PLAIN, [m, m])[0]), [7, 10, 15, 22]);
  const dot = run([[2], [1, 2]], [[2], [3, 4]]);
  assert.deepEqual([dot.shape, numbers(dot)], [[], [11]]);
  const row = run([[2], [1, 1]], [[2, 3], [1, 2, 3, 4, 5, 6]]);
  assert.deepEqual([row.shape, numbers(row)], [[3], [5, 7, 9]]);
  const column = run([[2, 3], [1, 2, 3, 4, 5, 6]], [[3], [1, 0, 1]]);
  assert.deepEqual([column.shape, numbers(column)], [[2], [4, 10]]);
  const batch = run([[2, 1, 1, 2], [1, 2, 3, 4]], [[3, 2, 1], [1, 0, 0, 1, 1, 1]]);
  assert.deepEqual([batch.shape, numbers(batch)], [[2, 3, 1, 1], [1, 2, 3, 3, 4, 7]]);
});

Deno.test("Gemm: transposes, factors, and every shape of c", () => {
  const a = f([2, 3], [1, 2, 3, 4, 5, 6]), b = f([3, 2], [1, 0, 0, 1, 1, 1]);
  const plain = { alpha: 1, beta: 1, transA: false, transB: false };
  assert.deepEqual(numbers(evaluateNode(gemm, plain, [a, b])[0]), [4, 5, 10, 11]);
  assert.deepEqual(
    numbers(evaluateNode(gemm, plain, [a, b, f([2], [10, 20])])[0]),
    [14, 25, 20, 31],
  );
  const scaled = { ...plain, alpha: 2, beta: 0.5 };
  for (const c of [f([], [2]), f([1], [2]), f([2, 1], [2, 2]), f([1, 2], [2, 2])]) {
    assert.deepEqual(numbers(evaluateNode(gemm, scaled, [a, b, c])[0]), [9, 11, 21, 23]);
  }
  const both = { ...plain, transA: true, transB: true };
  assert.deepEqual(
    numbers(
      evaluateNode(gemm, both, [f([3, 2], [1, 4, 2, 5, 3, 6]), f([2, 3], [1, 0, 1, 0, 1, 1])])[0],
    ),
    [4, 5, 10, 11],
  );
});

Deno.test("MatMul: operands that do not fit are refused with their shapes", () => {
  assert.throws(
    () => evaluateNode(matmul, PLAIN, [f([1, 2], [1, 2]), f([3, 1], [1, 2, 3])]),
    /\[1,2\] and \[3,1\] do not fit/,
  );
});
