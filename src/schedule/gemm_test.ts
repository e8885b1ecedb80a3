/** Which products may be packed: the limits of the types and of sums of pairs. */
import assert from "node:assert/strict";
import type { DType } from "../util/dtype.ts";
import { tensor } from "../util/tensor.ts";
import { axis, compute, placeholder, sum } from "../te/compute.ts";
import { cast, imm, load, mul, sub } from "../te/expr.ts";
import { denseBuffer } from "../tir/stmt.ts";
import { canPair, factors } from "./gemm.ts";
import { initialState } from "./state.ts";

/** acc[n, c] = Σ k: (x[n, k] − zero)·w[k, c] with weights given row by row. */
function product(weights: readonly (readonly number[])[], x: DType = "int8", zero = 0) {
  const [length, cols] = [weights.length, weights[0].length];
  const a = placeholder("x", x, [3, length]), w = placeholder("w", "int16", [length, cols]);
  const k = axis("k", length);
  const acc = compute("acc", "int32", [3, cols], (n, c) => {
    const centred = sub(cast("int32", load(a, [n, k.v])), imm(zero));
    return sum([k], mul(centred, cast("int32", load(w, [k.v, c]))));
  }, ["n", "c"]);
  const s = initialState({
    name: "test",
    computes: [acc],
    buffers: new Map([[a, denseBuffer("x", x, [3, length], "input", [length, 1], 4)]]),
    consts: new Map([[w, tensor("int16", [length, cols], weights.flat())]]),
    origin: [],
    ops: [],
    macs: 0,
  });
  return { s, stage: s.stages[0] };
}
const pairs = (weights: readonly (readonly number[])[], x?: DType, zero?: number): boolean => {
  const { s, stage } = product(weights, x, zero);
  return canPair(s, stage);
};

Deno.test("columns are paired where both fit a byte beside each other", () => {
  assert.ok(pairs([[127, -128], [-128, 127]]));
  assert.ok(pairs([[-1, -127]]));
  // The odd one is stored one lower beside a negative even one.
  assert.ok(!pairs([[-1, -128]]));
  assert.ok(!pairs([[128, 0]]));
  assert.ok(!pairs([[0, 128]]));
  assert.ok(!pairs([[-129, 0]]));
  assert.ok(!pairs([[0, -129]]));
  assert.ok(!pairs([[1, 2, 3]]), "an odd number of columns");
});

Deno.test("columns are paired as long as the odd one's sum stays below 2^23", () => {
  // Activations up to 255, weights 127: 2^23 ÷ (255·127) is a little more than 259.
  const column = (n: number, odd: number) => Array.from({ length: n }, () => [0, odd]);
  assert.ok(pairs(column(259, 127), "uint8"));
  assert.ok(!pairs(column(260, 127), "uint8"));
  assert.ok(pairs(column(259, -127), "int8", 127));
  assert.ok(!pairs(column(260, -127), "int8", 127));
  assert.ok(pairs(column(600, 1), "uint8"), "small weights");
});

Deno.test("an activation that int16 does not hold is no operand of a packed product", () => {
  const why = (x: DType, zero: number): string | null => {
    const { s, stage } = product([[1, 2]], x, zero);
    const f = factors(s, stage);
    return typeof f === "string" ? f : null;
  };
  assert.equal(why("int16", 0), null);
  assert.match(why("int16", 1)!, /exceeds int16/);
  assert.match(why("int16", -1)!, /exceeds int16/);
  assert.match(why("uint16", 0)!, /exceeds int16/);
  assert.equal(why("uint16", 32768), null);
});
