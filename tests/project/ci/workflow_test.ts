/** `compile --ci`: the workflows are valid, and their steps do what they are for in a repository. */
import assert from "node:assert/strict";
import { cpSync } from "node:fs";
import { join } from "@std/path";
import { typeTask } from "../../../src/cli/testing.ts";
import type { Lock } from "../../../src/lock/lock.ts";
import { CI_SERVICES } from "../../../src/project/ci.ts";
import { WRITERS } from "../../../src/project/mod.ts";
import { inFolder, namesIn } from "../../../src/util/testing.ts";
import { testTool } from "../../../tools/test_tools.ts";
import { ROOT, runner, runSteps, start, workflowOf } from "./support.ts";

const MODEL = join(ROOT, "examples/digits/digits_int8.onnx");
const unix = Deno.build.os === "linux";

async function compile(cwd: string, ...args: string[]) {
  const answer = await typeTask(["compile", MODEL, "--name", "kws", ...args], { cwd });
  assert.equal(answer.code, 0, answer.err);
  return answer;
}

const readLock = (folder: string): Lock =>
  JSON.parse(Deno.readTextFileSync(join(folder, "burin.lock.json")));

function editLock(folder: string, change: (figures: Record<string, number>) => void): void {
  const lock = readLock(folder);
  change(lock.entries[0].recorded!.models[0] as unknown as Record<string, number>);
  Deno.writeTextFileSync(join(folder, "burin.lock.json"), JSON.stringify(lock));
}

/** Changes a weight in the project's C by much. */
function flipParameter(folder: string): void {
  const path = join(folder, "src/kws_params.c");
  const text = Deno.readTextFileSync(path);
  const found = /(?<=weight[^;]*\{[^;]*?[\s,])-?\d+(?=,)/.exec(text)!;
  const end = found.index + found[0].length;
  const value = Number(found[0]) > 0 ? -120 : 120;
  Deno.writeTextFileSync(path, text.slice(0, found.index) + value + text.slice(end));
}

/** A repository with one project in it, and a checkout of Burin. */
async function inRepository(
  service: string,
  project: string,
  board: string,
  task: (repository: string, env: Record<string, string>) => Promise<void>,
): Promise<void> {
  await inFolder(async (folder) => {
    const env = await runner(folder);
    ["cmake", "ninja"].forEach(testTool);
    const repository = join(folder, "a repository");
    await compile(folder, "--board", board, "--ci", service, "--out", join(repository, project));
    Deno.symlinkSync(ROOT, join(repository, "burin"));
    await git(repository, env, "init", "--quiet");
    await task(repository, env);
    assert.deepEqual(
      namesIn(env.HOME).filter((n) => n !== ".cache"),
      [],
      "nothing is left at home",
    );
  });
}

async function git(cwd: string, env: Record<string, string>, ...args: string[]): Promise<string> {
  const who = ["-c", "user.name=t", "-c", "user.email=t@example.org"];
  const { code, text } = await start(testTool("git"), [...who, ...args], cwd, env);
  assert.equal(code, 0, text);
  return text;
}

/** Records the figures as the README says, and commits everything. */
async function record(cwd: string, repository: string, env: Record<string, string>) {
  const readme = Deno.readTextFileSync(join(cwd, "README.md"));
  const [, command] = /^(npx -y deno@2\.9 task --config burin\/deno\.json .*)$/m.exec(readme)!;
  const config = join(repository, "burin/deno.json");
  const { code, text } = await start(
    "sh",
    ["-e", "-c", command.replace("burin/deno.json", `'${config}'`)],
    cwd,
    env,
  );
  assert.equal(code, 0, text);
  await git(repository, env, "add", ".");
  await git(repository, env, "commit", "--quiet", "-m", "all");
}

Deno.test("ci: workflows of every service, kind and core are valid, their lock has no figures", () =>
  inFolder(async (cwd) => {
    for (const service of Object.keys(CI_SERVICES)) {
      for (const kind of Object.keys(WRITERS)) {
        for (const board of ["stm32f746", "qemu-rv32imc"]) {
          const out = `${service} ${kind} ${board}`;
          await compile(cwd, "--board", board, "--project", kind, "--ci", service, "--out", out);
          const { steps, variables } = workflowOf(service, join(cwd, out));
          assert.deepEqual([variables.PROJECT, variables.BURIN], [".", "burin"]);
          const script = steps.map((s) => s.script).join("\n");
          const gcc = board === "stm32f746" ? "gcc-arm-none-eabi" : "gcc-riscv64-unknown-elf";
          assert(script.includes(`--no-install-recommends ${gcc} picolibc-`), script);
          assert.equal(script.includes("ctest --preset qemu"), kind === "plain", script);
          assert.match(script, /npx -y deno@2\.9 task --config "\$BURIN\/deno\.json" verify /);
          const lock = readLock(join(cwd, out));
          assert.deepEqual(lock.entries, [{ project: ".", board }]);
          const sums = Deno.readTextFileSync(join(cwd, out, "SHA256SUMS"));
          for (const file of ["burin.lock.json", CI_SERVICES[service].file]) {
            const { files } = JSON.parse(Deno.readTextFileSync(join(cwd, out, "model.json")));
            assert(files.includes(file) && !sums.includes(file), file);
          }
          assert.match(Deno.readTextFileSync(join(cwd, out, "README.md")), /--update$/m);
        }
      }
    }
  }));

Deno.test({
  name: "ci: GitHub's steps in a repository: build, self-test, verify; a flip and a growth fail",
  ignore: !unix,
  fn: () =>
    inRepository("github", ".", "stm32f746", async (repository, env) => {
      const workflow = workflowOf("github", repository);
      const unrecorded = await runSteps(workflow, repository, env);
      assert.equal(unrecorded.failed, "Compare with burin.lock.json", unrecorded.text);
      assert.match(unrecorded.text, /nothing is recorded[^]*verify --update and commit/);
      await record(repository, repository, env);
      const good = await runSteps(workflow, repository, env);
      assert.equal(good.failed, null, good.text);
      assert.match(good.text, /BURIN kws PASS mismatches=0/);
      assert.match(good.text, /^\. on stm32f746\n +instructions, slowest sample +([\d,]+) +\1 /m);
      const changed = await git(repository, env, "status", "--porcelain", "--untracked-files=no");
      assert.equal(changed, "", "the workflow changes what is committed");

      editLock(repository, (f) => f.instructions = Math.round(f.instructions / 1.03));
      const grown = await runSteps(workflow, repository, env);
      assert.equal(grown.failed, "Compare with burin.lock.json", grown.text);
      assert.match(grown.text, /slowest sample grew by 3\.0 %/);
      await git(repository, env, "checkout", "--quiet", "burin.lock.json");

      flipParameter(repository);
      const flipped = await runSteps(workflow, repository, env);
      assert.equal(flipped.failed, "Build, run the golden vectors", flipped.text);
      assert.match(flipped.text, /BURIN kws FAIL mismatches=/);
      const alone = { ...workflow, steps: workflow.steps.slice(-1) };
      const verified = await runSteps(alone, repository, env);
      assert.equal(verified.failed, "Compare with burin.lock.json");
      assert.match(verified.text, /not what Burin wrote: src\/kws_params\.c/);
    }),
});

Deno.test({
  name: "ci: GitLab's job where the project is a folder with a space in its name",
  ignore: !unix,
  fn: () =>
    inRepository("gitlab", "firmware/key words", "microbit", async (repository, env) => {
      const PROJECT = "firmware/key words";
      const folder = join(repository, PROJECT);
      const workflow = workflowOf("gitlab", folder);
      await record(folder, repository, env);
      const good = await runSteps(workflow, repository, env, { PROJECT });
      assert.equal(good.failed, null, good.text);
      assert.match(good.text, /BURIN kws PASS/);
      assert.match(good.text, /firmware\/key words\/burin\.lock\.json: 1 entry/);
      flipParameter(folder);
      const flipped = await runSteps(workflow, repository, env, { PROJECT });
      assert.equal(flipped.failed, "burin-kws", flipped.text);
    }),
});

Deno.test({
  name: "ci: this computer needs no emulator",
  ignore: !unix,
  fn: () =>
    inRepository("github", ".", "host", async (repository, env) => {
      const workflow = workflowOf("github", repository);
      await record(repository, repository, env);
      const { failed, text } = await runSteps(workflow, repository, env);
      assert.equal(failed, null, text);
      assert.doesNotMatch(workflow.steps[0].script, /qemu/);
    }),
});

Deno.test("ci: compiling again keeps the lock; without --ci the workflow stays too", () =>
  inFolder(async (cwd) => {
    const again = (...args: string[]) =>
      compile(cwd, "--board", "mps2-an386", "--out", "p", ...args);
    const first = await again("--ci", "github");
    assert.match(first.err, /note: .*nothing yet: deno task verify p\/burin\.lock\.json --update/);
    const update = await typeTask(["verify", "--update"], { cwd: join(cwd, "p") });
    assert.equal(update.code, 0, update.err);
    const path = join(cwd, "p", CI_SERVICES.github.file);
    const [lock, workflow] = [readLock(join(cwd, "p")), Deno.readTextFileSync(path)];
    assert(lock.entries[0].recorded);
    Deno.writeTextFileSync(path, `# mine\n${workflow}`);
    await again("--golden", "1");
    assert.deepEqual(readLock(join(cwd, "p")), lock);
    assert.equal(Deno.readTextFileSync(path), `# mine\n${workflow}`);
    const third = await again("--ci", "github");
    assert.doesNotMatch(third.err, /burin\.lock\.json/);
    assert.equal(Deno.readTextFileSync(path), workflow);
    const { code, err } = await typeTask(["verify"], { cwd: join(cwd, "p") });
    assert.equal(code, 0, err);
    const moved = await again("--board", "mps2-an500", "--ci", "github");
    assert.match(
      moved.err,
      /project is for board mps2-an386: .*\{"project":"\.","board":"mps2-an500"\}/,
    );
    Deno.writeTextFileSync(join(cwd, "p/burin.lock.json"), `{"lock_version": 1, "entries": []}`);
    assert.match((await again("--ci", "github")).err, /note: burin\.lock\.json was kept as it is/);
    // A repository that had a lock and ignored files of its own before.
    Deno.mkdirSync(join(cwd, "own"));
    for (const file of ["burin.lock.json", ".gitignore"]) {
      Deno.writeTextFileSync(join(cwd, "own", file), "{}");
    }
    const own = ["--board", "mps2-an386", "--out", "own", "--force"];
    await compile(cwd, ...own);
    const { files } = JSON.parse(Deno.readTextFileSync(join(cwd, "own/model.json")));
    assert(!files.includes(".gitignore"), "a file of the user's is called Burin's");
    await compile(cwd, ...own, "--ci", "gitlab");
    Deno.mkdirSync(join(cwd, "pipeline"));
    Deno.writeTextFileSync(join(cwd, "pipeline/.gitlab-ci.yml"), "mine");
    const pipeline = ["--board", "host", "--out", "pipeline", "--force", "--ci", "gitlab"];
    const refused = await typeTask(["compile", MODEL, ...pipeline], { cwd });
    assert.equal(refused.code, 2);
    assert.match(refused.err, /\.gitlab-ci\.yml in pipeline is not Burin's/);
    assert.deepEqual(namesIn(join(cwd, "pipeline")), [".gitlab-ci.yml"]);
    for (const file of ["burin.lock.json", ".gitignore"]) {
      assert.equal(Deno.readTextFileSync(join(cwd, "own", file)), "{}");
    }
  }));

Deno.test("ci: a board of the user's goes with the project", () =>
  inFolder(async (cwd) => {
    cpSync(join(ROOT, "boards/microbit.json"), join(cwd, "my board.json"));
    await compile(cwd, "--board", "my board.json", "--ci", "gitlab", "--out", "p");
    assert.deepEqual(readLock(join(cwd, "p")).entries[0].board, "board/my board.json");
    Deno.renameSync(join(cwd, "p"), join(cwd, "elsewhere"));
    Deno.removeSync(join(cwd, "my board.json"));
    const { code, err } = await typeTask(["verify", "--update"], { cwd: join(cwd, "elsewhere") });
    assert.equal(code, 0, err);
  }));

Deno.test("ci: what no workflow can do is refused", () =>
  inFolder(async (cwd) => {
    const cases: [string[], RegExp][] = [
      [["--ci", "githib"], /did you mean github or gitlab\?/],
      [["--ci", "github", "--out", "x.tar"], /an archive is no repository/],
      [["--ci", "github", "--golden", "0"], /there are no golden vectors/],
    ];
    for (const [args, message] of cases) {
      const all = ["compile", MODEL, "--board", "microbit", ...args];
      const { code, err } = await typeTask(all, { cwd });
      assert.equal(code, 2, err);
      assert.match(err, message);
    }
    assert.deepEqual(namesIn(cwd), []);
  }));
