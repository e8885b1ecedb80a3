import assert from "node:assert/strict";
import fc from "fast-check";
import { tensor } from "../util/tensor.ts";
import { clipped } from "./inputs.ts";
import { fakeQuantised } from "./weights.ts";
import { paramsOf, type Range } from "./ranges.ts";

Deno.test("inputs: an end is cut where that is better, and never beyond zero or the range", async () => {
  const ends = fc.record({
    low: fc.double({ min: -100, max: 0, noNaN: true }),
    high: fc.double({ min: 0, max: 100, noNaN: true }),
    best: fc.tuple(
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.double({ min: 0, max: 1, noNaN: true }),
    ),
    symmetric: fc.boolean(),
  });
  await fc.assert(fc.asyncProperty(ends, async ({ low, high, best, symmetric }) => {
    const want = [low * best[0], high * best[1]];
    const judge = (r: Range) =>
      Promise.resolve(-Math.abs(r[0] - want[0]) - Math.abs(r[1] - want[1]));
    const { range, gain } = await clipped([low, high], symmetric, judge);
    assert(range[0] >= low && range[0] <= 0 && range[1] >= 0 && range[1] <= high);
    assert(gain >= 0);
    assert(Math.abs(await judge(range) - await judge([low, high]) - gain) < 1e-9);
    if (symmetric) assert(Math.abs(range[0] * high - range[1] * low) < 1e-6 * (1 + high * -low));
    else {
      // Within a step of the grid of where the best is, as far as that reaches.
      const near = (at: number, end: number, part: number) =>
        Math.abs(at - end * Math.max(part, 0.2)) <= 0.17 * Math.abs(end) + 1e-9;
      assert(near(range[0], low, best[0]) && near(range[1], high, best[1]), `${range}`);
    }
  }));
});

Deno.test("inputs: rounded values are those of QuantizeLinear and DequantizeLinear", () => {
  const params = paramsOf([-1, 3], "int8", false);
  const x = tensor("float32", [5], [-9, -1, 0, 0.013, 9]).data as Float32Array;
  const y = fakeQuantised(x, params);
  assert.equal(y[2], 0);
  const [low, high] = [-128 - params.zero, 127 - params.zero].map((q) => q * params.scale);
  assert.deepEqual([y[0], y[4]], [Math.fround(low), Math.fround(high)]);
  assert(Math.abs(y[3] - 0.013) <= params.scale / 2 + 1e-9);
});
