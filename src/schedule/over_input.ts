/**
 * Rings over an input that is consumed as a stream goes on: a row of a ring may lie where rows of the
 * input were that are read no more when it is first written.
 */
import type { StreamMemory, StreamPlan } from "./row_stream_plan.ts";

/** Memory of pieces of equal size that follow each other, and the time when each is first written. */
export interface Pieces {
  readonly bytes: number;
  readonly born: readonly number[];
}

/** Distances that are offered at most, and the bytes that each is a multiple of. */
const MOST_SHIFTS = 64, STEP = 16;

/** Where row r lies in a ring of classes. */
export function slotOf(r: number, classes: readonly number[]): number {
  const of = r % classes.length;
  const begin = classes.slice(0, of).reduce((a, b) => a + b, 0);
  return begin + Math.floor(r / classes.length) % classes[of];
}

/** The rows of a ring. */
export function piecesOf(
  m: number,
  bytes: number,
  { rings, firstWrite }: Pick<StreamPlan, "rings" | "firstWrite">,
): Pieces {
  const { rows, classes } = rings[m];
  const born = new Array<number>(rows).fill(Infinity);
  firstWrite[m].forEach((time, r) => {
    const at = slotOf(r, classes);
    if (time >= 0) born[at] = Math.min(born[at], time);
  });
  return { bytes, born };
}

/**
 * Bytes from the begin of an input at which some memory may begin: none of its pieces is written
 * before the last read of what lay there.
 *
 * @param lastRead by row of the input, of so many bytes each
 */
export function shiftsOver(
  { bytes, born }: Pieces,
  lastRead: readonly number[],
  rowBytes: number,
): number[] {
  const length = lastRead.length * rowBytes;
  const step = STEP * Math.ceil(length / (STEP * MOST_SHIFTS));
  const isSafe = (shift: number): boolean =>
    born.every((time, n) => {
      const first = Math.floor((shift + n * bytes) / rowBytes);
      const end = Math.min(lastRead.length, Math.ceil((shift + (n + 1) * bytes) / rowBytes));
      for (let r = first; r < end; r++) if (lastRead[r] >= time) return false;
      return true;
    });
  const shifts: number[] = [];
  for (let shift = 0; shift < length; shift += step) if (isSafe(shift)) shifts.push(shift);
  return shifts;
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
    const size = sizeOf(p);
    const at = shiftsOver(p, lastRead, rowBytes).find((from) =>
      from + size <= length && taken.every(([a, b]) => from + size <= a || b <= from)
    );
    if (at !== undefined) taken.push([at, at + size]);
  }
  return taken.reduce((sum, [a, b]) => sum + b - a, 0);
}

/** Memories of a stream that are read alone, by their numbers. */
export const isConsumed = ({ inside }: StreamMemory, firstWrite: readonly number[]): boolean =>
  !inside && firstWrite.every((time) => time < 0);
