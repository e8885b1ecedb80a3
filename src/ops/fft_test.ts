import assert from "node:assert/strict";
import fc from "fast-check";
import { numbers, tensor, type TensorData } from "../util/tensor.ts";
import { evaluateNode } from "../ir/evaluate.ts";
import { fft, radicesOf } from "./fft.ts";
import { agrees, pattern } from "./testing.ts";
import { ops } from "./signal.ts";

/** Transforms of {@link pattern} in complex64 by numpy 2.4. */
const NUMPY: readonly (readonly [length: number, inverse: number, bins: readonly number[]])[] = [
  [10, 0, [
    -0.75,
    0.25,
    -1.6946614,
    2.2122781,
    -3.1554182,
    -2.6857882,
    5.729065,
    4.092952,
    1.8641667,
    -0.3989646,
    -3.75,
    1.75,
    -2.1645732,
    -1.6010354,
    -3.2794716,
    -0.59295195,
    -3.2941754,
    0.6857881,
    -2.0049322,
    1.2877219,
  ]],
  [10, 1, [
    -0.075,
    0.025,
    -0.2004932,
    0.12877221,
    -0.32941756,
    0.06857882,
    -0.32794714,
    -0.05929522,
    -0.21645732,
    -0.16010354,
    -0.375,
    0.17499998,
    0.18641667,
    -0.039896455,
    0.5729065,
    0.40929517,
    -0.31554183,
    -0.26857883,
    -0.16946617,
    0.22122781,
  ]],
  [12, 0, [
    -1.25,
    0.5,
    -2.7810888,
    2.0310888,
    -0.017949192,
    -0.73205084,
    -6.25,
    5.5,
    3.1650636,
    -3.9150636,
    3.2810888,
    -4.031089,
    -1.75,
    1.0,
    0.73205084,
    -1.4820508,
    -1.1650635,
    0.4150635,
    -2.75,
    2.0,
    -3.482051,
    2.732051,
    -2.732051,
    1.9820508,
  ]],
  [12, 1, [
    -0.10416667,
    0.041666668,
    -0.22767091,
    0.16517091,
    -0.2901709,
    0.22767091,
    -0.22916667,
    0.16666667,
    -0.09708862,
    0.034588616,
    0.06100422,
    -0.12350422,
    -0.14583334,
    0.08333333,
    0.2734241,
    -0.3359241,
    0.2637553,
    -0.3262553,
    -0.5208334,
    0.45833334,
    -0.0014957637,
    -0.061004236,
    -0.2317574,
    0.1692574,
  ]],
  [15, 0, [
    -0.5,
    1.0,
    -2.3723826,
    0.7258867,
    2.027677,
    1.3956499,
    -0.6293193,
    -0.60507196,
    -2.0811522,
    11.627594,
    1.3905444,
    -1.6405444,
    1.1309464,
    -0.28974018,
    -6.0881824,
    -3.1435611,
    -0.59203595,
    -1.0805324,
    0.31864712,
    -2.71026,
    -1.6405444,
    1.3905444,
    -5.943348,
    0.7018115,
    -4.0702744,
    -2.394928,
    0.35213473,
    -0.020336883,
    -0.052710813,
    2.5434885,
  ]],
  [15, 1, [
    -0.033333335,
    0.06666667,
    -0.0035140517,
    0.16956589,
    0.023475664,
    -0.0013558031,
    -0.27135164,
    -0.15966187,
    -0.39622322,
    0.04678744,
    -0.10936965,
    0.09270295,
    0.021243146,
    -0.180684,
    -0.039469045,
    -0.07203549,
    -0.4058789,
    -0.20957077,
    0.07539643,
    -0.019316014,
    0.092702955,
    -0.10936962,
    -0.13874349,
    0.775173,
    -0.04195462,
    -0.04033813,
    0.13517846,
    0.093043335,
    -0.15815884,
    0.04839244,
  ]],
];

Deno.test("transforms of 10, 12 and 15 numbers are numpy's but for float noise", () => {
  for (const [length, inverse, bins] of NUMPY) {
    const ins = [pattern([1, length, 2]), null, tensor("int64", [], [1])];
    const want = [...new Float32Array(bins)];
    agrees(
      ops,
      { type: "DFT", opset: 20, attrs: { inverse }, ins, outs: [[[1, length, 2], want]] },
    );
  }
});

Deno.test("a length is divided into fours, a two in front, and odd numbers; not by 17", () => {
  assert.deepEqual([1, 2, 8, 32, 10, 400, 1001].map(radicesOf), [
    [],
    [2],
    [2, 4],
    [2, 4, 4],
    [2, 5],
    [4, 4, 5, 5],
    [7, 11, 13],
  ]);
  assert.deepEqual([17, 34, 46337].map(radicesOf), [null, null, null]);
});

/** Σ x·exp(±2πi·jk/n) in float64, the n numbers beginning with those of x. */
function definition(x: readonly number[], n: number, parts: number, sign: number): number[] {
  return Array.from({ length: n }, (_, k) => {
    let re = 0, im = 0;
    for (let j = 0; j < Math.min(n, x.length / parts); j++) {
      const angle = sign * 2 * Math.PI * (j * k % n) / n, c = Math.cos(angle), s = Math.sin(angle);
      const a = x[parts * j], b = parts === 2 ? x[2 * j + 1] : 0;
      re += a * c - b * s;
      im += a * s + b * c;
    }
    return [re, im];
  }).flat();
}

const table = (n: number, f: (x: number) => number): TensorData =>
  tensor("float64", [n], Array.from({ length: n }, (_, i) => f(2 * Math.PI * i / n)));

function transform(
  x: TensorData,
  length: number,
  { inverse = false, onesided = false },
): number[] {
  const tables = [table(length, Math.cos), table(length, Math.sin)];
  return numbers(evaluateNode(fft, { axis: 0, length, inverse, onesided }, [x, ...tables])[0]);
}

function close(got: readonly number[], want: readonly number[], length: number): void {
  assert.equal(got.length, want.length);
  got.forEach((x, i) =>
    assert(Math.abs(x - want[i]) < 1e-12 * length, `${i}: ${x}, not ${want[i]}`)
  );
}

Deno.test("transforms of any length are sums of turned numbers, cut and filled up with zeros", () => {
  const smooth = fc.integer({ min: 1, max: 400 }).filter((n) => radicesOf(n) !== null);
  const values = fc.array(fc.double({ min: -1, max: 1, noNaN: true }), {
    minLength: 1,
    maxLength: 420,
  });
  fc.assert(
    fc.property(smooth, values, fc.constantFrom(1, 2), fc.boolean(), (n, some, parts, inverse) => {
      const size = Math.ceil(some.length / parts);
      const x = Array.from({ length: size * parts }, (_, i) => some[i] ?? 0);
      const got = transform(tensor("float64", [size, parts], x), n, { inverse });
      const sums = definition(x, n, parts, inverse ? 1 : -1);
      close(got, sums.map((v) => inverse ? v / n : v), n);
    }),
    { numRuns: 60 },
  );
});

Deno.test("half of the spectrum of real numbers gives them back, and is that of the whole", () => {
  const lengths = fc.integer({ min: 2, max: 300 }).filter((n) => radicesOf(n) !== null);
  fc.assert(
    fc.property(lengths, fc.integer(), (n, seed) => {
      const x = Array.from({ length: n }, (_, i) => Math.sin(seed + i * i));
      const real = tensor("float64", [n, 1], x), bins = Math.floor(n / 2) + 1;
      const half = transform(real, n, { onesided: true });
      assert.deepEqual(half, transform(real, n, {}).slice(0, 2 * bins));
      const back = tensor("float64", [bins, 2], half);
      close(transform(back, n, { inverse: true, onesided: true }), x, n);
    }),
    { numRuns: 40 },
  );
});

Deno.test("bins that are left out of half a spectrum are zeros", () => {
  const full = tensor(
    "float64",
    [9, 2],
    Array.from({ length: 18 }, (_, i) => i < 8 ? i % 5 - 2 : 0),
  );
  const some = tensor("float64", [4, 2], numbers(full).slice(0, 8));
  const options = { inverse: true, onesided: true };
  assert.deepEqual(transform(some, 16, options), transform(full, 16, options));
  assert.deepEqual(transform(some, 15, options), transform(full, 15, options));
});
