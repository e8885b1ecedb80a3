/** Every stage of a small net as text, against the files beside this one. */
import assert from "node:assert/strict";
import { basename } from "@std/path";
import { goldens } from "../../tools/golden.ts";

Deno.test("the stages of a small net are printed as the golden files show", async (t) => {
  for (const [file, text] of await goldens()) {
    await t.step(basename(file), () => {
      const stored = Deno.readTextFileSync(file);
      assert.equal(text, stored, "look at the difference, then `deno task golden` stores it");
    });
  }
});
