/** Windows whose axes differ in everything: size, stride, dilation, padding. */
import assert from "node:assert/strict";
import { numbers } from "../util/tensor.ts";
import { evaluateNode } from "../ir/evaluate.ts";
import { averagePool, maxPool } from "./pool.ts";
import { counting } from "./testing.ts";

const WINDOW = {
  kernel: [3, 2],
  strides: [1, 3],
  dilations: [2, 1],
  pads: [1, 0, 2, 1],
  autoPad: "NOTSET" as const,
  ceil: false,
};

/** The elements inside each window, row by row of the output. */
function windows([h, w]: readonly [number, number]): number[][] {
  const { kernel: [kh, kw], strides: [sh, sw], dilations: [dh, dw], pads: [t, l, b, r] } = WINDOW;
  const result: number[][] = [];
  for (let i = -t; i + (kh - 1) * dh < h + b; i += sh) {
    for (let j = -l; j + (kw - 1) * dw < w + r; j += sw) {
      const inside: number[] = [];
      for (let y = i; y < i + kh * dh; y += dh) {
        for (let x = j; x < j + kw * dw; x += dw) {
          if (y >= 0 && y < h && x >= 0 && x < w) inside.push(y * w + x);
        }
      }
      result.push(inside);
    }
  }
  return result;
}

const x = counting([1, 1, 6, 7]);

Deno.test("MaxPool: each axis has a stride, a dilation and padding of its own", () => {
  const [y] = evaluateNode(maxPool, { ...WINDOW, indices: false, columnMajor: false }, [x]);
  assert.deepEqual(y.shape, [1, 1, 5, 3]);
  assert.deepEqual(numbers(y), windows([6, 7]).map((v) => Math.max(...v)));
});

Deno.test("AveragePool: each axis has a stride, a dilation and padding of its own", () => {
  const mean = (v: number[], n: number) => Math.fround(v.reduce((a, b) => a + b, 0) / n);
  const of = (includePad: boolean) =>
    numbers(evaluateNode(averagePool, { ...WINDOW, includePad }, [x])[0]);
  assert.deepEqual(of(false), windows([6, 7]).map((v) => mean(v, v.length)));
  assert.deepEqual(of(true), windows([6, 7]).map((v) => mean(v, 6)));
});
