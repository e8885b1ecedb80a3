/** What the commands print: results on stdout, everything else on stderr. */
import { BurinError } from "../util/errors.ts";
import { whyNotWritten } from "../util/files.ts";

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

/** A failure of the system to write a temporary file, as an error of its own. */
function explained(e: unknown): unknown {
  const [, path] = /\(os error \d+\).*'([^']+)'/.exec(`${e}`) ?? [];
  const why = /\(os error (2|20|21)\)/.test(`${e}`) ? null : whyNotWritten(e);
  if (e instanceof BurinError || why === null) return e;
  return new BurinError(
    "data/cannot-write",
    `Cannot write ${path ?? "a file"} as ${why}`,
    "make room, or point TMPDIR and --out elsewhere",
  );
}

/** Any failure as one with a code; what nobody foresaw is a defect of Burin. */
function asBurinError(error: unknown): BurinError {
  const e = explained(error);
  if (e instanceof BurinError) return e;
  const { message, stack } = e instanceof Error ? e : new Error(String(e));
  const where = /at (.*)/.exec(stack?.split("\n").slice(1).join("\n") ?? "")?.[1] ?? "unknown";
  return new BurinError(
    "internal/unexpected",
    `Cannot go on as Burin itself failed: ${message}`,
    `please report this with the model; it happened in ${
      where.replace(/\(?file:\/\/.*\/src\//, "(src/")
    }`,
  );
}

/**
 * Prints an error as the user sees it and returns the exit code.
 * @param json whether a program reads the result: it finds `{"error": {code, message, hint}}`
 */
export function report(error: unknown, json = false): number {
  const e = asBurinError(error), { code, message, hint = null, exitCode } = e;
  say(`${message}${hint ? `\n  ${hint}` : ""}\n  [${code}]`);
  if (json) {
    try {
      printJson({ error: { code, message, hint } });
    } catch { // Standard output itself is what failed.
    }
  }
  return exitCode;
}
