/**
 * Tiles of rows × columns on cores with SMLAD: what one step of a product takes, and how the rows and
 * the constants of a tile lie in memory.
 *
 * Rows are int16, interleaved: a group of four k holds k0 k2 of every row, a word each, then k1 k3.
 * Constants are words of the same two k. Bytes come in pairs of columns, whose halfwords are
 * e + 256·o (see `encodeOdd` in dot_block.ts); halfwords ("wide") come a column a word.
 */
import {
  add,
  cast,
  type Expr,
  floordiv,
  floormod,
  imm,
  load,
  lt,
  mul,
  select,
  variable,
} from "../te/expr.ts";
import type { TensorIntrin } from "./intrinsics.ts";
import { type Access, type Buffer, seq, type Stmt } from "./stmt.ts";

/** k of a group. */
export const GROUP = 4;

/** Columns of a tile of a single row. */
export const MOST_COLS = 4;

/** A tile: how much it computes, and of what. */
export interface Tile {
  /** 1 to 3. */
  readonly rows: number;
  /** 1 or 2; up to 4 for a single row. */
  readonly cols: number;
  /** Groups of four k. */
  readonly groups: number;
  /** Rows that are interleaved in memory, `rows` or more. */
  readonly pitch: number;
  /** Constants are int16 instead of int8 in pairs of columns. */
  readonly wide: boolean;
}

/** The intrinsic of a tile. */
export interface TileIntrin extends TensorIntrin {
  readonly tile: Tile;
}

/** Where element k of a row lies: [group, k mod 2, (k mod 4) ÷ 2] in the order of memory. */
export const placeOf = (k: Expr): [group: Expr, half: Expr, word: Expr] => [
  floordiv(k, GROUP),
  floordiv(floormod(k, GROUP), 2),
  floormod(k, 2),
];

/** Strides of interleaved rows [row, group, half, word] in elements. */
export const rowStrides = (pitch: number): number[] => [2, GROUP * pitch, 1, 2 * pitch];

/**
 * acc[p][c] += Σ k: a[p][k]·w[k][c].
 *
 * Operands: acc int32, its rows `apart`; a int16 [row, group, half, word]; w [block, group, word, pair of
 * columns, half, column of the pair] int8, or [block, group, word, column, half] int16.
 */
export function dotTile(tile: Tile, apart = tile.cols): TileIntrin {
  const { rows, cols, groups, pitch, wide } = tile;
  const name = `tile_${rows}x${cols}_k${GROUP * groups}_p${pitch}${
    rows > 1 && apart !== cols ? `_r${apart}` : ""
  }${wide ? "_s16" : ""}`;
  const pairs = Math.ceil(cols / 2);
  const type = wide ? "int16" : "int8";
  const weight = wide
    ? `            const int32_t v = w[${2 * cols} * (2 * (k / 4) + k % 2) + 2 * c + k % 4 / 2];`
    : `            const int8_t *const pair = w + 4 * (${pairs} * (2 * (k / 4) + k % 2) + c / 2) + 2 * (k % 4 / 2);
            const int32_t v = c % 2 == 0 ? pair[0] : pair[1] + (pair[0] < 0);`;
  return {
    name,
    tile,
    args: [
      { name: "acc", dtype: "int32", count: (rows - 1) * apart + cols, mode: "update" },
      { name: "a", dtype: "int16", count: GROUP * groups, mode: "read" },
      { name: "w", dtype: type, count: GROUP * groups * (wide ? cols : 2 * pairs), mode: "read" },
    ],
    scalars: [],
    byValue: false,
    meaning: (args) => meaning(args, tile),
    c: [{
      feature: null,
      needs: [],
      text: `/* acc[p][c] += sum of a[p][k] w[k][c]: ${rows} of ${pitch} interleaved rows of ${
        GROUP * groups
      }, by ${cols} column${cols > 1 ? "s" : ""} */
static inline void ${name}(int32_t *acc, const int16_t *a, const ${type}_t *w)
{
    for (int32_t k = 0; k < ${GROUP * groups}; k++) {
        const int16_t *const x = a + ${2 * pitch} * (2 * (k / 4) + k % 2) + k % 4 / 2;

        for (int32_t c = 0; c < ${cols}; c++) {
${weight}

            for (int32_t p = 0; p < ${rows}; p++) {
                acc[${apart} * p + c] += x[2 * p] * v;
            }
        }
    }
}`,
    }],
  };
}

/** Element (row p, k) of the rows. */
export function rowAt(a: Access, p: number, k: Expr): Expr {
  const [row, group, half, word] = a.idx;
  const [g, h, b] = placeOf(k);
  return cast("int32", load(a.buf, [add(row, p), add(group, g), add(half, h), add(word, b)]));
}

function meaning([acc, a, w]: readonly Access[], { rows, cols, groups, wide }: Tile): Stmt {
  const k = variable("k", "int32", [0, GROUP * groups - 1]);
  const [g, half, word] = placeOf(k);
  const constant = (c: number): Expr => {
    const value = (i: number) =>
      cast(
        "int32",
        load(
          w.buf,
          wide
            ? [w.idx[0], add(w.idx[1], g), word, imm(i), half]
            : [w.idx[0], add(w.idx[1], g), word, imm(i >> 1), half, imm(i & 1)],
        ),
      );
    return wide || c % 2 === 0
      ? value(c)
      : add(value(c), select(lt(value(c - 1), 0), imm(1), imm(0)));
  };
  const body: Stmt[] = [];
  for (let p = 0; p < rows; p++) {
    for (let c = 0; c < cols; c++) {
      const at = [...acc.idx.slice(0, -2), add(acc.idx.at(-2)!, p), add(acc.idx.at(-1)!, c)];
      const value = add(load(acc.buf as Buffer, at), mul(rowAt(a, p, k), constant(c)));
      body.push({ k: "store", buf: acc.buf, idx: at, value });
    }
  }
  return { k: "for", v: k, lo: imm(0), hi: imm(GROUP * groups), body: seq(...body) };
}
