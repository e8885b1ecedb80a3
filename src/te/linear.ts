/**
 * Index expressions as sums of products `coefficient × atom`. Atoms are variables, and quotients and
 * remainders by constants that the variables' ranges cannot resolve. This is what turns a flattened,
 * split and fused index back into `4 * i + j`.
 */
import { add, bin, type Expr, imm, type Interval, mul, rewrite, sub, type Var } from "./expr.ts";

/** One term of a linear form. */
export interface Term {
  readonly atom: Expr;
  readonly coeff: number;
}
/** constant + Σ coeff × atom; the key identifies the atom. */
export interface Linear {
  readonly constant: number;
  readonly terms: ReadonlyMap<string, Term>;
}

const ids = new WeakMap<object, number>();
let nextId = 0;
function idOf(o: object): number {
  let id = ids.get(o);
  if (id === undefined) ids.set(o, id = nextId++);
  return id;
}

/** A text that is equal for equal expressions. */
export function keyOf(e: Expr): string {
  switch (e.k) {
    case "imm":
      return `${e.value}`;
    case "var":
      return `v${idOf(e)}`;
    case "load":
      return `L${idOf(e.src)}[${e.idx.map(keyOf)}]`;
    case "bin":
      return `${e.op}(${keyOf(e.a)},${keyOf(e.b)})`;
    case "select":
      return `?(${keyOf(e.cond)},${keyOf(e.a)},${keyOf(e.b)})`;
    case "call":
      return `${e.fn.name}(${e.args.map(keyOf)})`;
    case "un":
      return `${e.op}(${keyOf(e.a)})`;
    case "cast":
    case "bits":
      return `${e.k}:${e.dtype}(${keyOf(e.a)})`;
    case "reduce":
      return `r${idOf(e)}`;
  }
}

const CONSTANT = (c: number): Linear => ({ constant: c, terms: new Map() });

function combine(a: Linear, b: Linear, scale: number): Linear {
  const terms = new Map(a.terms);
  for (const [key, t] of b.terms) {
    const coeff = (terms.get(key)?.coeff ?? 0) + scale * t.coeff;
    if (coeff === 0) terms.delete(key);
    else terms.set(key, { atom: t.atom, coeff });
  }
  return joinQuotients({ constant: a.constant + scale * b.constant, terms });
}

const scaled = (a: Linear, k: number): Linear => combine(CONSTANT(0), a, k);
const atomic = (e: Expr): Linear => ({
  constant: 0,
  terms: new Map([[keyOf(e), { atom: e, coeff: 1 }]]),
});

/** d·(x ÷ d) + x mod d = x, with any common factor. */
function joinQuotients(l: Linear): Linear {
  for (const [key, { atom, coeff }] of l.terms) {
    if (atom.k !== "bin" || atom.op !== "floormod" || atom.b.k !== "imm") continue;
    const d = Number(atom.b.value);
    const quotient = divide(linear(atom.a), d);
    if (quotient.terms.size !== 1 || quotient.constant !== 0) continue;
    const [qKey, q] = [...quotient.terms][0];
    if (q.coeff !== 1 || l.terms.get(qKey)?.coeff !== coeff * d) continue;
    const terms = new Map(l.terms);
    terms.delete(key);
    terms.delete(qKey);
    return combine({ constant: l.constant, terms }, linear(atom.a), coeff);
  }
  return l;
}

/** The parts of a sum that a divisor divides, and the rest. */
function partition(l: Linear, d: number): { whole: Linear; rest: Linear } {
  const whole = new Map<string, Term>(), rest = new Map<string, Term>();
  for (const [key, t] of l.terms) {
    if (t.coeff % d === 0) whole.set(key, { atom: t.atom, coeff: t.coeff / d });
    else rest.set(key, t);
  }
  const q = Math.floor(l.constant / d);
  return {
    whole: { constant: q, terms: whole },
    rest: { constant: l.constant - q * d, terms: rest },
  };
}

const within = (r: Interval | null, d: number): boolean => r !== null && r[0] >= 0 && r[1] < d;

const gcd = (a: number, b: number): number => b === 0 ? Math.abs(a) : gcd(b, a % b);

/** x = g·whole + rest with 0 ≤ rest < g, where g > 1 divides d: x ÷ d = whole ÷ (d/g). */
function factor(l: Linear, d: number): { g: number; whole: Linear; rest: Linear } | null {
  for (const { coeff } of l.terms.values()) {
    const g = gcd(coeff, d);
    if (g === 1 || g === d) continue;
    const parts = partition(l, g);
    if (within(rangeOf(parts.rest), g)) return { g, ...parts };
  }
  return null;
}

function divide(l: Linear, d: number): Linear {
  const { whole, rest } = partition(l, d);
  if (within(rangeOf(rest), d)) return whole;
  const terms = [...rest.terms.values()];
  const factored = factor(rest, d);
  if (factored) return combine(whole, divide(factored.whole, d / factored.g), 1);
  // (x ÷ a) ÷ b = x ÷ ab
  if (terms.length === 1 && rest.constant === 0 && terms[0].coeff === 1) {
    const a = terms[0].atom;
    if (a.k === "bin" && a.op === "floordiv" && a.b.k === "imm") {
      return combine(whole, divide(linear(a.a), Number(a.b.value) * d), 1);
    }
  }
  return combine(whole, atomic(bin("floordiv", fromLinear(rest), imm(d))), 1);
}

function remainder(l: Linear, d: number): Linear {
  const { rest } = partition(l, d);
  if (within(rangeOf(rest), d)) return rest;
  const factored = factor(rest, d);
  if (factored) {
    const { whole, rest: low, g } = factored;
    return combine(low, remainder(whole, d / g), g);
  }
  return atomic(bin("floormod", fromLinear(rest), imm(d)));
}

/** Forms of variables, which are everywhere, and of quotients, which take long. */
const forms = new WeakMap<Expr, Linear>();
const isKept = (e: Expr): boolean =>
  e.k === "var" || (e.k === "bin" && (e.op === "floordiv" || e.op === "floormod"));

/** The linear form of an int32 expression. */
export function linear(e: Expr): Linear {
  if (e.k === "imm") return CONSTANT(Number(e.value));
  if (!isKept(e)) return formOf(e);
  let form = forms.get(e);
  if (!form) forms.set(e, form = formOf(e));
  return form;
}

function formOf(e: Expr): Linear {
  if (e.k === "var" && e.range && e.range[0] === e.range[1]) return CONSTANT(e.range[0]);
  // Other integers may wrap where an index may not.
  if (e.k === "bin" && e.dtype === "int32") {
    const literal = (x: Expr): number | null => {
      const l = linear(x);
      return l.terms.size === 0 ? l.constant : null;
    };
    switch (e.op) {
      case "add":
        return combine(linear(e.a), linear(e.b), 1);
      case "sub":
        return combine(linear(e.a), linear(e.b), -1);
      case "mul": {
        const a = literal(e.a), b = literal(e.b);
        if (b !== null) return scaled(linear(e.a), b);
        if (a !== null) return scaled(linear(e.b), a);
        break;
      }
      case "floordiv":
      case "floormod": {
        const d = literal(e.b);
        if (d !== null && d > 0) {
          return e.op === "floordiv" ? divide(linear(e.a), d) : remainder(linear(e.a), d);
        }
        break;
      }
      case "min":
      case "max": {
        const a = linear(e.a), b = linear(e.b);
        const diff = rangeOf(combine(a, b, -1));
        if (diff && diff[1] <= 0) return e.op === "min" ? a : b;
        if (diff && diff[0] >= 0) return e.op === "min" ? b : a;
        return atomic(bin(e.op, fromLinear(a), fromLinear(b)));
      }
    }
  }
  return atomic(rewrite(e, (x) => x.k === "load" ? { ...x, idx: x.idx.map(simplify) } : undefined));
}

/** The expression of a linear form: larger coefficients first, the constant last. */
export function fromLinear(l: Linear): Expr {
  const terms = [...l.terms.values()].sort((a, b) => Math.abs(b.coeff) - Math.abs(a.coeff));
  if (l.constant > 0 && terms.length > 0 && terms.every((t) => t.coeff < 0)) {
    return terms.reduce<Expr>((e, t) => sub(e, mul(t.atom, -t.coeff)), imm(l.constant));
  }
  let e: Expr | null = null;
  for (
    const { atom, coeff } of [
      ...terms.filter((t) => t.coeff > 0),
      ...terms.filter((t) => t.coeff < 0),
    ]
  ) {
    const t = mul(atom, Math.abs(coeff));
    if (e) e = coeff < 0 ? sub(e, t) : add(e, t);
    else e = coeff < 0 ? mul(atom, coeff) : t;
  }
  if (!e) return imm(l.constant);
  return l.constant < 0 ? sub(e, -l.constant) : add(e, l.constant);
}

/** The simplest form that this module knows of an int32 expression. */
export const simplify = (e: Expr): Expr => fromLinear(linear(e));

/** A condition with its operands simplified; a literal where the ranges decide it. */
export function simplifyCondition(e: Expr): Expr {
  if (e.k === "bin" && e.op === "and") {
    const a = simplifyCondition(e.a), b = simplifyCondition(e.b);
    if (a.k === "imm" && !a.value) return a;
    return bin("and", a, b);
  }
  if (e.k !== "bin" || e.a.dtype !== "int32") return e;
  const diff = linear(sub(e.a, e.b));
  const r = rangeOf(diff);
  if (r) {
    const [lo, hi] = r;
    const decided: Record<string, boolean | undefined> = {
      ge: lo >= 0 ? true : hi < 0 ? false : undefined,
      gt: lo > 0 ? true : hi <= 0 ? false : undefined,
      le: hi <= 0 ? true : lo > 0 ? false : undefined,
      lt: hi < 0 ? true : lo >= 0 ? false : undefined,
      eq: lo === 0 && hi === 0 ? true : lo > 0 || hi < 0 ? false : undefined,
    };
    const d = decided[e.op];
    if (d !== undefined) return imm(d ? 1 : 0, "bool");
  }
  return bin(e.op, simplify(e.a), simplify(e.b));
}

/** The interval of a linear form; null where a variable has no range. */
export function rangeOf(l: Linear): Interval | null {
  let lo = l.constant, hi = l.constant;
  for (const { atom, coeff } of l.terms.values()) {
    const r = atomRange(atom);
    if (!r) return null;
    lo += coeff > 0 ? coeff * r[0] : coeff * r[1];
    hi += coeff > 0 ? coeff * r[1] : coeff * r[0];
  }
  return [lo, hi];
}

function atomRange(e: Expr): Interval | null {
  if (e.k === "var") return e.range ?? null;
  if (e.k === "select") {
    const a = intervalOf(e.a), b = intervalOf(e.b);
    return a && b && [Math.min(a[0], b[0]), Math.max(a[1], b[1])];
  }
  if (e.k !== "bin") return null;
  if (e.op === "floormod" && e.b.k === "imm") return [0, Number(e.b.value) - 1];
  if (e.op === "floordiv" && e.b.k === "imm") {
    const r = intervalOf(e.a), d = Number(e.b.value);
    return r && [Math.floor(r[0] / d), Math.floor(r[1] / d)];
  }
  if (e.op === "min" || e.op === "max") {
    const a = intervalOf(e.a), b = intervalOf(e.b), f = Math[e.op];
    return a && b && [f(a[0], b[0]), f(a[1], b[1])];
  }
  return null;
}

/** The interval of an int32 expression; null where it is not known. */
export const intervalOf = (e: Expr): Interval | null => rangeOf(linear(e));

/** The coefficient of a variable, or null where the expression is not linear in it. */
export function coefficient(l: Linear, v: Var): number | null {
  const key = keyOf(v);
  for (const [k, t] of l.terms) {
    if (k !== key && mentions(t.atom, v)) return null;
  }
  return l.terms.get(key)?.coeff ?? 0;
}

/** Whether an expression reads a variable. */
export function mentions(e: Expr, v: Var): boolean {
  let found = false;
  rewrite(e, (x) => {
    if (x === v) found = true;
    return undefined;
  });
  return found;
}
