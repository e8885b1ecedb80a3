/**
 * Rings over an input that is consumed as a stream goes on: a row of a ring may lie where rows of the
 * input were that are read no more when it is first written. And rings over an output: a row may lie
 * where rows of the output will be that are first written when it is used no more.
 */
import type { StreamMemory, StreamPlan } from "./row_stream_plan.ts";

/**
 * Memory of pieces of equal size that follow each other, and the times when each is first written and
 * last used.
 */
export interface Pieces {
  readonly bytes: number;
  readonly born: readonly number[];
  readonly died: readonly number[];
}

/** Distances that are offered at most, and the bytes that each is a multiple of. */
const MOST_SHIFTS = 64, MOST_BEFORE = 8, STEP = 16;

/** Where row r lies in a ring of classes. */
export function slotOf(r: number, classes: readonly number[]): number {
  const of = r % classes.length;
  const begin = classes.slice(0, of).reduce((a, b) => a + b, 0);
  return begin + Math.floor(r / classes.length) % classes[of];
}

/** The rows of a ring, or of the pool that it lies in; `bytes`: from one to the next. */
export function piecesOf(
  m: number,
  bytes: number,
  { rings, firstWrite, lastUse }: Pick<StreamPlan, "rings" | "firstWrite" | "lastUse">,
): Pieces {
  const { rows, classes, pool } = rings[m];
  const count = pool?.count ?? rows;
  const born = new Array<number>(count).fill(Infinity), died = new Array<number>(count).fill(-1);
  rings.forEach((ring, other) => {
    const slots = ring.pool?.slots;
    if (other !== m && (!pool || ring.pool?.pool !== pool.pool)) return;
    firstWrite[other].forEach((time, row) => {
      const at = slots ? slots[row % slots.length] : slotOf(row, classes);
      if (time < 0) return;
      born[at] = Math.min(born[at], time);
      died[at] = Math.max(died[at], time, lastUse[other][row]);
    });
  });
  return { bytes, born, died };
}

/**
 * Bytes from the begin of an input at which some memory may begin, before it too: none of its pieces
 * is written before the last read of what lay there.
 *
 * @param lastRead by row of the input, of so many bytes each
 */
export function shiftsOver(
  { bytes, born }: Pick<Pieces, "bytes" | "born">,
  lastRead: readonly number[],
  rowBytes: number,
): number[] {
  const length = lastRead.length * rowBytes;
  const step = STEP * Math.ceil(length / (STEP * MOST_SHIFTS));
  const isSafe = (shift: number): boolean =>
    born.every((time, n) => {
      const first = Math.max(0, Math.floor((shift + n * bytes) / rowBytes));
      const end = Math.min(lastRead.length, Math.ceil((shift + (n + 1) * bytes) / rowBytes));
      for (let r = first; r < end; r++) if (lastRead[r] >= time) return false;
      return true;
    });
  const shifts: number[] = [];
  for (let shift = 0; shift < length; shift += step) if (isSafe(shift)) shifts.push(shift);
  // As far into the input as its begin leads without a gap.
  const gap = shifts.findIndex((shift, n) => shift !== n * step);
  let far = ((gap < 0 ? shifts.length : gap) - 1) * step;
  if (far >= 0) {
    while (far + STEP < length && isSafe(far + STEP)) far += STEP;
    if (!shifts.includes(far)) shifts.push(far);
  }
  // With its end over the begin of the input, as far as can be and less far.
  const size = bytes * born.length, before: number[] = [];
  for (let shift = -STEP; shift > -size && before.length < MOST_BEFORE;) {
    if (isSafe(shift)) before.push(shift);
    shift -= before.length > 0 ? step : STEP;
  }
  return [...before, ...shifts];
}

/**
 * Bytes from the begin of an output at which some memory may begin: each of its pieces is last used
 * before what lies there of the output is first written.
 *
 * @param firstWrite by row of the output, of so many bytes each
 */
export function shiftsUnder(
  { bytes, died }: Pick<Pieces, "bytes" | "died">,
  firstWrite: readonly number[],
  rowBytes: number,
): number[] {
  const length = firstWrite.length * rowBytes;
  const step = STEP * Math.ceil(length / (STEP * MOST_SHIFTS));
  const isSafe = (shift: number): boolean =>
    died.every((time, n) => {
      const first = Math.floor((shift + n * bytes) / rowBytes);
      const end = Math.min(firstWrite.length, Math.ceil((shift + (n + 1) * bytes) / rowBytes));
      for (let r = first; r < end; r++) {
        if (firstWrite[r] >= 0 && firstWrite[r] <= time) return false;
      }
      return true;
    });
  const shifts: number[] = [];
  for (let shift = 0; shift < length; shift += shifts.length > 0 ? step : STEP) {
    if (isSafe(shift)) shifts.push(shift);
  }
  return shifts;
}

/** Bytes of an output that the largest part of a memory can lie over. */
export function bytesUnder(p: Pieces, firstWrite: readonly number[], rowBytes: number): number {
  const [shift] = shiftsUnder(p, firstWrite, rowBytes);
  return shift === undefined
    ? 0
    : Math.min(p.bytes * p.died.length, firstWrite.length * rowBytes - shift);
}

/** Bytes of an input that some memories can lie in side by side, the largest first. */
export function bytesOver(
  all: readonly Pieces[],
  lastRead: readonly number[],
  rowBytes: number,
): number {
  const length = lastRead.length * rowBytes;
  const taken: [number, number][] = [];
  const sizeOf = (p: Pieces): number => p.bytes * p.born.length;
  for (const p of all.toSorted((a, b) => sizeOf(b) - sizeOf(a))) {
    const size = sizeOf(p), shifts = shiftsOver(p, lastRead, rowBytes);
    const isFree = (from: number): boolean =>
      from + size <= length && taken.every(([a, b]) => from + size <= a || b <= from);
    // Inside the input, else with its end over the begin.
    const at = shifts.find((from) => from >= 0 && isFree(from)) ?? shifts.find(isFree);
    if (at !== undefined) taken.push([Math.max(0, at), at + size]);
  }
  return taken.reduce((sum, [a, b]) => sum + b - a, 0);
}

/** Memories of a stream that are read alone, by their numbers. */
export const isConsumed = ({ inside }: StreamMemory, firstWrite: readonly number[]): boolean =>
  !inside && firstWrite.every((time) => time < 0);
