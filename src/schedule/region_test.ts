import assert from "node:assert/strict";
import { compute, placeholder } from "../te/compute.ts";
import { add, floordiv, load, mul, sub, variable } from "../te/expr.ts";
import { requiredBox } from "./region.ts";
import { plainStage } from "./state.ts";

Deno.test("box: quotients of one variable move together, so that no box begins before its tensor", () => {
  const x = placeholder("x", "int8", [9]);
  const oh = variable("oh", "int32", [0, 5]);
  const copy = plainStage(compute("copy", "int8", [9], (i) => load(x, [i])));
  // The last four of 18 elements begin at the 14th: k − 2·(k ÷ 16) is never below zero.
  const reader = plainStage(
    compute("rows", "int8", [20], (k) => {
      const element = sub(k, mul(floordiv(k, 16), 2));
      return load(copy.compute.out, [add(oh, floordiv(element, 6))]);
    }),
  );
  const k = variable("k", "int32", [0, 19]);
  const axes = new Map([[reader.compute.axes[0], k]]);
  const box = requiredBox(copy, [{ stage: reader, axes }], new Set([k]));
  assert.deepEqual(box.extent, [3]);
  assert.equal(box.start[0], oh, "it begins where the row does");
});
