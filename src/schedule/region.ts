/** Which part of a stage an iteration of its reader needs. */
import {
  add,
  type Expr,
  imm,
  type Interval,
  sub,
  substitute,
  type Var,
  variable,
} from "../te/expr.ts";
import { loads, variables } from "../te/analyze.ts";
import {
  fromLinear,
  keyOf,
  type Linear,
  linear,
  mentions,
  rangeOf,
  type Term,
} from "../te/linear.ts";
import { evaluate } from "../tir/trips.ts";
import type { Stage } from "./state.ts";

/** A box: start and extent per axis. */
export interface Box {
  readonly start: readonly Expr[];
  readonly extent: readonly number[];
}

/** A reader and its axes as expressions of bound and free variables. */
export interface Reader {
  readonly stage: Stage;
  readonly axes: ReadonlyMap<Var, Expr>;
}

/**
 * The box of `producer` that the readers touch while their free variables run over their ranges.
 * An index that is not linear in a free variable makes the whole axis needed.
 */
export function requiredBox(
  producer: Stage,
  readers: readonly Reader[],
  free: ReadonlySet<Var>,
): Box {
  const { out } = producer.compute;
  const accesses = readers.flatMap(({ stage, axes }) => {
    const { body } = stage.compute;
    const inside = body.k === "reduce" ? [body.body, body.init, ...body.where] : [body];
    return inside.flatMap(loads).flatMap((l) => {
      if (l.src === out) return [l.idx.map((e) => substitute(e, axes))];
      if (l.src !== producer.rows?.flat) return [];
      // Rows are needed whole: only the row index is a box.
      return [[substitute(l.idx[0], axes), ...out.shape.slice(1).map(() => null)]];
    });
  });
  const dims = out.shape.map((n, d) => {
    const spans = accesses.map((idx) => idx[d] && span(idx[d], free));
    return unite(spans, n);
  });
  return { start: dims.map((d) => d.start), extent: dims.map((d) => d.extent) };
}

/** bound part + [lo, hi] */
interface Span {
  readonly bound: Linear;
  readonly offset: Interval;
}

function span(e: Expr, free: ReadonlySet<Var>): Span | null {
  const l = linear(e);
  const bound = new Map(), moving = new Map();
  for (const [key, t] of l.terms) {
    const isFree = [...free].some((v) => mentions(t.atom, v));
    (isFree ? moving : bound).set(key, t);
  }
  const offset = rangeOfTerms(l.constant, moving);
  return offset && { bound: { constant: 0, terms: bound }, offset };
}

/** A variable with more values than this is not walked through. */
const MOST_VALUES = 2048;

/**
 * The range of a sum. Quotients and remainders of one variable move together, so that what depends on
 * it is walked through: a box that is too large would begin before its tensor.
 */
function rangeOfTerms(constant: number, terms: Linear["terms"]): Interval | null {
  const apart = new Map(terms), of = new Map<Var, Map<string, Term>>();
  for (const [key, t] of terms) {
    const [v, ...others] = variables(t.atom);
    if (!v?.range || others.length > 0 || v.range[1] - v.range[0] >= MOST_VALUES) continue;
    of.set(v, new Map([...of.get(v) ?? [], [key, t]]));
    apart.delete(key);
  }
  let sum = rangeOf({ constant, terms: apart });
  for (const [v, own] of of) {
    const all = { constant: 0, terms: own };
    const range = [...own.values()].every((t) => t.atom === v) ? rangeOf(all) : valuesOf(all, v);
    sum = sum && range && [sum[0] + range[0], sum[1] + range[1]];
  }
  return sum;
}

/** The smallest and the largest value over a variable's range; null where data decides. */
function valuesOf(l: Linear, v: Var): Interval | null {
  const [from, to] = v.range!, e = fromLinear(l);
  let lo = Infinity, hi = -Infinity;
  for (let i = from; i <= to; i++) {
    const n = evaluate(e, new Map([[v, i]]));
    if (n === null) return null;
    lo = Math.min(lo, n);
    hi = Math.max(hi, n);
  }
  return [lo, hi];
}

function unite(spans: readonly (Span | null)[], whole: number): { start: Expr; extent: number } {
  const all = { start: imm(0), extent: whole };
  const first = spans[0];
  if (!first) return all;
  const key = keyOf(fromLinear(first.bound));
  let [lo, hi] = first.offset;
  for (const s of spans) {
    if (!s || keyOf(fromLinear(s.bound)) !== key) return all;
    lo = Math.min(lo, s.offset[0]);
    hi = Math.max(hi, s.offset[1]);
  }
  if (hi - lo + 1 >= whole) return all;
  return { start: add(fromLinear(first.bound), lo), extent: hi - lo + 1 };
}

/** A load relative to the start of the box that is kept of its tensor. */
export const relative = (idx: readonly Expr[], start: readonly Expr[]): Expr[] =>
  idx.map((e, i) => sub(e, start[i]));

/** A fresh variable over an extent. */
export const fresh = (name: string, extent: number): Var =>
  variable(name, "int32", [0, extent - 1]);
