/** The examples of time series, as a user types them and on other boards. */
import assert from "node:assert/strict";
import { dirname } from "node:path";
import { findProgram } from "../run/process.ts";
import { example } from "./example.ts";
import { EXAMPLES } from "./examples.ts";
import type { LogitAgreement } from "./logits.ts";
import { typeTask as type } from "./testing.ts";

/** A PATH on which Deno is found and no tool is. */
const BARE = { PATH: dirname(Deno.execPath()), CI: "" };

/** Samples, classes, and how many samples the float model names rightly. */
const SERIES = {
  motion: { samples: 40, classes: 4, float: 39, picture: /^ax [▁-█]{33} {3}ax [▁-█]{33}$/m },
  vowels: { samples: 370, classes: 9, float: 362, picture: /^[ ░▒▓█]{50,80}$/m },
};

for (const [name, { samples, classes, float, picture }] of Object.entries(SERIES)) {
  Deno.test(`cli: example ${name} on the stand-in, per element and per logit`, async () => {
    const { code, out, err } = await type(["example", name, "--json"]);
    assert.equal(code, 0, err);
    const result = JSON.parse(out);
    assert.equal(result.samples, samples);
    assert(result.correct >= float - 0.005 * samples, `${result.correct} are right`);
    assert.deepEqual(result.match.out0, {
      max_abs: 0,
      max_lsb: 0,
      mismatched: 0,
      elements: samples * classes,
    });
    assert.equal(result.logits.length, classes);
    for (const logit of result.logits as LogitAgreement[]) {
      assert.equal(logit.equal, samples);
      // A value cut off at an end of int8 may be any distance away, all others are not.
      assert(logit.float_mean_abs < 0.15, `${logit.label}: ${logit.float_mean_abs}`);
      if (logit.saturated === 0) assert(logit.float_max_abs < 0.4, logit.label);
    }
    assert.match(result.run.engine, /mps2-an500 as stand-in for stm32f746/);
    assert(result.run.instructions.length === samples);
    assert.match((await type(["example", name])).out, picture);
  });

  Deno.test(`cli: example ${name} without tools answers the same on the interpreter`, async () => {
    const { code, out, err } = await type(["example", name], { env: BARE });
    assert.equal(code, 0, err);
    assert.match(out, /equal to the stored outputs in all [\d,]+ elements/);
    assert.match(out, /executed by +the interpreter of the loop IR/);
    assert.match(out, new RegExp(`${samples} of ${samples}`));
    assert.match(out, /Skipped, as tools are missing/);
  });

  Deno.test({
    name: `cli: example ${name} on host and on an M7 gives the stored outputs`,
    ignore: ["gcc", "arm-none-eabi-gcc", "qemu-system-arm"].some((tool) => !findProgram(tool)),
    async fn() {
      for (const board of ["host", "mps2-an500"]) {
        const result = await example(name, board);
        assert.equal(result.agreement.match.out0.mismatched, 0, board);
        assert(result.execution !== null);
      }
    },
  });
}

Deno.test("cli: example --list names every example, as lines and as JSON", async () => {
  const { code, out, err } = await type(["example", "--list"]);
  assert.equal(code, 0, err);
  const names = Object.keys(EXAMPLES);
  assert.deepEqual(out.trim().split("\n").map((line) => line.split(" ")[0]), names);
  const json = JSON.parse((await type(["example", "--list", "--json"])).out);
  assert.deepEqual(json.map((e: { name: string }) => e.name), names);
});

Deno.test("cli: an unknown example is answered with near names", async () => {
  for (const [typed, meant] of [["vowel", "vowels"], ["Motoin", "motion"]]) {
    const { code, out, err } = await type(["example", typed]);
    assert.equal(code, 2);
    assert.equal(out, "");
    assert.match(err, new RegExp(`did you mean ${meant}\\?\\n {2}\\[usage/unknown-example\\]`));
  }
  assert.match((await type(["example", "x"])).err, /the examples are digits, motion, vowels/);
});
