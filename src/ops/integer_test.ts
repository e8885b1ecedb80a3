/** The accumulator is as wide as the worst case of every channel, on either side of zero. */
import assert from "node:assert/strict";
import { tensor } from "../util/tensor.ts";
import { typeOf } from "../ir/graph.ts";
import { accumulate } from "./integer.ts";
import { dequantized, quantContext } from "./testing.ts";

/** Enough terms of 127 · 255 that only one more passes 2^31. */
const TERMS = Math.floor((2 ** 31 - 1) / (127 * 255));

function accOf(zero: number, weight: number, terms: number): string | undefined {
  const x = dequantized(tensor("int8", [1], [0]), [1], [zero]).rep;
  const data = tensor("int8", [1, terms], new Array(terms).fill(weight));
  const { rep } = dequantized(data, [1], [0], 0);
  const w = { ...rep, q: { name: "w", type: typeOf(data), data } };
  return accumulate({ x, w, bias: null, terms, channelAxis: 0 }, quantContext())?.attrs.acc;
}

for (
  const [what, zero, weight] of [
    ["largest activation, positive weights", -128, 127],
    ["largest activation, negative weights", -128, -127],
    ["smallest activation, positive weights", 127, 127],
    ["smallest activation, negative weights", 127, -127],
  ] as const
) {
  Deno.test(`an accumulator of 32 bits as far as it goes: ${what}`, () => {
    assert.equal(accOf(zero, weight, TERMS), "int32");
    assert.equal(accOf(zero, weight, TERMS + 1), "int64");
  });
}
