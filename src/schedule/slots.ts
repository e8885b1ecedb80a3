/**
 * Rows of several rings in the slots of one memory: which slot each row takes, in a pattern that comes
 * again every so many rows, so that no row is written where another is still to be read.
 */

/** A row: its memory and its number there. */
export interface Row {
  readonly memory: number;
  readonly row: number;
}

/** When the rows of a memory are first written and last used, by row; −1: never. */
export interface Lives {
  readonly born: readonly number[];
  readonly end: readonly number[];
  /** Rows after which the pattern of all memories may come again. */
  readonly period: number;
}

export interface Slots {
  readonly count: number;
  /** By memory: the slot of row r is that at r modulo the list's length. */
  readonly of: readonly (readonly number[])[];
  /** Rows that lie where the row before them was still read when they were written, and that row. */
  readonly follows: readonly (readonly [Row, Row])[];
}

/** Periods that a pattern may take, rows in all of it, and steps of the search for one. */
const PERIODS = [1, 2, 3, 4, 5, 6], MOST_ROWS = 128, BUDGET = 800;

/**
 * The fewest slots, below `limit`, that hold the rows of some memories.
 *
 * @param mayFollow whether a row may lie where another was that is last used when it is first written
 */
export function findSlots(
  lives: readonly Lives[],
  limit: number,
  mayFollow: (row: Row, before: Row) => boolean,
): Slots | null {
  const { pairs, most, touching } = conflictsOf(lives, mayFollow);
  for (let count = most; count < limit; count++) {
    for (const periods of PERIODS) {
      const lengths = lives.map((l) => Math.min(periods * l.period, l.born.length));
      const first = lengths.map((_, m) => sum(lengths.slice(0, m)));
      const all = sum(lengths);
      if (all > MOST_ROWS) break;
      const node = ({ memory, row }: Row): number => first[memory] + row % lengths[memory];
      const apart = Array.from({ length: all }, () => new Set<number>());
      let alone = true;
      for (const [a, b] of pairs) {
        const [x, y] = [node(a), node(b)];
        if (x === y) alone = false;
        apart[x].add(y);
        apart[y].add(x);
      }
      const colours = alone ? colour(apart, count) : null;
      if (!colours) continue;
      const named = inOrder(colours, count, lives, node);
      return {
        count,
        of: lengths.map((n, m) => named.slice(first[m], first[m] + n)),
        follows: touching.filter(([a, b]) => named[node(a)] === named[node(b)]),
      };
    }
  }
  return null;
}

const sum = (list: readonly number[]): number => list.reduce((a, b) => a + b, 0);

/** Pairs of rows that cannot share a slot, the most rows at a time, and those that meet in time alone. */
function conflictsOf(lives: readonly Lives[], mayFollow: (row: Row, before: Row) => boolean) {
  const rows = lives.flatMap(({ born, end }, memory) =>
    born.flatMap((from, row) =>
      from < 0 ? [] : [{ memory, row, from, end: Math.max(from, end[row]) }]
    )
  ).sort((a, b) => a.from - b.from);
  const pairs: [Row, Row][] = [], touching: [Row, Row][] = [];
  let live: typeof rows = [], most = 0;
  for (const r of rows) {
    live = live.filter((x) => x.end >= r.from);
    const over = live.filter((x) => x.end === r.from && x.from < r.from && mayFollow(r, x));
    over.forEach((x) => touching.push([r, x]));
    const others = live.filter((x) => !over.includes(x));
    others.forEach((x) => pairs.push([r, x]));
    most = Math.max(most, others.length + 1);
    live.push(r);
  }
  return { pairs, most, touching };
}

/** Colours for the nodes of a graph, so that neighbours differ; null where the search finds none. */
function colour(apart: readonly ReadonlySet<number>[], count: number): number[] | null {
  const neighbours = apart.map((set) => [...set]);
  const colours = new Int32Array(apart.length).fill(-1);
  /** Neighbours of each colour, node by node, and the colours that a node has left. */
  const taken = new Int32Array(apart.length * count);
  const free = new Int32Array(apart.length).fill(count);
  let left = BUDGET;
  const mark = (node: number, c: number): void => {
    for (const n of neighbours[node]) if (taken[n * count + c]++ === 0) free[n]--;
  };
  const unmark = (node: number, c: number): void => {
    for (const n of neighbours[node]) if (--taken[n * count + c] === 0) free[n]++;
  };
  const place = (done: number, used: number): boolean => {
    if (done === apart.length) return true;
    if (--left < 0) return false;
    // The node with the fewest colours left, of these that with the most neighbours.
    let node = -1;
    for (let n = 0; n < colours.length; n++) {
      if (colours[n] >= 0) continue;
      const fewer = node < 0 ? -1 : free[n] - free[node];
      if (fewer < 0 || (fewer === 0 && neighbours[n].length > neighbours[node].length)) node = n;
    }
    // Colours that nobody has are alike.
    for (let c = 0; c < Math.min(count, used + 1); c++) {
      if (taken[node * count + c] > 0) continue;
      colours[node] = c;
      mark(node, c);
      if (place(done + 1, Math.max(used, c + 1))) return true;
      unmark(node, c);
      colours[node] = -1;
    }
    return false;
  };
  return place(0, 0) ? [...colours] : null;
}

/**
 * Slots in the order in which they are left for good, as what is free first can become something else;
 * but behind them those that are taken last, in that order, as they can have been something else.
 */
function inOrder(
  colours: readonly number[],
  count: number,
  lives: readonly Lives[],
  node: (r: Row) => number,
): number[] {
  const last = new Array<number>(count).fill(-1), first = new Array<number>(count).fill(Infinity);
  lives.forEach(({ born, end }, memory) =>
    born.forEach((from, row) => {
      if (from < 0) return;
      const c = colours[node({ memory, row })];
      first[c] = Math.min(first[c], from);
      last[c] = Math.max(last[c], from, end[row]);
    })
  );
  const byBirth = first.map((_, c) => c).sort((a, b) => first[a] - first[b]);
  const late = byBirth.splice(Math.ceil(count / 2));
  const order = [...byBirth.sort((a, b) => last[a] - last[b]), ...late];
  return colours.map((c) => order.indexOf(c));
}
