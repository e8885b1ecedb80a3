import assert from "node:assert/strict";
import { countTests } from "./gate.ts";

Deno.test("gate: the runner's closing line is counted", () => {
  const text = "a ... ok\n\nok | 12 passed (3 steps) | 0 failed | 2 ignored (1s)\n";
  assert.deepEqual(countTests(text, 0), { passed: 12, failed: 0, skipped: 2 });
  assert.deepEqual(countTests("FAILED | 1 passed | 2 failed (1s)", 1), {
    passed: 1,
    failed: 2,
    skipped: 0,
  });
});

Deno.test("gate: a runner that crashes counts as a failure", () => {
  assert.deepEqual(countTests("", 139), { passed: 0, failed: 1, skipped: 0 });
  assert.equal(countTests("ok | 3 passed | 0 failed (1s)", 1).failed, 1);
  assert.equal(countTests("", 0).failed, 1);
});
