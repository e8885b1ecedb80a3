/**
 * When the parts of a stream run, and how many rows of what lies between them have to be kept: found
 * by running the schedule on the rows' numbers.
 */
import type { Var } from "../te/expr.ts";
import type { Buffer, Kernel } from "../tir/stmt.ts";
import type { Reach } from "./band.ts";

/** Memory between the parts, or before and behind them. */
export interface StreamMemory {
  readonly name: string;
  /** Whether it is no longer than the kernel itself, and so a ring; else all of it is kept. */
  readonly inside: boolean;
  /** Axis of the rows in every buffer of it, of which there are `rows`, `stride` elements apart. */
  readonly rows: number;
  readonly stride: number;
}

/** What a part does with one of its kernel's buffers; null: scratch of its own. */
export interface StreamUse {
  readonly memory: number;
  readonly axis: number;
  /** The buffer as it lies in memory that is kept whole. */
  readonly buffer: Buffer;
  /** Rows that block v reads; null: all of them, at any time. */
  readonly reach: Reach | null;
  readonly writes: boolean;
}

export interface StreamPart {
  /** Computes block `block`. */
  readonly kernel: Kernel;
  readonly block: Var;
  readonly blocks: number;
  /** Rows of its output that a block writes. */
  readonly rows: number;
  readonly uses: readonly (StreamUse | null)[];
  /** Follows the last block; it uses the buffers of `kernel` by their names, and these. */
  readonly finish: { readonly kernel: Kernel; readonly uses: readonly (StreamUse | null)[] } | null;
  /** Names of scratch that lives from the first block to the end. */
  readonly kept: ReadonlySet<string>;
}

/** A part does block v in step `period`·v + `offset` of the kernel. */
export interface Pace {
  readonly period: number;
  readonly offset: number;
}

/** The schedule of a stream. */
export interface StreamPlan {
  readonly paces: readonly Pace[];
  readonly steps: number;
  /** By memory. */
  readonly rings: readonly Ring[];
  /** By memory and row: the last time that it is read, the first that it is written; −1: never. */
  readonly lastRead: readonly (readonly number[])[];
  readonly firstWrite: readonly (readonly number[])[];
  /** The last time that it is read or written. */
  readonly lastUse: readonly (readonly number[])[];
  /** By time: the part that runs, and its block; what follows the last block has none. */
  readonly turns: readonly (Turn | undefined)[];
}

export interface Turn {
  readonly part: number;
  readonly block: number;
}

/** Rows up to which a stream is simulated; larger tensors fit no board. */
const MOST_ROWS = 4096;

/** @returns null where a part does not get its rows by rows, or nobody reads from it */
export function planStream(
  parts: readonly StreamPart[],
  memories: readonly StreamMemory[],
): StreamPlan | null {
  if (memories.some((m) => m.rows > MOST_ROWS)) return null;
  const paces = pacesOf(parts, memories);
  if (!paces) return null;
  const wanted = parts.flatMap((p, k) =>
    p === parts.at(-1) || p.uses.some((u) => u?.writes && !memories[u.memory].inside) ? [k] : []
  );
  const steps = Math.max(
    ...wanted.map((k) => paces[k].period * (parts[k].blocks - 1) + paces[k].offset + 1),
  );
  return runPlan(parts, memories, paces, steps);
}

/** The parts that write what a part reads of the memories inside; null where it reads all at once. */
function sourcesOf(
  k: number,
  parts: readonly StreamPart[],
  memories: readonly StreamMemory[],
): { part: number; reach: Reach }[] | null {
  const list: { part: number; reach: Reach }[] = [];
  for (const use of parts[k].uses) {
    if (!use || use.writes || !memories[use.memory].inside) continue;
    const { reach, memory } = use;
    if (!reach || reach.rate <= 0) return null;
    parts.slice(0, k).forEach((p, part) => {
      if (p.uses.some((u) => u?.writes && u.memory === memory)) list.push({ part, reach });
    });
  }
  return list;
}

/** When each part has to run, as late as those behind it allow. */
function pacesOf(parts: readonly StreamPart[], memories: readonly StreamMemory[]): Pace[] | null {
  // Blocks that a part does while the last one does one.
  const rates: number[] = [];
  rates[parts.length - 1] = 1;
  const sources = parts.map((_, k) => sourcesOf(k, parts, memories));
  for (let k = parts.length - 1; k >= 0; k--) {
    const list = sources[k];
    if (!rates[k] || !list) return null;
    for (const { part, reach } of list) {
      const rate = reach.rate * rates[k] / parts[part].rows;
      if (Math.abs((rates[part] ?? rate) - rate) > TINY) return null;
      rates[part] = rate;
    }
  }
  const most = Math.max(...rates);
  const times = [1, 2, 3, 4, 6, 8].find((n) => rates.every((r) => isWhole(n * most / r)));
  if (times === undefined) return null;
  const periods = rates.map((r) => Math.round(times * most / r));
  const offsets = parts.map(() => Infinity);
  offsets[parts.length - 1] = 0;
  for (let k = parts.length - 1; k >= 0; k--) {
    for (const { part, reach } of sources[k]!) {
      const { rows } = parts[part];
      // Which rows of a block of the source are the last ones differs from block to block.
      for (let v = 0; v < Math.min(rows, parts[k].blocks); v++) {
        const block = Math.ceil((reach.rate * v + reach.last + 1) / rows) - 1;
        const latest = offsets[k] + periods[k] * v - periods[part] * block;
        offsets[part] = Math.min(offsets[part], latest);
      }
    }
  }
  const first = Math.min(...offsets);
  return parts.map((_, k) => ({ period: periods[k], offset: offsets[k] - first }));
}

const TINY = 1e-9;
const isWhole = (x: number): boolean => Math.abs(x - Math.round(x)) < TINY;

/** What is kept of a memory: its rows, and from which part of a step to which, or throughout. */
export interface Ring {
  /** Rows at a time. */
  readonly rows: number;
  /**
   * How many of them are for row numbers r with each remainder r mod `classes.length`: where somebody
   * reads every other row alone, the rest need not be kept as long.
   */
  readonly classes: readonly number[];
  readonly within: readonly [number, number] | null;
  /** Where its rows lie among those of others. */
  readonly pool?: PoolPlace;
}

/** The place of a ring's rows in a pool of slots. */
export interface PoolPlace {
  readonly pool: number;
  /** Slots of the pool, so many elements apart, and the elements of all: the last may be shorter. */
  readonly count: number;
  readonly stride: number;
  readonly length: number;
  /** Slots of rows with each remainder modulo the length of the list. */
  readonly slots: readonly number[];
}

/** Runs the schedule: the fewest rows of each ring with which no row is overwritten too early. */
function runPlan(
  parts: readonly StreamPart[],
  memories: readonly StreamMemory[],
  paces: readonly Pace[],
  steps: number,
): StreamPlan | null {
  const table = () => memories.map((m) => new Array<number>(m.rows).fill(-1));
  const firstWrite = table(), lastRead = table(), bornStep = table(), readStep = table();
  const lastUse = table();
  const turns: (Turn | undefined)[] = [undefined];
  const users = memories.map((): number[] => []);
  let time = 0, ready = true;
  const block = (k: number, v: number, step: number): void => {
    time++;
    turns.push({ part: k, block: v });
    for (const use of parts[k].uses) {
      if (!use) continue;
      const m = use.memory, { inside, rows } = memories[m];
      users[m].push(k);
      const { rate, first, last } = use.writes
        ? { rate: parts[k].rows, first: 0, last: parts[k].rows - 1 }
        : use.reach ?? { rate: 0, first: 0, last: rows - 1 };
      const end = Math.min(rate * v + last, rows - 1);
      for (let r = Math.max(0, rate * v + first); r <= end; r++) {
        lastUse[m][r] = time;
        if (use.writes) {
          if (firstWrite[m][r] >= 0) continue;
          [firstWrite[m][r], bornStep[m][r]] = [time, step];
        } else {
          if (inside && firstWrite[m][r] < 0) ready = false;
          [lastRead[m][r], readStep[m][r]] = [time, step];
        }
      }
    }
  };
  for (let y = 0; y < steps; y++) {
    paces.forEach(({ period, offset }, k) => {
      const v = (y - offset) / period;
      if (Number.isInteger(v) && v >= 0 && v < parts[k].blocks) block(k, v, y);
    });
  }
  time++;
  for (const u of parts.flatMap((p) => p.finish?.uses ?? [])) {
    if (u?.writes) firstWrite[u.memory].fill(time);
  }
  if (!ready) return null;
  const rings = memories.map(({ inside, rows: all }, m): Ring => {
    if (!inside) return { rows: all, classes: [all], within: null };
    const rates = parts.flatMap((p) =>
      p.uses.flatMap((u) => u?.memory === m && !u.writes && u.reach ? [u.reach.rate] : [])
    );
    const classes = [1, ...rates].filter((n) => Number.isInteger(n) && n <= MOST_CLASSES)
      .map((n) => classesOf(firstWrite[m], lastRead[m], n))
      .reduce((a, b) => sum(b) < sum(a) ? b : a);
    const carried = firstWrite[m].some((born, r) => born >= 0 && readStep[m][r] > bornStep[m][r]);
    const ends: readonly [number, number] = [
      users[m].reduce((a, b) => Math.min(a, b)),
      users[m].reduce((a, b) => Math.max(a, b)),
    ];
    const whole = sum(classes) >= all;
    return {
      rows: whole ? all : sum(classes),
      classes: whole ? [all] : classes,
      within: carried ? null : ends,
    };
  });
  return { paces, steps, rings, lastRead, firstWrite, lastUse, turns };
}

/** Classes of rows that are kept apart, at most. */
const MOST_CLASSES = 4;

const sum = (list: readonly number[]): number => list.reduce((a, b) => a + b, 0);

/** The fewest rows of each of so many classes with which no row is overwritten too early. */
export function classesOf(
  born: readonly number[],
  lastRead: readonly number[],
  count: number,
): number[] {
  return Array.from({ length: count }, (_, first) => {
    let need = 1, oldest = first;
    for (let r = first; r < born.length; r += count) {
      if (born[r] < 0) continue;
      // The oldest row that is still to be read when this one is written.
      while (oldest < r && lastRead[oldest] < born[r]) oldest += count;
      need = Math.max(need, (r - oldest) / count + 1);
    }
    return need;
  });
}
