import assert from "node:assert/strict";
import fc from "fast-check";
import type { Port } from "../project/mod.ts";
import { BurinError } from "../util/errors.ts";
import { tensor } from "../util/tensor.ts";
import { compareSamples } from "./compare.ts";
import { joinSamples, madeUpSample, packSamples, splitSamples, unpackSamples } from "./samples.ts";

const port = (fields: Partial<Port>): Port => ({
  name: "y",
  cName: "y",
  dtype: "int8",
  cType: "int8_t",
  shape: [1, 2],
  bytes: 2,
  placement: { where: "caller" },
  ...fields,
});

const float = port({ dtype: "float32", cType: "float", bytes: 8 });

/** Compares two samples of a port given as numbers. */
const compare = (p: Port, a: number[], b: number[], tolerance = {}) => {
  const { match, passes } = compareSamples(
    [p],
    [[tensor(p.dtype, [1, 2], a)]],
    [[tensor(p.dtype, [1, 2], b)]],
    tolerance,
  );
  return { ...match.out0, passes };
};

Deno.test("compare: integers differ in steps", () => {
  const expected = { max_abs: 2, max_lsb: 2, mismatched: 1, elements: 2 };
  assert.deepEqual(compare(port({}), [1, 5], [1, 3]), { ...expected, passes: false });
  assert.deepEqual(compare(port({}), [1, 5], [1, 3], { maxLsb: 2 }), { ...expected, passes: true });
});

Deno.test("compare: a quantised float differs in steps of its quantisation", () => {
  const quantised = { ...float, scale: 0.25 };
  const { max_lsb, mismatched, passes } = compare(quantised, [1, 2.25], [1, 2]);
  assert.deepEqual({ max_lsb, mismatched, passes }, { max_lsb: 1, mismatched: 1, passes: false });
});

Deno.test("compare: a float is measured against the largest expected value", () => {
  assert(compare(float, [100, 0.005], [100, 0]).passes);
  assert(!compare(float, [100, 0.05], [100, 0]).passes);
  assert(compare(float, [100, 0.05], [100, 0], { rtol: 1e-3 }).passes);
  assert.equal(compare(float, [100, 0.05], [100, 0]).max_lsb, null);
});

Deno.test("compare: NaN equals NaN and nothing else, infinities count", () => {
  assert(compare(float, [NaN, Infinity], [NaN, Infinity]).passes);
  assert(!compare(float, [NaN, 0], [0, 0]).passes);
  assert(!compare(float, [1, Infinity], [1, 2]).passes);
});

Deno.test("samples: a batch axis, a multiple of the bound batch, or one sample", () => {
  const two = port({ shape: [2, 3], bytes: 6 });
  const split = (shape: number[], p = two) =>
    splitSamples(
      new Map([["in0", tensor("int8", shape, Array(shape.reduce((a, b) => a * b)).keys())]]),
      [p],
      "in",
      "x.npz",
    ).map(([t]) => [...t.data]);
  assert.deepEqual(split([2, 3]), [[0, 1, 2, 3, 4, 5]]);
  assert.deepEqual(split([2, 2, 3]).length, 2);
  assert.deepEqual(split([4, 3])[1], [6, 7, 8, 9, 10, 11]);
  assert.throws(() => split([3, 3]), /shape \[3,3\], not \[2,3\]/);
});

Deno.test("samples: what does not fit is said", () => {
  const arrays = new Map([["outpt", tensor("int8", [1, 2], [1, 2])]]);
  const named = port({ name: "output" });
  assert.throws(() => splitSamples(arrays, [named], "out", "x.npz"), (e) => {
    assert(e instanceof BurinError);
    assert.equal(e.code, "data/samples");
    assert.equal(e.hint, "did you mean outpt?");
    return true;
  });
  const wrong = new Map([["in0", tensor("uint8", [1, 2], [1, 2])]]);
  assert.throws(() => splitSamples(wrong, [port({})], "in", "x.npz"), /is uint8, not int8/);
  const uneven = new Map([
    ["in0", tensor("int8", [3, 1, 2], [1, 2, 3, 4, 5, 6])],
    ["in1", tensor("int8", [1, 2], [1, 2])],
  ]);
  assert.throws(
    () => splitSamples(uneven, [port({}), port({})], "in", "x"),
    /in0 \(y\) holds 3 samples and in1 \(y\) 1/,
  );
});

Deno.test("samples: packing and unpacking, joining and splitting are inverse", () => {
  const ports = [port({}), { ...float, name: "f" }];
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 4 }), (count) => {
      const samples = Array.from({ length: count }, () => madeUpSample(ports));
      assert.deepEqual(unpackSamples(packSamples(samples), ports, count), samples);
      assert.deepEqual(
        splitSamples(joinSamples(samples, ports, "out"), ports, "out", "x"),
        samples,
      );
    }),
    { seed: 1, numRuns: 20 },
  );
});
