/** One entry of the lock: built, run, measured, and held against what is recorded. */
import { createHash } from "node:crypto";
import { type Change, compareRecorded, type Failure } from "../lock/compare.ts";
import {
  DEFAULT_CFLAGS,
  type Figures,
  type Limits,
  type LockEntry,
  type Recorded,
  sourceOf,
} from "../lock/lock.ts";
import { compareSamples } from "../run/compare.ts";
import { type Execution, runOnBoard } from "../run/mod.ts";
import { packSamples } from "../run/samples.ts";
import { findToolchain } from "../run/toolchain.ts";
import type { Board } from "../target/target.ts";
import { BurinError } from "../util/errors.ts";
import { VERSION } from "../util/version.ts";
import { readUserFile } from "./paths.ts";
import { grouped } from "./terminal.ts";
import { boardOf, openSource, type Source, type Unit } from "./verify_source.ts";

/** What became of an entry. */
export interface EntryVerdict {
  /** Path of the model, folder or archive, as the lock has it. */
  readonly source: string;
  /** Name of the board, or path of its file, as the lock has it. */
  readonly board: string;
  /** What executed; null where nothing could be. */
  readonly engine: string | null;
  /** Whether it is as recorded, within its limits. */
  readonly passes: boolean;
  /** Every figure of every model. */
  readonly changes: readonly Change[];
  /** What is wrong. */
  readonly failures: readonly Failure[];
  /** What is only to be known. */
  readonly notes: readonly string[];
  /** What `--update` records; null where nothing could be measured. */
  readonly measured: Recorded | null;
}

const sha256 = (contents: Uint8Array | string): string =>
  createHash("sha256").update(contents).digest("hex");

function digestOfSources(sources: ReadonlyMap<string, string>): string {
  const lines = [...sources].map(([path, text]) => `${sha256(text)}  ${path}\n`);
  return sha256(lines.sort().join(""));
}

function figuresOf(unit: Unit, { result, outputs }: Execution): Figures {
  const counts = result.instructions;
  return {
    name: unit.library.name,
    model_sha256: unit.modelSha256,
    sources_sha256: digestOfSources(unit.library.sources),
    outputs_sha256: sha256(packSamples(outputs)),
    samples: result.samples,
    instructions: counts && Math.max(...counts),
    instructions_total: counts && counts.reduce((sum, n) => sum + n, 0),
    ram_bytes: result.ram_bytes,
    arena_bytes: result.arena_bytes,
    stack_bytes: result.stack_bytes,
    flash_bytes: result.flash_bytes,
  };
}

/** The outputs against what the entry expects of them. */
function expectedFailures(
  entry: LockEntry,
  unit: Unit,
  { result, passes }: Execution,
  reasons: () => readonly string[],
): Failure[] {
  if (passes || !result.match) return [];
  const differing = Object.entries(result.match).filter(([, m]) => m.mismatched > 0);
  const parts = differing.map(([name, m]) =>
    `${name} in ${grouped(m.mismatched)} of ${grouped(m.elements)} elements, by at most ${
      Number(m.max_abs.toPrecision(3))
    }`
  );
  const whose = entry.expect ?? "the golden vectors";
  return [{
    what: "expected",
    message: `${unit.library.name}: the outputs differ from ${whose}: ${parts.join("; ")}`,
    reasons: reasons(),
    hint: entry.expect
      ? "correct the model, its options or the expected outputs"
      : "write the project again, or bring its files back from version control",
    acceptable: false,
  }];
}

/** Whether the C gives what the loop programs mean: if not, the C compiler is at fault. */
function interpreterSays(unit: Unit, execution: Execution): string[] {
  if (unit.interpret === null) return [];
  const meant = unit.samples.map(unit.interpret);
  const same = sha256(packSamples(meant)) === sha256(packSamples(execution.outputs));
  if (same) {
    return ["the C computes what Burin's interpreter does, so that the C compiler is right"];
  }
  const { match } = compareSamples(unit.library.outputs, execution.outputs, meant, { rtol: 0 });
  const differing = Object.values(match).reduce((n, m) => n + m.mismatched, 0);
  const all = Object.values(match).reduce((n, m) => n + m.elements, 0);
  return [
    `the C differs from Burin's interpreter in ${grouped(differing)} of ${grouped(all)} ` +
    "elements: cflags, the C compiler or its library change results",
  ];
}

const isLevel = (flag: string): boolean => flag.startsWith("-O");

const flagsOf = (entry: LockEntry): readonly string[] => entry.cflags ?? DEFAULT_CFLAGS;

async function measure(
  entry: LockEntry,
  board: Board,
  source: Source,
  progress: (doing: string) => void,
): Promise<{ measured: Recorded; executions: Execution[] }> {
  const tools = await findToolchain(board.target);
  const flags = flagsOf(entry);
  const executions: Execution[] = [];
  for (const unit of source.units) {
    executions.push(
      await runOnBoard(unit.library, board, unit.samples, {
        expected: unit.expected,
        maxLsb: entry.max_lsb,
        rtol: unit.rtol,
        // What links and measures is compiled as ever, whatever the level of the library.
        optimisation: flags.findLast(isLevel) ?? "-O0",
        extraFlags: flags.filter((f) => !isLevel(f)),
        progress,
      }),
    );
  }
  const measured: Recorded = {
    inputs_sha256: source.inputsSha256,
    cflags: [...flags],
    tools: { burin: VERSION, gcc: tools.gccVersion, qemu: tools.qemuVersion },
    models: source.units.map((unit, i) => figuresOf(unit, executions[i])),
  };
  return { measured, executions };
}

/** An entry that could not be run. A missing tool is the computer's fault, not the entry's. */
function errorFailures(entry: LockEntry, at: (path: string) => string, e: unknown): Failure[] {
  if (!(e instanceof BurinError) || e.code.startsWith("tool/")) throw e;
  const flags = e.code === "internal/c-compiler" || e.code === "board/flags";
  const failures: Failure[] = [{
    what: "error",
    message: e.message,
    reasons: [],
    hint: flags && entry.cflags ? "check cflags of the entry" : e.hint ?? "",
    acceptable: false,
    code: e.code,
  }];
  const recorded = entry.recorded?.models[0];
  if (entry.model === undefined || !recorded || entry.options?.external_data) return failures;
  try {
    if (sha256(readUserFile(at(entry.model))) === recorded.model_sha256) return failures;
  } catch { // It cannot be read, which the error says.
    return failures;
  }
  return [{
    what: "model",
    message: `${recorded.name}: ${entry.model} is not the recorded file`,
    reasons: [],
    hint: "bring the file back from version control, or correct it",
    acceptable: false,
  }, ...failures];
}

/**
 * Builds, runs and measures one entry and compares it with its record.
 * @param at a path of the lock as the user would type it
 * @throws BurinError `tool/*`
 */
export async function verifyEntry(
  entry: LockEntry,
  limits: Limits,
  at: (path: string) => string,
  progress: (doing: string) => void,
): Promise<EntryVerdict> {
  const named = { source: sourceOf(entry), board: entry.board };
  try {
    const board = boardOf(entry, at);
    const source = await openSource(entry, at);
    const { measured, executions } = await measure(entry, board, source, progress);
    // Interpreting takes a while: once, and only where something differs.
    const said = new Map<number, string[]>();
    const says = (i: number) => {
      const known = said.get(i) ?? interpreterSays(source.units[i], executions[i]);
      said.set(i, known);
      return known;
    };
    const expected = source.units.flatMap((unit, i) =>
      expectedFailures(entry, unit, executions[i], () => says(i))
    );
    const evidence = (model: string) =>
      says(source.units.findIndex((u) => u.library.name === model));
    const { changes, failures, notes } = compareRecorded(
      entry.recorded ?? null,
      measured,
      { limits, written: entry.model === undefined, evidence },
    );
    const all = [...source.failures, ...expected, ...failures];
    const engine = executions[0].result.engine;
    return { ...named, engine, passes: all.length === 0, changes, failures: all, notes, measured };
  } catch (e) {
    const failures = errorFailures(entry, at, e);
    return {
      ...named,
      engine: null,
      passes: false,
      changes: [],
      failures,
      notes: [],
      measured: null,
    };
  }
}
