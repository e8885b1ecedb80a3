/** Compiling and running the bundled example as a user types it. */
import assert from "node:assert/strict";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { writeNpz } from "../util/npz.ts";
import { inFolder, namesIn } from "../util/testing.ts";
import { typeTask } from "./testing.ts";

const DIGITS = fileURLToPath(new URL("../../examples/digits", import.meta.url));

const type = (cwd: string, ...args: string[]) => typeTask(args, { cwd });

/** All files of a folder, path → text. */
function tree(folder: string, under = ""): Map<string, string> {
  return new Map(
    namesIn(`${folder}/${under}`).flatMap((name) => {
      const path = `${under}${name}`;
      return Deno.statSync(`${folder}/${path}`).isDirectory
        ? [...tree(folder, `${path}/`)]
        : [[path, Deno.readTextFileSync(`${folder}/${path}`)] as [string, string]];
    }),
  );
}

Deno.test("cli: compile writes where the user stands, again, and the same bytes elsewhere", () =>
  inFolder(async (cwd) => {
    Deno.mkdirSync(`${cwd}/other place`);
    Deno.copyFileSync(`${DIGITS}/digits_int8.onnx`, `${cwd}/other place/digits_int8.onnx`);
    for (let i = 0; i < 2; i++) {
      const here = await type(cwd, "compile", "--board", "stm32f746", "--name", "tiny");
      assert.equal(here.code, 0, here.err);
      assert.match(here.err, /bundled example/);
      assert.match(here.out, /^ {2}files +\d+, start with README\.md$/m);
    }
    const args = ["digits_int8.onnx", "--board", "stm32f746", "--name", "tiny", "--json"];
    const there = await type(`${cwd}/other place`, "compile", ...args, "--out", "x/y z");
    assert.equal(there.code, 0, there.err);
    const json = JSON.parse(there.out);
    assert.equal(json.name, "tiny");
    assert.equal(json.out, `${cwd}/other place/x/y z`);
    const files = tree(`${cwd}/tiny-stm32f746`);
    assert.deepEqual(files, tree(`${cwd}/other place/x/y z`));
    assert.deepEqual([...files.keys()].sort(), json.files);
    for (const text of files.values()) assert(!text.includes(cwd), "a path of this computer");
  }));

Deno.test("cli: what is noted of golden vectors names files without their folders", () =>
  inFolder(async (cwd) => {
    const other = `${cwd}/other.npz`;
    Deno.writeFileSync(
      other,
      writeNpz(new Map([["out0", { dtype: "int8", shape: [1, 10], data: new Int8Array(10) }]])),
    );
    const args = ["compile", "--board", "host", "--out", "o", "--golden", "1"];
    const alone = await type(cwd, ...args, "--expect", other);
    assert.match(alone.err, /add --inputs F\.npz[^]*\[usage\/expect-without-inputs\]/);
    const differs = await type(cwd, ...args, "--inputs", `${DIGITS}/test.npz`, "--expect", other);
    assert.match(differs.err, /differs from other\.npz in \d+ of 10 elements/);
    for (const text of tree(`${cwd}/o`).values()) assert(!text.includes(cwd), "a path");
    const none = await type(cwd, ...args.slice(0, -1), "0");
    assert.match(none.err, /no samples, so that it never passes, as --golden 0 asks for none/);
  }));

Deno.test("cli: compile refuses what it cannot write and leaves nothing", () =>
  inFolder(async (cwd) => {
    Deno.mkdirSync(`${cwd}/mine`);
    Deno.writeTextFileSync(`${cwd}/mine/notes`, "");
    const taken = await type(cwd, "compile", "--board", "host", "--out", "mine");
    assert.match(taken.err, /did not write: notes\n {2}.*--force.*\n {2}\[usage\/out-not-empty\]/);
    assert.equal(taken.code, 2);
    const forced = await type(cwd, "compile", "--board", "host", "--out", "mine", "--force");
    assert.equal(forced.code, 0, forced.err);
    assert(namesIn(`${cwd}/mine`).includes("notes"));
    assert.deepEqual(namesIn(cwd), ["mine"]);
    if (Deno.build.os === "linux") {
      const denied = await type(cwd, "compile", "--board", "host", "--out", "/proc/burin");
      assert.match(denied.err, /\[data\/cannot-write\]/);
      assert.equal(denied.code, 1);
    }
  }));

Deno.test("cli: run --json prints the fields that are promised, and compares", () =>
  inFolder(async (cwd) => {
    const npz = `${DIGITS}/test.npz`;
    const model = `${DIGITS}/digits_int8.onnx`;
    const data = ["--inputs", npz, "--expect", npz, "--outputs", "out put.npz", "--json"];
    for (const board of ["host", "stm32f746"]) {
      const { code, out, err } = await type(cwd, "run", model, "--board", board, ...data);
      assert.equal(code, 0, err);
      const result = JSON.parse(out);
      assert.deepEqual(Object.keys(result), [
        "model",
        "board",
        "engine",
        "samples",
        "match",
        "instructions",
        "arena_bytes",
        "ram_bytes",
        "params_bytes",
        "code_bytes",
        "flash_bytes",
        "stack_bytes",
        "stack_bound_bytes",
      ]);
      assert.equal(result.samples, 360);
      assert.deepEqual(result.match.out0, {
        max_abs: 0,
        max_lsb: 0,
        mismatched: 0,
        elements: 3600,
      });
      assert.equal(result.instructions?.length ?? null, board === "host" ? null : 360);
      assert.equal(result.stack_bytes === null, board === "host");
      assert(namesIn(cwd).includes("out put.npz"));
    }
    const wrong = await type(cwd, "run", model, "--board", "host", ...data.slice(0, 2), "--json");
    assert.equal(JSON.parse(wrong.out).match, null);
  }));

Deno.test("cli: example runs every labelled sample on the stand-in", async () => {
  const { code, out, err } = await type(".", "example", "--json");
  assert.equal(code, 0, err);
  const result = JSON.parse(out);
  assert.equal(result.samples, 360);
  assert(result.correct >= 350);
  assert.equal(result.match.out0.mismatched, 0);
  assert.equal(result.run.board, "stm32f746");
  assert.match((await type(".", "example")).out, /▓[\s\S]*accuracy +\d+ of 360/);
});

Deno.test("cli: example without tools runs on the interpreter and says what installs them", async () => {
  const { code, out, err } = await typeTask(["example"], {
    env: { PATH: dirname(Deno.execPath()), CI: "" },
  });
  assert.equal(code, 0, err);
  assert.match(out, /equal to the stored outputs in all 3,600 elements/);
  assert.match(out, /executed by +the interpreter of the loop IR/);
  assert.match(out, /Skipped, as tools are missing.*\n.*\n {2}.*gcc-arm-none-eabi/);
});

Deno.test("cli: run --levels compares the levels, all with the expected outputs", async () => {
  const [model, npz] = [`${DIGITS}/digits_int8.onnx`, `${DIGITS}/test.npz`];
  const data = ["--board", "mps2-an386", "--inputs", npz, "--expect", npz];
  const { code, out, err } = await type(".", "run", model, ...data, "--levels", "--json");
  assert.equal(code, 0, err);
  const rows = JSON.parse(out) as { level: number; instructions: number[] }[];
  assert.deepEqual(rows.map((r) => r.level), [0, 1, 2, 3]);
  assert(Math.max(...rows[3].instructions) < Math.max(...rows[0].instructions));
});
