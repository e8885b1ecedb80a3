/**
 * The register-blocked inner product of cores without SMLAD: rows of int16 by columns of int8, whose
 * constants for one k lie side by side, so that each is loaded once for all rows.
 */
import { add, cast, type Expr, imm, load, mul, variable } from "../te/expr.ts";
import type { TensorIntrin } from "./intrinsics.ts";
import { type Access, type Buffer, seq, type Stmt } from "./stmt.ts";

/** Columns of a block; the last one of a product may use fewer. */
export const MAC_COLS = 4;

/** Rows and columns with their sums. */
interface Tile {
  readonly rows: number;
  readonly cols: number;
}

const cells = ({ rows, cols }: Tile): readonly (readonly [row: number, col: number])[] =>
  Array.from({ length: rows * cols }, (_, n) => [Math.floor(n / cols), n % cols]);

/** Instructions before and behind the loop. */
const AROUND = 8;

/**
 * From so many k on a block is a function of its own: its call is lost beside its loop, which in a
 * large kernel would have to share the registers with what is around it.
 */
const APART = 96;

/** Instructions of the call, and of sums that pass through memory. */
const CALL = 12, SUM = 4;

/**
 * acc[p][c] += Σ k: a[p][k]·w[k][c] for `rows` (1 or 2) rows of `k` elements, an even number, `pitch`
 * apart, by `cols` (1 to `MAC_COLS`) columns.
 *
 * Operands: acc int32 [rows][cols], a int16, w int8 [k][MAC_COLS].
 */
export function macBlock(tile: Tile, k: number, pitch: number): TensorIntrin {
  const { rows, cols } = tile, apart = rows > 1 && pitch !== k ? `_p${pitch}` : "";
  const own = k >= APART, inLoop = 2 * (rows + cols + rows * cols) + 3;
  const around = own ? CALL + SUM * rows * cols : AROUND;
  const name = `mac_${rows}x${cols}_k${k}${apart}`;
  return {
    name,
    args: [
      { name: "acc", dtype: "int32", count: rows * cols, mode: "update" },
      { name: "a", dtype: "int16", count: k, mode: "read" },
      { name: "w", dtype: "int8", count: k * MAC_COLS, mode: "read" },
    ],
    scalars: [],
    byValue: false,
    meaning: (args) => meaning(args, tile, k),
    c: [{
      feature: null,
      needs: [],
      instructions: k / 2 * inLoop + around,
      length: inLoop + around,
      ...(own && { shared: true, inMemory: true }),
      text: `/* acc[p][c] += sum of a[p][k] w[k][c]: ${rows} row${rows > 1 ? "s" : ""} of ${k}${
        rows > 1 ? `, ${pitch} apart` : ""
      }, by ${cols} column${cols > 1 ? "s" : ""} */
${
        own
          ? "__attribute__((noinline)) static"
          : "__attribute__((always_inline)) static inline"
      } void ${name}(int32_t *acc, const int16_t *a, const int8_t *w)
${text(tile, k, pitch)}`,
    }],
  };
}

function meaning([acc, a, w]: readonly Access[], tile: Tile, k: number): Stmt {
  const v = variable("k", "int32", [0, k - 1]);
  const body = cells(tile).map(([p, c]): Stmt => {
    const at = [add(acc.idx[0], p), add(acc.idx[1], c)];
    const x = cast("int32", load(a.buf, [add(a.idx[0], p), add(a.idx[1], v)]));
    const y = cast("int32", load(w.buf, [w.idx[0], add(w.idx[1], v), add(w.idx[2], c), w.idx[3]]));
    const value: Expr = add(load(acc.buf as Buffer, at), mul(x, y));
    return { k: "store", buf: acc.buf, idx: at, value };
  });
  return { k: "for", v, lo: imm(0), hi: imm(k), body: seq(...body) };
}

function text(tile: Tile, k: number, pitch: number): string {
  const { rows, cols } = tile;
  const sum = (p: number, c: number) => `s${p}${c}`;
  const step = (i: number): string[] => [
    `const int32_t ${
      Array.from({ length: rows }, (_, p) => `x${p}${i} = a[${p * pitch + i}]`).join(", ")
    };`,
    ...Array.from({ length: cols }, (_, c) => [
      `const int32_t w${c}${i} = w[${MAC_COLS * i + c}];`,
      ...Array.from({ length: rows }, (_, p) => `${sum(p, c)} += x${p}${i} * w${c}${i};`),
    ]).flat(),
  ];
  const lines = [0, 1].flatMap(step).map((l) => `        ${l}`).join("\n");
  return `{
    const int16_t *const end = a + ${k};
    int32_t ${cells(tile).map(([p, c]) => `${sum(p, c)} = acc[${p * cols + c}]`).join(", ")};

    do {
${lines}
        a += 2;
        w += ${2 * MAC_COLS};
    } while (a != end);
${cells(tile).map(([p, c]) => `    acc[${p * cols + c}] = ${sum(p, c)};`).join("\n")}
}`;
}
