/** Improves a placement order by small random moves that never make it worse. */
import { compareCost, type Cost, type Placement } from "./placement.ts";
import { meet, type Request } from "./plan.ts";

/** Budget and seed: the same ones give the same plan on any machine. */
export interface HillClimbOptions {
  /** Orders to try. */
  readonly steps: number;
  readonly seed: number;
}

/** Uniform integers below n, from a 32-bit state (mulberry32). */
function random(seed: number): (n: number) => number {
  let state = seed | 0;
  return (n) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor(((t ^ (t >>> 14)) >>> 0) / 4294967296 * n);
  };
}

/** Moves the element at `from` to `to`; what lies between makes room. */
function move(order: Int32Array, from: number, to: number): void {
  const value = order[from];
  if (to < from) order.copyWithin(to + 1, to, from);
  else order.copyWithin(from, from + 1, to + 1);
  order[to] = value;
}

/**
 * The best order that the budget finds, and its cost. A move takes a buffer, most often one that
 * makes its region as large as it is, and places it before (at times: after) a buffer that is live
 * beside it. Moves to an equal cost are taken, which leads across plateaus.
 * @param enough stops the search at a cost that cannot be improved
 */
export function hillClimb(
  requests: readonly Request[],
  placement: Placement,
  start: Int32Array,
  options: HillClimbOptions,
  enough: (c: Cost) => boolean,
): { order: Int32Array; cost: Cost } {
  const below = random(options.seed);
  const order = start.slice();
  const beside = requests.map((a, i) =>
    requests.flatMap((b, j) => i !== j && meet(a, b) ? [j] : [])
  );
  let cost = placement.place(order)!;
  let topmost = placement.topmost();
  for (let step = 0; step < options.steps && !enough(cost); step++) {
    const chosen = below(4) > 0 && topmost.length > 0
      ? topmost[below(topmost.length)]
      : below(requests.length);
    if (beside[chosen].length === 0) continue;
    const other = beside[chosen][below(beside[chosen].length)];
    const [from, to] = [order.indexOf(chosen), order.indexOf(other)];
    move(order, from, to);
    const next = placement.place(order, cost);
    if (next) {
      [cost, topmost] = [next, placement.topmost()];
    } else move(order, to, from);
  }
  return { order, cost };
}

/** Whether `a` is better than `b`. */
export const isBetter = (a: Cost, b: Cost): boolean => compareCost(a, b) < 0;
