/**
 * How the outputs of a window divide into tiles whose inputs are sixteen bytes: a grid of four places
 * by four. The outputs of a tile meet the same vector, each with the taps moved to its own place.
 */

/** Lanes of a word, and words of a vector. */
export const WORD = 4, WORDS = 4;

/** One axis of the window. */
export interface PatchTaps {
  readonly extent: number;
  /** How far neighbouring taps lie apart in the operand. */
  readonly step: number;
  /** Lanes between them: one within a word, four from word to word. */
  readonly lane: number;
}

/** One axis of the outputs. */
export interface PatchOutputs {
  readonly extent: number;
  /** How far neighbours lie apart in the operand, and in what is written. */
  readonly step: number;
  readonly out: number;
}

/** How far the bytes of a word lie apart, and the words of a vector. */
export interface PatchGrid {
  readonly within: number;
  readonly between: number;
  /** Places that taps take within a word, and words that they take. */
  readonly places: number;
  readonly words: number;
}

/** What a vector holds; null where it cannot hold the window. */
export function gridOf(taps: readonly PatchTaps[]): PatchGrid | null {
  const used = taps.filter((t) => t.extent > 1);
  const inner = used.find((t) => t.lane === 1), outer = used.find((t) => t.lane === WORD);
  if (used.length > 2 || used.some((t) => t !== inner && t !== outer)) return null;
  const within = inner?.step ?? 0;
  const length = inner?.extent ?? 1;
  if (outer) {
    if (outer.extent > WORDS || length > WORD) return null;
    return { within, between: outer.step, places: length, words: outer.extent };
  }
  if (length > WORD * WORDS) return null;
  const between = WORD * within;
  return { within, between, places: length, words: Math.ceil(length / WORD) };
}

/** Outputs along an axis that share a vector: how many, how far apart, by how many lanes. */
interface Shared {
  readonly count: number;
  readonly apart: number;
  readonly lanes: number;
}

const ALONE: Shared = { count: 1, apart: 1, lanes: 0 };

/** Farthest neighbours that are tried: dilated windows meet at a distance. */
const FAR = 16;

/** How far outputs lie apart whose windows are some steps of an axis of taps from each other. */
function meeting(step: number, taps: number): { apart: number; moved: number } | null {
  if (taps === 0 || step === 0) return null;
  for (let apart = 1; apart <= FAR; apart++) {
    if (apart * step % taps === 0) return { apart, moved: apart * step / taps };
  }
  return null;
}

/** The ways in which outputs along an axis share a vector. */
function sharings(o: PatchOutputs, g: PatchGrid, flat: boolean): Shared[] {
  const found = [ALONE];
  const within = meeting(o.step, g.within);
  const room = flat ? WORD * WORDS : WORD;
  for (const count of [2, 4]) {
    if (within && g.places + (count - 1) * within.moved <= room) {
      found.push({ count, apart: within.apart, lanes: within.moved });
    }
  }
  const between = flat ? null : meeting(o.step, g.between);
  for (const count of [2]) {
    if (between && g.words + (count - 1) * between.moved <= WORDS) {
      found.push({ count, apart: between.apart, lanes: WORD * between.moved });
    }
  }
  return found;
}

/** Where tiles begin so that all outputs of an axis are in one; null where some are in none. */
function starts(extent: number, { count, apart }: Shared): number[] | null {
  const found: number[] = [], done = new Set<number>(), last = (count - 1) * apart;
  for (let i = 0; i < extent; i++) {
    if (done.has(i)) continue;
    let at = i;
    // Some outputs are computed again where the last ones fill no tile.
    while (at + last >= extent) at -= apart;
    if (at < 0) return null;
    found.push(at);
    for (let k = 0; k < count; k++) done.add(at + k * apart);
  }
  return found;
}

/** How the outputs are computed. */
export interface PatchPlan {
  readonly grid: PatchGrid;
  /** By how many lanes the taps of each output of a tile are moved. */
  readonly moved: readonly number[];
  /** Where the outputs of a tile lie from its first, in what is written. */
  readonly outs: readonly number[];
  /** The rows whose words are put together: where each begins in the operand. */
  readonly strips: readonly number[];
  /** Tiles: the strip, where it begins in it, and where its first output is written. */
  readonly tiles: readonly { strip: number; at: number; out: number }[];
}

/** Outputs that one requantisation takes. */
export const AT_ONCE = 8;

/** Instructions of eight outputs: what is loaded and multiplied for them. */
export const turnCost = (outs: number): number => 2 * (4 / outs * 2 + 4 + 2) + 15;

/** Turns of the loop over eight outputs each. */
export const turnsOf = (p: PatchPlan): number =>
  Math.ceil(p.tiles.length * p.outs.length / AT_ONCE);

/** The plan with the fewest instructions. */
export function planPatches(
  taps: readonly PatchTaps[],
  rows: PatchOutputs,
  cols: PatchOutputs,
): PatchPlan | null {
  const grid = gridOf(taps);
  if (!grid) return null;
  const flat = !taps.some((t) => t.extent > 1 && t.lane === WORD);
  let best: { plan: PatchPlan; cost: number } | null = null;
  for (const r of sharings(rows, grid, flat)) {
    for (const c of sharings(cols, grid, flat)) {
      // Both along the same lanes: only where one of them is alone.
      const clash = r.count > 1 && c.count > 1 && (r.lanes < WORD) === (c.lanes < WORD);
      if (clash || r.count * c.count > 4) continue;
      const up = starts(rows.extent, r), along = starts(cols.extent, c);
      if (!up || !along) continue;
      const each = <T>(f: (i: number, j: number) => T): T[] =>
        Array.from(
          { length: r.count * c.count },
          (_, n) => f(Math.floor(n / c.count), n % c.count),
        );
      const plan: PatchPlan = {
        grid,
        moved: each((i, j) => i * r.lanes + j * c.lanes),
        outs: each((i, j) => i * r.apart * rows.out + j * c.apart * cols.out),
        strips: up.map((n) => n * rows.step),
        tiles: up.flatMap((n, strip) =>
          along.map((m) => ({ strip, at: m * cols.step, out: n * rows.out + m * cols.out }))
        ),
      };
      const cost = turnsOf(plan) * turnCost(plan.outs.length);
      if (!best || cost < best.cost) best = { plan, cost };
    }
  }
  return best?.plan ?? null;
}
