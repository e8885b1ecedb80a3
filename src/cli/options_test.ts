/** Values of options: sizes. */
import assert from "node:assert/strict";
import { arenaOf, budgetOf } from "./options.ts";

Deno.test("sizes are bytes, or thousands and millions of them by powers of two", () => {
  const sizes = { "1": 1, "1048576": 1 << 20, "8K": 8192, "2M": 2 << 20 };
  for (const [text, bytes] of Object.entries(sizes)) {
    assert.equal(budgetOf("ram-budget", text), bytes);
    assert.deepEqual(arenaOf([`dtcm=${text}`]), [{ region: "dtcm", bytes }]);
  }
  assert.equal(budgetOf("flash-budget", undefined), undefined);
});

Deno.test("what is no size is refused", () => {
  for (const text of ["", "0", "-1", "1.5", "1e6", "8k", "8KB", "K", "9999999999999999999M"]) {
    assert.throws(() => budgetOf("flash-budget", text), { code: "usage/bad-value" }, text);
    assert.throws(() => arenaOf([`dtcm=${text}`]), { code: "usage/bad-value" }, text);
  }
  assert.throws(() => arenaOf(["dtcm"]), { code: "usage/bad-value" });
});
