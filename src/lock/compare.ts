/** What was recorded against what came: what fails, why, and what is only to be known. */
import { type Figures, type Limits, LOCK_FILE, type Recorded } from "./lock.ts";

/** One figure of one model. */
export interface Change {
  /** Name of the model. */
  readonly model: string;
  /** Field of the lock. */
  readonly figure: FigureName;
  /** Null where nothing is recorded, or nothing is counted. */
  readonly locked: number | null;
  /** Null where nothing is counted. */
  readonly now: number | null;
  /** Growth in per cent; null where there is nothing to compare. */
  readonly percent: number | null;
  /** What it may grow by in per cent; null where nothing limits it by itself. */
  readonly limit: number | null;
  /** Whether it grew by more than that. */
  readonly exceeds: boolean;
}

/** What is wrong with an entry. */
export interface Failure {
  /** What of it: the source, the record, outputs, a figure, or that it could not be run. */
  readonly what:
    | "error"
    | "changed-files"
    | "expected"
    | "not-recorded"
    | "model"
    | "sources"
    | "outputs"
    | FigureName;
  /** One sentence. */
  readonly message: string;
  /** What may have brought it about, one clause each. */
  readonly reasons: readonly string[];
  /** What to do. */
  readonly hint: string;
  /** Whether `--update` may record it as right. */
  readonly acceptable: boolean;
  /** Code of the error where the entry could not be run. */
  readonly code?: string;
}

/** Figures that are compared. */
export type FigureName =
  | "instructions"
  | "instructions_total"
  | "ram_bytes"
  | "arena_bytes"
  | "stack_bytes"
  | "flash_bytes";

/** How a figure is called, which limit holds for it. */
export const FIGURES: Readonly<
  Record<FigureName, { readonly title: string; readonly limit: keyof Limits | null }>
> = {
  instructions: { title: "instructions, slowest sample", limit: "instructions" },
  instructions_total: { title: "instructions, all samples", limit: "instructions" },
  ram_bytes: { title: "RAM", limit: "ram_bytes" },
  // Parts of the RAM.
  arena_bytes: { title: "arena", limit: null },
  stack_bytes: { title: "stack", limit: null },
  flash_bytes: { title: "flash", limit: "flash_bytes" },
};

const NAMES = Object.keys(FIGURES) as FigureName[];

/** Whole numbers with thousands separated. */
const grouped = (n: number): string => n.toLocaleString("en-US");

/** A growth as people read it: `+3.0 %`, and never 0 for what is not. */
export function percentText(percent: number): string {
  const sign = percent > 0 ? "+" : percent < 0 ? "−" : "";
  const size = Math.abs(percent);
  const shown = size === 0 || size >= 0.1 ? size.toFixed(1) : size.toPrecision(1);
  return `${sign}${shown} %`;
}

/** All figures of a model against its record. */
export function compareFigures(locked: Figures | null, now: Figures, limits: Limits): Change[] {
  return NAMES.map((figure) => {
    const [a, b] = [locked?.[figure] ?? null, now[figure]];
    const name = FIGURES[figure].limit;
    const limit = name === null ? null : limits[name];
    const both = a !== null && b !== null;
    return {
      model: now.name,
      figure,
      locked: a,
      now: b,
      percent: !both ? null : a === b ? 0 : (b - a) / Math.max(1, a) * 100,
      limit,
      exceeds: both && limit !== null && (b - a) * 100 > limit * a,
    };
  });
}

/** Differences of what an entry was made with, as clauses. */
export function toolChanges(locked: Recorded["tools"], now: Recorded["tools"]): string[] {
  const change = (tool: string, a: string | null, b: string | null) =>
    a === b ? [] : [`${tool} is ${b ?? "not used"}, recorded with ${a ?? "none"}`];
  return [
    ...change("gcc", locked.gcc, now.gcc),
    ...change("QEMU", locked.qemu, now.qemu),
    ...change("Burin", locked.burin, now.burin),
  ];
}

/** Everything that is not as it was and may explain a difference, as clauses. */
function reasonsFor(locked: Recorded, now: Recorded, a: Figures, b: Figures): string[] {
  const flags = (list: readonly string[]) => list.join(" ") || "none";
  return [
    ...(a.model_sha256 === b.model_sha256 ? [] : ["the model is another one"]),
    ...(locked.inputs_sha256 === now.inputs_sha256 ? [] : ["the inputs are others"]),
    ...(flags(locked.cflags) === flags(now.cflags)
      ? []
      : [`cflags are ${flags(now.cflags)}, recorded with ${flags(locked.cflags)}`]),
    ...toolChanges(locked.tools, now.tools),
    ...(a.sources_sha256 === b.sources_sha256
      ? ["the generated C is the same"]
      : ["the generated C is another one"]),
  ];
}

const UPDATE =
  `if this is intended, run deno task verify --update and look at the diff of ${LOCK_FILE}`;

const short = (digest: string): string => digest.slice(0, 12);

function outputsFailure(a: Figures, b: Figures, reasons: readonly string[]): Failure | null {
  if (a.samples === b.samples && a.outputs_sha256 === b.outputs_sha256) return null;
  const message = a.samples === b.samples
    ? `${b.name}: the outputs of ${b.samples} sample${b.samples === 1 ? "" : "s"} are not the ` +
      `recorded bits (sha256 ${short(b.outputs_sha256)}, recorded ${short(a.outputs_sha256)})`
    : `${b.name}: ${b.samples} samples were run where ${a.samples} are recorded`;
  return { what: "outputs", message, reasons, hint: UPDATE, acceptable: true };
}

function figureFailures(a: Figures, b: Figures, limits: Limits, reasons: readonly string[]) {
  return compareFigures(a, b, limits).flatMap((c): Failure[] => {
    const { title } = FIGURES[c.figure];
    const common = { what: c.figure, reasons, hint: UPDATE, acceptable: true } as const;
    if ((c.locked === null) !== (c.now === null)) {
      const message = `${b.name}: ${title} cannot be compared, ` +
        `${c.locked ?? "none"} recorded and ${c.now ?? "none"} now: is it another board?`;
      return [{ ...common, message }];
    }
    if (!c.exceeds) return [];
    const message = `${b.name}: ${title} grew by ${percentText(c.percent!).slice(1)} to ` +
      `${grouped(c.now!)} (recorded ${grouped(c.locked!)}, limit ${c.limit} %)`;
    return [{ ...common, message }];
  });
}

/** How an entry is held against its record. */
export interface CompareOptions {
  readonly limits: Limits;
  /**
   * Whether the C is what is committed, in a project or an archive: the same Burin writes the same
   * bytes, so that others were changed by somebody else.
   */
  readonly written: boolean;
  /** What else is known of a model's outputs where they differ, as clauses. */
  readonly evidence?: (model: string) => readonly string[];
}

/** What an entry's record says against what it gave. */
export function compareRecorded(
  locked: Recorded | null,
  now: Recorded,
  { limits, written, evidence = () => [] }: CompareOptions,
): { changes: Change[]; failures: Failure[]; notes: string[] } {
  if (locked === null) {
    return {
      changes: now.models.flatMap((m) => compareFigures(null, m, limits)),
      failures: [{
        what: "not-recorded",
        message: "nothing is recorded to compare with",
        reasons: [],
        hint: `run deno task verify --update and commit ${LOCK_FILE}`,
        acceptable: true,
      }],
      notes: [],
    };
  }
  const changes: Change[] = [], failures: Failure[] = [], notes: string[] = [];
  const gone = locked.models.filter((a) => !now.models.some((b) => b.name === a.name));
  const added = now.models.filter((b) => !locked.models.some((a) => a.name === b.name));
  for (const m of [...gone, ...added]) {
    failures.push({
      what: "model",
      message: `${m.name}: it is ${gone.includes(m) ? "recorded, but gone" : "not recorded"}`,
      reasons: [],
      hint: UPDATE,
      acceptable: true,
    });
  }
  let smaller = false, others = false;
  for (const b of now.models) {
    const a = locked.models.find((m) => m.name === b.name) ?? null;
    changes.push(...compareFigures(a, b, limits));
    if (a === null) continue;
    const reasons = reasonsFor(locked, now, a, b);
    if (a.model_sha256 !== b.model_sha256) {
      failures.push({
        what: "model",
        message: `${b.name}: the model is not the recorded file (sha256 ` +
          `${short(b.model_sha256)}, recorded ${short(a.model_sha256)})`,
        reasons: [],
        hint: UPDATE,
        acceptable: true,
      });
    }
    const outputs = outputsFailure(a, b, reasons);
    if (outputs) failures.push({ ...outputs, reasons: [...evidence(b.name), ...reasons] });
    failures.push(...figureFailures(a, b, limits, reasons));
    const sources = a.sources_sha256 !== b.sources_sha256;
    const same = a.model_sha256 === b.model_sha256 && locked.tools.burin === now.tools.burin;
    if (written && sources && same) {
      failures.push({
        what: "sources",
        message: `${b.name}: the C is not the recorded one though model and Burin are`,
        reasons: [],
        hint: UPDATE,
        acceptable: true,
      });
    }
    smaller ||= compareFigures(a, b, limits).some((c) => c.limit !== null && (c.percent ?? 0) < 0);
    others ||= sources;
  }
  if (others && failures.length === 0) notes.push("the generated C is not the recorded one");
  notes.push(...toolChanges(locked.tools, now.tools));
  if (smaller) notes.push("figures shrank: deno task verify --update tightens the lock");
  return { changes, failures, notes };
}
