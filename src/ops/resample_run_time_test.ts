import assert from "node:assert/strict";
import fc from "fast-check";
import { numbers, tensor } from "../util/tensor.ts";
import { evaluateNode } from "../ir/evaluate.ts";
import { MODES, NEAREST, samples, type Sampling, TRANSFORMS } from "./resample.ts";
import { ops } from "./resample_run_time.ts";
import { close, named } from "./testing.ts";

const sampling = fc.record<Sampling>({
  mode: fc.constantFrom(...MODES),
  transform: fc.constantFrom(...TRANSFORMS),
  nearest: fc.constantFrom(...NEAREST),
  a: fc.constantFrom(-0.75, -0.5),
  exclude: fc.boolean(),
  antialias: fc.boolean(),
});

Deno.test("the tables of run time are those of compile time", () => {
  const arbitrary = fc.tuple(
    sampling,
    fc.integer({ min: 1, max: 9 }),
    fc.integer({ min: 4, max: 40 }),
  );
  fc.assert(
    fc.property(arbitrary, ([s, size, tenths]) => {
      const scale = tenths / 13, out = Math.floor(Math.fround(scale * size));
      if (out < 1) return;
      const roi = [0.25, 1.125] as const, axis = { axis: 0, size, out, scale, roi };
      const want = samples(s, axis);
      const part = (name: string) => {
        const attrs = { sampling: s, axis, index: 0, count: 1, part: name, dtype: "float64" };
        const regions = tensor("float64", [2], roi);
        return evaluateNode(named(ops, "SampleTable"), attrs, [
          tensor("float64", [], [scale]),
          regions,
        ])[0];
      };
      assert.deepEqual(numbers(part("inside")).map(Boolean), want.inside);
      // Rows may be wider than needed at run time; what the elements add up to is what counts.
      const sums = (taps: number, indices: readonly number[], weights: readonly number[]) =>
        Array.from({ length: out }, (_, o) => {
          const row = new Array<number>(size).fill(0);
          for (let k = 0; k < taps; k++) row[indices[o * taps + k]] += weights[o * taps + k];
          return row;
        }).flat();
      const indices = numbers(part("indices")), weights = numbers(part("weights"));
      const found = sums(indices.length / out, indices, weights);
      close(
        tensor("float64", [found.length], found),
        sums(want.taps, want.indices, want.weights),
        1e-12,
      );
    }),
    { numRuns: 300, seed: 8 },
  );
});
