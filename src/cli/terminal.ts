/** What the commands print: results on stdout, everything else on stderr. */
import { BurinError } from "../util/errors.ts";

const encoder = new TextEncoder();

function writeAll(stream: { writeSync(bytes: Uint8Array): number }, text: string): void {
  const bytes = encoder.encode(text);
  for (let at = 0; at < bytes.length;) at += stream.writeSync(bytes.subarray(at));
}

/**
 * Prints a result. A reader that closes the pipe early (`| head`) ends the program quietly.
 * @throws BurinError `data/cannot-write` where standard output takes nothing more
 */
export function print(text: string): void {
  try {
    writeAll(Deno.stdout, text.endsWith("\n") ? text : `${text}\n`);
  } catch (e) {
    if (e instanceof Deno.errors.BrokenPipe) Deno.exit(0);
    throw new BurinError(
      "data/cannot-write",
      `Cannot print the result as ${(e as Error).message}`,
      "direct the output elsewhere",
    );
  }
}

/** Prints one JSON value as a line. */
export const printJson = (value: unknown): void => print(JSON.stringify(value));

/** Prints what is going on, or a note. */
export function say(text: string): void {
  try {
    writeAll(Deno.stderr, `${text}\n`);
  } catch { // Nobody listens, which is no reason to stop.
  }
}

/** A whole number with thousands separated, as 1,048,576. */
export const grouped = (n: number): string => Math.round(n).toLocaleString("en-US");

/** Columns padded to their widest cell, two spaces between them. */
export function table(rows: readonly (readonly string[])[]): string {
  const columns = Math.max(0, ...rows.map((r) => r.length));
  const widths = Array.from(
    { length: columns },
    (_, c) => Math.max(...rows.map((r) => r[c]?.length ?? 0)),
  );
  return rows
    .map((row) => row.map((cell, c) => cell.padEnd(widths[c])).join("  ").trimEnd())
    .join("\n");
}

/** What the system says of a file that cannot be written, by error number (Linux, macOS). */
const SYSTEM: Readonly<Record<string, string>> = {
  13: "it may not be written to",
  27: "files may not get as large (ulimit -f)",
  28: "the disk is full",
  30: "the disk is read-only",
  69: "the disk quota is used up",
  122: "the disk quota is used up",
};

/** A failure of the system to write a temporary file, as an error of its own. */
function explained(e: unknown): unknown {
  const [, number, path] = /\(os error (\d+)\)(?:.*'([^']+)')?/.exec(`${e}`) ?? [];
  const why = SYSTEM[number];
  if (e instanceof BurinError || why === undefined) return e;
  return new BurinError(
    "data/cannot-write",
    `Cannot write ${path ?? "a file"} as ${why}`,
    "make room, or point TMPDIR and --out elsewhere",
  );
}

/** Prints an error as the user sees it and returns the exit code. */
export function report(error: unknown): number {
  const e = explained(error);
  if (e instanceof BurinError) {
    say(`${e.message}${e.hint ? `\n  ${e.hint}` : ""}\n  [${e.code}]`);
    return e.exitCode;
  }
  const { message, stack } = e instanceof Error ? e : new Error(String(e));
  const where = /at (.*)/.exec(stack?.split("\n").slice(1).join("\n") ?? "")?.[1] ?? "unknown";
  say(`Cannot go on as Burin itself failed: ${message}`);
  say(
    `  please report this with the model; it happened in ${
      where.replace(/\(?file:\/\/.*\/src\//, "(src/")
    }`,
  );
  say("  [internal/unexpected]");
  return 4;
}
