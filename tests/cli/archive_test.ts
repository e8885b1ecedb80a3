/** Archives of compiled models as a user handles them: written, run, damaged, moved. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { packTar } from "modern-tar";
import { typeTask } from "../../src/cli/testing.ts";
import { packProject, unpackProject } from "../../src/project/archive.ts";
import { digest } from "../../src/project/common.ts";
import { inFolder, namesIn } from "../../src/util/testing.ts";

const EXAMPLES = new URL("../../examples/", import.meta.url);
const DIGITS = fileURLToPath(new URL("digits/digits_int8.onnx", EXAMPLES));
const MOTION = fileURLToPath(new URL("motion/motion_fp32.onnx", EXAMPLES));
const SAMPLES = fileURLToPath(new URL("digits/test.npz", EXAMPLES));
const BOARD = ["--board", "mps2-an386"];

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const bytes = (text: string) => new TextEncoder().encode(text);

/** Compiles the digits into `a b.tar` of a folder. */
async function archive(cwd: string, ...more: string[]): Promise<string> {
  const args = ["compile", DIGITS, ...BOARD, "--out", "a b.tar", ...more];
  const answer = await typeTask(args, { cwd });
  assert.equal(answer.code, 0, answer.err);
  return `${cwd}/a b.tar`;
}

Deno.test("archive: it is proved again without its model, on its board and on another", () =>
  inFolder(async (cwd) => {
    await archive(cwd, "--inputs", SAMPLES, "--expect", SAMPLES, "--golden", "3");
    for (const [more, board] of [[[], "mps2-an386"], [["--board", "mps2-an500"], "mps2-an500"]]) {
      const { code, out, err } = await typeTask(["run", "a b.tar", "--json", ...more], { cwd });
      assert.equal(code, 0, err);
      const result = JSON.parse(out);
      assert.deepEqual([result.board, result.samples], [board, 3]);
      assert.deepEqual([result.match.out0.mismatched, result.match.out0.elements], [0, 30]);
      assert(result.instructions.every((n: number) => n > 1000));
    }
    const all = ["--inputs", SAMPLES, "--expect", SAMPLES];
    const { code, out } = await typeTask(["run", "a b.tar", "--json", ...all], { cwd });
    assert.deepEqual([code, JSON.parse(out).match.out0.elements], [0, 3600]);
  }));

Deno.test("archive: the same bytes from other folders, users, days and time zones", () =>
  inFolder((one) =>
    inFolder(async (other) => {
      const first = await archive(one);
      const env = { HOME: other, USER: "somebody", TZ: "Asia/Tokyo", SOURCE_DATE_EPOCH: "1" };
      Deno.mkdirSync(`${other}/deep/er`, { recursive: true });
      Deno.copyFileSync(DIGITS, `${other}/deep/digits_int8.onnx`);
      Deno.utimeSync(`${other}/deep/digits_int8.onnx`, 86400, 86400);
      const args = ["compile", "../digits_int8.onnx", ...BOARD, "--out", "x.tar"];
      const answer = await typeTask(args, { cwd: `${other}/deep/er`, env });
      assert.equal(answer.code, 0, answer.err);
      const files = [first, `${other}/deep/er/x.tar`].map((f) => Deno.readFileSync(f));
      assert.equal(digest(files[0]), digest(files[1]));
      const unpacked = await unpackProject(files[0], "a.tar");
      const year = new RegExp(`\\b${new Date().getFullYear()}-\\d\\d`);
      const home = Deno.env.get("HOME") ?? one;
      for (const [path, contents] of unpacked) {
        for (const trace of [one, other, home.length > 2 ? home : one]) {
          assert(!text(contents).includes(trace), `${path} holds ${trace}`);
        }
        // A short name of a computer may be a part of an instruction's.
        const words = text(contents).split(/[^\w.-]+/);
        assert(!words.includes(Deno.hostname()), `${path} holds ${Deno.hostname()}`);
        assert(!year.test(text(contents)), `${path} holds a date`);
      }
    })
  ));

Deno.test("archive: models that share an arena are proved one by one", () =>
  inFolder(async (cwd) => {
    const args = ["compile", DIGITS, MOTION, ...BOARD, "--share-arena", "--out", "two.tar"];
    assert.equal((await typeTask(args, { cwd })).code, 0);
    const one = await typeTask(["run", "two.tar", "--outputs", "o.npz"], { cwd });
    assert.equal(one.code, 2);
    assert.match(
      one.err,
      /Cannot write o\.npz as two\.tar holds 2 models[^]*usage\/several-models/,
    );
    const { code, out, err } = await typeTask(["run", "two.tar", "--json"], { cwd });
    assert.equal(code, 0, err);
    const results = JSON.parse(out);
    assert.deepEqual(
      results.map((r: { model: string }) => r.model),
      ["digits_int8 of two.tar", "motion_fp32 of two.tar"],
    );
    for (const r of results) assert.equal(r.match.out0.mismatched, 0);
  }));

/** Runs a changed copy of an archive; `sums` brings the list of digests up to date again. */
async function runChanged(
  cwd: string,
  change: (files: Map<string, Uint8Array>) => void,
  sums = false,
) {
  const files = await unpackProject(Deno.readFileSync(`${cwd}/a b.tar`), "a b.tar");
  change(files);
  if (sums) {
    files.delete("SHA256SUMS");
    const lines = [...files].map(([path, contents]) => `${digest(contents)}  ${path}\n`);
    files.set("SHA256SUMS", bytes(lines.join("")));
  }
  Deno.writeFileSync(`${cwd}/changed.tar`, await packProject(files, "x"));
  return await typeTask(["run", "changed.tar"], { cwd });
}

const PARAMS = "src/digits_int8_params.c";

/** Changes the weights of a layer whose constants are nothing but bytes. */
function flipWeight(files: Map<string, Uint8Array>): void {
  const source = text(files.get(PARAMS)!);
  const changed = source.replace(
    /(int(?:8|16)_t \w*weights\d+\[\d+\] = \{)([^}]*)/,
    (_, head, list) => head + list.replace(/-?\d+/g, (w: string) => `${Number(w) ^ 64}`),
  );
  assert.notEqual(changed, source);
  files.set(PARAMS, bytes(changed));
}

Deno.test("archive: a changed file is named, and its outputs differ if the digests are forged", () =>
  inFolder(async (cwd) => {
    await archive(cwd, "--inputs", SAMPLES);
    const changed = await runChanged(cwd, flipWeight);
    assert.equal(changed.code, 1);
    assert.match(changed.err, /not what Burin wrote: src\/digits_int8_params\.c/);
    const forged = await runChanged(cwd, flipWeight, true);
    assert.equal(forged.code, 1, forged.err);
    assert.match(forged.out, /out0 +differs in \d+ of 20 elements/);
    const missing = await runChanged(cwd, (f) => void f.delete("src/digits_int8_kernels.c"));
    assert.match(missing.err, /not what Burin wrote: src\/digits_int8_kernels\.c/);
    const added = await runChanged(cwd, (f) => void f.set("src/more.c", bytes("int x;")));
    assert.match(added.err, /not what Burin wrote: src\/more\.c/);
  }));

Deno.test("archive: damaged and hostile ones end in a message", () =>
  inFolder(async (cwd) => {
    const whole = Deno.readFileSync(await archive(cwd));
    const record =
      (edit: (json: Record<string, unknown>) => void) => (f: Map<string, Uint8Array>) => {
        const json = JSON.parse(text(f.get("model.json")!));
        edit(json);
        f.set("model.json", bytes(JSON.stringify(json)));
      };
    const records: [(json: Record<string, unknown>) => void, RegExp][] = [
      [(j) => j.name = "../../x", /field name of its model\.json is wrong/],
      [(j) => j.inputs = 7, /field inputs of its model\.json is wrong/],
      [(j) => j.params_bytes = -1, /field params_bytes/],
      [(j) => (j.inputs as { bytes: number }[])[0].bytes = 1, /its bytes are not its shape's/],
      [(j) => delete j.target, /field target/],
    ];
    for (const [edit, message] of records) {
      const { code, err } = await runChanged(cwd, record(edit), true);
      assert.deepEqual([code, message.test(err)], [1, true], err);
    }
    const link = await packTar([{
      header: { name: "x/model.json", size: 0, type: "symlink", linkname: "/etc/passwd" },
    }]);
    const files: [Uint8Array, RegExp][] = [
      [whole.slice(0, 3000), /it is no tar archive|has no/],
      [new Uint8Array(0), /it holds no files|no tar archive/],
      [bytes("no archive at all".repeat(100)), /it is no tar archive/],
      [link, /is not one that Burin writes/],
      [await packProject(new Map([["a.txt", "x"]]), "x"), /it has no SHA256SUMS/],
    ];
    for (const [contents, message] of files) {
      Deno.writeFileSync(`${cwd}/bad.tar`, contents);
      const { code, err } = await typeTask(["run", "bad.tar"], { cwd });
      assert.deepEqual([code, message.test(err)], [1, true], err);
    }
  }));

Deno.test("archive: options that were decided when compiling are refused, and other boards", () =>
  inFolder(async (cwd) => {
    await archive(cwd);
    const cases: [string[], RegExp][] = [
      [["-O1"], /Cannot use -O as a b\.tar is compiled already/],
      [["--io", "arena"], /Cannot use --io/],
      [["--board", "mps2-an385"], /on mps2-an385 as its C is for a core with dsp/],
      [["--board", "host"], /on host as its C is for a core with/],
    ];
    for (const [more, message] of cases) {
      const { code, err } = await typeTask(["run", "a b.tar", ...more], { cwd });
      assert.equal(code, 2, err);
      assert.match(err, message);
    }
  }));

Deno.test("archive: an older one is replaced, any other file stays", () =>
  inFolder(async (cwd) => {
    await archive(cwd);
    await archive(cwd);
    Deno.writeTextFileSync(`${cwd}/mine.tar`, "mine");
    const args = ["compile", DIGITS, ...BOARD, "--out", "mine.tar"];
    const refused = await typeTask(args, { cwd });
    assert.equal(refused.code, 2);
    assert.match(refused.err, /a file that Burin did not write/);
    assert.equal(Deno.readTextFileSync(`${cwd}/mine.tar`), "mine");
    assert.equal((await typeTask([...args, "--force"], { cwd })).code, 0);
    Deno.mkdirSync(`${cwd}/folder.tar`);
    const folder = await typeTask(["compile", DIGITS, ...BOARD, "--out", "folder.tar"], { cwd });
    assert.match(folder.err, /as it is a folder/);
    assert.deepEqual(namesIn(cwd).sort(), ["a b.tar", "folder.tar", "mine.tar"]);
  }));
