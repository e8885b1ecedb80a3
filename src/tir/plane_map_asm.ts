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

/** Words of packed weights that stay in registers. */
const KEPT = 6;
/** Byte offsets that LDRD and post-indexed accesses reach. */
const LDRD_REACH = 1020, POST_REACH = 255;
/** Tiles of a row up to which they are written out. */
const WRITTEN = 2;

export const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

/** Rows of the plane that one tile reads. */
const planeRowsOf = (m: PlaneMap, rows: number): number =>
  (rows - 1) * m.stride[0] + (m.taps[0] - 1) * m.dilation + 1;

/** Columns of a tile, and of what is left at the end of a row. */
const acrossOf = ({ shape: [height, width] }: PlaneMap): { tile: number; left: number } => {
  const tile = height === 1 ? 4 : 2;
  return { tile, left: width % tile };
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
  const rows = Math.min(2, m.shape[0]);
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

/** Registers for words of the weights that are loaded again and again. */
export const temporariesOf = (m: PlaneMap): number => acrossOf(m).tile;

/** Writes the instructions of a map. */
export class MapText {
  readonly #kept: readonly string[];

  /** @param fixed whether the scale is a multiplier */
  constructor(readonly m: PlaneMap, readonly fixed: boolean) {
    const used = new Set<string>();
    const { tile, left } = acrossOf(m);
    for (const cols of [tile, left]) {
      for (const p of range(wordsOf(m, cols))) {
        for (const j of range(cols)) {
          const x = productOf(m, p, j);
          if (x) range(m.planes * m.taps[0]).forEach((kh) => used.add(`${kh},${x.pair}`));
        }
      }
    }
    this.#kept = used.size <= KEPT ? [...used].sort() : [];
  }

  /** Words of the weights that registers hold throughout, as offsets in words. */
  get kept(): readonly number[] {
    return this.#kept.map((k) => {
      const [kh, pair] = k.split(",").map(Number);
      return kh * (this.m.taps[1] - 1) + pair;
    });
  }

  /** The weights of a product in registers, loaded where they are not kept. */
  #weights(kh: number, pairs: readonly number[], at: (string | null)[]): [string[], string[]] {
    if (this.#kept.length > 0) {
      return [[], pairs.map((p) => `%[w${this.#kept.indexOf(`${kh},${p}`)}]`)];
    }
    const out: string[] = [];
    const wanted = pairs.map((q) => `${kh},${q}`), row = kh * (this.m.taps[1] - 1);
    const free = () => at.findIndex((x) => x === null || !wanted.includes(x));
    for (const p of [...pairs].sort((a, b) => a - b)) {
      if (at.includes(`${kh},${p}`)) continue;
      const one = free(), offset = 4 * (row + p);
      at[one] = `${kh},${p}`;
      const next = `${kh},${p + 1}`;
      if (wanted.includes(next) && !at.includes(next) && offset <= LDRD_REACH) {
        const two = free();
        at[two] = next;
        out.push(`ldrd %[w${one}], %[w${two}], [%[w], #${offset}]`);
      } else out.push(`ldr %[w${one}], [%[w], #${offset}]`);
    }
    const regs = pairs.map((p) => `%[w${at.indexOf(`${kh},${p}`)}]`);
    return [out, regs];
  }

  /** One tile of outputs; `on` moves the pointers to the next. */
  tile(rows: number, cols: number, on: boolean): string[] {
    const { m } = this;
    const acc = (i: number, j: number) => `%[s${2 * i + j}]`;
    const step = on ? 2 * cols * m.stride[1] : 0;
    const out: string[] = [];
    // The second column starts from the first one's register before that changes.
    const through = cols > 1 && m.stride[1] === 1;
    const starts = range(cols).flatMap((j) =>
      through && j === 1 ? [] : range(rows).map((i) => acc(i, j))
    );
    for (let i = 0; i < starts.length; i += 2) {
      const two = starts.slice(i, i + 2);
      out.push(`vmov ${two.join(", ")}, ${two.length > 1 ? "s0, s1" : "s0"}`);
    }
    const begun = new Set<string>();
    let moved = 0;
    const loaded: (string | null)[] = range(temporariesOf(m)).map(() => null);
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
            const [loads, regs] = this.#weights(q * m.taps[0] + kernelRows[i], pairs, loaded);
            out.push(...loads);
            for (const j of range(cols).reverse()) {
              const q = products[j];
              if (!q) continue;
              const from = through && j === 1 && !begun.has(acc(i, j)) ? acc(i, 0) : acc(i, j);
              begun.add(acc(i, j));
              out.push(`${q.op} ${acc(i, j)}, ${x}, ${regs[pairs.indexOf(q.pair)]}, ${from}`);
            }
          }
        }
      }
    }
    if (m.planes > 1) {
      out.push(...addLiteral("%[a]", -2 * (m.planes - 1) * m.apart, "%[x0]"));
    }
    const accs = range(rows).flatMap((i) => range(cols).map((j) => acc(i, j)));
    const free = ["%[x0]", "%[x1]"];
    out.push(
      ...(this.fixed ? fixedEpilogue(m, WORD_SHIFT, accs, free) : epilogue(m, accs, free)),
      ...this.#stores(rows, cols, on),
    );
    return out;
  }

  /** Bytes to memory, row by row where the pointer goes on by itself. */
  #stores(rows: number, cols: number, on: boolean): string[] {
    const [row, col] = this.m.steps;
    const out: string[] = [];
    const far = rows > 1 && row + (cols - 1) * col > REACH;
    if (far) out.push(...literal("%[x1]", row));
    const second = far ? "[%[y], %[x1]]" : `[%[y], #${row}]`;
    const post = col <= POST_REACH;
    for (const j of range(cols)) {
      const last = j === cols - 1, go = (on || !last) && (post || far);
      const at = post || far ? "" : `, #${j * col}`;
      if (rows > 1) {
        const own = post || far ? second : `[%[y], #${row + j * col}]`;
        out.push(`strb %[s${2 + j}], ${own}`);
      }
      out.push(`strb %[s${j}], [%[y]${go && post ? `], #${col}` : `${at}]`}`);
      if (go && !post) out.push(...addLiteral("%[y]", col, "%[x0]"));
    }
    if (on && !post && !far) out.push(...addLiteral("%[y]", cols * col, "%[x0]"));
    return out;
  }

  /** The whole map; pointers begin at its first tile. */
  code(): Code {
    const { m } = this;
    const [height, width] = m.shape;
    const rows = Math.min(2, height), { tile: cols, left } = acrossOf(m);
    const tiles = Math.floor(width / cols), tile = tiles > 0 ? this.tile(rows, cols, true) : [];
    const across = tiles * cols * m.stride[1] * 2;
    const row: (string | Code[number])[] = tiles <= WRITTEN ? range(tiles).flatMap(() => tile) : [
      ...addLiteralTo("%[x0]", "%[a]", across),
      "vmov s9, %[x0]",
      {
        label: 1,
        times: tiles,
        body: [...tile, "vmov %[x0], s9", "cmp %[a], %[x0]", "bne 1b"],
      },
    ];
    if (left > 0) row.push(...this.tile(rows, left, false));
    const turns = Math.ceil(height / rows);
    const [down, ydown] = [2 * m.stride[0] * m.pitch, m.steps[0]];
    const back = [-across, -cols * tiles * m.steps[1]];
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

  #setUp(): string[] {
    const words = this.m.rounding === "words";
    const start = ["vmov s0, %[s0]", "vmov s1, %[s0]"];
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
