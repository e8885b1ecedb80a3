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

/** Runs deno, showing and returning what it prints. */
async function deno(args: readonly string[]): Promise<{ code: number; text: string }> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [...args],
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of child.stdout) {
    await Deno.stdout.write(chunk);
    text += decoder.decode(chunk, { stream: true });
  }
  return { code: (await child.status).code, text: text.replaceAll(COLOURS, "") };
}

/**
 * Reads `ok | 12 passed (3 steps) | 0 failed | 1 ignored (2s)`. Where that line is missing, or the
 * exit code says that something failed which it does not count, one failure is added.
 */
export function countTests(text: string, code: number): Count {
  const line = text.match(/^(?:ok|FAILED) \| .*$/gm)?.at(-1) ?? "";
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
  const { code, text } = await deno([
    "test",
    "--no-prompt",
    "--quiet",
    ...PERMISSIONS,
    ...selected,
  ]);
  const tests = countTests(text, code);
  for (const key of ["passed", "failed", "skipped"] as const) total[key] += tests[key];
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
