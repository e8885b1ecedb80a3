/** Conditions of definitions taken apart: what they say of one loop. */
import {
  add,
  bin,
  type Expr,
  FALSE,
  floordiv,
  imm,
  mul,
  sub,
  substitute,
  type Var,
} from "../te/expr.ts";
import { variables } from "../te/analyze.ts";
import { coefficient, fromLinear, linear, simplifyCondition } from "../te/linear.ts";

/** The parts of a conjunction. */
export function conjuncts(e: Expr): Expr[] {
  return e.k === "bin" && e.op === "and" ? [...conjuncts(e.a), ...conjuncts(e.b)] : [e];
}

/** v ≥ result, or v < result, from `a op b` with a positive coefficient of v; null otherwise. */
export function linearBound(op: string, a: Expr, b: Expr, v: Var): Expr | null {
  if (op !== "ge" && op !== "lt") return null;
  const l = linear(sub(a, b));
  const c = coefficient(l, v);
  if (c === null || c <= 0) return null;
  const rest = fromLinear(linear(sub(fromLinear(l), mul(v, c))));
  return floordiv(sub(imm(c - 1), rest), c);
}

/**
 * What must hold for a condition to hold throughout a box: it is tested where it is hardest to meet.
 *
 * @param starts first value of each variable of the box, 0 where absent
 * @param extents how many values each variable of the box takes
 */
export function throughout(
  c: Expr,
  starts: ReadonlyMap<Var, Expr>,
  extents: ReadonlyMap<Var, number>,
): Expr {
  if (c.k !== "bin" || (c.op !== "ge" && c.op !== "lt")) return FALSE;
  const l = linear(sub(c.a, c.b));
  const worst = new Map<Var, Expr>();
  for (const v of variables(c)) {
    const n = extents.get(v);
    if (n === undefined) continue;
    const k = n === 1 ? 0 : coefficient(l, v);
    if (k === null) return FALSE;
    const last = (k > 0) === (c.op === "lt") ? n - 1 : 0;
    worst.set(v, add(starts.get(v) ?? imm(0), last));
  }
  return simplifyCondition(bin(c.op, substitute(c.a, worst), substitute(c.b, worst)));
}
