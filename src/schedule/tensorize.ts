/** Which intrinsic an innermost loop is: matching `store` statements against their meanings. */
import { coefficient, linear } from "../te/linear.ts";
import type { Expr, Load, Var } from "../te/expr.ts";
import { dot4, dotOrder, mla4, type TensorIntrin, widen4 } from "../tir/intrinsics.ts";
import { BLOCK_COLS, dotBlock } from "../tir/dot_block.ts";
import type { Access, Buffer, Intrin, Store } from "../tir/stmt.ts";
import type { PackedTensor } from "./gemm.ts";

/** The intrinsics that schedules can name. */
export const INTRINSICS: ReadonlyMap<string, TensorIntrin> = new Map(
  [dot4("int8"), dot4("int16"), mla4("int8"), mla4("uint8"), widen4("int8"), widen4("uint8")].map((
    i,
  ) => [i.name, i]),
);

/** Name of the intrinsic that takes a whole nest over k, row and col; see {@link tensorizeBlock}. */
export const DOT_BLOCK = "dot_block";

/** Iterations that a loop must have to become one call. */
export const widthOf = (i: TensorIntrin): number => Math.max(...i.args.map((a) => a.count));

/** The access whose elements run with `v`, one by one; null where they do not. */
function running(l: Load | Store, v: Var): Access | null {
  const buf = (l.k === "load" ? l.src : l.buf) as Buffer;
  const steps = l.idx.map((e) => coefficient(linear(e), v));
  const axis = steps.findIndex((c) => c !== 0);
  if (axis < 0 || steps[axis] !== 1 || buf.strides[axis] !== 1) return null;
  if (steps.some((c, i) => i !== axis && c !== 0)) return null;
  return { buf, idx: l.idx, axis };
}

/** The access that `v` does not move. */
function still(l: Load | Store, v: Var): Access | null {
  const buf = (l.k === "load" ? l.src : l.buf) as Buffer;
  return l.idx.every((e) => coefficient(linear(e), v) === 0)
    ? { buf, idx: l.idx, axis: l.idx.length - 1 }
    : null;
}

const widened = (e: Expr, dtype: string): Load | null =>
  e.k === "cast" && e.dtype === "int32" && e.a.k === "load" && e.a.dtype === dtype ? e.a : null;

/** `load − zero`, or a load alone. */
function centred(e: Expr, dtype: string): { l: Load; zero: number } | null {
  if (e.k === "bin" && e.op === "sub" && e.b.k === "imm") {
    const l = widened(e.a, dtype);
    return l && { l, zero: Number(e.b.value) };
  }
  const l = widened(e, dtype);
  return l && { l, zero: 0 };
}

/** The two factors of `acc = acc + a·b`. */
function product(s: Store): { a: Expr; b: Expr } | null {
  const v = s.value;
  if (v.k !== "bin" || v.op !== "add" || v.a.k !== "load" || v.a.src !== s.buf) return null;
  return v.b.k === "bin" && v.b.op === "mul" ? { a: v.b.a, b: v.b.b } : null;
}

type Found = { readonly args: readonly (Access | null)[]; readonly scalars: readonly number[] };

function find(s: Store, v: Var, i: TensorIntrin): Found | null {
  const p = product(s);
  if (i.byValue) {
    const dtype = i.args[2].dtype;
    const a = p && widened(p.a, "int16"), w = p && widened(p.b, dtype);
    if (!a || !w || String((w.src as PackedBuffer).order) !== String(dotOrder(dtype))) return null;
    return { args: [still(s, v), running(a, v), running(w, v)], scalars: [] };
  }
  const x = i.args[1].dtype;
  if (i.args.length === 3) {
    const a = p && centred(p.a, x), w = p && widened(p.b, "int8");
    return a && w && { args: [running(s, v), running(a.l, v), running(w, v)], scalars: [a.zero] };
  }
  const src = s.value.k === "cast" ? centred(s.value.a, x) : null;
  return src && { args: [running(s, v), running(src.l, v)], scalars: [src.zero] };
}

/** A parameter buffer whose innermost groups are permuted. */
export interface PackedBuffer extends Buffer {
  readonly order?: PackedTensor["order"];
}

/**
 * The intrinsic call that does what a loop over `v` of this statement does.
 *
 * @param start gives an index expression at the loop's first iteration
 * @returns null where the statement does not have the intrinsic's form
 */
export function tensorize(
  s: Store,
  v: Var,
  intrinsic: TensorIntrin,
  start: (e: Expr) => Expr,
): Intrin | null {
  const f = find(s, v, intrinsic);
  if (!f || f.args.some((a) => a === null)) return null;
  const args = f.args.map((a) => ({ ...a!, idx: a!.idx.map(start) }));
  return { k: "intrin", op: intrinsic, args, scalars: f.scalars };
}

/** The variables of a nest of rows × columns × k, and how far each goes. */
export interface BlockNest {
  readonly row: Var;
  readonly col: Var;
  readonly k: Var;
  readonly rows: number;
  readonly cols: number;
  readonly length: number;
}

/** The call of {@link dotBlock} that does what the nest around this statement does; null: none. */
export function tensorizeBlock(s: Store, n: BlockNest, start: (e: Expr) => Expr): Intrin | null {
  const p = product(s);
  const a = p && widened(p.a, "int16"), w = p && widened(p.b, "int8");
  if (!a || !w || (w.src as PackedBuffer).order !== "paired" || n.cols !== BLOCK_COLS) return null;
  const rows = a.src as Buffer;
  const moves = (e: Expr, v: Var): number | null => coefficient(linear(e), v);
  // The index of a single row is a constant.
  const byRow = (e: Expr): boolean => n.rows === 1 || moves(e, n.row) === 1;
  const fits = s.idx.length === 2 && byRow(s.idx[0]) && moves(s.idx[1], n.col) === 1 &&
    byRow(a.idx[0]) && moves(a.idx[1], n.k) === 1 && rows.strides[1] === 1 &&
    (n.rows === 1 || s.buf.strides[0] === BLOCK_COLS) && s.buf.strides[1] === 1;
  if (!fits || n.rows > 2 || n.length % 4 !== 0) return null;
  const access = (buf: Buffer, idx: readonly Expr[]): Access => ({
    buf,
    idx: idx.map(start),
    axis: idx.length - 1,
  });
  return {
    k: "intrin",
    op: dotBlock(n.rows, n.length, rows.strides[0]),
    args: [access(s.buf, s.idx), access(rows, a.idx), access(w.src as Buffer, w.idx)],
    scalars: [],
  };
}
