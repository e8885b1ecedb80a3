/** Which nests are products of tiles, and copies to the rows that they take. */
import { coefficient, keyOf, linear, simplify } from "../te/linear.ts";
import { add, type Expr, floordiv, floormod, imm, mul, substitute, type Var } from "../te/expr.ts";
import { blank } from "../tir/blank.ts";
import { BLOCK_COLS } from "../tir/dot_block.ts";
import { spread, type SpreadIntrin } from "../tir/spread.ts";
import { SPREAD_ROWS, spreadRows } from "../tir/spread_rows.ts";
import type { Buffer, Intrin, Store } from "../tir/stmt.ts";
import { accessAt } from "./access.ts";
import { dotTile, GROUP, MOST_COLS, placeOf } from "../tir/tile.ts";
import { type BlockNest, type NestLoop, product, source, widened } from "./tensorize.ts";

/** The call for a tile of interleaved rows; null where the nest is no such product. */
export function tensorizeTile(s: Store, n: BlockNest, start: (e: Expr) => Expr): Intrin | null {
  const p = product(s);
  const a = p && widened(p.a, "int16");
  const w = p && (widened(p.b, "int8") ?? widened(p.b, "int16"));
  if (!a || !w || a.idx.length !== 4 || s.idx.length !== 2) return null;
  const rows = a.src as Buffer, wide = w.dtype === "int16";
  const pitch = rows.strides[3] / 2;
  const is = (e: Expr, want: Expr): boolean => keyOf(simplify(e)) === keyOf(simplify(want));
  const by = (e: Expr, v: Var, extent: number): boolean =>
    extent === 1 || coefficient(linear(e), v) === 1;
  const place = placeOf(n.k);
  // In the order of the constants: group, word, column, half.
  const [group, half, word] = place;
  const col = start(w.idx[0]);
  const column = (e: Expr, want: Expr): boolean => is(start2(e, n), start2(want, n));
  const inner = wide ? [w.idx[3], w.idx[4]] : [w.idx[3], w.idx[4], w.idx[5]];
  const wanted = wide ? [n.col, half] : [floordiv(n.col, BLOCK_COLS), half, floormod(n.col, 2)];
  const fits = by(s.idx[0], n.row, n.rows) && by(s.idx[1], n.col, n.cols) &&
    by(a.idx[0], n.row, n.rows) && place.every((e, i) => is(a.idx[i + 1], e)) &&
    is(w.idx[1], group) && is(w.idx[2], word) && inner.every((e, i) => column(e, wanted[i])) &&
    is(w.idx[0], col) && n.length % GROUP === 0 && s.buf.strides[1] === 1 &&
    n.rows <= pitch && n.cols <= MOST_COLS;
  if (!fits) return null;
  const tile = { rows: n.rows, cols: n.cols, groups: n.length / GROUP, pitch, wide };
  return {
    k: "intrin",
    op: dotTile(tile, n.rows > 1 ? s.buf.strides[0] : n.cols),
    args: [
      accessAt(s.buf, s.idx, start),
      accessAt(rows, a.idx, start),
      accessAt(w.src as Buffer, w.idx, start),
    ],
    scalars: [],
  };
}

/**
 * The call that copies runs of bytes to one of several interleaved rows: the innermost loops that run
 * through neighbours in memory are one run, those around them repeat it; null: another form.
 */
export function tensorizeSpread(
  s: Store,
  loops: readonly NestLoop[],
  start: (e: Expr) => Expr,
): Intrin | null {
  if (s.idx.length !== 4) return null;
  if (s.value.k === "imm") {
    return Number(s.value.value) === 0 ? tensorizeBlank(s, loops, start) : null;
  }
  const src = source(s.value, "int8") ?? source(s.value, "uint8");
  if (!src) return null;
  const [first, ...inner] = loops;
  if (coefficient(linear(s.idx[0]), first.v) === 1) {
    return first.extent === SPREAD_ROWS ? tensorizeSpreadRows(s, first.v, inner, start) : null;
  }
  const from = src.l.src as Buffer;
  const address = linear(
    src.l.idx.reduce<Expr>((e, x, d) => add(e, mul(x, from.strides[d])), imm(from.offset)),
  );
  let count = 1, times = 1, stride = 0;
  let position: Expr = imm(0);
  for (const { v, extent } of [...loops].reverse()) {
    const step = coefficient(address, v);
    if (step === null) return null;
    position = add(position, mul(v, count * times));
    if (extent === 1) continue;
    if (times === 1 && step === count) count *= extent;
    else if (times === 1 || step === stride * times) {
      stride = times === 1 ? step : stride;
      times *= extent;
    } else return null;
  }
  if (from.rowsApart !== undefined && times > 1 && stride >= from.rowsApart) return null;
  const axis = from.strides.indexOf(1);
  const fits = isPlaced(s, position, start) && count % GROUP === 0 && stride >= 0 && axis >= 0;
  if (!fits) return null;
  const op = spread(from.dtype, s.buf.strides[3] / 2, { count, times, stride });
  const scalars = { zero: src.zero, count, times, stride };
  return {
    k: "intrin",
    op,
    args: [
      { buf: s.buf, idx: s.idx.map(start), axis: 3 },
      { buf: from, idx: src.l.idx.map(start), axis },
    ],
    scalars: op.scalars.map((n) => scalars[n as keyof typeof scalars]),
  };
}

const isSame = (e: Expr, want: Expr): boolean => keyOf(simplify(e)) === keyOf(simplify(want));

/** Whether elements go to an interleaved row one after the other, from a whole group of four on. */
const isPlaced = (s: Store, position: Expr, start: (e: Expr) => Expr): boolean =>
  placeOf(position).every((e, d) => isSame(s.idx[d + 1], add(start(s.idx[d + 1]), e))) &&
  isSame(start(s.idx[2]), imm(0)) && isSame(start(s.idx[3]), imm(0));

/** The call that fills what a border leaves of one of several interleaved rows; null: another form. */
function tensorizeBlank(
  s: Store,
  loops: readonly NestLoop[],
  start: (e: Expr) => Expr,
): Intrin | null {
  let count = 1;
  let position: Expr = imm(0);
  for (const { v, extent } of [...loops].reverse()) {
    position = add(position, mul(v, count));
    count *= extent;
  }
  if (!isPlaced(s, position, start) || count % GROUP !== 0) return null;
  return {
    k: "intrin",
    op: blank(s.buf.strides[3] / 2, count),
    args: [{ buf: s.buf, idx: s.idx.map(start), axis: 3 }],
    scalars: [count],
  };
}

/** The same of all rows of a tile, wherever each of them comes from. */
function tensorizeSpreadRows(
  s: Store,
  row: Var,
  loops: readonly NestLoop[],
  start: (e: Expr) => Expr,
): Intrin | null {
  if (loops.length === 0 || s.buf.strides[3] !== 2 * SPREAD_ROWS) return null;
  const of = (p: number) => (e: Expr): Expr => substitute(e, new Map([[row, imm(p)]]));
  const calls = Array.from({ length: SPREAD_ROWS }, (_, p) => {
    const own = of(p);
    const store = { ...s, idx: s.idx.map(own), value: own(s.value) };
    return tensorizeSpread(store, loops, (e) => start(own(e)));
  });
  const [one] = calls;
  if (one === null || calls.some((c) => c === null || c.op.name !== one.op.name)) return null;
  const { runs, from } = one.op as SpreadIntrin;
  const op = spreadRows(from, runs);
  const scalars = { zero: one.scalars[0], ...runs };
  return {
    k: "intrin",
    op,
    args: [one.args[0], ...calls.map((c) => c!.args[1])],
    scalars: op.scalars.map((n) => scalars[n as keyof typeof scalars]),
  };
}

/** An index where the only column of a block is the first one. */
const start2 = (e: Expr, n: BlockNest): Expr =>
  n.cols > 1 ? e : substitute(e, new Map([[n.col, imm(0)]]));
