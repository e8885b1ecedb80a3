/** `verify` as a user types it: what has to fail fails, says why, and nothing else does. */
import assert from "node:assert/strict";
import { cpSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { createHash } from "node:crypto";
import proto from "onnx-proto";
import { type Answer, typeTask } from "../../src/cli/testing.ts";
import type { Verification } from "../../src/cli/verify.ts";
import type { Lock, LockEntry } from "../../src/lock/lock.ts";
import { inFolder, namesIn } from "../../src/util/testing.ts";

const DIGITS = fileURLToPath(new URL("../../examples/digits", import.meta.url));
const CONFIG = fileURLToPath(new URL("../../deno.json", import.meta.url));
const unix = Deno.build.os === "linux" || Deno.build.os === "darwin";

const INT8: LockEntry = {
  model: "models/digits_int8.onnx",
  board: "mps2-an386",
  inputs: "models/test.npz",
  expect: "models/test.npz",
  samples: 4,
};
const FLOAT: LockEntry = { model: "models/digits_fp32.onnx", board: "mps2-an386", samples: 4 };

/** A repository with models and a lock whose entries are recorded. */
async function inRepository(
  entries: readonly LockEntry[],
  task: (cwd: string) => Promise<void>,
): Promise<void> {
  await inFolder(async (cwd) => {
    cpSync(DIGITS, `${cwd}/models`, { recursive: true });
    for (const e of entries) {
      if (e.model !== undefined) continue;
      const out = e.project ?? e.archive!;
      const args = ["models/digits_int8.onnx", "--board", e.board, "--name", "kws", "--out", out];
      const { code, err } = await typeTask(["compile", ...args], { cwd });
      assert.equal(code, 0, err);
    }
    writeLock(cwd, { lock_version: 1, entries });
    const { code, err } = await typeTask(["verify", "--update"], { cwd });
    assert.equal(code, 0, err);
    assert.match(err, /Wrote burin\.lock\.json: commit it/);
    await task(cwd);
  });
}

const lockPath = (cwd: string) => `${cwd}/burin.lock.json`;
const lockOf = (cwd: string): Lock => JSON.parse(Deno.readTextFileSync(lockPath(cwd)));
const writeLock = (cwd: string, lock: unknown) =>
  Deno.writeTextFileSync(lockPath(cwd), JSON.stringify(lock));

/** Changes the first entry of a lock. */
function edit(cwd: string, change: (entry: Record<string, unknown>) => void): void {
  const lock = lockOf(cwd);
  change(lock.entries[0] as unknown as Record<string, unknown>);
  writeLock(cwd, lock);
}

/** Changes what is recorded of the first model of the first entry. */
const editFigures = (cwd: string, change: (figures: Record<string, number>) => void): void =>
  edit(cwd, (e) =>
    change(
      (e as unknown as { recorded: { models: Record<string, number>[] } })
        .recorded.models[0],
    ));

const verify = (cwd: string, ...args: string[]) => typeTask(["verify", ...args], { cwd });

async function failures(cwd: string): Promise<{ answer: Answer; what: string[] }> {
  const answer = await verify(cwd, "--json");
  const json: Verification = JSON.parse(answer.out);
  assert.equal(answer.code, json.passes ? 0 : 1, answer.err);
  return { answer, what: json.entries.flatMap((e) => e.failures.map((f) => f.what)) };
}

async function passes(cwd: string): Promise<void> {
  const { code, err } = await verify(cwd);
  assert.equal(code, 0, err);
}

/** `--update` accepts what came; the lock holds from then on. */
async function updates(cwd: string): Promise<void> {
  const { code, err } = await verify(cwd, "--update");
  assert.equal(code, 0, err);
  await passes(cwd);
}

/** Flips the sign of a weight in the largest constant of a model. */
function flipWeight(path: string): void {
  const file = Deno.readFileSync(path);
  const constants = proto.onnx.ModelProto.decode(file).graph!.initializer!;
  const [largest] = constants.map((t) => t.rawData!).sort((a, b) => b.length - a.length);
  const at = file.findIndex((_, i) => largest.every((byte, j) => file[i + j] === byte));
  assert(at > 0 && largest.length > 400);
  file[at + largest.length / 2] ^= 0x80;
  Deno.writeFileSync(path, file);
}

/** Changes the weights of a layer whose constants are nothing but weights by much. */
function flipParameter(path: string): void {
  const text = Deno.readTextFileSync(path);
  const changed = text.replace(
    /(int(?:8|16)_t \w*weights\d+\[\d+\] = \{)([^}]*)/,
    (_, head, list) => head + list.replace(/-?\d+/g, (w: string) => `${Number(w) ^ 64}`),
  );
  assert.notEqual(changed, text, "no weight in it");
  Deno.writeTextFileSync(path, changed);
}

/** Writes a folder's digests anew, as somebody who hides a change would. */
function hide(folder: string): void {
  const lines = Deno.readTextFileSync(`${folder}/SHA256SUMS`).trimEnd().split("\n");
  const sums = lines.map((line) => {
    const path = line.slice(66);
    const sum = createHash("sha256").update(Deno.readFileSync(`${folder}/${path}`)).digest("hex");
    return `${sum}  ${path}\n`;
  });
  Deno.writeTextFileSync(`${folder}/SHA256SUMS`, sums.join(""));
}

Deno.test("verify: what is recorded holds, from anywhere, and a second update changes nothing", () =>
  inRepository([INT8, FLOAT], async (cwd) => {
    const { code, out, err } = await verify(cwd);
    assert.equal(code, 0, err);
    assert.match(out, /^burin\.lock\.json: 2 entries$/m);
    assert.match(out, /models\/digits_int8\.onnx on mps2-an386\n +instructions, slowest sample +/);
    assert.match(out, /^ {2}RAM +([\d,]+) +\1 +0\.0 % +0 %$/m);
    assert.match(out, /ran on qemu-system-arm [\d.]+, mps2-an386/);
    const before = Deno.readTextFileSync(lockPath(cwd));
    const again = await verify(cwd, "--update");
    assert.match(again.err, /Nothing is to be changed/);
    assert.equal(Deno.readTextFileSync(lockPath(cwd)), before);
    const elsewhere = await verify(`${cwd}/models`, "../burin.lock.json", "--json");
    assert.equal(elsewhere.code, 0, elsewhere.err);
    assert.equal(JSON.parse(elsewhere.out).passes, true);
    assert.deepEqual(namesIn(cwd), ["burin.lock.json", "models"]);
  }));

Deno.test("verify: a flipped weight byte in the model fails, and is named", () =>
  inRepository([INT8], async (cwd) => {
    const path = `${cwd}/models/digits_int8.onnx`;
    const whole = Deno.readFileSync(path);
    flipWeight(path);
    const { what, answer } = await failures(cwd);
    for (const w of ["expected", "model", "outputs"]) assert(what.includes(w), what.join());
    assert.match(
      answer.err,
      /digits_int8\.onnx on mps2-an386\n {2}FAILED .*differ from models\/test\.npz/,
    );
    assert.match(answer.err, /the model is not the recorded file \(sha256/);
    const update = await verify(cwd, "--update");
    assert.equal(update.code, 1, "outputs that are not the expected ones are not accepted");
    assert.match(update.err, /The lock is as it was/);
    Deno.writeFileSync(path, whole.subarray(0, whole.length - 9));
    const cut = await failures(cwd);
    assert.deepEqual(cut.what, ["model", "error"], cut.answer.err);
    Deno.writeFileSync(path, whole);
    await passes(cwd);
  }));

Deno.test("verify: without expected outputs a changed model is for --update to accept", () =>
  inRepository([{ ...INT8, expect: null }], async (cwd) => {
    flipWeight(`${cwd}/models/digits_int8.onnx`);
    const { what, answer } = await failures(cwd);
    assert.deepEqual(what, ["model", "outputs"]);
    assert.match(answer.err, /the C computes what Burin's interpreter does/);
    assert.match(answer.err, /if this is intended, run deno task verify --update/);
    await updates(cwd);
  }));

Deno.test("verify: a flipped weight in a project's C fails, with its file, however it is hidden", () =>
  inRepository([{ project: "firmware/kws", board: "mps2-an386" }], async (cwd) => {
    const folder = `${cwd}/firmware/kws`;
    Deno.writeTextFileSync(`${folder}/mine.txt`, "files of others do not matter");
    await passes(cwd);
    flipParameter(`${folder}/src/kws_params.c`);
    const { what, answer } = await failures(cwd);
    for (const w of ["changed-files", "expected", "sources", "outputs"]) {
      assert(what.includes(w), what.join());
    }
    assert.match(answer.err, /not what Burin wrote: src\/kws_params\.c\n/);
    assert.match(answer.err, /deno task compile digits_int8\.onnx --board mps2-an386 --name kws/);
    assert.equal((await verify(cwd, "--update")).code, 1);
    hide(folder);
    const hidden = await failures(cwd);
    assert.deepEqual(hidden.what, ["expected", "outputs", "sources"]);
    const whole = await typeTask(
      ["compile", "models/digits_int8.onnx", "--board", "mps2-an386", "--name", "kws"],
      { cwd },
    );
    assert.equal(whole.code, 0, whole.err);
    cpSync(`${cwd}/kws-mps2-an386`, folder, { recursive: true });
    await passes(cwd);
    const header = `${folder}/include/kws.h`;
    const text = Deno.readTextFileSync(header);
    Deno.writeTextFileSync(header, text.replaceAll("\n", "\r\n"));
    const converted = await failures(cwd);
    assert.match(converted.answer.err, /not what Burin wrote: include\/kws\.h\n +line ends were/);
    Deno.removeSync(header);
    Deno.mkdirSync(header);
    assert.match(
      (await failures(cwd)).answer.err,
      /it has neither include\/kws\.h nor src\/kws\.h/,
    );
    Deno.removeSync(header);
    Deno.writeTextFileSync(header, text);
    Deno.removeSync(`${folder}/src/kws_kernels.c`);
    const gone = await failures(cwd);
    assert.match(gone.answer.err, /it has no src\/kws_kernels\.c/);
  }));

Deno.test("verify: a flipped byte in an archive fails", () =>
  inRepository([{ archive: "kws.tar", board: "mps2-an386" }], async (cwd) => {
    await passes(cwd);
    const file = Deno.readFileSync(`${cwd}/kws.tar`);
    const text = new TextDecoder("latin1").decode(file);
    const found = /(?<=int(?:8|16)_t \w*weight[^;]*\{[^;]*?[\s,])-?\d+(?=,)/.exec(
      text.slice(text.indexOf("kws_params.c\0")),
    )!;
    const at = text.indexOf("kws_params.c\0") + found.index + found[0].length - 1;
    file[at] ^= 1;
    Deno.writeFileSync(`${cwd}/kws.tar`, file);
    const { what, answer } = await failures(cwd);
    assert(what.includes("changed-files") && what.includes("sources"), what.join());
    assert.match(answer.err, /kws\.tar are not what Burin wrote: src\/kws_params\.c\n/);
  }));

Deno.test("verify: every kind of project is built as it stands, and a flip in it is seen", () =>
  inFolder(async (cwd) => {
    cpSync(DIGITS, `${cwd}/models`, { recursive: true });
    const kinds = ["plain", "zephyr", "arduino"];
    for (const kind of kinds) {
      const options = ["--board", "mps2-an386", "--project", kind, "--out", kind, "--name", "kws"];
      const { code, err } = await typeTask(["compile", "models/digits_int8.onnx", ...options], {
        cwd,
      });
      assert.equal(code, 0, err);
    }
    const entries = kinds.map((project) => ({ project, board: "mps2-an386" }));
    writeLock(cwd, { lock_version: 1, entries });
    await updates(cwd);
    const outputs = lockOf(cwd).entries.map((e) => e.recorded!.models[0].outputs_sha256);
    assert.equal(new Set(outputs).size, 1, "all give the same bits");
    for (const kind of kinds) flipParameter(`${cwd}/${kind}/src/kws_params.c`);
    const json: Verification = JSON.parse((await verify(cwd, "--json")).out);
    for (const e of json.entries) {
      const what = e.failures.map((f) => f.what);
      assert(what.includes("changed-files") && what.includes("expected"), `${e.source}: ${what}`);
    }
  }));

Deno.test("verify: models that share an arena are verified one by one", () =>
  inFolder(async (cwd) => {
    cpSync(DIGITS, `${cwd}/models`, { recursive: true });
    const models = ["models/digits_int8.onnx", "models/digits_fp32.onnx"];
    const options = ["--board", "mps2-an386", "--share-arena", "--out", "both"];
    const compiled = await typeTask(["compile", ...models, ...options], { cwd });
    assert.equal(compiled.code, 0, compiled.err);
    writeLock(cwd, { lock_version: 1, entries: [{ project: "both", board: "mps2-an386" }] });
    await updates(cwd);
    const names = lockOf(cwd).entries[0].recorded!.models.map((m) => m.name);
    assert.deepEqual(names, ["digits_int8", "digits_fp32"]);
    flipParameter(`${cwd}/both/src/digits_int8_params.c`);
    const { answer } = await failures(cwd);
    assert.match(answer.err, /FAILED digits_int8: the outputs differ from the golden vectors/);
    assert.doesNotMatch(answer.err, /FAILED digits_fp32/);
  }));

Deno.test("verify: a flag that changes results fails, and the C compiler is named", () =>
  inRepository([FLOAT], async (cwd) => {
    for (const flag of ["-ffp-contract=fast", "-ffast-math"]) {
      edit(cwd, (e) => e.cflags = ["-O2", flag]);
      const { what, answer } = await failures(cwd);
      assert(what.includes("outputs"), `${flag}: ${what}`);
      assert.match(
        answer.err,
        /the C differs from Burin's interpreter in \d+ of 40 elements: cflags/,
      );
      assert.match(answer.err, new RegExp(`cflags are -O2 ${flag}, recorded with -O2\\n`));
    }
    await updates(cwd);
  }));

Deno.test("verify: a flag that only slows fails by its instructions", () =>
  inRepository([INT8], async (cwd) => {
    edit(cwd, (e) => e.cflags = ["-O1"]);
    const { what, answer } = await failures(cwd);
    assert(what.includes("instructions") && !what.includes("outputs"), what.join());
    assert.match(answer.err, /instructions, slowest sample grew by .* % to .*limit 2 %/);
    await updates(cwd);
  }));

Deno.test("verify: 3 % more instructions fail, 1 % pass; a byte of RAM fails", () =>
  inRepository([INT8], async (cwd) => {
    const { instructions, instructions_total, ram_bytes } =
      lockOf(cwd).entries[0].recorded!.models[0];
    const grownBy = (percent: number) =>
      editFigures(cwd, (f) => {
        f.instructions = Math.round(instructions! / (1 + percent / 100));
        f.instructions_total = Math.round(instructions_total! / (1 + percent / 100));
      });
    grownBy(3);
    const { what, answer } = await failures(cwd);
    assert.deepEqual(what, ["instructions", "instructions_total"]);
    assert.match(answer.err, /slowest sample grew by 3\.0 %/);
    grownBy(1);
    await passes(cwd);
    grownBy(0);
    editFigures(cwd, (f) => f.ram_bytes = ram_bytes - 1);
    assert.deepEqual((await failures(cwd)).what, ["ram_bytes"]);
    editFigures(cwd, (f) => f.ram_bytes = ram_bytes + 1);
    const { code, err } = await verify(cwd);
    assert.equal(code, 0, err);
    assert.match(err, /note: figures shrank: deno task verify --update tightens the lock/);
    await updates(cwd);
    assert.equal(lockOf(cwd).entries[0].recorded!.models[0].ram_bytes, ram_bytes);
  }));

Deno.test("verify: another gcc is named beside what it may explain", () =>
  inRepository([INT8], async (cwd) => {
    edit(cwd, (e) => {
      const { tools } = e.recorded as { tools: Record<string, string> };
      tools.gcc = "9.9.9";
    });
    const { code, err } = await verify(cwd);
    assert.equal(code, 0, err);
    assert.match(err, /note: gcc is [\d.]+, recorded with 9\.9\.9/);
    editFigures(cwd, (f) => f.instructions -= 5000);
    const { answer } = await failures(cwd);
    assert.match(answer.err, /grew by [^]*gcc is [\d.]+, recorded with 9\.9\.9/);
  }));

Deno.test("verify: a lock without figures says what to do and is no success", () =>
  inFolder(async (cwd) => {
    cpSync(DIGITS, `${cwd}/models`, { recursive: true });
    writeLock(cwd, { lock_version: 1, entries: [INT8] });
    const { code, err, out } = await verify(cwd);
    assert.equal(code, 1);
    assert.match(out, /instructions, slowest sample +– +[\d,]+/);
    assert.match(err, /nothing is recorded.*\n.*verify --update and commit burin\.lock\.json/);
  }));

Deno.test("verify: what cannot be run fails by itself, the other entries are verified", () =>
  inRepository([INT8, FLOAT], async (cwd) => {
    const wrong: [Record<string, unknown>, RegExp][] = [
      [{ model: "models/digits_int9.onnx" }, /no such file\n.*did you mean digits_int8\.onnx/],
      [{ board: "mps2-an387" }, /no board has that name\n.*did you mean mps2-an38/],
      [{ inputs: "models/test_fp32.npz" }, /Cannot use models\/test_fp32\.npz as /],
      [{ samples: 9999 }, /Cannot run 9999 samples as models\/test\.npz holds 360/],
      [{ cflags: ["-mno-such-flag"] }, /unrecognized[^]*check cflags of the entry/],
      [{ options: { name: "9 lives" } }, /no C identifier/],
    ];
    const lock = lockOf(cwd);
    for (const [change, message] of wrong) {
      writeLock(cwd, { ...lock, entries: [{ ...lock.entries[0], ...change }, lock.entries[1]] });
      const { code, err, out } = await verify(cwd);
      assert.equal(code, 1, `${JSON.stringify(change)}: ${err}`);
      assert.match(err, message);
      assert.match(err, /1 of 2 failed\./);
      assert.match(out, /digits_fp32\.onnx on mps2-an386\n +instructions/);
      assert(!/^\s+at /m.test(err), err);
    }
  }));

Deno.test("verify: options of an entry are those of compile", () =>
  inRepository([INT8], async (cwd) => {
    edit(cwd, (e) => e.options = { opt_level: 0, io: "arena", name: "d", dims: { batch: 1 } });
    const { what } = await failures(cwd);
    assert(what.includes("model") && !what.includes("expected"), what.join());
    await updates(cwd);
    const [m] = lockOf(cwd).entries[0].recorded!.models;
    assert.equal(m.name, "d");
    assert(m.instructions! > 200_000, "level 0 is slow");
  }));

Deno.test("verify: a board file lies beside the lock", () =>
  inFolder(async (cwd) => {
    Deno.mkdirSync(`${cwd}/r/boards`, { recursive: true });
    cpSync(DIGITS, `${cwd}/r/models`, { recursive: true });
    Deno.copyFileSync(
      fileURLToPath(new URL("../../boards/microbit.json", import.meta.url)),
      `${cwd}/r/boards/mine.json`,
    );
    writeLock(`${cwd}/r`, { lock_version: 1, entries: [{ ...INT8, board: "boards/mine.json" }] });
    const { code, err } = await verify(cwd, "r/burin.lock.json", "--update");
    assert.equal(code, 0, err);
    assert.equal((await verify(cwd, "r/burin.lock.json")).code, 0);
  }));

Deno.test("verify: locks and command lines that are wrong", () =>
  inFolder(async (cwd) => {
    const missing = await verify(cwd);
    assert.equal(missing.code, 1);
    assert.match(missing.err, /burin\.lock\.json as there is no such file\n.*--ci github/);
    Deno.writeTextFileSync(lockPath(cwd), `{"lock_version": 1, "entries": [{"boad": 1}]}`);
    const wrong = await verify(cwd);
    assert.equal(wrong.code, 1);
    assert.match(wrong.err, /board is missing; .*boad is not a field/);
    const flag = await verify(cwd, "--updat");
    assert.equal(flag.code, 2);
    assert.match(flag.err, /did you mean --update\?/);
    assert.equal((await verify(cwd, "a", "b")).code, 2);
    writeLock(cwd, { lock_version: 1, entries: [INT8] });
    const bare = { PATH: dirname(Deno.execPath()), CI: "" };
    const tools = await typeTask(["verify"], { cwd, env: bare });
    assert.equal(tools.code, 3);
    assert.match(
      tools.err,
      /Cannot verify burin\.lock\.json as arm-none-eabi-gcc.*not installed\n/,
    );
    assert.match(tools.err, /\[tool\/missing\]/);
  }));

Deno.test({
  name: "verify: a read-only lock is not replaced, a linked one keeps its link",
  ignore: !unix,
  fn: () =>
    inRepository([INT8], async (cwd) => {
      const path = lockPath(cwd);
      edit(cwd, (e) => e.cflags = ["-O1"]);
      const before = Deno.readTextFileSync(path);
      Deno.chmodSync(path, 0o444);
      const { code, err } = await verify(cwd, "--update");
      assert.equal(code, 1);
      assert.match(
        err,
        /Cannot update burin\.lock\.json as it is read-only\n[^]*data\/cannot-write/,
      );
      assert.equal(Deno.readTextFileSync(path), before);
      Deno.chmodSync(path, 0o644);
      Deno.mkdirSync(`${cwd}/ci`);
      Deno.symlinkSync("../burin.lock.json", `${cwd}/ci/burin.lock.json`);
      const linked = await verify(cwd, "--update");
      assert.equal(linked.code, 0, linked.err);
      assert(Deno.lstatSync(`${cwd}/ci/burin.lock.json`).isSymlink);
      assert.notEqual(Deno.readTextFileSync(path), before);
      assert.deepEqual(namesIn(cwd), ["burin.lock.json", "ci", "models"]);
    }),
});

Deno.test({
  name: "verify: Ctrl-C leaves the lock as it was, and nothing else",
  ignore: !unix,
  fn: () =>
    inRepository([INT8, FLOAT], async (cwd) => {
      edit(cwd, (e) => e.cflags = ["-O1"]);
      const before = Deno.readTextFileSync(lockPath(cwd));
      const { INIT_CWD: _, ...outer } = Deno.env.toObject();
      for (const stage of ["compiling the generated C", "running 4 samples", "fp32.*running"]) {
        Deno.mkdirSync(`${cwd}/tmp`, { recursive: true });
        // Job control gives the command a group of its own, as a terminal does.
        const line = `set -m; "$DENO" task --quiet --config "$CONFIG" verify --update 2> said & ` +
          `pid=$!; for i in $(seq 400); do grep -q "$STAGE" said && break; sleep 0.01; done; ` +
          `kill -INT -- -$pid; wait $pid; echo $?`;
        const { stdout } = await new Deno.Command("bash", {
          args: ["-c", line],
          cwd,
          clearEnv: true,
          env: {
            ...outer,
            DENO: Deno.execPath(),
            CONFIG,
            STAGE: stage,
            TMPDIR: `${cwd}/tmp`,
            NO_COLOR: "1",
          },
        }).output();
        const out = new TextDecoder().decode(stdout);
        assert.match(out, /130\n$|0\n$/, stage);
        if (!out.endsWith("130\n")) continue;
        assert.equal(Deno.readTextFileSync(lockPath(cwd)), before, stage);
        assert.deepEqual(namesIn(`${cwd}/tmp`), [], stage);
        assert.deepEqual(namesIn(cwd), ["burin.lock.json", "models", "said", "tmp"], stage);
      }
      assert.equal(Deno.readTextFileSync(lockPath(cwd)), before, "it was never interrupted");
    }),
});
