import assert from "node:assert/strict";
import type { Feature, Target } from "../../src/target/target.ts";
import { loadBoard } from "../../src/target/boards.ts";
import { boardsThatDiffer } from "../../src/target/testing.ts";
import { compareRounding } from "./rounding.ts";

const NONE = [0, 0, 0, 0, 0, 0];

/** The texts for a core without an FPU, which this computer's compiler takes too. */
const without = (features: readonly Feature[]): Target => ({
  ...loadBoard("microbit").target,
  features,
});

const SANITIZE = ["-fsanitize=undefined", "-fno-sanitize-recover=all"];

for (
  const [name, target] of [["long products", without(["umull"])], ["short", without([])]] as const
) {
  Deno.test(`rounding: in integers (${name}) as in floats, 400,000 cases on this computer`, async () => {
    assert.deepEqual(await compareRounding("host", 400_000, { target }), NONE);
    assert.deepEqual(await compareRounding("host", 20_000, { target, extraFlags: SANITIZE }), NONE);
  });
}

for (const name of boardsThatDiffer()) {
  Deno.test(`rounding: as defined on ${name}`, async () => {
    assert.deepEqual(await compareRounding(name, name === "microbit" ? 4000 : 20_000), NONE);
  });
}
