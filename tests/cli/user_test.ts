/** What happens around a command: interruptions, full and read-only disks, odd environments. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { typeTask } from "../../src/cli/testing.ts";
import { inFolder, namesIn } from "../../src/util/testing.ts";

const CONFIG = fileURLToPath(new URL("../../deno.json", import.meta.url));
const MODEL = fileURLToPath(new URL("../models/ort_mixed_qdq_u8s8_pc.onnx", import.meta.url));
const unix = Deno.build.os === "linux" || Deno.build.os === "darwin";

/** Runs a line of shell in which `$deno` types a task; stdout and stderr as text. */
async function shell(line: string, cwd: string, env: Record<string, string> = {}) {
  const { INIT_CWD: _, ...outer } = Deno.env.toObject();
  const { code, stdout, stderr } = await new Deno.Command("bash", {
    args: ["-c", `deno() { "$DENO" task --quiet --config "$CONFIG" "$@"; }; ${line}`],
    cwd,
    clearEnv: true,
    env: { ...outer, NO_COLOR: "1", DENO: Deno.execPath(), CONFIG, MODEL, ...env },
  }).output();
  const text = new TextDecoder();
  return { code, out: text.decode(stdout), err: text.decode(stderr) };
}

const noTrace = (err: string): void =>
  assert(!/^\s+at .*:\d+|\[internal/m.test(err), `a stack trace: ${err}`);

/** Whether this computer lets a test mount a small disk of its own. */
async function mounts(): Promise<boolean> {
  if (Deno.build.os !== "linux") return false;
  try {
    const { success } = await new Deno.Command("unshare", {
      args: ["-rm", "sh", "-c", "mount -t tmpfs -o size=64k tmpfs /mnt"],
      stderr: "null",
    }).output();
    return success;
  } catch {
    return false;
  }
}
const canMount = await mounts();
if (!canMount) console.log("skipped: no disk can be mounted here, full and read-only disks");

/** The files of a project, complete or not. */
const complete = (folder: string): void => {
  const json = JSON.parse(Deno.readTextFileSync(`${folder}/model.json`));
  for (const file of json.files) assert(Deno.statSync(`${folder}/${file}`).isFile, file);
};

Deno.test({
  name: "user: an interruption at any time leaves a whole project or nothing",
  ignore: !unix,
  fn: () =>
    inFolder(async (cwd) => {
      for (const [i, ms] of [60, 120, 160, 200, 240, 280, 320, 400, 500].entries()) {
        // Job control gives the command a group of its own, as a terminal does.
        const line = `set -m; deno compile "$MODEL" --board mps2-an386 --out o${i} & pid=$!;` +
          ` sleep ${ms / 1000}; kill -INT -- -$pid 2>/dev/null; wait $pid`;
        const { err } = await shell(line, cwd);
        noTrace(err);
        const names = namesIn(cwd).filter((n) => !/^o[0-9]$/.test(n));
        assert.deepEqual(names, [], `after ${ms} ms`);
        if (namesIn(cwd).includes(`o${i}`)) complete(`${cwd}/o${i}`);
      }
    }),
});

Deno.test({
  name: "user: Ctrl-C while it builds and runs leaves no folder and no process",
  ignore: !unix,
  fn: () =>
    inFolder(async (cwd) => {
      for (const stage of ["compiling the generated C", "running 1 sample"]) {
        Deno.mkdirSync(`${cwd}/tmp`, { recursive: true });
        const line = `set -m; deno run "$MODEL" --board mps2-an386 2> said & pid=$!; ` +
          `for i in $(seq 400); do grep -q "$STAGE" said && break; sleep 0.01; done; ` +
          `kill -INT -- -$pid; wait $pid; echo $?; sleep 0.5; ` +
          // Ended processes that nobody has asked for yet (Z) are none.
          `ps -e -o pgid=,stat=,comm= | awk -v p=$pid '$1 == p && $2 !~ /^Z/'`;
        const { out } = await shell(line, cwd, { TMPDIR: `${cwd}/tmp`, STAGE: stage });
        // Where the run was over before the signal came, it was a whole one.
        assert.match(out, /^130\n$|\n0\n$/, `${stage}: ${out}`);
        assert.deepEqual(namesIn(`${cwd}/tmp`), [], stage);
        noTrace(Deno.readTextFileSync(`${cwd}/said`));
      }
    }),
});

Deno.test({
  name: "user: a full disk ends in a message and leaves nothing",
  ignore: !canMount,
  fn: () =>
    inFolder(async (cwd) => {
      Deno.mkdirSync(`${cwd}/disk`);
      const line = `export -f deno; unshare -rm bash -c '` +
        `mount -t tmpfs -o size=64k tmpfs disk && cd disk && ` +
        `{ deno compile "$MODEL" --board host --out a/b; echo $?; ls -A; }'`;
      const { out, err } = await shell(line, cwd);
      assert.match(err, /as the disk is full\n {2}make room.*\n {2}\[data\/cannot-write\]/);
      assert.equal(out, "1\n");
    }),
});

Deno.test({
  name: "user: a read-only folder ends in a message",
  ignore: !canMount,
  fn: () =>
    inFolder(async (cwd) => {
      Deno.mkdirSync(`${cwd}/disk`);
      const line = `export -f deno; unshare -rm bash -c '` +
        `mount -t tmpfs -o ro tmpfs disk && cd disk && ` +
        `{ deno compile "$MODEL" --board host; echo $?; deno compile "$MODEL" --board host --out .; echo $?; }'`;
      const { out, err } = await shell(line, cwd);
      assert.equal(out, "1\n1\n");
      assert.match(err, /Cannot write .* as the folder cannot be written to/);
      noTrace(err);
    }),
});

Deno.test({
  name: "user: a file that cannot be written whole is not written, and said so before long work",
  ignore: !canMount,
  fn: () =>
    inFolder(async (cwd) => {
      Deno.mkdirSync(`${cwd}/disk`);
      const at = (path: string) =>
        fileURLToPath(new URL(`../../examples/${path}`, import.meta.url));
      const files = { FLOAT: at("digits/digits_fp32.onnx"), DATA: at("digits/test_fp32.npz") };
      const typed =
        `quantize() { deno quantize "$FLOAT" --calibration "$DATA" --weights float16; }; ` +
        `outputs() { deno run "$FLOAT" --board host --inputs "$DATA" --outputs o.npz; }`;
      const disk = (options: string, line: string) =>
        shell(
          `${typed}; export -f deno quantize outputs; unshare -rm bash -c '` +
            `mount -t tmpfs -o ${options} tmpfs disk && cd disk && { ${line}; ls -A; }'`,
          cwd,
          files,
        );
      const locked = await disk("ro", "quantize; echo $?; outputs; echo $?");
      assert.equal(locked.out, "1\n1\n", locked.err);
      for (const file of ["digits_fp32_float16.onnx", "o.npz"]) {
        const why = `Cannot write ${file} as the disk is read-only\n  name a file in a folder`;
        assert(locked.err.includes(why), locked.err);
      }
      assert.doesNotMatch(locked.err, /running|measuring/);
      const full = await disk("size=4k", "echo old > o.npz; outputs; echo $?; cat o.npz");
      assert.match(full.err, /Cannot write o\.npz as the disk is full\n {2}make room/);
      assert.equal(full.out, "1\nold\no.npz\n");
    }),
});

Deno.test({
  name: "user: a limit on the size of files ends in a message and leaves nothing",
  ignore: Deno.build.os !== "linux",
  fn: () =>
    inFolder(async (cwd) => {
      // Deno itself needs files of 32 KB.
      const { code, err } = await shell(
        'ulimit -f 40; deno compile "$BIG" --board host --out o',
        cwd,
        { BIG: fileURLToPath(new URL("../../examples/digits/digits_fp32.onnx", import.meta.url)) },
      );
      assert.match(err, /ulimit -f|disk is full/);
      assert.equal(code, 1);
      assert.deepEqual(namesIn(cwd), []);
    }),
});

Deno.test("user: file names with spaces, quotes, other letters, a leading dash", () =>
  inFolder(async (cwd) => {
    for (const name of ["mödel 模型.onnx", 'it\'s "one".onnx', "$(touch x).onnx", "-O9.onnx"]) {
      Deno.copyFileSync(MODEL, `${cwd}/${name}`);
      const args = ["compile", `./${name}`, "--board", "mps2-an386", "--out", `out of ${name}`];
      const { code, err } = await typeTask(args, { cwd });
      assert.equal(code, 0, err);
      complete(`${cwd}/out of ${name}`);
    }
    assert(!namesIn(cwd).includes("x"));
  }));

Deno.test("user: several compiles at once into one folder end with a whole one", () =>
  inFolder(async (cwd) => {
    const args = ["compile", MODEL, "--board", "host", "--out", "one/of them"];
    const answers = await Promise.all([1, 2, 3, 4].map(() => typeTask(args, { cwd })));
    for (const { code, err } of answers) {
      assert(code === 0 || (code < 3 && /^Cannot write/m.test(err)), err);
      noTrace(err);
    }
    assert(answers.some((a) => a.code === 0));
    complete(`${cwd}/one/of them`);
    assert.deepEqual(namesIn(`${cwd}/one`), ["of them"]);
  }));

Deno.test({
  name: "user: a tool that is too old or broken",
  ignore: !unix,
  fn: () =>
    inFolder(async (cwd) => {
      Deno.mkdirSync(`${cwd}/bin`);
      const gcc = `${cwd}/bin/gcc`;
      const PATH = `${cwd}/bin:${Deno.env.get("PATH")}`;
      const tool = async (text: string, mode = 0o755) => {
        Deno.writeTextFileSync(gcc, text);
        Deno.chmodSync(gcc, mode);
        return await typeTask(["run", MODEL, "--board", "host"], { cwd, env: { PATH } });
      };
      const old = await tool("#!/bin/sh\necho 4.9.2\n");
      assert.match(
        old.err,
        /Cannot use gcc 4\.9\.2 as it is older than 9\n[\s\S]*\[tool\/too-old\]/,
      );
      assert.equal(old.code, 3);
      const broken = await tool("#!/no/such/interpreter\n");
      assert.equal(broken.code, 3, broken.err);
      noTrace(broken.err);
    }),
});

Deno.test({
  name: "user: a library path, closed and broken streams",
  ignore: !unix,
  fn: () =>
    inFolder(async (cwd) => {
      const run = 'deno run "$MODEL" --board host --json';
      const path = await shell(run, cwd, { LD_LIBRARY_PATH: "/nonexistent" });
      assert.equal(path.code, 0, path.err);
      assert.equal(JSON.parse(path.out).samples, 1);
      const closed = await shell(`${run} <&-`, cwd);
      assert.equal(closed.code, 0, closed.err);
      const head = await shell("set -o pipefail; deno boards | head -1", cwd);
      assert.match(head.out, /^NAME/);
      noTrace(head.err);
      for (const line of ["deno boards >&-", "deno boards 2>&-", "deno boards | true"]) {
        const { code, err } = await shell(line, cwd);
        assert(code < 2, `${line}: ${code}`);
        noTrace(err);
      }
      const silent = await shell('deno compile "$MODEL" --board host --out o 2>&-', cwd);
      assert.equal(silent.code, 0);
      complete(`${cwd}/o`);
      if (Deno.build.os !== "linux") return;
      const full = await shell("deno boards > /dev/full", cwd);
      assert.match(full.err, /Cannot print the result[\s\S]*\[data\/cannot-write\]/);
      assert.equal(full.code, 1);
    }),
});
