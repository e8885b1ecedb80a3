/** What products of rows by all columns of a constant on vectors (MVE) have in common. */
import { add, bits, cast, type Expr, imm, load, mul, type Var, variable } from "../te/expr.ts";
import { requantize } from "../te/rounding.ts";
import type { IntrinArg } from "./intrinsics.ts";
import { type ColumnOrder, packedAt, scaleAt, startAt } from "./mve_product_layout.ts";
import { type Bounds, boundsKey } from "./mve_requantize.ts";
import { type Access, behind, denseBuffer, seq, type Stmt } from "./stmt.ts";

/** Rows of bytes by columns; a row is what one output reads: `runs` pieces of `run` bytes. */
export interface RowsByColumns {
  /** Outputs along the rows, and how far they lie apart in what is read and in what is written. */
  readonly rows: number;
  readonly rowStep: number;
  readonly outStep: number;
  /** The same rows at further places: how many, and how far these lie apart. */
  readonly places: number;
  readonly placeStep: number;
  readonly outPlace: number;
  readonly cols: number;
  readonly runs: number;
  /** Bytes of a piece, and how far pieces lie apart. */
  readonly run: number;
  readonly runStep: number;
  readonly bounds: Bounds;
}

/** A part of a name that tells shapes apart. */
export function shapeKey(s: RowsByColumns): string {
  const apart = (s.rows > 1 ? `_r${s.rowStep}_y${s.outStep}` : "") +
    (s.places > 1 ? `_${s.places}_r${s.placeStep}_y${s.outPlace}` : "");
  const pieces = s.runs > 1 ? `${s.runs}x${s.run}_p${s.runStep}` : `${s.run}`;
  return `${s.rows}x${s.cols}_k${pieces}${apart}_${boundsKey(s.bounds)}`;
}

/** What is written and what is read: y bytes, a int8. */
export const rowArgs = (s: RowsByColumns): readonly IntrinArg[] => [
  {
    name: "y",
    dtype: s.bounds.dtype,
    count: (s.rows - 1) * s.outStep + (s.places - 1) * s.outPlace + s.cols,
    mode: "write",
  },
  {
    name: "a",
    dtype: "int8",
    count: (s.rows - 1) * s.rowStep + (s.places - 1) * s.placeStep + (s.runs - 1) * s.runStep +
      s.run,
    mode: "read",
  },
];

/** A loop from 0 up to `n`, or down from the last one. */
export const loopOf = (v: Var, n: number, body: Stmt, reversed = false): Stmt => ({
  k: "for",
  v,
  lo: imm(0),
  hi: imm(n),
  body,
  ...(reversed && { reversed }),
});

/** A variable from 0 up to `n`. */
export const turnOf = (name: string, n: number): Var => variable(name, "int32", [0, n - 1]);

/**
 * One output: y = requantize(start + Σ k: a·w, scale).
 *
 * @param at its row, column and place
 */
export function outputOf(
  [y, a, w, p]: readonly Access[],
  s: RowsByColumns & { readonly order: ColumnOrder },
  { row, col, place }: { readonly row: Expr; readonly col: Expr; readonly place: Expr },
): Stmt {
  const piece = turnOf("piece", s.runs), k = turnOf("k", s.run);
  const acc = denseBuffer("sum", "int32", [1], "local", [1], 4), here = [imm(0)];
  // Constants are whole: what their index adds to their start is a position in the packed shape.
  const inside = (x: Access, at: Expr[]): Expr => load(x.buf, x.idx.map((e, i) => add(e, at[i])));
  const from = add(mul(place, s.placeStep), mul(row, s.rowStep));
  const value = load(a.buf, behind(a, add(add(from, mul(piece, s.runStep)), k)));
  const weight = inside(w, packedAt(col, piece, k, s));
  const step = add(load(acc, here), mul(cast("int32", value), cast("int32", weight)));
  const { dtype, zero, lo, hi } = s.bounds;
  const scale = bits("float32", inside(p, scaleAt(col, s.order)));
  const result = requantize(load(acc, here), scale, imm(zero), imm(lo), imm(hi));
  const body = seq(
    { k: "store", buf: acc, idx: here, value: inside(p, startAt(col, s.order)) },
    loopOf(piece, s.runs, loopOf(k, s.run, { k: "store", buf: acc, idx: here, value: step })),
    {
      k: "store",
      buf: y.buf,
      idx: behind(y, add(add(mul(place, s.outPlace), mul(row, s.outStep)), col)),
      value: cast(dtype, result),
    },
  );
  return { k: "alloc", buf: acc, body };
}
