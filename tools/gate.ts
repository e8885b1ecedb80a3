/**
 * The one gate: the parts of `deno task check` and every test. Its last line reads
 * `N passed, N failed` (and `, N skipped`), also where a runner crashes.
 */

interface Count {
  passed: number;
  failed: number;
  skipped: number;
}

/** What tests may do: they build and execute firmware and host programs in temporary folders. */
const PERMISSIONS = ["--allow-read", "--allow-write", "--allow-run", "--allow-sys", "--allow-env"];

const CHECKS: readonly (readonly [string, readonly string[]])[] = [
  ["format", ["fmt", "--check", "--quiet"]],
  ["lint and layers", ["lint", "--quiet"]],
  ["types", ["check", "--quiet", "."]],
  ["documentation", ["doc", "--quiet", "--lint", "mod.ts"]],
];

const COLOURS = new RegExp(String.fromCharCode(27) + "\\[[0-9;]*m", "g");

/** How a run of deno ended, and what it printed. */
interface Ended {
  readonly code: number;
  readonly text: string;
}

/**
 * Runs deno and returns what it prints, showing it at once or not at all.
 * @param env beside the environment of this process
 */
async function deno(
  args: readonly string[],
  { env = {}, show = true }: { env?: Record<string, string>; show?: boolean } = {},
): Promise<Ended> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [...args],
    env,
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of child.stdout) {
    if (show) await Deno.stdout.write(chunk);
    text += decoder.decode(chunk, { stream: true });
  }
  return { code: (await child.status).code, text };
}

/** Every other test file for each of two runners, so that neighbours, alike in length, are apart. */
export function halves(files: readonly string[]): string[][] {
  const sorted = [...files].sort();
  return [0, 1].map((half) => sorted.filter((_, i) => i % 2 === half));
}

/** The test files of the checkout. */
function testFiles(folder = "."): string[] {
  return [...Deno.readDirSync(folder)].flatMap(({ name, isDirectory }) => {
    const path = folder === "." ? name : `${folder}/${name}`;
    if (isDirectory) return name.startsWith(".") || name === "node_modules" ? [] : testFiles(path);
    return name.endsWith("_test.ts") ? [path] : [];
  });
}

/**
 * Runs tests; all of them in two runners beside each other, each with temporary files of its own,
 * as some tests look for what is left behind. The second one's text follows when both are done.
 */
async function test(selected: readonly string[]): Promise<Ended[]> {
  const args = ["test", "--no-prompt", "--quiet", ...PERMISSIONS];
  if (selected.length > 0) return [await deno([...args, ...selected])];
  const folder = Deno.makeTempDirSync({ prefix: "burin-gate-" });
  try {
    const ended = await Promise.all(
      halves(testFiles()).map((files, i) => {
        const own = `${folder}/${i}`;
        Deno.mkdirSync(own);
        return deno([...args, ...files], { env: { TMPDIR: own }, show: i === 0 });
      }),
    );
    await Deno.stdout.write(new TextEncoder().encode(ended[1].text));
    return ended;
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

/**
 * Reads `ok | 12 passed (3 steps) | 0 failed | 1 ignored (2s)`. Where that line is missing, or the
 * exit code says that something failed which it does not count, one failure is added.
 */
export function countTests({ text, code }: Ended): Count {
  const line = text.replaceAll(COLOURS, "").match(/^(?:ok|FAILED) \| .*$/gm)?.at(-1) ?? "";
  const number = (what: string) => Number(new RegExp(`(\\d+) ${what}`).exec(line)?.[1] ?? 0);
  const count = {
    passed: number("passed"),
    failed: number("failed"),
    skipped: number("ignored"),
  };
  if (count.failed === 0 && (line === "" || code !== 0)) count.failed = 1;
  return count;
}

async function main(): Promise<Count> {
  const total: Count = { passed: 0, failed: 0, skipped: 0 };
  const selected = Deno.args;
  for (const [name, args] of selected.length > 0 ? [] : CHECKS) {
    const { code } = await deno(args);
    console.log(`check: ${name} ... ${code === 0 ? "ok" : "FAILED"}`);
    total[code === 0 ? "passed" : "failed"]++;
  }
  for (const tests of (await test(selected)).map(countTests)) {
    for (const key of ["passed", "failed", "skipped"] as const) total[key] += tests[key];
  }
  return total;
}

if (import.meta.main) {
  let total: Count = { passed: 0, failed: 1, skipped: 0 };
  try {
    total = await main();
  } catch (e) {
    console.error(e);
  }
  const skipped = total.skipped > 0 ? `, ${total.skipped} skipped` : "";
  console.log(`${total.passed} passed, ${total.failed} failed${skipped}`);
  Deno.exitCode = total.failed > 0 ? 1 : 0;
}
