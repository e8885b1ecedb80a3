import assert from "node:assert/strict";
import { add, and, floordiv, ge, imm, load, lt, max, min, sub, variable } from "../te/expr.ts";
import type { Expr, Var } from "../te/expr.ts";
import { denseBuffer, type For, type If, seq, type Stmt, type Store } from "./stmt.ts";
import { countTrips, evaluate } from "./trips.ts";

const y = denseBuffer("y", "int32", [1], "output", [1], 4);
const x = denseBuffer("x", "int32", [1], "input", [1], 4);
const store = (): Store => ({ k: "store", buf: y, idx: [imm(0)], value: imm(0) });
const loop = (v: Var, lo: Expr, hi: Expr, body: Stmt): For => ({ k: "for", v, lo, hi, body });

/** The same counts by walking every turn. */
function walk(body: Stmt): Map<Stmt, number> {
  const runs = new Map<Stmt, number>(), env = new Map<Var, number>();
  const go = (s: Stmt): void => {
    runs.set(s, (runs.get(s) ?? 0) + 1);
    if (s.k === "seq") s.body.forEach(go);
    else if (s.k === "if") {
      if (evaluate(s.cond, env)) go(s.then);
      else if (s.else) go(s.else);
    } else if (s.k === "let") {
      env.set(s.v, evaluate(s.value, env)!);
      go(s.body);
    } else if (s.k === "for") {
      for (let i = evaluate(s.lo, env)!; i < evaluate(s.hi, env)!; i++) {
        env.set(s.v, i);
        go(s.body);
      }
    }
  };
  go(body);
  return runs;
}

Deno.test("trips: loops without conditions are multiplied", () => {
  const a = variable("a"), b = variable("b");
  const inner = store(), outer = store();
  const program = loop(a, imm(0), imm(1000), seq(outer, loop(b, imm(2), imm(9), inner)));
  const { runs, iterations } = countTrips(program);
  assert.equal(runs.get(outer), 1000);
  assert.equal(runs.get(inner), 7000);
  assert.equal(iterations.get(program), 1000);
});

Deno.test("trips: borders of a window are counted exactly, also through lets", () => {
  const oh = variable("oh"), half = variable("half"), kh = variable("kh");
  const [all, some, tap] = [store(), store(), store()];
  const inside: If = {
    k: "if",
    cond: and(ge(sub(oh, 1), 0), lt(add(half, 3), 6)),
    then: all,
    else: seq(
      some,
      loop(kh, max(imm(0), sub(imm(1), oh)), min(imm(3), sub(imm(11), oh)), tap),
    ),
  };
  const body: Stmt = { k: "let", v: half, value: floordiv(oh, 2), body: inside };
  const program = loop(oh, imm(0), imm(10), body);
  const { runs } = countTrips(program);
  const want = walk(program);
  for (const s of [all, some, tap]) assert.equal(runs.get(s), want.get(s));
  assert.equal(runs.get(all)! + runs.get(some)!, 10);
  assert(runs.get(tap)! > runs.get(some)!);
});

Deno.test("trips: past the budget borders still count once", () => {
  const row = variable("row"), col = variable("col");
  const edge = store(), inner = store();
  const isEdge = (v: Var, n: number): Expr => and(ge(v, 1), lt(v, n - 1));
  const test: If = {
    k: "if",
    cond: and(isEdge(row, 400), isEdge(col, 300)),
    then: inner,
    else: edge,
  };
  const program = loop(row, imm(0), imm(400), loop(col, imm(0), imm(300), test));
  const { runs } = countTrips(program);
  assert.equal(runs.get(inner)! + runs.get(edge)!, 120_000);
  const want = 398 * 298;
  assert(Math.abs(runs.get(inner)! - want) < 0.02 * want, `${runs.get(inner)}`);
});

Deno.test("trips: a condition on data holds for half of the runs", () => {
  const v = variable("v"), then = store(), other = store();
  const test: If = { k: "if", cond: lt(load(x, [0]), 3), then, else: other };
  const { runs } = countTrips(loop(v, imm(0), imm(10), test));
  assert.deepEqual([runs.get(then), runs.get(other)], [5, 5]);
});
