/** Places in memory that an intrinsic's operands begin at, and how they move with a loop. */
import type { Expr, Var } from "../te/expr.ts";
import { coefficient, linear } from "../te/linear.ts";
import type { Access, Buffer } from "../tir/stmt.ts";

/** The elements along the last axis from where the loops begin. */
export const accessAt = (
  buf: Buffer,
  idx: readonly Expr[],
  start: (e: Expr) => Expr,
): Access => ({ buf, idx: idx.map(start), axis: idx.length - 1 });

/** Elements of memory that an access moves by when a variable goes on by one; null: not constant. */
export function stepOf(buf: Buffer, idx: readonly Expr[], v: Var): number | null {
  return idx.reduce<number | null>((sum, e, i) => {
    const c = coefficient(linear(e), v);
    return sum === null || c === null ? null : sum + c * buf.strides[i];
  }, 0);
}
