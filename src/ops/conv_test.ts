import assert from "node:assert/strict";
import { numbers, sizeOf, tensor, type TensorData } from "../util/tensor.ts";
import { evaluateNode } from "../ir/evaluate.ts";
import { conv, type ConvAttrs, convInteger, geometry } from "./conv.ts";

const PLAIN: ConvAttrs = {
  strides: [],
  dilations: [],
  pads: [],
  autoPad: "NOTSET",
  group: 1,
  xZero: 0,
  wZero: 0,
  acc: "int32",
};
const ramp = (shape: readonly number[]): TensorData =>
  tensor("float32", shape, Array.from({ length: sizeOf(shape) }, (_, i) => i));

Deno.test("Conv: the example of the ONNX documentation, with padding and with strides", () => {
  const ones = tensor("float32", [1, 1, 3, 3], Array(9).fill(1));
  const [y] = evaluateNode(conv, { ...PLAIN, pads: [1, 1, 1, 1] }, [ramp([1, 1, 5, 5]), ones]);
  assert.deepEqual(y.shape, [1, 1, 5, 5]);
  assert.deepEqual(
    numbers(y),
    [
      ...[12, 21, 27, 33, 24, 33, 54, 63, 72, 51, 63, 99, 108, 117, 81],
      ...[93, 144, 153, 162, 111, 72, 111, 117, 123, 84],
    ],
  );
  const strided = { ...PLAIN, strides: [2, 2], pads: [1, 0, 1, 0] };
  assert.deepEqual(
    numbers(evaluateNode(conv, strided, [ramp([1, 1, 7, 5]), ones])[0]),
    [21, 33, 99, 117, 189, 207, 171, 183],
  );
});

Deno.test("ConvInteger: the example of the ONNX documentation, zero point as an input", () => {
  const x = tensor("uint8", [1, 1, 3, 3], [2, 3, 4, 5, 6, 7, 8, 9, 10]);
  const w = tensor("uint8", [1, 1, 2, 2], [1, 1, 1, 1]);
  const zero = tensor("uint8", [], [1]);
  assert.deepEqual(numbers(evaluateNode(convInteger, PLAIN, [x, w, zero])[0]), [12, 16, 24, 28]);
  const padded = evaluateNode(convInteger, { ...PLAIN, pads: [1, 1, 1, 1] }, [x, w, zero])[0];
  assert.deepEqual(
    numbers(padded),
    [1, 3, 5, 3, 5, 12, 16, 9, 11, 24, 28, 15, 7, 15, 17, 9],
  );
});

Deno.test("Conv: groups, dilation, one to three axes agree with the sum written out", () => {
  const cases: readonly [number[], number[], Partial<ConvAttrs>][] = [
    [[1, 4, 9], [6, 2, 3], { group: 2, dilations: [2], pads: [1, 3], strides: [2] }],
    [[2, 4, 6, 5], [4, 1, 3, 2], { group: 4, pads: [1, 0, 2, 1] }],
    [[1, 3, 6, 5], [6, 1, 1, 1], { group: 3 }],
    [[1, 2, 4, 3, 5], [3, 2, 2, 2, 3], { pads: [0, 1, 1, 1, 0, 1], strides: [1, 2, 1] }],
    [[1, 2, 7, 7], [3, 2, 3, 3], { autoPad: "SAME_UPPER", strides: [2, 2] }],
    [[1, 2, 6, 6], [3, 2, 2, 2], { autoPad: "SAME_LOWER" }],
  ];
  for (const [xs, ws, extra] of cases) {
    const a = { ...PLAIN, ...extra, xZero: 5, wZero: -3 };
    const value = (i: number): number => (i * 37) % 23 - 11;
    const x = tensor("int8", xs, Array.from({ length: sizeOf(xs) }, (_, i) => value(i)));
    const w = tensor("int8", ws, Array.from({ length: sizeOf(ws) }, (_, i) => value(i + 5)));
    const bias = tensor("int32", [ws[0]], Array.from({ length: ws[0] }, (_, i) => 1000 * i));
    const [y] = evaluateNode(conv, a, [x, w, bias]);
    assert.deepEqual(numbers(y), direct(a, x, w, bias), JSON.stringify(extra));
  }
});

/** The sum over every kernel position, one output element after another. */
function direct(a: ConvAttrs, x: TensorData, w: TensorData, bias: TensorData): number[] {
  const g = geometry(a, x.shape.slice(2), w.shape.slice(2));
  const [n, cin] = x.shape, [cout, per] = w.shape, out: number[] = [];
  const at = (shape: readonly number[], i: number): number[] => {
    const idx: number[] = [];
    for (let d = shape.length - 1; d >= 0; i = Math.floor(i / shape[d--])) {
      idx.unshift(i % shape[d]);
    }
    return idx;
  };
  const flat = (shape: readonly number[], idx: readonly number[]): number =>
    idx.reduce((f, v, d) => f * shape[d] + v, 0);
  for (let e = 0; e < n * cout * sizeOf(g.out); e++) {
    const [b, co, ...o] = at([n, cout, ...g.out], e);
    let acc = Number(bias.data[co]);
    for (let k = 0; k < per * sizeOf(g.kernel); k++) {
      const [ci, ...kk] = at([per, ...g.kernel], k);
      const pos = o.map((v, d) => v * g.strides[d] + kk[d] * g.dilations[d] - g.begin[d]);
      if (pos.some((p, d) => p < 0 || p >= g.size[d])) continue;
      const c = Math.floor(co / (cout / a.group)) * (cin / a.group) + ci;
      acc += (Number(x.data[flat(x.shape, [b, c, ...pos])]) - a.xZero) *
        (Number(w.data[flat(w.shape, [co, ci, ...kk])]) - a.wZero);
    }
    out.push(acc);
  }
  return out;
}

Deno.test("Conv: an accumulator of 64 bits keeps what 32 bits lose", () => {
  const x = tensor("int16", [1, 1, 4], [32767, 32767, 32767, 32767]);
  const w = tensor("int16", [1, 1, 4], [32767, 32767, 32767, 32767]);
  const [y] = evaluateNode(conv, { ...PLAIN, acc: "int64" as const }, [x, w]);
  assert.equal(y.data[0], 4n * 32767n * 32767n);
});

Deno.test("Conv: what does not fit is refused with the reason", () => {
  const x = ramp([1, 3, 4, 4]);
  assert.throws(
    () => evaluateNode(conv, PLAIN, [x, ramp([2, 2, 3, 3])]),
    /does not fit 3 channels/,
  );
  assert.throws(() => evaluateNode(conv, PLAIN, [x, ramp([2, 3, 5, 5])]), /larger than the padded/);
  assert.throws(
    () => evaluateNode(conv, { ...PLAIN, strides: [0, 1] }, [x, ramp([2, 3, 1, 1])]),
    /strides/,
  );
});
