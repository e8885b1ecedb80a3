/**
 * How the outputs of a window divide into tiles whose inputs are vectors of sixteen bytes: four words of
 * four places each, as many vectors as the window needs. The outputs of a tile meet the same vectors,
 * each with the taps moved to its own place.
 */

/** Lanes of a word, and words of a vector. */
export const WORD = 4, WORDS = 4;

/** One axis of the window. */
export interface PatchTaps {
  readonly extent: number;
  /** How far neighbouring taps lie apart in the operand. */
  readonly step: number;
  /** Lanes between them: one within a run of words, as many as a run has from run to run. */
  readonly lane: number;
}

/** One axis of the outputs. */
export interface PatchOutputs {
  readonly extent: number;
  /** How far neighbours lie apart in the operand, and in what is written. */
  readonly step: number;
  readonly out: number;
}

/** How the lanes of the vectors lie in the operand: runs of words, their places one after another. */
export interface PatchGrid {
  /** How far neighbouring places lie apart, and neighbouring runs. */
  readonly within: number;
  readonly between: number;
  /** Words of a run; of a window of one axis all words are one run. */
  readonly run: number;
  /** Places that taps take within a run, and runs that they take. */
  readonly places: number;
  readonly runs: number;
  readonly vectors: number;
}

/** Whether all taps are of one axis. */
const isFlat = (taps: readonly PatchTaps[]): boolean =>
  !taps.some((t) => t.extent > 1 && t.lane > 1);

/** What so many vectors hold; null where they cannot hold the window. */
export function gridOf(taps: readonly PatchTaps[], vectors: number): PatchGrid | null {
  const used = taps.filter((t) => t.extent > 1);
  const inner = used.find((t) => t.lane === 1), outer = used.find((t) => t.lane > 1);
  if (used.some((t) => t !== inner && t !== outer)) return null;
  const run = outer ? outer.lane / WORD : WORDS * vectors;
  const places = inner?.extent ?? 1, runs = outer?.extent ?? 1;
  if (!Number.isInteger(run) || places > WORD * run || runs * run > WORDS * vectors) return null;
  return { within: inner?.step ?? 0, between: outer?.step ?? 0, run, places, runs, vectors };
}

/** Outputs along an axis that share vectors: how many, how far apart, by how many lanes. */
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

/** The ways in which outputs along an axis share vectors. */
function sharings(o: PatchOutputs, g: PatchGrid): Shared[] {
  const found = [ALONE];
  const along = (taps: number, taken: number, room: number, lanes: number): void => {
    const met = meeting(o.step, taps);
    if (!met) return;
    for (const count of [2, 4]) {
      if (taken + (count - 1) * met.moved > room) continue;
      found.push({ count, apart: met.apart, lanes: lanes * met.moved });
    }
  };
  along(g.within, g.places, WORD * g.run, 1);
  along(g.between, g.runs, Math.floor(WORDS * g.vectors / g.run), WORD * g.run);
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

/** A word of four places: where it is found, in elements from the beginning of a strip. */
interface PatchWord {
  readonly strip: number;
  readonly at: number;
}

/** How the outputs are computed. */
export interface PatchPlan {
  readonly grid: PatchGrid;
  /** By how many lanes the taps of each output of a tile are moved. */
  readonly moved: readonly number[];
  /** Where the outputs of a tile lie from its first, in what is written. */
  readonly outs: readonly number[];
  /**
   * The rows whose words are put together: where each begins in the operand, and the last place of its
   * words that the operand has.
   */
  readonly strips: readonly { start: number; last: number }[];
  /** Tiles: the words of its vectors, and where its first output is written. */
  readonly tiles: readonly { words: readonly PatchWord[]; out: number }[];
}

/** Outputs that one requantisation takes. */
export const AT_ONCE = 8;

/** Instructions of eight outputs: what is loaded and multiplied for them. */
export function turnCost(outs: number, vectors: number): number {
  // Several vectors of constants are loaded each time.
  const each = vectors > 1 ? 2 : 1;
  return 2 * (4 / outs * 2 * vectors + 4 * each * vectors + 2) + 15;
}

/** Turns of the loop over eight outputs each. */
export const turnsOf = (p: PatchPlan): number =>
  Math.ceil(p.tiles.length * p.outs.length / AT_ONCE);

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

/** The plan with the fewest instructions, and of those with the fewest strips. */
export function planPatches(
  taps: readonly PatchTaps[],
  rows: PatchOutputs,
  cols: PatchOutputs,
  vectors: number,
): PatchPlan | null {
  const grid = gridOf(taps, vectors);
  if (!grid) return null;
  const flat = isFlat(taps), lanesOfRun = WORD * grid.run;
  let best: { plan: PatchPlan; cost: readonly number[] } | null = null;
  for (const r of sharings(rows, grid)) {
    for (const c of sharings(cols, grid)) {
      // Both along the same lanes: only where one of them is alone.
      const clash = r.count > 1 && c.count > 1 && (r.lanes < lanesOfRun) === (c.lanes < lanesOfRun);
      if (clash || r.count * c.count > 4) continue;
      const up = starts(rows.extent, r), along = starts(cols.extent, c);
      if (!up || !along) continue;
      const each = <T>(f: (i: number, j: number) => T): T[] =>
        range(r.count * c.count).map((n) => f(Math.floor(n / c.count), n % c.count));
      const moved = each((i, j) => i * r.lanes + j * c.lanes);
      const plan: PatchPlan = {
        grid,
        moved,
        outs: each((i, j) => i * r.apart * rows.out + j * c.apart * cols.out),
        ...layOut(
          grid,
          flat,
          moved,
          up.map((n) => n * rows.step),
          along.map((m) => m * cols.step),
          {
            row: up.map((n) => n * rows.out),
            col: along.map((m) => m * cols.out),
          },
        ),
      };
      const cost = [turnsOf(plan) * turnCost(plan.outs.length, vectors), plan.strips.length];
      const less = best && (cost[0] - best.cost[0] || cost[1] - best.cost[1]);
      if (less === null || less < 0) best = { plan, cost };
    }
  }
  return best?.plan ?? null;
}

/** Strips and tiles, where tiles begin at all of some rows and columns. */
function layOut(
  g: PatchGrid,
  flat: boolean,
  moved: readonly number[],
  rows: readonly number[],
  cols: readonly number[],
  outs: { readonly row: readonly number[]; readonly col: readonly number[] },
): Pick<PatchPlan, "strips" | "tiles"> {
  const lanesOfRun = WORD * g.run;
  const lastPlace = g.places - 1 + Math.max(...moved.map((m) => m % lanesOfRun));
  const lastRun = g.runs - 1 + Math.max(...moved.map((m) => Math.floor(m / lanesOfRun)));
  const lastWord = Math.floor(lastPlace / WORD), apart = WORD * g.within;
  // What no tap meets is the last word that one does.
  const words = range(WORDS * g.vectors).map((k) => ({
    run: Math.min(Math.floor(k / g.run), lastRun),
    word: Math.min(k % g.run, lastWord),
  }));
  const begins = rows.flatMap((r) => flat ? [r] : words.map(({ word }) => r + word * apart));
  const starts = [...new Set(begins)].sort((a, b) => a - b);
  const end = Math.max(...rows) + lastPlace * g.within;
  return {
    strips: starts.map((start) => ({
      start,
      last: flat || g.within === 0
        ? WORD - 1
        : Math.min(WORD - 1, lastPlace, Math.floor((end - start) / g.within)),
    })),
    tiles: rows.flatMap((row, i) =>
      cols.map((col, j) => ({
        words: words.map(({ run, word }) => ({
          strip: starts.indexOf(flat ? row : row + word * apart),
          at: col + run * g.between + (flat ? word * apart : 0),
        })),
        out: outs.row[i] + outs.col[j],
      }))
    ),
  };
}
