import assert from "node:assert/strict";
import { mutated, outcomeOf } from "./mutate.ts";
import { MUTATIONS } from "./mutations.ts";

const at = (path: string): URL => new URL(`../${path}`, import.meta.url);

for (const m of MUTATIONS) {
  Deno.test(`mutation ${m.name}: its text stands exactly once, its tests exist`, () => {
    const source = Deno.readTextFileSync(at(m.file));
    assert.notEqual(mutated(source, m), source);
    assert.ok(m.tests.length > 0);
    for (const test of m.tests) {
      const text = Deno.readTextFileSync(at(test));
      // The name behind a colon may be a model's.
      const [name] = (m.filter ?? "").split(":");
      assert.ok(text.includes(name), `${test} has no test '${m.filter}'`);
    }
  });
}

Deno.test("mutations: at least 30, each with a name of its own", () => {
  assert.ok(MUTATIONS.length >= 30);
  assert.equal(new Set(MUTATIONS.map((m) => m.name)).size, MUTATIONS.length);
});

Deno.test("mutate: a text that is gone or stands twice is refused", () => {
  const m = { ...MUTATIONS[0], find: "a + b", replace: "a - b" };
  assert.equal(mutated("x = a + b;", m), "x = a - b;");
  assert.throws(() => mutated("x = a - b;", m), /exactly once/);
  assert.throws(() => mutated("x = a + b; y = a + b;", m), /exactly once/);
});

Deno.test("mutate: only a failed test counts as caught", () => {
  const failed =
    "one ... ok (2ms)\ntwo words ... FAILED (3ms)\nFAILED | 1 passed | 1 failed (9ms)\n";
  assert.deepEqual(outcomeOf(1, failed, false), { k: "caught", by: "two words" });
  assert.deepEqual(outcomeOf(0, "ok | 2 passed | 0 failed (1ms)\n", false), { k: "survived" });
  assert.deepEqual(
    outcomeOf(1, "./a_test.ts (uncaught error)\nFAILED | 0 passed | 1 failed (1ms)\n", false),
    { k: "broken" },
  );
  assert.deepEqual(outcomeOf(1, "", false), { k: "broken" });
  assert.equal(outcomeOf(137, "", true).k, "caught");
});
