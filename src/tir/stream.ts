/**
 * The constants of all blocks of columns of a product as one stream, in the order in which the
 * assembly of columns_asm.ts takes them.
 *
 * In front stands what a shared text has to know. A block of the stream: what its sums start at, the constants of each group of four k, the scales.
 * Of a pair of columns the first start is b0 + 256·b1, the second b0, and the second scale is divided
 * by 256: the sums of a pair are T = E + 256·O and U = E, and T − U is taken as it is.
 */
import { WORD_SHIFT } from "../te/rounding.ts";
import { fixedPoint } from "../util/fixed_point.ts";
import { saturationOf } from "./scalar_c.ts";
import { GROUP, type Tile } from "./tile.ts";

/** What becomes of the sums. */
export type Result =
  /** They are stored as they are. */
  | { readonly k: "sums" }
  /** They are scaled, rounded, moved by `zero` and saturated to [lo, hi]. */
  | {
    readonly k: "bytes";
    readonly dtype: "int8" | "uint8";
    readonly zero: number;
    readonly lo: number;
    readonly hi: number;
  };

export interface Columns {
  readonly tile: Tile;
  /** Blocks of `tile.cols` columns. */
  readonly blocks: number;
  readonly result: Result;
  /** Elements between the results of two rows, and of two columns. */
  readonly rowStep: number;
  readonly colStep: number;
  /**
   * Scales of a block are words of `REQUANTIZE_WORD`: multipliers of all its columns, or floats of all; this
   * part of the blocks has multipliers. Null: floats everywhere.
   */
  readonly fixed: number | null;
  /** Its text serves all numbers of groups and blocks, which it reads from the stream's head. */
  readonly shared: boolean;
  /**
   * The type of a single row of bytes that is read where it lies, one k after another; what is taken
   * from each is an operand of the call. Null: int16 as tile.ts says.
   */
  readonly bytes: "int8" | "uint8" | null;
}

/** Words in front of the first block: {@link headOf}. */
export const HEAD = 5;

/** Groups in a turn of the loop of a shared text: more where a group is short. */
export const turnOf = ({ rows, pitch }: Tile): number => rows === 1 && pitch === 1 ? 8 : 4;

/** The first group stands in front of the loop, which is entered behind `skipped` of its groups. */
export function turnsOf(tile: Tile): { turns: number; skipped: number } {
  const turn = turnOf(tile), rest = tile.groups - 1, turns = Math.max(1, Math.ceil(rest / turn));
  return { turns, skipped: turns * turn - rest };
}

/** Bytes between rows of results, groups to skip, turns, bytes of all blocks, zero point. */
export function headOf(f: Columns): number[] {
  const w = blockWords(f);
  const { turns, skipped } = turnsOf(f.tile);
  const zero = f.result.k === "bytes" ? f.result.zero : 0;
  const bytes = 4 * (w.starts + w.constants + w.scales) * f.blocks;
  return [f.rowStep * (f.result.k === "sums" ? 4 : 1), skipped, turns, bytes, zero];
}

/** Whether results are bytes without a sign whose highest bit is turned over. */
export const isShifted = ({ dtype, zero, lo, hi }: Extract<Result, { k: "bytes" }>): boolean =>
  dtype === "int8" && zero === -128 && lo === -128 && hi === 127;

/** Whether a text for all numbers can be the one of a form. */
export const canShare = ({ tile, colStep }: Columns): boolean => colStep === 1 && tile.groups > 1;

/** Words of one block: starts, constants, scales. */
export interface BlockWords {
  readonly starts: number;
  readonly constants: number;
  readonly scales: number;
}

export function blockWords({ tile: { cols, groups, wide }, result }: Columns): BlockWords {
  return {
    starts: cols,
    constants: groups * 2 * (wide ? cols : Math.ceil(cols / 2)),
    scales: result.k === "bytes" ? cols : 0,
  };
}

/** Whether a column's sum is T of a pair, and what it has to be divided by then is in its scale. */
export const isOdd = ({ wide }: Tile, c: number): boolean => !wide && c % 2 === 1;

/** Whether a column is the second of a pair, or has a second one beside it. */
export const inPair = ({ wide, cols }: Tile, c: number): boolean =>
  !wide && (c % 2 === 1 || c + 1 < cols);

/**
 * The words of one block.
 *
 * @param start what column c's sum starts at
 * @param constant the constant of k and column c
 * @param scale column c's scale
 * @returns null where the scales do not stay exact
 */
export function streamBlock(
  f: Columns,
  start: (c: number) => number,
  constant: (k: number, c: number) => number,
  scale: (c: number) => number,
): number[] | null {
  const { cols, groups, wide } = f.tile;
  const words: number[] = [];
  for (let c = 0; c < cols; c++) {
    // Of a pair the first word is T.
    const own = inPair(f.tile, c);
    words.push(
      own && c % 2 === 0 ? (start(c) + 256 * start(c + 1)) | 0 : own ? start(c - 1) : start(c),
    );
  }
  const word = (k: number, c: number): number => {
    const half = (at: number): number => {
      if (wide) return constant(at, c);
      const even = constant(at, c), odd = c + 1 < cols ? constant(at, c + 1) : 0;
      return even + 256 * odd;
    };
    return (half(k) & 0xffff) | (half(k + 2) << 16);
  };
  for (let g = 0; g < groups; g++) {
    for (let b = 0; b < 2; b++) {
      for (let c = 0; c < cols; c += wide ? 1 : 2) words.push(word(GROUP * g + b, c));
    }
  }
  if (f.result.k === "sums") return words;
  const multipliers = f.fixed === null ? null : multipliersOf(f, scale);
  if (multipliers) return [...words, ...multipliers.map((m) => -m)];
  const view = new DataView(new ArrayBuffer(4));
  for (let c = 0; c < cols; c++) {
    const s = Math.fround(isOdd(f.tile, c) ? scale(c) / 256 : scale(c));
    if (s < 2 ** -126 || !Number.isFinite(s)) return null;
    view.setFloat32(0, s);
    words.push(view.getInt32(0));
  }
  return words;
}

/** Bits behind the point of column c's fixed-point product: the sum of an odd one is 256 times its own. */
export const fixedShift = (tile: Tile, c: number): number => WORD_SHIFT + (isOdd(tile, c) ? 8 : 0);

/** Whether results can be those of fixed-point products: they are saturated, not bounded. */
export const canFix = ({ result }: Columns): boolean =>
  result.k === "bytes" && saturationOf(result.lo, result.hi) !== null;

/** The multipliers of a block's columns; null where one of them has none that gives the same bytes. */
function multipliersOf(f: Columns, scale: (c: number) => number): number[] | null {
  const found: number[] = [];
  for (let c = 0; c < f.tile.cols; c++) {
    const { zero, lo, hi } = f.result as Extract<Result, { k: "bytes" }>;
    const fixed = fixedPoint({ scale: Math.fround(scale(c)), zero, lo, hi }, WORD_SHIFT);
    if (!fixed) return null;
    found.push(fixed.multiplier);
  }
  return found;
}

/** The part of the blocks of a stream that has multipliers. */
export function fixedPart(f: Columns, stream: readonly number[]): number {
  const w = blockWords(f), words = w.starts + w.constants + w.scales;
  let fixed = 0;
  for (let g = 0; g < f.blocks; g++) {
    if (stream[HEAD + g * words + w.starts + w.constants] < 0) fixed++;
  }
  return fixed / f.blocks;
}
