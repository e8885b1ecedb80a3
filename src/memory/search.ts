/**
 * The exact search: places buffers within a capacity or proves that none of the orders it tries
 * can. Depth first, in the manner of MiniMalloc (Moffitt 2023): buffers are placed by ascending
 * offset, each on top of what it overlaps in time, and a partial placement is given up as soon as
 * one moment cannot hold what is still to come. Nodes are counted, not seconds.
 */

/** A buffer: bytes, alignment, and the half-open range of moments in which it lives. */
export interface Item {
  readonly size: number;
  readonly align: number;
  readonly lower: number;
  readonly upper: number;
}

export type Outcome =
  | { readonly found: readonly number[] }
  /** No placement exists. */
  | "none"
  /** The nodes ran out. */
  | "unknown";

/**
 * What buffers are ordered by where their lowest offsets are equal, largest first: the moments and
 * the sections in which they live, bytes times moments, the most bytes to come that live with them.
 */
type Key = "width" | "sections" | "area" | "total";

/** Orders that are tried in turn; which of them is fast depends on the instance. */
const ORDERS: readonly (readonly Key[])[] = [
  ["total", "width", "area"],
  ["width", "area", "total"],
  ["total", "area", "width"],
  ["total", "sections", "area"],
  ["sections", "area", "total"],
];

const FOUND = 0, NONE = 1, OUT = 2;

/**
 * Looks for offsets below `capacity` for all items. All orders get few nodes, then twice as many,
 * until one of them ends or `nodes` are used.
 */
export function searchPlacement(
  items: readonly Item[],
  capacity: number,
  nodes: number,
): { outcome: Outcome; nodes: number } {
  const search = new Search(items, capacity);
  if (!search.fits()) return { outcome: "none", nodes: 0 };
  let left = nodes;
  for (let limit = 2 * items.length;; limit *= 2) {
    for (const keys of ORDERS) {
      const { status, used } = search.run(keys, Math.min(limit, left));
      left -= used;
      if (status === FOUND) {
        return { outcome: { found: [...search.solution] }, nodes: nodes - left };
      }
      if (status === NONE) return { outcome: "none", nodes: nodes - left };
      if (left <= 0) return { outcome: "unknown", nodes };
    }
  }
}

/**
 * Sections are the spans between two moments at which something begins or ends. All state is undone
 * on the way back, through a trail.
 */
class Search {
  readonly solution: Float64Array;
  readonly #n: number;
  readonly #size: Float64Array;
  readonly #align: Float64Array;
  /** Sections of a buffer: from #from to #to, that one not included. */
  readonly #from: Int32Array;
  readonly #to: Int32Array;
  readonly #width: Float64Array;
  readonly #beside: readonly Int32Array[];
  readonly #members: readonly Int32Array[];
  readonly #placed: Uint8Array;
  /** Lowest offset at which a buffer can still lie. */
  readonly #lowest: Float64Array;
  readonly #offset: Float64Array;
  /** Per section: the lowest offset at which something to come can lie, and the bytes to come. */
  readonly #floor: Float64Array;
  readonly #total: Float64Array;
  /** Buffers to come that live on both sides of the end of a section. */
  readonly #crossing: Int32Array;
  readonly #stamp: Int32Array;
  #time = 0;
  /** Room for the sections that a placement touches, by the number of buffers to come. */
  readonly #touched: readonly Int32Array[];
  readonly #rank: Int32Array;
  #keys: readonly Key[] = [];
  #nodes = 0;

  constructor(items: readonly Item[], readonly capacity: number) {
    const n = this.#n = items.length;
    const moments = [...new Set(items.flatMap((i) => [i.lower, i.upper]))].sort((a, b) => a - b);
    const index = new Map(moments.map((m, i) => [m, i]));
    const sections = Math.max(0, moments.length - 1);
    this.#size = Float64Array.from(items, (i) => i.size);
    this.#align = Float64Array.from(items, (i) => i.align);
    this.#from = Int32Array.from(items, (i) => index.get(i.lower)!);
    this.#to = Int32Array.from(items, (i) => index.get(i.upper)!);
    const members: number[][] = Array.from({ length: sections }, () => []);
    this.#total = new Float64Array(sections);
    this.#crossing = new Int32Array(sections);
    for (let i = 0; i < n; i++) {
      for (let s = this.#from[i]; s < this.#to[i]; s++) {
        members[s].push(i);
        this.#total[s] += this.#size[i];
        if (s + 1 < this.#to[i]) this.#crossing[s]++;
      }
    }
    this.#members = members.map((m) => Int32Array.from(m));
    this.#beside = items.map((a, i) =>
      Int32Array.from(
        items.flatMap((b, j) => i !== j && a.lower < b.upper && b.lower < a.upper ? [j] : []),
      )
    );
    this.#width = Float64Array.from(items, (i) => i.upper - i.lower);
    this.#rank = new Int32Array(n);
    this.#placed = new Uint8Array(n);
    this.#lowest = new Float64Array(n);
    this.#offset = new Float64Array(n);
    this.solution = new Float64Array(n);
    this.#floor = new Float64Array(sections);
    this.#stamp = new Int32Array(sections);
    this.#touched = Array.from({ length: n + 1 }, () => new Int32Array(sections));
  }

  /** Whether every section has room at all. */
  fits(): boolean {
    return this.#total.every((t) => t <= this.capacity);
  }

  /** One search with an order of its own. */
  run(keys: readonly Key[], nodes: number): { status: number; used: number } {
    this.#keys = keys;
    this.#nodes = nodes;
    const all = Int32Array.from({ length: this.#n }, (_, i) => i);
    const status = this.#parts(this.#ranked(all), 0, this.#total.length, 0, -1);
    return { status, used: nodes - Math.max(0, this.#nodes) };
  }

  /** Orders buffers by the keys as they are now, and says so in their ranks. */
  #ranked(open: Int32Array): Int32Array {
    const fact: Record<Key, (i: number) => number> = {
      width: (i) => this.#width[i],
      sections: (i) => this.#to[i] - this.#from[i],
      area: (i) => this.#width[i] * this.#size[i],
      total: (i) => {
        let most = 0;
        for (let s = this.#from[i]; s < this.#to[i]; s++) most = Math.max(most, this.#total[s]);
        return most;
      },
    };
    const facts = new Map([...open].map((i) => [i, this.#keys.map((k) => fact[k](i))]));
    const order = open.toSorted((a, b) => {
      const x = facts.get(a)!, y = facts.get(b)!;
      const k = x.findIndex((v, n) => v !== y[n]);
      return k < 0 ? a - b : y[k] - x[k];
    });
    order.forEach((i, rank) => this.#rank[i] = rank);
    return order;
  }

  /** Solves what no buffer to come connects on its own: one part that fails fails them all. */
  #parts(open: Int32Array, from: number, to: number, offset: number, rank: number): number {
    let start = from;
    for (let s = from; s < to; s++) {
      if (s + 1 < to && this.#crossing[s] > 0) continue;
      if (start === from && s + 1 === to) return this.#visit(open, from, to, offset, rank);
      const part = open.filter((i) => this.#from[i] >= start && this.#to[i] <= s + 1);
      if (part.length > 0) {
        // A part has an order of its own: what its sections hold is not what the whole held.
        const ranks = part.map((i) => this.#rank[i]);
        const status = this.#visit(this.#ranked(part), start, s + 1, offset, -1);
        part.forEach((i, k) => this.#rank[i] = ranks[k]);
        if (status !== FOUND) return status;
      }
      start = s + 1;
    }
    return FOUND;
  }

  /** @param open buffers to come by rank, all within sections `from` to `to` */
  #visit(open: Int32Array, from: number, to: number, offset: number, rank: number): number {
    if (open.length === 0) return FOUND;
    if (--this.#nodes < 0) return OUT;
    const [lowest, size] = [this.#lowest, this.#size];
    // A buffer that could lie wholly below an offset would leave a gap there.
    let gap = Infinity;
    for (let k = 0; k < open.length; k++) gap = Math.min(gap, lowest[open[k]] + size[open[k]]);
    const candidates: number[] = [];
    for (let k = 0; k < open.length; k++) {
      const i = open[k], at = lowest[i];
      if (at < gap && (at > offset || (at === offset && this.#rank[i] > rank))) candidates.push(i);
    }
    candidates.sort((a, b) => lowest[a] - lowest[b] || this.#rank[a] - this.#rank[b]);
    for (const i of candidates) {
      const status = this.#tryAt(i, open, from, to);
      if (status === FOUND) this.solution[i] = this.#offset[i];
      if (status !== NONE) return status;
      // Nothing to come would lie on it: no other choice can make up for it.
      if (!this.#beside[i].some((j) => this.#placed[j] === 0)) return NONE;
    }
    return NONE;
  }

  /** Places a buffer, goes on with the others, and takes it back. */
  #tryAt(i: number, open: Int32Array, from: number, to: number): number {
    const offset = this.#lowest[i], size = this.#size[i], top = offset + size;
    const [first, end] = [this.#from[i], this.#to[i]];
    const [lowest, floor, total, placed] = [this.#lowest, this.#floor, this.#total, this.#placed];
    // What its own sections still have to take lies on top of it.
    for (let s = first; s < end; s++) {
      if (top + total[s] - size > this.capacity) return NONE;
    }
    const beside = this.#beside[i], touched = this.#touched[open.length];
    const moved: number[] = [], raised: number[] = [];
    let count = 0;
    const time = ++this.#time;
    placed[i] = 1;
    for (let s = first; s < end; s++) {
      total[s] -= size;
      if (s + 1 < end) this.#crossing[s]--;
      this.#stamp[s] = time;
      touched[count++] = s;
    }
    for (let k = 0; k < beside.length; k++) {
      const j = beside[k];
      if (placed[j] === 1 || lowest[j] >= top) continue;
      moved.push(j, lowest[j]);
      lowest[j] = Math.ceil(top / this.#align[j]) * this.#align[j];
      for (let s = this.#from[j]; s < this.#to[j]; s++) {
        if (this.#stamp[s] === time) continue;
        this.#stamp[s] = time;
        touched[count++] = s;
      }
    }
    let room = true;
    for (let k = 0; k < count && room; k++) {
      const s = touched[k];
      if (total[s] === 0) continue;
      const members = this.#members[s];
      let next = Infinity;
      for (let m = 0; m < members.length; m++) {
        const j = members[m];
        if (placed[j] === 0 && lowest[j] < next) next = lowest[j];
      }
      room = Math.max(next, offset) + total[s] <= this.capacity;
      if (next === floor[s]) continue;
      raised.push(s, floor[s]);
      floor[s] = next;
    }
    this.#offset[i] = offset;
    const status = room && this.#hasRoom(from, to, offset)
      ? this.#parts(open.filter((j) => j !== i), from, to, offset, this.#rank[i])
      : NONE;
    for (let k = 0; k < raised.length; k += 2) floor[raised[k]] = raised[k + 1];
    for (let s = first; s < end; s++) {
      total[s] += size;
      if (s + 1 < end) this.#crossing[s]++;
    }
    for (let k = 0; k < moved.length; k += 2) lowest[moved[k]] = moved[k + 1];
    placed[i] = 0;
    this.#offset[i] = offset;
    return status;
  }

  /** Whether every section can take what is still to come, at `offset` or above. */
  #hasRoom(from: number, to: number, offset: number): boolean {
    for (let s = from; s < to; s++) {
      const total = this.#total[s];
      if (total > 0 && Math.max(offset, this.#floor[s]) + total > this.capacity) return false;
    }
    return true;
  }
}
