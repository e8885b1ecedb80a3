/** Where a kernel's output may lie relative to an input that it is the last to read. */
import { bytesOf } from "../util/dtype.ts";
import type { Kernel } from "./stmt.ts";
import type { Times } from "./times.ts";

/** Comparisons before a search ends with what it has. */
const BUDGET = 20_000_000;

/** Elements whose times are looked at together first. */
const BLOCK = 64;

/** What a function makes of the times of each block. */
function blocksOf(times: Int32Array, f: (a: number, b: number) => number): Int32Array {
  const blocks = new Int32Array(Math.ceil(times.length / BLOCK)).fill(-1);
  times.forEach((t, i) => blocks[Math.floor(i / BLOCK)] = f(blocks[Math.floor(i / BLOCK)], t));
  return blocks;
}

/** The earlier of two times; -1 is never. */
const firstOf = (a: number, b: number): number => a < 0 ? b : b < 0 ? a : Math.min(a, b);

/**
 * The nearest distances in bytes, begin of the output − begin of the input, at which nothing is
 * written before the last read of what lay there: one with the output's begin at or below the
 * input's, one above; only those where they share memory. Nearest is what needs least for both.
 *
 * @param step multiple that a distance must be
 */
export function overlapShifts(
  k: Kernel,
  t: Times,
  input: number,
  output: number,
  step: number,
): number[] {
  const [x, y] = [k.buffers[input], k.buffers[output]];
  const ex = bytesOf(x.dtype), ey = bytesOf(y.dtype);
  // In C, memory that is written as one type may be read as another only where one is a byte.
  if (ex !== 1 && ey !== 1 && x.dtype !== y.dtype) return [];
  const reads = t.lastRead[input], writes = t.firstWrite[output];
  const n = x.length * ex, m = y.length * ey;
  const latest = blocksOf(reads, Math.max), earliest = blocksOf(writes, firstOf);
  let left = BUDGET;
  /** Whether no element of the output in a range is written before the last read of what lies there. */
  const isFree = (d: number, from: number, to: number): boolean => {
    for (let e = from; e < to; e++) {
      if (writes[e] < 0) continue;
      const last = Math.min(x.length - 1, Math.floor((e * ey + ey - 1 + d) / ex));
      for (let i = Math.max(0, Math.floor((e * ey + d) / ex)); i <= last; i++) {
        left--;
        if (reads[i] > writes[e]) return false;
      }
    }
    return true;
  };
  const isSafe = (d: number): boolean => {
    const first = Math.max(0, Math.floor(-d / ey)),
      end = Math.min(y.length, Math.ceil((n - d) / ey));
    for (let e = first; e < end;) {
      const block = Math.floor(e / BLOCK), to = Math.min(end, (block + 1) * BLOCK);
      const last = Math.min(x.length - 1, Math.floor((to * ey - 1 + d) / ex));
      const from = Math.max(0, Math.floor((e * ey + d) / ex));
      let read = -1;
      for (let b = Math.floor(from / BLOCK); b <= Math.floor(last / BLOCK); b++) {
        left--;
        read = Math.max(read, latest[b]);
      }
      if (earliest[block] >= 0 && read > earliest[block] && !isFree(d, e, to)) return false;
      e = to;
    }
    return true;
  };
  const union = (d: number): number => Math.max(n, d + m) - Math.min(0, d);
  const candidates: number[] = [];
  for (let d = -Math.floor((m - 1) / step) * step; d < n; d += step) candidates.push(d);
  candidates.sort((a, b) => union(a) - union(b) || Math.abs(a) - Math.abs(b));
  const nearest = (side: (d: number) => boolean): number[] => {
    const d = candidates.find((c) => side(c) && left > 0 && isSafe(c));
    return d === undefined || left <= 0 ? [] : [d];
  };
  return [...nearest((d) => d <= 0), ...nearest((d) => d > 0)];
}
