/** Logits one by one. */
import assert from "node:assert/strict";
import type { Port } from "../project/mod.ts";
import { tensor } from "../util/tensor.ts";
import { compareLogits, logitRows } from "./logits.ts";

const port: Port = {
  name: "logits",
  cName: "logits",
  dtype: "int8",
  cType: "int8_t",
  shape: [1, 2],
  bytes: 2,
  scale: 0.5,
  zeroPoint: 1,
  placement: { where: "caller" },
};

Deno.test("logits: equality with the reference and distance from the float model, class by class", () => {
  const sample = (...values: number[]) => [tensor("int8", [1, 2], values)];
  const outputs = [sample(3, 127), sample(5, -9)];
  const stored = [sample(3, 127), sample(4, -9)];
  const real = tensor("float32", [2, 1, 2], [1.25, 80, 2, -5]);
  const [a, b] = compareLogits(port, outputs, stored, real, (i) => "ab"[i]);
  assert.deepEqual(a, {
    label: "a",
    equal: 1,
    samples: 2,
    float_mean_abs: 0.125,
    float_max_abs: 0.25,
    float_range: [1.25, 2],
    saturated: 0,
  });
  assert.equal(b.equal, 2);
  assert.equal(b.float_max_abs, 17);
  assert.equal(b.saturated, 1);
  assert.deepEqual(logitRows([a])[1], ["  a", "1 of 2", "1.25 to 2.00", "0.125", "0.250", "0"]);
});
