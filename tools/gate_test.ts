import assert from "node:assert/strict";
import { countTests, halves } from "./gate.ts";

Deno.test("gate: the runner's closing line is counted", () => {
  const text = "a ... ok\n\nok | 12 passed (3 steps) | 0 failed | 2 ignored (1s)\n";
  assert.deepEqual(countTests({ text, code: 0 }), { passed: 12, failed: 0, skipped: 2 });
  assert.deepEqual(countTests({ text: "FAILED | 1 passed | 2 failed (1s)", code: 1 }), {
    passed: 1,
    failed: 2,
    skipped: 0,
  });
});

Deno.test("gate: a runner that crashes counts as a failure", () => {
  assert.deepEqual(countTests({ text: "", code: 139 }), { passed: 0, failed: 1, skipped: 0 });
  assert.equal(countTests({ text: "ok | 3 passed | 0 failed (1s)", code: 1 }).failed, 1);
  assert.equal(countTests({ text: "", code: 0 }).failed, 1);
});

Deno.test("gate: every test file is in one half, neighbours in different ones", () => {
  assert.deepEqual(halves(["b", "a", "d", "c", "e"]), [["a", "c", "e"], ["b", "d"]]);
});
