import assert from "node:assert/strict";
import fc from "fast-check";
import { type ActivationType, METHODS, paramsOf, rangeOf } from "./ranges.ts";
import { Statistics } from "./statistics.ts";

const of = (...samples: number[][]) => {
  const s = new Statistics([1, 2, samples[0].length / 2]);
  for (const x of samples) s.add(Float32Array.from(x));
  return s;
};

const options = { percentile: 99, dtype: "int8", symmetric: false } as const;

Deno.test("statistics: extremes, channels, and bins that widen as samples grow", () => {
  const s = of([0.5, -1, 2, 0], [0, 0, 0, 0], [100, -3, 0.25, -400]);
  assert.deepEqual([s.min, s.max, s.count, s.zeros, s.bad], [-400, 100, 12, 5, 0]);
  assert.deepEqual([...s.channelMax], [100, 400]);
  const seen = [...s.values()];
  assert.equal(seen.reduce((sum, [, n]) => sum + n, 0), 12);
  for (const [v] of seen) {
    assert([-400, -3, -1, 0, 0.25, 0.5, 2, 100].some((x) => Math.abs(x - v) <= s.width));
  }
  assert.equal(of([NaN, 1, Infinity, 2]).bad, 2);
});

Deno.test("statistics: merging is seeing everything", () => {
  const sample = fc.array(fc.float({ min: -50, max: 50, noNaN: true }), {
    minLength: 4,
    maxLength: 4,
  });
  fc.assert(
    fc.property(fc.array(sample, { minLength: 1 }), fc.array(sample, { minLength: 1 }), (a, b) => {
      const one = of(...a), all = of(...a, ...b);
      one.merge(of(...b));
      assert.deepEqual([one.min, one.max, one.count, one.zeros], [
        all.min,
        all.max,
        all.count,
        all.zeros,
      ]);
      const total = (s: Statistics) => [...s.values()].reduce((sum, [, n]) => sum + n, 0);
      assert.equal(total(one), total(all));
    }),
  );
});

Deno.test("parameters cover the range, and zero is exact", () => {
  const bound = fc.float({ min: -1000, max: 1000, noNaN: true });
  const type = fc.constantFrom<ActivationType>("int8", "uint8");
  fc.assert(fc.property(bound, bound, type, fc.boolean(), (a, b, dtype, symmetric) => {
    const range = [Math.min(a, b), Math.max(a, b)] as const;
    const { scale, zero } = paramsOf(range, dtype, symmetric);
    const least = dtype === "int8" ? -128 : 0;
    assert(Number.isInteger(zero) && zero >= least && zero <= least + 255);
    assert.equal(Math.fround(scale), scale);
    // Rounding the zero point moves the ends by half a step at most.
    assert((least - zero) * scale <= Math.min(0, range[0]) + 0.51 * scale);
    assert((least + 255 - zero) * scale >= Math.max(0, range[1]) - 0.51 * scale);
    if (symmetric) assert.equal(zero, least + 128);
  }));
});

Deno.test("an outlier is clipped by every method but minmax, and a plain range by none much", () => {
  const bulk = Array.from({ length: 20000 }, (_, i) => Math.sin(i) * 1.5);
  const plain = of(bulk), outlier = of([...bulk.slice(0, -1), 80]);
  for (const method of METHODS) {
    const [low, high] = rangeOf(plain, { ...options, method });
    assert(low < -1.2 && low >= -1.51 && high > 1.2 && high <= 1.51, `${method}: ${low} ${high}`);
    const clipped = rangeOf(outlier, { ...options, method, percentile: 99.9 });
    if (method === "minmax") assert.equal(clipped[1], 80);
    else assert(clipped[1] < (method === "mse" ? 80 : 60), `${method}: ${clipped}`);
  }
});

Deno.test("a tensor without spread has a range that holds it", () => {
  for (const method of METHODS) {
    assert.deepEqual(rangeOf(of([3, 3, 3, 3]), { ...options, method }), [0, 3]);
    assert.deepEqual(rangeOf(of([0, 0, 0, 0]), { ...options, method }), [0, 0]);
  }
});
