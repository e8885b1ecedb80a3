/**
 * Tests the tests: copies the checkout, breaks the copy in one place after another (mutations.ts)
 * and runs the tests that have to notice. Exits 1 where one does not.
 *
 *     deno task mutate [--only NAME]…
 */
import { parseArgs } from "node:util";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Mutation, MUTATIONS } from "./mutations.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** What tests may do; the same as in the gate. */
const PERMISSIONS = ["--allow-read", "--allow-write", "--allow-run", "--allow-sys", "--allow-env"];

/** A fault that makes tests run for longer than this is found as well. */
const LIMIT_MS = 120_000;

export type Outcome =
  | { readonly k: "caught"; readonly by: string }
  | { readonly k: "survived" }
  /** The mutated program does not even load, which says nothing about the tests. */
  | { readonly k: "broken" };

/** Puts the replacement where the mutation wants it. */
export function mutated(source: string, m: Mutation): string {
  const [before, after, ...more] = source.split(m.find);
  if (after === undefined || more.length > 0) {
    throw new Error(`Cannot apply '${m.name}' as its text is not in ${m.file} exactly once`);
  }
  return `${before}${m.replace}${after}`;
}

/** What a run of tests says of the program. */
export function outcomeOf(code: number, text: string, timedOut: boolean): Outcome {
  if (timedOut) return { k: "caught", by: `no end after ${LIMIT_MS / 1000} s` };
  if (code === 0) return { k: "survived" };
  const failed = /^(.*?) \.\.\. .*FAILED/m.exec(text)?.[1];
  return failed === undefined || /\(uncaught error\)/.test(text)
    ? { k: "broken" }
    : { k: "caught", by: failed };
}

/** Copies all files that belong to the checkout, new ones included. */
async function copyCheckout(to: string): Promise<void> {
  const { code, stdout } = await new Deno.Command("git", {
    args: ["ls-files", "-z", "--cached", "--others", "--exclude-standard"],
    cwd: ROOT,
  }).output();
  if (code !== 0) throw new Error("Cannot list the files of the checkout as git failed");
  for (const file of new TextDecoder().decode(stdout).split("\0")) {
    // A file may be deleted and not yet committed so.
    if (file === "" || !await isFile(join(ROOT, file))) continue;
    await Deno.mkdir(dirname(join(to, file)), { recursive: true });
    await Deno.copyFile(join(ROOT, file), join(to, file));
  }
}
const isFile = (path: string): Promise<boolean> =>
  Deno.stat(path).then((s) => s.isFile, () => false);

/** Runs tests in a folder at low priority; no more of them than needed for a failure. */
async function runTests(
  cwd: string,
  tests: readonly string[],
  filter?: string,
): Promise<{ outcome: Outcome; text: string }> {
  const child = new Deno.Command("nice", {
    args: [
      Deno.execPath(),
      "test",
      "--no-check",
      "--no-prompt",
      "--fail-fast",
      ...PERMISSIONS,
      ...(filter === undefined ? [] : ["--filter", filter]),
      ...tests,
    ],
    cwd,
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    child.kill("SIGKILL");
  }, LIMIT_MS);
  const { code, stdout, stderr } = await child.output();
  clearTimeout(timer);
  const text = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  return { outcome: outcomeOf(code, text, timedOut), text };
}

/** The mutations of these names, in their own order; all where none is named. */
function selected(names: readonly string[]): readonly Mutation[] {
  const unknown = names.find((n) => !MUTATIONS.some((m) => m.name === n));
  if (unknown !== undefined) {
    throw new Error(
      `Cannot apply '${unknown}' as there is no such mutation: ${
        MUTATIONS.map((m) => m.name).join(", ")
      }`,
    );
  }
  return names.length > 0 ? MUTATIONS.filter((m) => names.includes(m.name)) : MUTATIONS;
}

/** Without a mutation the same tests have to pass. */
async function checkUnchanged(copy: string, mutations: readonly Mutation[]): Promise<void> {
  const runs = new Map<string, Set<string>>();
  for (const { tests, filter = "" } of mutations) {
    runs.set(filter, new Set([...runs.get(filter) ?? [], ...tests]));
  }
  for (const [filter, tests] of runs) {
    const { outcome, text } = await runTests(copy, [...tests], filter || undefined);
    if (outcome.k === "survived") continue;
    console.error(text);
    throw new Error("Cannot try mutations as tests fail without any");
  }
}

async function tryAll(copy: string, mutations: readonly Mutation[]): Promise<number> {
  for (const m of mutations) mutated(await Deno.readTextFile(join(copy, m.file)), m);
  await checkUnchanged(copy, mutations);
  const count = { caught: 0, survived: 0, broken: 0 };
  const width = Math.max(...mutations.map((m) => m.name.length));
  for (const m of mutations) {
    const path = join(copy, m.file), source = await Deno.readTextFile(path);
    await Deno.writeTextFile(path, mutated(source, m));
    const start = performance.now();
    const { outcome } = await runTests(copy, m.tests, m.filter);
    const seconds = ((performance.now() - start) / 1000).toFixed(1);
    await Deno.writeTextFile(path, source);
    count[outcome.k]++;
    const what = outcome.k === "caught"
      ? `by ${outcome.by}`
      : outcome.k === "survived"
      ? `although ${m.breaks} (${m.file}; ${m.tests.join(", ")})`
      : `${m.file} does not load when mutated`;
    console.log(
      `${outcome.k.padEnd(8)}  ${m.name.padEnd(width)}  ${seconds.padStart(5)} s  ${what}`,
    );
  }
  if (count.broken > 0) console.log(`${count.broken} broken`);
  console.log(`${count.caught} caught, ${count.survived} survived`);
  return count.survived + count.broken;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    args: Deno.args,
    options: { only: { type: "string", multiple: true } },
  });
  const mutations = selected(values.only ?? []);
  const copy = await Deno.makeTempDir({ prefix: "burin-mutate-" });
  Deno.addSignalListener("SIGINT", () => {
    Deno.removeSync(copy, { recursive: true });
    Deno.exit(130);
  });
  try {
    await copyCheckout(copy);
    return await tryAll(copy, mutations) > 0 ? 1 : 0;
  } finally {
    await Deno.remove(copy, { recursive: true });
  }
}

if (import.meta.main) {
  try {
    Deno.exitCode = await main();
  } catch (e) {
    console.error(e instanceof Error ? e.message : e);
    Deno.exitCode = 2;
  }
}
