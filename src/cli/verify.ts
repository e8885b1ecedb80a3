/** `verify`: what a committed lock says of models, projects and archives still holds. */
import { relative } from "@std/path";
import { FIGURES, percentText } from "../lock/compare.ts";
import { limitsOf, type Lock, LOCK_FILE, lockText, parseLock } from "../lock/lock.ts";
import { writeFileWhole } from "../project/write.ts";
import { ensureTools } from "../run/install.ts";
import { missingError, toolsFor } from "../run/toolchain.ts";
import { undoOnInterrupt } from "../run/workdir.ts";
import { BurinError } from "../util/errors.ts";
import type { Args, Command } from "./args.ts";
import { readUserFile, userPath } from "./paths.ts";
import { grouped, print, printJson, say, table } from "./terminal.ts";
import { type EntryVerdict, verifyEntry } from "./verify_entry.ts";
import { boardOf, pathsFrom } from "./verify_source.ts";

/** What `verify` is asked for. */
export interface VerifyRequest {
  /** Path of the lock; default `burin.lock.json`. */
  readonly lock?: string;
  /** Record what came, where nothing but the record speaks against it. */
  readonly update?: boolean;
  /** Called with what is being done, before it takes time. */
  readonly progress?: (doing: string) => void;
}

/** What `verify` found. */
export interface Verification {
  /** Path of the lock. */
  readonly lock: string;
  /** Whether every entry is as recorded, within its limits; after an update, whether it is now. */
  readonly passes: boolean;
  /** Whether the lock was written. */
  readonly updated: boolean;
  /** Each entry, in the lock's order. */
  readonly entries: readonly EntryVerdict[];
}

function readLock(file: string): Lock {
  let bytes: Uint8Array;
  try {
    bytes = readUserFile(file);
  } catch (e) {
    if (!(e instanceof BurinError) || e.code !== "data/no-file") throw e;
    const hint =
      "compile MODEL.onnx --ci github writes one with its project; docs/ci.md shows how" +
      " to write one by hand";
    throw new BurinError(e.code, e.message, e.hint ?? hint);
  }
  return parseLock(new TextDecoder().decode(bytes), file);
}

/** Writing aside and renaming would replace a file that its owner made read-only. */
function checkWritable(file: string): string {
  const path = Deno.realPathSync(userPath(file));
  const { mode } = Deno.statSync(path);
  if (mode === null || (mode & 0o222) !== 0) return path;
  throw new BurinError(
    "data/cannot-write",
    `Cannot update ${file} as it is read-only`,
    "make it writable, or leave --update out",
  );
}

function writeLock(path: string, file: string, text: string): void {
  try {
    writeFileWhole(path, text, () => true);
  } catch (e) {
    if (!(e instanceof BurinError)) throw e;
    const why = e.message.slice(e.message.lastIndexOf(" as "));
    throw new BurinError(e.code, `Cannot update ${file}${why}`, "it is as it was before");
  }
}

/**
 * Compiles, builds and runs every entry of a lock and compares with what it records.
 * @throws BurinError `data/no-file`, `data/lock`, `data/cannot-write`, `tool/*`
 */
export async function verify(request: VerifyRequest = {}): Promise<Verification> {
  const file = request.lock ?? LOCK_FILE;
  const lock = readLock(file);
  const path = request.update ? checkWritable(file) : null;
  const at = pathsFrom(file);
  const entries: EntryVerdict[] = [];
  for (const entry of lock.entries) {
    const doing = (what: string) =>
      request.progress?.(`${entry.model ?? entry.project ?? entry.archive}: ${what}`);
    entries.push(await verifyEntry(entry, limitsOf(lock, entry), at, doing));
  }
  const passes = entries.every((e) => e.passes);
  const refused = entries.some((e) => e.failures.some((f) => !f.acceptable));
  if (path === null || refused) return { lock: file, passes, updated: false, entries };
  const recorded = lock.entries.map((e, i) => ({ ...e, recorded: entries[i].measured! }));
  const text = lockText({ ...lock, entries: recorded });
  const same = Deno.readTextFileSync(path) === text;
  if (!same) {
    // An interruption waits until the file is whole.
    // deno-lint-ignore require-await -- what is waited for is no promise
    await undoOnInterrupt(() => {}, async () => writeLock(path, file, text));
  }
  return { lock: file, passes: true, updated: !same, entries };
}

/** The tools that the lock's boards need; a board that cannot be loaded is its entry's failure. */
function toolsOf(lock: Lock, file: string): string[] {
  const at = pathsFrom(file);
  return [
    ...new Set(lock.entries.flatMap((entry) => {
      try {
        return toolsFor(boardOf(entry, at).target);
      } catch {
        return [];
      }
    })),
  ];
}

const number = (n: number | null): string => n === null ? "–" : grouped(n);

/** The rows of an entry: what is limited, and what of the rest has changed. */
function rows(e: EntryVerdict): string[][] {
  const several = (e.measured?.models.length ?? 0) > 1;
  const title = [`${e.source} on ${e.board}`];
  return [
    title,
    ...e.changes.filter((c) => {
      if (c.figure === "instructions_total") {
        return (e.measured?.models.find((m) => m.name === c.model)?.samples ?? 1) > 1;
      }
      return c.limit !== null || (c.percent ?? 0) !== 0;
    }).map((c) => [
      `  ${several ? `${c.model}: ` : ""}${FIGURES[c.figure].title}`,
      number(c.locked),
      number(c.now),
      c.percent === null ? "–" : percentText(c.percent),
      c.limit === null ? "" : `${c.limit} %`,
      c.exceeds ? "too much" : "",
    ]),
  ];
}

/** The last columns are numbers, which read best flush right. */
function flushRight(cells: readonly (readonly string[])[]): string[][] {
  const width = (c: number) => Math.max(...cells.map((r) => r[c]?.length ?? 0));
  return cells.map((r) => r.map((cell, c) => c === 0 || c === 5 ? cell : cell.padStart(width(c))));
}

function summary({ lock, entries }: Verification): string {
  const head = ["", "recorded", "now", "change", "limit", ""];
  const count = `${entries.length} entr${entries.length === 1 ? "y" : "ies"}`;
  const engines = [...new Set(entries.flatMap((e) => e.engine === null ? [] : [e.engine]))];
  return [
    `${lock}: ${count}`,
    table(flushRight([head, ...entries.flatMap(rows)])),
    ...engines.map((e) => `ran on ${e}`),
  ].join("\n");
}

function sayFailures({ entries }: Verification, update: boolean): void {
  for (const { source, board, failures, notes } of entries) {
    const shown = update ? failures.filter((f) => !f.acceptable) : failures;
    if (shown.length === 0 && notes.length === 0) continue;
    say(`${source} on ${board}`);
    for (const { message, reasons, hint } of shown) {
      say(`  FAILED ${message}`);
      reasons.forEach((r) => say(`    ${r}`));
      if (hint !== "") say(`    → ${hint}`);
    }
    if (!update) notes.forEach((n) => say(`  note: ${n}`));
  }
}

function verdict(v: Verification, update: boolean): number {
  const { entries, lock } = v;
  const failed = entries.filter((e) => !e.passes).length;
  if (v.updated) say(`Wrote ${relative(userPath("."), userPath(lock))}: commit it.`);
  else if (update && v.passes) say("Nothing is to be changed: the lock holds what came.");
  else if (update) say("The lock is as it was: what failed above is not for it to accept.");
  if (v.passes) return 0;
  if (!update) say(`${failed} of ${entries.length} failed.`);
  const codes = entries.flatMap((e) => e.failures.map((f) => f.code ?? ""));
  return codes.some((c) => c.startsWith("internal/") && c !== "internal/c-compiler") ? 4 : 1;
}

async function main(args: Args): Promise<number> {
  const [file = LOCK_FILE] = args.operands;
  const update = args.flag("update");
  const missing = await ensureTools(toolsOf(readLock(file), file));
  if (missing.length > 0) throw missingError(missing, `verify ${file}`);
  const progress = (doing: string) => say(`${doing} …`);
  const request: VerifyRequest = { lock: file, update, progress };
  const result = await verify(request);
  if (args.flag("json")) printJson(result);
  else print(summary(result));
  sayFailures(result, update);
  return verdict(result, update);
}

/** The command. */
export const command: Command = {
  name: "verify",
  summary: "Check that models still give what burin.lock.json records, within its limits.",
  operands: `[${LOCK_FILE}]`,
  maxOperands: 1,
  options: {
    update: { kind: "flag", help: "record what comes; the diff of the lock shows what changed" },
    json: { kind: "flag", help: "print all figures and failures as one JSON object" },
  },
  notes:
    "Outputs have to be the recorded bits; RAM, flash and instructions may grow as the lock's\n" +
    "limits say. Exit code 1 where something differs or grew. docs/ci.md describes the lock.",
  main,
};
