/**
 * The order of a stream's parts within a step. A part that reads rows which others have read before,
 * as a branch does that waits for the other one, can come first in its step: the rows are free
 * when the next are made.
 */
import type { StreamPart } from "./row_stream_plan.ts";

/**
 * The parts with those first that read nothing but what others read further of; whether their rows
 * are there in time, the plan finds.
 *
 * @returns numbers of parts; the last one stays the last
 */
export function earlyParts(parts: readonly StreamPart[]): number[] {
  const isEarly = (p: StreamPart): boolean => {
    const reads = p.uses.flatMap((u) => u && !u.writes ? [u] : []);
    return p !== parts.at(-1) && reads.length > 0 &&
      reads.every(({ memory, reach }) =>
        parts.some((q) =>
          q.uses.some((u) =>
            u?.memory === memory && !u.writes && u.reach !== null && reach !== null &&
            u.reach.rate / q.rows === reach.rate / p.rows && u.reach.last > reach.last
          )
        )
      );
  };
  const numbers = parts.map((_, k) => k);
  const early = numbers.filter((k) => isEarly(parts[k]));
  return [...early.toReversed(), ...numbers.filter((k) => !early.includes(k))];
}
