/** What the commands print: results on stdout, everything else on stderr. */
import { BurinError } from "../util/errors.ts";

const encoder = new TextEncoder();

function writeAll(stream: { writeSync(bytes: Uint8Array): number }, text: string): void {
  const bytes = encoder.encode(text);
  for (let at = 0; at < bytes.length;) at += stream.writeSync(bytes.subarray(at));
}

/** Prints a result. A reader that closes the pipe early (`| head`) ends the program quietly. */
export function print(text: string): void {
  try {
    writeAll(Deno.stdout, text.endsWith("\n") ? text : `${text}\n`);
  } catch (e) {
    if (e instanceof Deno.errors.BrokenPipe) Deno.exit(0);
    throw e;
  }
}

/** Prints one JSON value as a line. */
export const printJson = (value: unknown): void => print(JSON.stringify(value));

/** Prints what is going on, or a note. */
export const say = (text: string): void => writeAll(Deno.stderr, `${text}\n`);

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

/** Prints an error as the user sees it and returns the exit code. */
export function report(e: unknown): number {
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
