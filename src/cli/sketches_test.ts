import assert from "node:assert/strict";
import { BurinError } from "../util/errors.ts";
import { inFolder } from "../util/testing.ts";
import { readSketches } from "./sketches.ts";

const code = (expected: string, message: RegExp) => (e: unknown) =>
  e instanceof BurinError && e.code === expected && message.test(e.message);

Deno.test("sketches: a folder with its .ino and what lies beside it, named in either way", () =>
  inFolder((folder) => {
    const sketch = `${folder}/Blink`;
    Deno.mkdirSync(`${sketch}/build`, { recursive: true });
    Deno.writeTextFileSync(`${sketch}/Blink.ino`, "void loop() {}\n");
    Deno.writeTextFileSync(`${sketch}/pins.h`, "");
    Deno.writeTextFileSync(`${sketch}/.hidden`, "");
    for (const typed of [sketch, `${sketch}/Blink.ino`]) {
      const files = readSketches([typed], "arduino");
      assert.deepEqual([...files.keys()], ["examples/Blink/Blink.ino", "examples/Blink/pins.h"]);
      const text = new TextDecoder().decode(files.get("examples/Blink/Blink.ino") as Uint8Array);
      assert.equal(text, "void loop() {}\n");
    }
    assert.throws(
      () => readSketches([sketch, sketch], "arduino"),
      code("data/no-sketch", /has an example Blink/),
    );
    assert.throws(() => readSketches([sketch], "plain"), code("usage/no-sketches", /plain/));
  }));

Deno.test("sketches: what is none is refused", () =>
  inFolder((folder) => {
    Deno.mkdirSync(`${folder}/Empty`);
    const refused = (typed: string, why: RegExp) =>
      assert.throws(() => readSketches([typed], "arduino"), code("data/no-sketch", why));
    refused(`${folder}/Absent`, /there is no such folder/);
    refused(`${folder}/Empty`, /it holds no Empty\.ino/);
    refused(`${folder}/SelfTest`, /has an example SelfTest/);
    assert.deepEqual([...readSketches([], "plain")], []);
  }));
