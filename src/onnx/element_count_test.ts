import assert from "node:assert/strict";
import { BurinError } from "../util/errors.ts";
import { elementCount } from "./tensors.ts";

const refuses = (f: () => unknown, why: RegExp): void =>
  assert.throws(
    f,
    (e) => e instanceof BurinError && e.code === "model/malformed" && why.test(e.message),
  );

Deno.test("sizes that are no sizes are refused, also where their product is one", () => {
  for (const dims of [[-1], [-1, -1], [2, -3], [-2, -2, 1]]) {
    refuses(() => elementCount(dims, "the tensor 'w'"), /the tensor 'w' has the dimension -/);
  }
  refuses(() => elementCount([1.5], "x"), /x has the dimension 1.5/);
  refuses(() => elementCount([2 ** 40, 2 ** 40], "x"), /x has .* elements/);
  assert.equal(elementCount([], "x"), 1);
  assert.equal(elementCount([3, 0, 5], "x"), 0);
});
