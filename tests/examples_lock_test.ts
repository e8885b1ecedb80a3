/** The examples give what examples/burin.lock.json records, checked as a user's CI does it. */
import assert from "node:assert/strict";
import { basename, join } from "@std/path";
import { fileURLToPath } from "node:url";
import { EXAMPLES } from "../src/cli/examples.ts";
import { typeTask } from "../src/cli/testing.ts";
import type { Lock } from "../src/lock/lock.ts";

const root = fileURLToPath(new URL("../", import.meta.url));

Deno.test("the examples are as examples/burin.lock.json records them", async () => {
  const lock: Lock = JSON.parse(Deno.readTextFileSync(join(root, "examples/burin.lock.json")));
  for (const { model } of Object.values(EXAMPLES)) {
    assert(lock.entries.some((e) => basename(e.model!) === basename(model)), model);
  }
  const page = Deno.readTextFileSync(join(root, "docs/ci.md"));
  const [, command, shown] = /^```console\n\$ deno task (.*)\n([^]*?)^…\n```/m.exec(page)!;
  const { code, out, err } = await typeTask(command.split(" "), { cwd: root });
  assert.equal(code, 0, err);
  // The page shows the form; figures are the lock's to guard.
  const form = (text: string) => text.replace(/[\d,.]+/g, "0").replace(/ +/g, " ");
  assert(form(out).startsWith(form(shown)), `docs/ci.md shows something else than\n${out}`);
  assert.equal(
    out.match(/^\S+ on \S+$/gm)?.filter((l) => !l.startsWith("ran")).length,
    lock.entries.length,
  );
});
