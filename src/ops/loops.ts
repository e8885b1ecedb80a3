/** Statements of loop programs, for operators that no tensor expression describes. */
import type { DType } from "../util/dtype.ts";
import { type Expr, imm, load, variable } from "../te/expr.ts";
import type { Buffer, Stmt } from "../tir/stmt.ts";

type Index = Expr | number;
const index = (i: Index): Expr => typeof i === "number" ? imm(i) : i;

/** The statements one after another. */
export const block = (...body: readonly Stmt[]): Stmt => ({
  k: "seq",
  body: body.flatMap((s) => s.k === "seq" ? s.body : [s]),
});

/** For v from `lo` to before `hi`. */
export function loop(name: string, hi: Index, body: (v: Expr) => Stmt, lo: Index = 0): Stmt {
  const range = typeof hi === "number" && typeof lo === "number"
    ? [lo, Math.max(lo, hi - 1)] as const
    : undefined;
  const v = variable(name, "int32", range);
  return { k: "for", v, lo: index(lo), hi: index(hi), body: body(v) };
}

/** One loop around another, over a shape. */
export function loops(
  names: readonly string[],
  shape: readonly number[],
  body: (at: Expr[]) => Stmt,
): Stmt {
  const nest = (at: Expr[]): Stmt =>
    at.length === shape.length
      ? body(at)
      : loop(names[at.length] ?? `i${at.length}`, shape[at.length], (v) => nest([...at, v]));
  return nest([]);
}

export const store = (buf: Buffer, idx: readonly Index[], value: Expr): Stmt => ({
  k: "store",
  buf,
  idx: idx.map(index),
  value,
});

export const when = (cond: Expr, then: Stmt, otherwise: Stmt | null = null): Stmt => ({
  k: "if",
  cond,
  then,
  else: otherwise,
});

/** A variable that is assigned to. */
export interface Cell {
  readonly get: Expr;
  set(value: Expr): Stmt;
}

/** A variable of the function around `body`, with a first value. */
export function cell(name: string, first: Expr, body: (c: Cell) => Stmt): Stmt {
  const dtype: DType = first.dtype;
  const buf: Buffer = {
    name,
    dtype,
    shape: [1],
    strides: [1],
    offset: 0,
    scope: "local",
    length: 1,
    align: 1,
  };
  const c: Cell = { get: load(buf, [0]), set: (value) => store(buf, [0], value) };
  return { k: "alloc", buf, body: block(c.set(first), body(c)) };
}

/** Several variables. */
export function cells(
  firsts: Readonly<Record<string, Expr>>,
  body: (c: Readonly<Record<string, Cell>>) => Stmt,
): Stmt {
  const names = Object.keys(firsts);
  const nest = (done: Record<string, Cell>, i: number): Stmt =>
    i === names.length
      ? body(done)
      : cell(names[i], firsts[names[i]], (c) => nest({ ...done, [names[i]]: c }, i + 1));
  return nest({}, 0);
}
