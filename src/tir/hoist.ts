/**
 * Names for the quotients and remainders that survive in indices, bound where their last variable is:
 * `row_div5 = row / 5` once, instead of in every index of the loops inside.
 */
import { type Expr, imm, type Load, transform, type Var, variable, visit } from "../te/expr.ts";
import { intervalOf, keyOf, simplify } from "../te/linear.ts";
import { addressOf, type Buffer, type Kernel, mapStmt, type Stmt, visitStmt } from "./stmt.ts";

/** The kernel with its divisions named. */
export const hoistDivisions = (k: Kernel): Kernel => ({
  ...k,
  body: hoist(k.body, new Set()),
});

function hoist(s: Stmt, bound: ReadonlySet<Var>): Stmt {
  switch (s.k) {
    case "seq":
      return { ...s, body: s.body.map((t) => hoist(t, bound)) };
    case "if":
      return { ...s, then: hoist(s.then, bound), else: s.else && hoist(s.else, bound) };
    case "alloc":
      return { ...s, body: hoist(s.body, bound) };
    case "let":
    case "for": {
      const inside = new Set([...bound, s.v]);
      const lets: [Var, Expr][] = [];
      let body = s.body;
      // A division that only the simplified address has is in no index, and stays.
      const tried = new Set<string>();
      for (;;) {
        const found = smallest(divisions(body, inside, s.v).filter((d) => !tried.has(keyOf(d))));
        if (!found) break;
        tried.add(keyOf(found));
        const v = variable(nameOf(found, s.v), "int32", intervalOf(found) ?? undefined);
        const replaced = replace(body, keyOf(found), v);
        if (!mentions(replaced, v)) continue;
        lets.push([v, found]);
        inside.add(v);
        body = replaced;
      }
      const inner = hoist(body, inside);
      return {
        ...s,
        body: lets.reduceRight<Stmt>((b, [v, value]) => ({ k: "let", v, value, body: b }), inner),
      };
    }
    default:
      return s;
  }
}

/** Whether a statement reads a variable. */
function mentions(body: Stmt, v: Var): boolean {
  let found = false;
  const look = (e: Expr): void => visit(e, (x) => void (x === v && (found = true)));
  visitStmt(body, (s) => {
    if (s.k === "for") [s.lo, s.hi].forEach(look);
    if (s.k === "if") look(s.cond);
    if (s.k === "let") look(s.value);
    if (s.k === "store") [...s.idx, s.value].forEach(look);
    if (s.k === "intrin") s.args.forEach((a) => a.idx.forEach(look));
  });
  return found;
}

type Division = Extract<Expr, { k: "bin" | "select" }>;

/** Quotients and remainders, and in addresses choices between them. */
const isDivision = (e: Expr): e is Division =>
  e.dtype === "int32" &&
  (e.k === "select"
    ? isIndex(e)
    : e.k === "bin" && (e.op === "floordiv" || e.op === "floormod") && e.b.k === "imm");

/** Whether an expression has integers of 32 bits alone. */
function isIndex(e: Expr): boolean {
  let all = true;
  visit(e, (x) => all &&= x.k !== "load" && (x.dtype === "int32" || x.dtype === "bool"));
  return all;
}

/** Divisions that this loop is the last to decide. */
function divisions(body: Stmt, bound: ReadonlySet<Var>, last: Var): Division[] {
  const found: Division[] = [];
  const ready = (e: Expr): boolean => {
    let all = true, mentionsLast = false;
    visit(e, (x) => {
      if (x.k === "load") all = false;
      if (x.k !== "var") return;
      if (!bound.has(x)) all = false;
      if (x === last || !isOuter(x, bound, last)) mentionsLast = true;
    });
    return all && mentionsLast;
  };
  const collect = (e: Expr): void =>
    visit(e, (x) => void (isDivision(x) && ready(x) && found.push(x)));
  const quotients = (e: Expr): void =>
    visit(e, (x) => void (x.k === "bin" && isDivision(x) && ready(x) && found.push(x)));
  visitStmt(body, (s) => {
    if (s.k === "for") [s.lo, s.hi].forEach(quotients);
    if (s.k === "if") outsideLoads(s.cond, quotients, collect);
    if (s.k === "store") {
      collect(address(s.buf, s.idx));
      outsideLoads(s.value, quotients, collect);
    }
    if (s.k === "intrin") s.args.forEach((a) => collect(address(a.buf, a.idx)));
  });
  return found;
}

/** Variables bound before the last one stand before it in the set. */
function isOuter(v: Var, bound: ReadonlySet<Var>, last: Var): boolean {
  for (const b of bound) {
    if (b === last) return false;
    if (b === v) return true;
  }
  return false;
}

/** The expression outside of element accesses, and the addresses of these. */
function outsideLoads(
  e: Expr,
  collect: (e: Expr) => void,
  inAddress: (e: Expr) => void,
): void {
  const plain = transform(e, (x) => {
    if (x.k !== "load") return undefined;
    inAddress(address(x.src as Buffer, x.idx));
    return imm(0, x.dtype);
  });
  collect(plain);
}

const address = (b: Buffer, idx: readonly Expr[]): Expr => simplify(addressOf(b, idx));

/** The length of an expression's key, in which variables' numbers follow from what came before. */
const lengthOf = (e: Expr): number => keyOf(e).replaceAll(/\bv\d+/g, "v").length;

const smallest = (ds: readonly Division[]): Division | undefined =>
  ds.reduce<Division | undefined>((a, d) => a && lengthOf(a) <= lengthOf(d) ? a : d, undefined);

function nameOf(d: Division, last: Var): string {
  if (d.k === "select") return `${last.name}_slot`;
  const base = d.a.k === "var" ? d.a.name : last.name;
  return `${base}_${d.op === "floordiv" ? "div" : "mod"}${
    Number((d.b as { value: number }).value)
  }`;
}

/** Replaces a division; in indices only where the address keeps it. */
function replace(s: Stmt, key: string, v: Var): Stmt {
  const plain = (e: Expr): Expr =>
    transform(e, (x) => isDivision(x) && keyOf(x) === key ? v : undefined);
  const keeps = (b: Buffer, idx: readonly Expr[]): boolean => {
    let found = false;
    visit(address(b, idx), (x) => void (isDivision(x) && keyOf(x) === key && (found = true)));
    return found;
  };
  const index = (b: Buffer, idx: readonly Expr[]): readonly Expr[] =>
    keeps(b, idx) ? idx.map(plain) : idx;
  const value = (e: Expr): Expr =>
    transform(e, (x) => {
      if (x.k === "load") return { ...x, idx: index(x.src as Buffer, x.idx) } as Load;
      return isDivision(x) && keyOf(x) === key ? v : undefined;
    });
  return mapStmt(s, {
    stmt: (t) => {
      switch (t.k) {
        case "for":
          return { ...t, lo: plain(t.lo), hi: plain(t.hi) };
        case "if":
          return { ...t, cond: value(t.cond) };
        case "store":
          return { ...t, idx: index(t.buf, t.idx), value: value(t.value) };
        case "intrin":
          return { ...t, args: t.args.map((a) => ({ ...a, idx: index(a.buf, a.idx) })) };
        default:
          return t;
      }
    },
  });
}
