/** The nest of a whole product with its requantisation, as the one call that does it (MVE). */
import { add, type Expr, imm, type Load, mul } from "../te/expr.ts";
import { mentions } from "../te/linear.ts";
import { REQUANTIZE } from "../te/rounding.ts";
import type { TensorIntrin } from "../tir/intrinsics.ts";
import { columnRowsCost, columnsFit, productByColumns } from "../tir/mve_columns.ts";
import { productColumns, productFits } from "../tir/mve_product.ts";
import {
  type ColumnOrder,
  packedAt,
  packedShape,
  scaleAt,
  startAt,
} from "../tir/mve_product_layout.ts";
import type { RowsByColumns } from "../tir/mve_product_shape.ts";
import { rowsCost } from "../tir/mve_product_tiles.ts";
import { isByte } from "../tir/mve_requantize.ts";
import type { Buffer, Intrin, Stmt, Store } from "../tir/stmt.ts";
import { begin, flat, mergeTurns, sameIndices, stepsOf, type Turn, turnsAround } from "./nest.ts";
import type { PackedBuffer } from "./tensorize.ts";

/** What sums and requantises: a start, a sum of products, a result. */
interface Parts {
  readonly start: Load;
  readonly inner: readonly Turn[];
  readonly a: Load;
  readonly w: Load;
  readonly out: Store;
  readonly scale: Load;
  readonly bounds: readonly number[];
}

const byteOf = (e: Expr): Load | null =>
  e.k === "cast" && e.dtype === "int32" && e.a.k === "load" && e.a.dtype === "int8" ? e.a : null;

/** `acc = start; for …: acc += a·w; y = requantize(acc)` with constants in an order, or null. */
export function sumAndRequantize(s: Stmt, order: "stream" | "lanes" | "patches"): Parts | null {
  const isStream = (l: Load): boolean => (l.src as PackedBuffer).order === order;
  if (s.k !== "alloc" || s.body.k !== "seq" || s.body.body.length !== 3) return null;
  const [first, loops, out] = s.body.body;
  const own = (b: Buffer | Load["src"]): boolean => (b as Buffer).name === s.buf.name;
  if (first.k !== "store" || !own(first.buf) || first.value.k !== "load") return null;
  const nest = turnsAround(loops);
  if (!nest || nest.body.k !== "store" || !own(nest.body.buf)) return null;
  const { value } = nest.body;
  if (value.k !== "bin" || value.op !== "add" || value.b.k !== "bin" || value.b.op !== "mul") {
    return null;
  }
  if (value.a.k !== "load" || !own(value.a.src)) return null;
  const x = byteOf(value.b.a), y = byteOf(value.b.b);
  if (!x || !y || isStream(x) === isStream(y)) return null;
  const [a, w] = isStream(y) ? [x, y] : [y, x];
  if (out.k !== "store" || out.value.k !== "cast" || out.value.a.k !== "call") return null;
  const { fn, args } = out.value.a;
  if (fn !== REQUANTIZE || args[0].k !== "load" || !own(args[0].src)) return null;
  if (args[1].k !== "bits" || args[1].a.k !== "load") return null;
  const bounds = args.slice(2).map((e) => e.k === "imm" ? Number(e.value) : NaN);
  if (bounds.some(Number.isNaN)) return null;
  return { start: first.value, inner: nest.turns, a, w, out, scale: args[1].a, bounds };
}

/** Loops of a row's elements: pieces that lie apart, and the neighbours of one piece. */
function pieces(inner: readonly Turn[], steps: readonly number[]) {
  for (let split = 0; split <= inner.length; split++) {
    const extents = inner.map((t) => t.extent);
    const outer = mergeTurns(extents.slice(0, split), steps.slice(0, split));
    const run = mergeTurns(extents.slice(split), steps.slice(split));
    if (outer && run && (run.extent === 1 || run.steps[0] === 1)) {
      return { split, runs: outer.extent, runStep: outer.steps[0], run: run.extent };
    }
  }
  return null;
}

const flatten = (turns: readonly Turn[]): Expr =>
  turns.reduce<Expr>((e, t) => add(mul(e, t.extent), t.v), imm(0));

/** Rows that lie evenly, or the same ones at further places: the axis that gives the better tiles is the rows'. */
function rowsOf(
  extents: readonly number[],
  read: readonly number[],
  moves: readonly number[],
  cost: (rows: number) => number,
) {
  const part = (from: number, to?: number) =>
    mergeTurns(extents.slice(from, to), read.slice(from, to), moves.slice(from, to));
  for (let split = 0; split < Math.max(1, extents.length); split++) {
    const outer = part(0, split), inner = part(split);
    if (!outer || !inner) continue;
    const swap = cost(outer.extent) * inner.extent < cost(inner.extent) * outer.extent;
    const [rows, places] = swap ? [outer, inner] : [inner, outer];
    return {
      rows: rows.extent,
      rowStep: rows.steps[0],
      outStep: rows.steps[1],
      places: places.extent,
      placeStep: places.steps[0],
      outPlace: places.steps[1],
    };
  }
  return null;
}

/** The intrinsic for constants in an order; null where it cannot hold the shape. */
function productOp(shape: RowsByColumns, order: ColumnOrder): TensorIntrin | null {
  if (order === "each") return columnsFit(shape) ? productByColumns(shape) : null;
  if (order === "fours" && shape.rows * shape.places > 1) return null;
  const product = { ...shape, order };
  return productFits(product) ? productColumns(product) : null;
}

/** The call in place of a nest of rows × columns; null where the nest does something else. */
export function matchProduct(s: Stmt): Intrin | null {
  const nest = turnsAround(s);
  const parts = nest && sumAndRequantize(nest.body, "stream");
  if (!nest || !parts) return null;
  const { a, w, out, start, scale, inner } = parts;
  const { dtype } = out.buf;
  const moves = flat(out.buf, out.idx), weights = flat(w.src as Buffer, w.idx);
  const isColumn = (t: Turn) => [...weights.terms.values()].some((x) => mentions(x.atom, t.v));
  const cols = nest.turns.filter(isColumn), rows = nest.turns.filter((t) => !isColumn(t));
  if (cols.length !== 1 || !isByte(dtype)) return null;
  // Constants are read from their first on.
  if ([...cols, ...inner].some((t) => t.from !== 0)) return null;
  const [col] = cols, reads = flat(a.src as Buffer, a.idx);
  const colStep = stepsOf(moves, cols), inSteps = stepsOf(reads, [...rows, ...inner]);
  const outSteps = stepsOf(moves, rows);
  if (!inSteps || !outSteps || colStep?.[0] !== 1 || stepsOf(reads, cols)?.[0] !== 0) return null;
  const k = pieces(inner, inSteps.slice(rows.length));
  if (!k) return null;
  const [piece, element] = [flatten(inner.slice(0, k.split)), flatten(inner.slice(k.split))];
  const order = (["pairs", "fours", "each"] as const).find((order) =>
    sameIndices(w.idx, packedAt(col.v, piece, element, { ...k, order })) &&
    String((w.src as Buffer).shape.slice(1)) === String(packedShape(1, { ...k, order }).slice(1))
  );
  const expected = order !== undefined && sameIndices(start.idx, startAt(col.v, order)) &&
    sameIndices(scale.idx, scaleAt(col.v, order)) && start.src === scale.src;
  if (!expected) return null;
  const merged = rowsOf(
    rows.map((t) => t.extent),
    inSteps.slice(0, rows.length),
    outSteps,
    order === "each" ? columnRowsCost : rowsCost,
  );
  if (!merged) return null;
  const [zero, lo, hi] = parts.bounds;
  const shape: RowsByColumns = {
    ...merged,
    cols: col.extent,
    runs: k.runs,
    run: k.run,
    runStep: k.runStep,
    bounds: { dtype, zero, lo, hi },
  };
  const forward = [shape.rowStep, shape.placeStep, shape.outPlace, shape.runStep];
  const op = forward.every((n) => n >= 0) ? productOp(shape, order) : null;
  if (!op) return null;
  const turns = [...nest.turns, ...inner];
  return {
    k: "intrin",
    op,
    args: [
      begin(out.buf, out.idx, turns),
      begin(a.src as Buffer, a.idx, turns),
      begin(w.src as Buffer, w.idx, turns),
      begin(start.src as Buffer, start.idx, turns),
    ],
    scalars: [],
  };
}
