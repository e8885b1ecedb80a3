/** The assembly of a channel's map of outputs (plane_map.ts) for cores with SMLAD and an FPU. */
import { WORD_SHIFT } from "../te/rounding.ts";
import { addLiteral, type Code, literal, REACH } from "./asm.ts";
import { BOUNDS, type Epilogue, epilogue, fixedEpilogue, SCALE, ZERO } from "./requantize_asm.ts";

/** What the text of one map depends on. */
export interface PlaneMap extends Epilogue {
  /** Rows and columns of the window. */
  readonly taps: readonly [rows: number, cols: number];
  /** Rows and columns of the plane from one output to the next. */
  readonly stride: readonly [rows: number, cols: number];
  /** Rows of the plane from one row of the window to the next. */
  readonly dilation: number;
  /** Rows and columns of outputs. */
  readonly shape: readonly [rows: number, cols: number];
  /** Elements from one row of the plane to the next. */
  readonly pitch: number;
  /** Planes that the window goes through, one after the other, and elements between them. */
  readonly planes: number;
  readonly apart: number;
  /** Elements of memory between rows and between columns of outputs. */
  readonly steps: readonly [row: number, col: number];
  /** One scale for all channels: a scalar. */
  readonly shared: boolean;
  /** Scales are words of `REQUANTIZE_WORD`; so many of them, from 0 to 1, are multipliers. Null: floats. */
  readonly words: number | null;
}

/** Words of weights that stay in registers. */
const KEPT = 6;
/** Byte offsets that LDRD and post-indexed accesses reach. */
const LDRD_REACH = 1020, POST_REACH = 255;
/** Tiles of a row up to which they are written out. */
const WRITTEN = 2;
/** Instructions up to which a turn of the loop takes several tiles, and tiles of a turn at most. */
const TURN = { instructions: 104, tiles: 4 };
/** Registers of the core, and those that pointers, sums and words of the plane take. */
const REGISTERS = 14, TAKEN = 8;

export const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

/** Rows of a tile: windows of one row share nothing. */
const rowsOf = ({ shape: [height], taps }: PlaneMap): number =>
  taps[0] === 1 ? 1 : Math.min(2, height);

/** Rows of the plane that one tile reads. */
const planeRowsOf = (m: PlaneMap, rows: number): number =>
  (rows - 1) * m.stride[0] + (m.taps[0] - 1) * m.dilation + 1;

/** Columns of a tile, and of what is left at the end of a row. */
const acrossOf = (m: PlaneMap): { tile: number; left: number } => {
  const tile = rowsOf(m) === 1 ? 4 : 2;
  return { tile, left: m.shape[1] % tile };
};

/** Words of a row of the plane that a tile of so many columns reads. */
const wordsOf = (m: PlaneMap, cols: number): number =>
  Math.ceil(((cols - 1) * m.stride[1] + m.taps[1]) / 2);

/** Elements of a row of the plane that the map reads: whole words. */
export function planeWidth(m: PlaneMap): number {
  const { tile, left } = acrossOf(m), tiles = Math.floor(m.shape[1] / tile);
  const whole = tiles > 0 ? (tiles - 1) * tile * m.stride[1] + 2 * wordsOf(m, tile) : 0;
  const last = left > 0 ? tiles * tile * m.stride[1] + 2 * wordsOf(m, left) : 0;
  return Math.max(whole, last);
}

/** Whether registers and offsets suffice. */
export function mapFits(m: PlaneMap): boolean {
  const rows = rowsOf(m);
  return m.taps[1] >= 2 && m.stride[1] <= 4 && m.pitch % 2 === 0 && planeWidth(m) <= m.pitch &&
    2 * m.pitch * planeRowsOf(m, rows) <= REACH &&
    4 * m.planes * m.taps[0] * (m.taps[1] - 1) <= REACH;
}

/** What a tap pair of a word of the plane meets: the pair of weights, and the halves that count. */
interface Product {
  readonly pair: number;
  readonly op: "smlad" | "smlabt" | "smlatb";
}

/** The product of word p of a row of the plane into column j of the tile; null: it is outside of the window. */
function productOf(m: PlaneMap, p: number, j: number): Product | null {
  const taps = m.taps[1], first = 2 * p - m.stride[1] * j;
  const [a, b] = [first, first + 1].map((t) => t >= 0 && t < taps);
  if (a && b) return { pair: first, op: "smlad" };
  if (a) return { pair: first - 1, op: "smlabt" };
  return b ? { pair: 0, op: "smlatb" } : null;
}

/** Operands of what registers hold throughout. */
const START = "%[start]", END = "%[end]";

/** Pairs of a row's weights that tiles of so many columns meet. */
const pairsOf = (m: PlaneMap, cols: number): ReadonlySet<number> =>
  new Set(
    range(wordsOf(m, cols)).flatMap((p) =>
      range(cols).flatMap((j) => productOf(m, p, j)?.pair ?? [])
    ),
  );

/**
 * The words of weights that tiles of so many columns meet, as few as they can be: what is met as one half
 * alone shares a word with another such half.
 */
function keptOf(m: PlaneMap, columns: readonly number[]) {
  const places = new Map<string, Place>(), kept: Kept[] = [];
  const products = columns.flatMap((cols) =>
    range(wordsOf(m, cols)).flatMap((p) => range(cols).flatMap((j) => productOf(m, p, j) ?? []))
  );
  const singles: { key: string; halfword: number }[] = [];
  for (const kh of range(m.planes * m.taps[0])) {
    for (const pair of new Set(products.map((q) => q.pair))) {
      const ops = new Set(products.flatMap((q) => q.pair === pair ? [q.op] : []));
      const first = 2 * (kh * (m.taps[1] - 1) + pair);
      const [only, ...more] = ops;
      if (more.length === 0 && only !== "smlad") {
        const halfword = first + (only === "smlabt" ? 1 : 0);
        singles.push({ key: `${kh},${pair},${only}`, halfword });
        continue;
      }
      for (const op of ops) {
        places.set(`${kh},${pair},${op}`, { register: kept.length, half: null });
      }
      kept.push([first, first + 1]);
    }
  }
  for (let i = 0; i < singles.length; i += 2) {
    const two = singles.slice(i, i + 2);
    two.forEach(({ key }, n) =>
      places.set(key, { register: kept.length, half: n === 0 ? "b" : "t" })
    );
    kept.push([two[0].halfword, two.at(-1)!.halfword]);
  }
  return { kept, places };
}

/**
 * Registers for words of the weights that are loaded again and again: those of two rows of the window,
 * one for each row of outputs, where they are few.
 */
export function temporariesOf(m: PlaneMap): number {
  const { tile } = acrossOf(m), rows = rowsOf(m), all = rows * pairsOf(m, tile).size;
  return rows > 1 && all <= 4 ? all : tile;
}

/** What registers hold throughout where they are left over. */
export interface Held {
  /** What sums start with. */
  readonly start: boolean;
  /** Where the pointer into the plane is behind the tiles of a row. */
  readonly end: boolean;
  /** Multiplier and offset of the results. */
  readonly scale: boolean;
}

/** A word of weights that a register holds: the halfwords of the packed weights that it is made of. */
type Kept = readonly [low: number, high: number];

/** In which of the kept words a product finds its weights, and which half of it where it takes one. */
interface Place {
  readonly register: number;
  readonly half: "b" | "t" | null;
}

/** Writes the instructions of a map. */
export class MapText {
  /** Words of the weights that registers hold throughout; empty where they are too many. */
  readonly kept: readonly Kept[];
  /** Where products find them, by row of the window, pair and instruction. */
  readonly #places: ReadonlyMap<string, Place>;
  readonly held: Held;

  /** @param fixed whether the scale is a multiplier */
  constructor(readonly m: PlaneMap, readonly fixed: boolean) {
    const { tile, left } = acrossOf(m);
    const { kept, places } = keptOf(m, [tile, left]);
    [this.kept, this.#places] = kept.length <= KEPT ? [kept, places] : [[], new Map()];
    let free = REGISTERS - TAKEN - (this.kept.length || 1 + temporariesOf(m));
    const take = (count: number, wanted: boolean): boolean => {
      const taken = wanted && count <= free;
      if (taken) free -= count;
      return taken;
    };
    const start = take(1, true), scale = take(2, fixed);
    this.held = { start, scale, end: take(1, Math.floor(m.shape[1] / tile) > WRITTEN) };
  }

  /**
   * The weights of products in registers, loaded where they are not kept.
   *
   * @param row those that the tile meets in this row of the window
   * @param at which register each of those that are loaded is in, the one that was loaded first first
   */
  #weights(
    kh: number,
    pairs: readonly number[],
    row: ReadonlySet<number>,
    at: Map<string, number>,
  ): [string[], string[]] {
    const out: string[] = [], count = temporariesOf(this.m);
    const wanted = pairs.map((q) => `${kh},${q}`);
    // Where there is room for whole rows, the next word comes with the one before it.
    const ahead = count >= rowsOf(this.m) * row.size;
    const take = (what: string): number => {
      const gone = at.size < count ? undefined : [...at.keys()].find((k) => !wanted.includes(k))!;
      const register = gone === undefined ? at.size : at.get(gone)!;
      if (gone !== undefined) at.delete(gone);
      at.set(what, register);
      return register;
    };
    for (const p of [...pairs].sort((a, b) => a - b)) {
      if (at.has(`${kh},${p}`)) continue;
      const offset = 4 * (kh * (this.m.taps[1] - 1) + p), next = `${kh},${p + 1}`;
      const one = take(`${kh},${p}`);
      const soon = wanted.includes(next) || (ahead && row.has(p + 1));
      if (soon && !at.has(next) && offset <= LDRD_REACH) {
        wanted.push(next);
        out.push(`ldrd %[w${one}], %[w${take(next)}], [%[w], #${offset}]`);
      } else out.push(`ldr %[w${one}], [%[w], #${offset}]`);
    }
    return [out, pairs.map((p) => `%[w${at.get(`${kh},${p}`)}]`)];
  }

  /** One tile of outputs; `on` moves the pointers to the next. */
  tile(rows: number, cols: number, on: boolean): string[] {
    const { m } = this;
    const acc = (i: number, j: number) => `%[s${2 * i + j}]`;
    const step = on ? 2 * cols * m.stride[1] : 0;
    const out: string[] = [];
    // The second column starts from the first one's register before that changes.
    const through = cols > 1 && m.stride[1] === 1;
    const starts = this.held.start
      ? []
      : range(cols).flatMap((j) => through && j === 1 ? [] : range(rows).map((i) => acc(i, j)));
    for (let i = 0; i < starts.length; i += 2) {
      const two = starts.slice(i, i + 2);
      out.push(`vmov ${two.join(", ")}, ${two.length > 1 ? "s0, s1" : "s0"}`);
    }
    const begun = new Set<string>();
    let moved = 0;
    const loaded = new Map<string, number>(), met = pairsOf(m, cols);
    for (const q of range(m.planes)) {
      if (q > 0) out.push(...addLiteral("%[a]", 2 * m.apart, "%[x0]"));
      for (const r of range(planeRowsOf(m, rows))) {
        const kernelRows = range(rows).map((i) => (r - i * m.stride[0]) / m.dilation);
        const inside = range(rows).filter((i) =>
          Number.isInteger(kernelRows[i]) && kernelRows[i] >= 0 && kernelRows[i] < m.taps[0]
        );
        if (inside.length === 0) continue;
        const words = wordsOf(m, cols);
        for (const p of range(words)) {
          if (p % 2 === 0) {
            const at = 2 * r * m.pitch + 4 * p - moved;
            const pair = p + 1 < words;
            const post = step > 0 && moved === 0 && at === 0;
            if (pair && at <= LDRD_REACH && at >= -LDRD_REACH) {
              out.push(`ldrd %[x0], %[x1], ${post ? `[%[a]], #${step}` : `[%[a], #${at}]`}`);
            } else {
              out.push(`ldr %[x0], ${post ? `[%[a]], #${step}` : `[%[a], #${at}]`}`);
              if (pair) out.push(`ldr %[x1], [%[a], #${at + 4 - (post ? step : 0)}]`);
            }
            if (post) moved = step;
          }
          const x = `%[x${p % 2}]`;
          for (const i of inside) {
            const products = range(cols).map((j) => productOf(m, p, j));
            const pairs = [...new Set(products.flatMap((q) => q ? [q.pair] : []))];
            const kh = q * m.taps[0] + kernelRows[i];
            const [loads, regs] = this.kept.length > 0
              ? [[], []]
              : this.#weights(kh, pairs, met, loaded);
            out.push(...loads);
            for (const j of range(cols).reverse()) {
              const q = products[j];
              if (!q) continue;
              const from = begun.has(acc(i, j))
                ? acc(i, j)
                : this.held.start
                ? START
                : acc(i, through && j === 1 ? 0 : j);
              begun.add(acc(i, j));
              const own = this.#places.get(`${kh},${q.pair},${q.op}`);
              const op = own?.half ? `${q.op.slice(0, -1)}${own.half}` : q.op;
              const by = own ? `%[w${own.register}]` : regs[pairs.indexOf(q.pair)];
              out.push(`${op} ${acc(i, j)}, ${x}, ${by}, ${from}`);
            }
          }
        }
      }
    }
    if (m.planes > 1) {
      out.push(...addLiteral("%[a]", -2 * (m.planes - 1) * m.apart, "%[x0]"));
    }
    const accs = range(rows).flatMap((i) => range(cols).map((j) => acc(i, j)));
    const free = ["%[x0]", "%[x1]"], { scale } = this.held;
    const by = scale ? ["%[minus]", "%[offset]"] : free;
    out.push(
      ...(this.fixed ? fixedEpilogue(m, WORD_SHIFT, accs, by, scale) : epilogue(m, accs, free)),
      ...this.#stores(rows, cols, on),
    );
    return out;
  }

  /** Whether a second row of results, or the last column of one, is out of reach of the first result. */
  #isFar(rows: number, cols: number): boolean {
    const [row, col] = this.m.steps;
    return (rows > 1 ? row : 0) + (cols - 1) * col > REACH;
  }

  /** Whether the pointer goes on from one column to the next. */
  #moves = (rows: number, cols: number): boolean =>
    this.m.steps[1] <= POST_REACH || this.#isFar(rows, cols);

  /** Bytes to memory, row by row where the pointer goes on by itself. */
  #stores(rows: number, cols: number, on: boolean): string[] {
    const [row, col] = this.m.steps;
    const out: string[] = [];
    const far = rows > 1 && this.#isFar(rows, cols), moves = this.#moves(rows, cols);
    if (far) out.push(...literal("%[x1]", row));
    const second = far ? "[%[y], %[x1]]" : `[%[y], #${row}]`;
    const post = col <= POST_REACH;
    for (const j of range(cols)) {
      const last = j === cols - 1, go = (on || !last) && moves;
      const at = moves ? "" : `, #${j * col}`;
      if (rows > 1) {
        const own = moves ? second : `[%[y], #${row + j * col}]`;
        out.push(`strb %[s${2 + j}], ${own}`);
      }
      out.push(`strb %[s${j}], [%[y]${go && post ? `], #${col}` : `${at}]`}`);
      if (go && !post) out.push(...addLiteral("%[y]", col, "%[x0]"));
    }
    if (on && !moves) out.push(...addLiteral("%[y]", cols * col, "%[x0]"));
    return out;
  }

  /** The whole map; pointers begin at its first tile. */
  code(): Code {
    const { m } = this;
    const [height, width] = m.shape;
    const rows = rowsOf(m), { tile: cols, left } = acrossOf(m);
    const tiles = Math.floor(width / cols), tile = tiles > 0 ? this.tile(rows, cols, true) : [];
    const across = tiles * cols * m.stride[1] * 2;
    const row: (string | Code[number])[] = tiles <= WRITTEN
      ? range(tiles).flatMap(() => tile)
      : this.#tiles(tile, tiles, across);
    if (left > 0) row.push(...this.tile(rows, left, false));
    const turns = Math.ceil(height / rows);
    const [down, ydown] = [2 * m.stride[0] * m.pitch, m.steps[0]];
    const moved = left > 0 && this.#moves(rows, left) ? left - 1 : 0;
    const back = [-across, -(cols * tiles + moved) * m.steps[1]];
    if (turns === 1) return [...this.#setUp(), ...row];
    const next = [
      ...addLiteral("%[a]", rows * down + back[0], "%[x0]"),
      ...addLiteral("%[y]", rows * ydown + back[1], "%[x0]"),
    ];
    const count = ["vmov %[x0], s8", "subs %[x0], %[x0], #1", "vmov s8, %[x0]"];
    const start = [`mov %[x0], #${turns}`, "vmov s8, %[x0]"];
    if (turns > 255) start.splice(0, 1, ...literal("%[x0]", turns));
    const even = height % rows === 0;
    const overlap = [
      "beq 3f",
      "cmp %[x0], #1",
      "bne 2b",
      ...addLiteral("%[a]", -down, "%[x0]"),
      ...addLiteral("%[y]", -ydown, "%[x0]"),
      "b 2b",
    ];
    // What overlaps is counted once: it is executed in one turn only.
    return [
      ...this.#setUp(),
      ...start,
      {
        label: 2,
        times: turns,
        body: [
          ...row,
          ...next,
          ...count,
          ...(even ? ["bne 2b"] : overlap.slice(0, 3)),
        ],
      },
      ...(even ? [] : [...overlap.slice(3), "3:"]),
    ];
  }

  /** The tiles of a row as a loop, some a turn where they are short; what is left over comes first. */
  #tiles(tile: readonly string[], tiles: number, across: number): (string | Code[number])[] {
    const most = Math.min(TURN.tiles, Math.floor(TURN.instructions / tile.length), tiles >> 1);
    const each = Math.max(1, most), first = tiles % each;
    const [end, load] = this.held.end ? [END, []] : ["%[x0]", ["vmov %[x0], s9"]];
    return [
      ...addLiteralTo(end, "%[a]", across),
      ...(this.held.end ? [] : ["vmov s9, %[x0]"]),
      ...range(first).flatMap(() => tile),
      {
        label: 1,
        times: (tiles - first) / each,
        body: [...range(each).flatMap(() => tile), ...load, `cmp %[a], ${end}`, "bne 1b"],
      },
    ];
  }

  #setUp(): string[] {
    const words = this.m.rounding === "words";
    const start = this.held.start ? [] : ["vmov s0, %[s0]", "vmov s1, %[s0]"];
    if (this.held.scale) return start;
    if (this.fixed) return [...start, `vmov ${SCALE}, ${ZERO}, %[s1], %[s2]`];
    return [
      ...start,
      `vmov.f32 ${SCALE}, %[scale]`,
      words ? `vmov ${ZERO}, %[s1]` : `vmov.f32 ${ZERO}, %[magic]`,
      ...(this.m.bounded ? [`vmov ${BOUNDS.join(", ")}, %[s2], %[s3]`] : []),
    ];
  }
}

/** to = from + value. */
function addLiteralTo(to: string, from: string, value: number): string[] {
  return value <= REACH
    ? [`add ${to}, ${from}, #${value}`]
    : [...literal(to, value), `add ${to}, ${to}, ${from}`];
}
