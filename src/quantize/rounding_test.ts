import assert from "node:assert/strict";
import fc from "fast-check";
import {
  compensated,
  compensationOf,
  nearest,
  rowError,
  rowScale,
  secondMoments,
} from "./rounding.ts";

const value = fc.integer({ min: -1000, max: 1000 }).map((v) => v / 500);

/** A row of weights and columns of operands, some of them alike: correlation is what helps. */
const problem = fc.integer({ min: 1, max: 9 }).chain((width) =>
  fc.record({
    width: fc.constant(width),
    row: fc.array(value, { minLength: width, maxLength: width }),
    columns: fc.array(fc.array(value, { minLength: width, maxLength: width }), {
      minLength: 1,
      maxLength: 30,
    }),
  })
);

Deno.test("second moments, and the factor of the damped inverse", () => {
  fc.assert(fc.property(problem, ({ width, columns }) => {
    const h = secondMoments(Float32Array.from(columns.flat()), columns.length, width);
    for (let i = 0; i < width; i++) {
      for (let j = 0; j < width; j++) {
        const mean = columns.reduce((s, c) => s + Math.fround(c[i]) * Math.fround(c[j]), 0) /
          columns.length;
        assert(Math.abs(h[i * width + j] - mean) < 1e-9);
      }
    }
    const { order, upper } = compensationOf(h, width);
    assert.deepEqual([...order].sort((a, b) => a - b), order.map((_, k) => k));
    let trace = 0;
    for (let k = 0; k < width; k++) trace += h[k * width + k];
    const damping = 0.01 * trace / width || 1;
    // Uᵀ·U·M is the identity.
    for (let i = 0; i < width; i++) {
      for (let j = 0; j < width; j++) {
        let sum = 0;
        for (let k = 0; k < width; k++) {
          let inverse = 0;
          for (let l = 0; l < width; l++) inverse += upper[l * width + i] * upper[l * width + k];
          sum += inverse * (h[order[k] * width + order[j]] + (k === j ? damping : 0));
        }
        assert(Math.abs(sum - (i === j ? 1 : 0)) < 1e-6, `${sum} at ${i}, ${j}`);
      }
    }
  }));
});

Deno.test("compensated rounding leaves less error than the nearest on average", () => {
  let plain = 0, better = 0;
  fc.assert(
    fc.property(problem, ({ width, row, columns }) => {
      const weights = Float32Array.from(row);
      const h = secondMoments(Float32Array.from(columns.flat()), columns.length, width);
      const scale = rowScale(weights, null) * 8;
      if (scale === 0) return;
      const a = nearest(weights, scale), b = compensated(weights, scale, compensationOf(h, width));
      plain += rowError(weights, a, scale, h);
      better += rowError(weights, b, scale, h);
      assert(b.every((q) => Math.abs(q) <= 127));
    }),
    { seed: 1, numRuns: 300 },
  );
  assert(better < 0.8 * plain, `${better} against ${plain}`);
});

Deno.test("the scale of a row never loses to the full range", () => {
  fc.assert(fc.property(problem, ({ width, row, columns }) => {
    const weights = Float32Array.from(row);
    const h = secondMoments(Float32Array.from(columns.flat()), columns.length, width);
    const full = rowScale(weights, null), best = rowScale(weights, h);
    const diagonal = h.map((v, i) => i % (width + 1) === 0 ? v : 0);
    const error = (s: number) => s === 0 ? 0 : rowError(weights, nearest(weights, s), s, diagonal);
    assert(error(best) <= error(full) + 1e-12);
  }));
});
