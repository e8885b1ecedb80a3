import assert from "node:assert/strict";
import { numbers, tensor, type TensorData } from "../util/tensor.ts";
import { evaluateNode } from "../ir/evaluate.ts";
import { typeOf } from "../ir/graph.ts";
import { averagePool, type AveragePoolAttrs, maxPool } from "./pool.ts";
import { reduceMax, reduceMean } from "./reduce.ts";
import {
  accumulator,
  close,
  counting,
  dequantized,
  expect,
  floats,
  quantContext,
  read,
  refuses,
} from "./testing.ts";

const WINDOW = {
  kernel: [2, 2],
  strides: [],
  dilations: [],
  pads: [],
  autoPad: "NOTSET" as const,
  ceil: false,
};
const average = (a: Partial<AveragePoolAttrs>): AveragePoolAttrs => ({
  ...WINDOW,
  includePad: false,
  ...a,
});
const maximum = (a: Partial<AveragePoolAttrs>) => ({
  ...WINDOW,
  indices: false,
  columnMajor: false,
  ...a,
});

/** Pools a plane in the plainest way: over a padded copy whose border is marked NaN. */
function plainAverage(x: TensorData, k: number, s: number, d: number, p: number, include: boolean) {
  const [, , h, w] = x.shape, result: number[] = [];
  const at = (i: number, j: number): number =>
    i < 0 || j < 0 || i >= h || j >= w ? NaN : Number(x.data[i * w + j]);
  const reach = (k - 1) * d + 1;
  for (let i = -p; i + reach <= h + p; i += s) {
    for (let j = -p; j + reach <= w + p; j += s) {
      const window = Array.from(
        { length: k * k },
        (_, t) => at(i + d * Math.floor(t / k), j + d * (t % k)),
      );
      const inside = window.filter((v) => !Number.isNaN(v));
      result.push(inside.reduce((a, b) => a + b, 0) / (include ? k * k : inside.length));
    }
  }
  return result;
}

Deno.test("AveragePool over strides, dilations and padding", () => {
  const x = counting([1, 1, 7, 6]);
  for (const [k, s, d, p] of [[2, 1, 1, 0], [3, 2, 1, 1], [2, 1, 2, 1], [3, 2, 2, 2]]) {
    for (const includePad of [false, true]) {
      const both = (v: number): number[] => [v, v];
      const attrs = average({
        kernel: both(k),
        strides: both(s),
        dilations: both(d),
        pads: [p, p, p, p],
        includePad,
      });
      close(evaluateNode(averagePool, attrs, [x])[0], plainAverage(x, k, s, d, p, includePad));
    }
  }
});

Deno.test("a window that is rounded up divides by what lies inside", () => {
  const x = counting([1, 1, 5]), attrs = { kernel: [2], strides: [2], ceil: true };
  close(evaluateNode(averagePool, average(attrs), [x])[0], [0.5, 2.5, 4]);
  const padded = average({ ...attrs, kernel: [3], pads: [1, 1], includePad: true });
  close(evaluateNode(averagePool, padded, [x])[0], [1 / 3, 2, 7 / 3]);
  // The last window would begin in the padding behind the input.
  const shape = maxPool.infer(maximum({ kernel: [1], strides: [2], pads: [0, 1], ceil: true }), [
    typeOf(x),
  ], () => undefined);
  assert.deepEqual(shape[0].shape, [1, 1, 3]);
});

Deno.test("automatic padding", () => {
  const x = counting([1, 1, 4]), attrs = { kernel: [2], strides: [1] };
  expect(
    maxPool,
    maximum({ ...attrs, autoPad: "SAME_UPPER" }),
    [x],
    floats([1, 1, 4], [1, 2, 3, 3]),
  );
  expect(
    maxPool,
    maximum({ ...attrs, autoPad: "SAME_LOWER" }),
    [x],
    floats([1, 1, 4], [0, 1, 2, 3]),
  );
  expect(maxPool, maximum({ ...attrs, autoPad: "VALID" }), [x], floats([1, 1, 3], [1, 2, 3]));
});

Deno.test("padding never wins a maximum, and indices point into the input", () => {
  const attrs = maximum({ pads: [1, 1, 0, 0], strides: [2, 2] });
  const x = floats([1, 1, 3, 3], [-9, -8, -7, -6, -5, -4, -3, -2, -1]);
  expect(maxPool, attrs, [x], floats([1, 1, 2, 2], [-9, -7, -3, -1]));
  const q = tensor("int8", [1, 1, 3, 3], numbers(x));
  expect(maxPool, attrs, [q], tensor("int8", [1, 1, 2, 2], [-9, -7, -3, -1]));
  const [, indices] = evaluateNode(maxPool, { ...attrs, indices: true }, [x]);
  assert.deepEqual(numbers(indices), [0, 2, 6, 8]);
  const [, columns] = evaluateNode(maxPool, { ...attrs, indices: true, columnMajor: true }, [x]);
  assert.deepEqual(numbers(columns), [0, 6, 2, 8]);
});

Deno.test("pools of three axes", () => {
  const x = counting([1, 1, 2, 2, 2]);
  expect(maxPool, maximum({ kernel: [2, 2, 2] }), [x], floats([1, 1, 1, 1, 1], [7]));
  close(evaluateNode(averagePool, average({ kernel: [2, 2, 2] }), [x])[0], [3.5]);
  refuses(
    () => maxPool.infer(maximum({ kernel: [2] }), [typeOf(x)], () => undefined),
    /kernel \[2\]/,
  );
});

Deno.test("global pools are reductions", () => {
  const x = counting([1, 2, 2, 2]);
  const attrs = read(reduceMean, "GlobalAveragePool", { inputs: [x] });
  expect(reduceMean, attrs, [x], floats([1, 2, 1, 1], [1.5, 5.5]));
  expect(
    reduceMax,
    read(reduceMax, "GlobalMaxPool", { inputs: [x] }),
    [x],
    floats([1, 2, 1, 1], [3, 7]),
  );
});

Deno.test("averages of integers follow the formula, rounding by rounding", () => {
  const f = Math.fround, scale = f(0.1), q = [-128, 127, 3, 77, -5, 6], zero = -7;
  const x = tensor("int8", [1, 1, 6], q);
  const acc = q.reduce((sum, v) => sum + v - zero, 0);
  const want = f(f(f(acc) * scale) / 6);
  const quant = { scale, zero };
  const attrs = { axes: [2], keepDims: true, quant };
  expect(reduceMean, attrs, [x], floats([1, 1, 1], [want]));
  const pool = average({ kernel: [3], strides: [3], pads: [1, 1], quant });
  const parts = [[-128, 127], [3, 77, -5], [6]].slice(0, 2);
  const values = parts.map((p) => {
    const sum = p.reduce((s, v) => s + v - zero, 0);
    return f(f(f(sum) * scale) / p.length);
  });
  expect(averagePool, pool, [x], floats([1, 1, 2], values));
});

Deno.test("quantised rules: maxima stay integers, averages take them, the rest goes by float", () => {
  const q = tensor("uint8", [1, 2, 2, 2], new Array(8).fill(3)), ctx = quantContext();
  const whole = dequantized(q, [0.5], [3]).rep, channels = dequantized(q, [0.5, 0.25], [3, 4]).rep;
  const columns = dequantized(q, [0.5, 0.25], [3, 4], 3).rep;
  const max = maxPool.quantized!(maximum({}), [channels], ctx);
  assert.ok(max?.k === "deq" && max.q.type.dtype === "uint8" && max.scale === channels.scale);
  assert.equal(maxPool.quantized!(maximum({}), [columns], ctx), null);
  const acc = maxPool.quantized!(maximum({}), [accumulator(0, 6)], ctx);
  assert.ok(acc?.k === "acc" && acc.hi === 6 && acc.acc.type.dtype === "int32");
  const mean = averagePool.quantized!(average({}), [whole], ctx);
  assert.ok(mean?.k === "flt" && mean.x.type.dtype === "float32");
  assert.deepEqual((ctx.b.nodes.at(-1)!.attrs as AveragePoolAttrs).quant, { scale: 0.5, zero: 3 });
  assert.equal(averagePool.quantized!(average({}), [channels], ctx), null);
  assert.equal(averagePool.quantized!(average({}), [accumulator()], ctx), null);
});
