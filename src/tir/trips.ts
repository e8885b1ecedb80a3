/** How often each statement of a loop program runs: exact, but for conditions on data. */
import { type BinOp, type Expr, foldIndex, type Var, visit } from "../te/expr.ts";
import { type Stmt, visitStmt } from "./stmt.ts";

/** Executions of each statement; of a loop also the sum of its iterations. */
export interface Trips {
  readonly runs: Map<Stmt, number>;
  readonly iterations: Map<Stmt, number>;
}

/** Loop turns that are walked one by one before borders stand for the turns between them. */
const BUDGET = 20_000;

/** What share of the runs a condition on data is taken to hold for. */
const EVEN = 0.5;

/**
 * Counts by walking the loops. Turns that no bound or condition depends on are multiplied; the
 * others are walked, up to a budget, then the first, a middle and the last one stand for all.
 */
export function countTrips(body: Stmt): Trips {
  const control = controlVars(body);
  const runs = new Map<Stmt, number>(), iterations = new Map<Stmt, number>();
  const env = new Map<Var, number>();
  let walked = 0;
  const more = (m: Map<Stmt, number>, s: Stmt, n: number) => m.set(s, (m.get(s) ?? 0) + n);
  const count = (s: Stmt, times: number): void => {
    if (times === 0) return;
    more(runs, s, times);
    switch (s.k) {
      case "seq":
        return s.body.forEach((t) => count(t, times));
      case "alloc":
        return count(s.body, times);
      case "let": {
        const value = control.has(s.v) ? evaluate(s.value, env) : null;
        if (value !== null) env.set(s.v, value);
        count(s.body, times);
        env.delete(s.v);
        return;
      }
      case "if": {
        const holds = evaluate(s.cond, env);
        const share = holds === null ? EVEN : holds ? 1 : 0;
        count(s.then, times * share);
        if (s.else) count(s.else, times * (1 - share));
        return;
      }
      case "for": {
        const lo = evaluate(s.lo, env) ?? 0, turns = Math.max(0, (evaluate(s.hi, env) ?? 1) - lo);
        more(iterations, s, times * turns);
        if (!control.has(s.v)) return count(s.body, times * turns);
        for (const [turn, weight] of sampled(turns, walked + turns <= BUDGET)) {
          walked++;
          env.set(s.v, lo + turn);
          count(s.body, times * weight);
        }
        env.delete(s.v);
      }
    }
  };
  count(body, 1);
  return { runs, iterations };
}

/** Every statement once, every loop one turn: what stands in the code. */
export function countOnce(body: Stmt): Trips {
  const runs = new Map<Stmt, number>(), iterations = new Map<Stmt, number>();
  visitStmt(body, (s) => {
    runs.set(s, 1);
    if (s.k === "for") iterations.set(s, 1);
  });
  return { runs, iterations };
}

/** Turns to walk, each with the number of turns that it stands for. */
function sampled(turns: number, all: boolean): [number, number][] {
  if (all || turns <= 3) return Array.from({ length: turns }, (_, i) => [i, 1]);
  return [[0, 1], [turns >> 1, turns - 2], [turns - 1, 1]];
}

/** Variables that bounds and conditions depend on, also through lets. */
function controlVars(body: Stmt): ReadonlySet<Var> {
  const control = new Set<Var>();
  const lets: { v: Var; value: Expr }[] = [];
  const mark = (e: Expr): void => visit(e, (x) => void (x.k === "var" && control.add(x)));
  visitStmt(body, (s) => {
    if (s.k === "if") mark(s.cond);
    if (s.k === "for") [s.lo, s.hi].forEach(mark);
    if (s.k === "let") lets.push(s);
  });
  // A let stands before its uses, so that the last one has to be looked at first.
  for (const { v, value } of lets.reverse()) if (control.has(v)) mark(value);
  return control;
}

/** The value of an integer expression; null where it depends on data. */
export function evaluate(e: Expr, env: ReadonlyMap<Var, number>): number | null {
  switch (e.k) {
    case "imm":
      return Number(e.value);
    case "var":
      return env.get(e) ?? null;
    case "cast":
      return evaluate(e.a, env);
    case "select": {
      const c = evaluate(e.cond, env);
      return c === null ? null : evaluate(c ? e.a : e.b, env);
    }
    case "un": {
      const a = evaluate(e.a, env);
      return a === null ? null : e.op === "neg" ? -a : e.op === "not" ? +!a : null;
    }
    case "bin": {
      const a = evaluate(e.a, env);
      if (e.op === "and" && a === 0) return 0;
      const b = evaluate(e.b, env);
      return a === null || b === null ? null : binary(e.op, a, b);
    }
    default:
      return null;
  }
}

function binary(op: BinOp, a: number, b: number): number | null {
  if (op === "and") return +(a !== 0 && b !== 0);
  if (op === "or") return +(a !== 0 || b !== 0);
  return foldIndex(op, a, b) ?? null;
}
