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
import { coefficient, fromLinear, linear, simplify, simplifyCondition } from "../te/linear.ts";

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
 * The iterations of a loop in which conditions hold that bound it by constants.
 *
 * @param open whether a variable is still to be entered by another loop
 * @returns null where none does
 */
export function constantRange(
  conditions: readonly Expr[],
  v: Var,
  extent: number,
  global: ReadonlyMap<Var, Expr>,
  open: (v: Var) => boolean,
): { lo: number; hi: number; rest: Expr[] } | null {
  let lo = 0, hi = extent;
  const rest: Expr[] = [];
  for (const c of conditions) {
    const own = [...variables(c)].filter((x) => x === v || open(x));
    const bound = c.k === "bin" && own.length === 1 && own[0] === v &&
      linearBound(c.op, substitute(c.a, global), substitute(c.b, global), v);
    const at = bound ? simplify(bound) : null;
    if (at?.k !== "imm") rest.push(c);
    else if (c.k === "bin" && c.op === "ge") lo = Math.max(lo, Number(at.value));
    else hi = Math.min(hi, Number(at.value));
  }
  if (rest.length === conditions.length) return null;
  lo = Math.min(lo, extent);
  return { lo, hi: Math.max(lo, hi), rest };
}

/** Conditions without those that others imply: of bounds of one sum the tightest is left. */
export function tightest(conditions: readonly Expr[]): Expr[] {
  const kept = new Map<string, { c: Expr; constant: number }>();
  conditions.forEach((c, i) => {
    if (c.k !== "bin" || (c.op !== "ge" && c.op !== "lt")) {
      return void kept.set(`${i}`, { c, constant: 0 });
    }
    const l = linear(sub(c.a, c.b));
    const key = `${c.op}:${[...l.terms].map(([k, t]) => `${t.coeff}${k}`).sort()}`;
    const other = kept.get(key);
    const tighter = !other ||
      (c.op === "ge" ? l.constant < other.constant : l.constant > other.constant);
    if (tighter) kept.set(key, { c, constant: l.constant });
  });
  return [...kept.values()].map(({ c }) => c);
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
