import assert from "node:assert/strict";
import { tensor } from "../util/tensor.ts";
import { areaUnderCurve, QualityMeter, SignalToNoise } from "./evaluate.ts";

Deno.test("signal to noise in decibels", () => {
  const s = new SignalToNoise();
  s.add([3, 4], [3, 4]);
  assert.equal(s.decibels, Infinity);
  s.add([0, 5], [0.5, 5]);
  assert(Math.abs(s.decibels - 10 * Math.log10(50 / 0.25)) < 1e-12);
});

Deno.test("the area under the curve counts pairs in order", () => {
  const labels = [true, true, false, false];
  assert.equal(areaUnderCurve([4, 3, 2, 1], labels), 1);
  assert.equal(areaUnderCurve([4, 1, 2, 1], labels), 0.625);
  assert.equal(areaUnderCurve([1, 1, 1, 1], labels), 0.5);
});

Deno.test("labels are classes, scores or targets, as the output has it", () => {
  const classes = new QualityMeter("y", tensor("uint8", [3], [0, 1, 1]));
  [[[2, 1], [1, 2]], [[0, 1], [0, 1]], [[1, 2], [3, 2]]].forEach(([f, q], i) =>
    classes.add(f, q, i)
  );
  const { accuracy, agreement, mse, auc } = classes.result();
  assert.deepEqual(accuracy, { float: 1, quantised: 1 / 3 });
  assert.deepEqual([agreement, mse, auc], [1 / 3, null, null]);
  const score = new QualityMeter("y", tensor("int64", [2], [1, 0]));
  score.add([0.9], [0.2], 0);
  score.add([0.1], [0.3], 1);
  assert.deepEqual(score.result().auc, { float: 1, quantised: 0 });
  const targets = new QualityMeter("y", tensor("float32", [1, 2], [1, 3]));
  targets.add([1, 2], [1, 1], 0);
  assert.deepEqual(targets.result().mse, { float: 0.5, quantised: 2 });
  assert.equal(new QualityMeter("y", null).result().accuracy, null);
});
