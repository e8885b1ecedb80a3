import assert from "node:assert/strict";
import fc from "fast-check";
import {
  add,
  bin,
  type BinOp,
  type Expr,
  floordiv,
  floormod,
  imm,
  type Interval,
  max,
  min,
  mul,
  sub,
  substitute,
  type Var,
  variable,
} from "./expr.ts";
import {
  coefficient,
  fromLinear,
  intervalOf,
  linear,
  simplify,
  simplifyCondition,
} from "./linear.ts";
import { exprText } from "./print.ts";

/** What an index expression is at a point, by this test's own arithmetic. */
const value = (e: Expr, at: ReadonlyMap<Var, number>): number => evaluated(e, at) + 0;

function evaluated(e: Expr, at: ReadonlyMap<Var, number>): number {
  if (e.k === "imm") return Number(e.value);
  if (e.k === "var") return at.get(e)!;
  assert.ok(e.k === "bin");
  const a = value(e.a, at), b = value(e.b, at);
  switch (e.op) {
    case "add":
      return a + b;
    case "sub":
      return a - b;
    case "mul":
      return a * b;
    case "floordiv":
      return Math.floor(a / b);
    case "floormod":
      return a - b * Math.floor(a / b);
    case "min":
      return Math.min(a, b);
    case "max":
      return Math.max(a, b);
    case "ge":
      return +(a >= b);
    case "gt":
      return +(a > b);
    case "le":
      return +(a <= b);
    case "lt":
      return +(a < b);
    case "eq":
      return +(a === b);
    case "ne":
      return +(a !== b);
    default:
      throw new Error(e.op);
  }
}

/** Three variables with ranges, one without, and where they stand. */
interface Point {
  readonly vars: readonly Var[];
  readonly at: ReadonlyMap<Var, number>;
}
const point: fc.Arbitrary<Point> = fc.tuple(
  ...["i", "j", "k"].map((name) =>
    fc.tuple(fc.integer({ min: -6, max: 6 }), fc.nat(9), fc.nat(9)).map(([lo, n, step]) => {
      const range: Interval = [lo, lo + n];
      return { v: variable(name, "int32", range), n: lo + step % (n + 1) };
    })
  ),
  fc.integer({ min: -20, max: 20 }).map((n) => ({ v: variable("free"), n })),
).map((xs) => ({ vars: xs.map((x) => x.v), at: new Map(xs.map((x) => [x.v, x.n])) }));

/** An index expression of the variables numbered 0 to 3; divisors are literals. */
const shape = fc.letrec<{ e: (vs: readonly Var[]) => Expr }>((tie) => ({
  e: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.integer({ min: -9, max: 9 }).map((n) => () => imm(n)),
    fc.nat(3).map((i) => (vs: readonly Var[]) => vs[i]),
    fc.tuple(fc.constantFrom(add, sub, min, max, add), tie("e"), tie("e")).map(
      ([f, a, b]) => (vs: readonly Var[]) => f(a(vs), b(vs)),
    ),
    fc.tuple(fc.constantFrom(floordiv, floormod), tie("e"), fc.integer({ min: 1, max: 7 })).map((
      [f, a, n],
    ) =>
    (vs: readonly Var[]) => f(a(vs), imm(n))),
    fc.tuple(tie("e"), fc.integer({ min: -6, max: 6 })).map(([a, n]) => (vs: readonly Var[]) =>
      mul(a(vs), imm(n))
    ),
  ),
})).e;

const SETTINGS = { seed: 41, numRuns: 4000 } as const;

Deno.test("a simplified index is the same number wherever its variables stand in their ranges", () => {
  fc.assert(
    fc.property(shape, point, (make, { vars, at }) => {
      const e = make(vars), s = simplify(e);
      assert.equal(value(s, at), value(e, at), `${exprText(e)} became ${exprText(s)}`);
      assert.equal(value(simplify(s), at), value(e, at));
      const range = intervalOf(e);
      if (range) assert.ok(range[0] <= value(e, at) && value(e, at) <= range[1], exprText(e));
    }),
    SETTINGS,
  );
});

Deno.test("a simplified condition is as true as it was", () => {
  const ops: BinOp[] = ["ge", "gt", "le", "lt", "eq", "ne"];
  fc.assert(
    fc.property(fc.constantFrom(...ops), shape, shape, point, (op, a, b, { vars, at }) => {
      const e = bin(op, a(vars), b(vars)), s = simplifyCondition(e);
      assert.equal(value(s, at), value(e, at), `${exprText(e)} became ${exprText(s)}`);
    }),
    SETTINGS,
  );
});

Deno.test("a linear form gives its expression back, and coefficients say what a step changes", () => {
  fc.assert(
    fc.property(shape, point, fc.nat(2), (make, { vars, at }, i) => {
      const e = make(vars), l = linear(e), v = vars[i];
      assert.equal(value(fromLinear(l), at), value(e, at));
      const c = coefficient(l, v);
      if (c === null || at.get(v)! >= v.range![1]) return;
      const next = new Map([...at, [v, at.get(v)! + 1]]);
      assert.equal(value(e, next) - value(e, at), c, exprText(e));
    }),
    SETTINGS,
  );
});

Deno.test("split, fused and flattened indices become what they were", () => {
  const o = variable("o", "int32", [0, 4]), i = variable("i", "int32", [0, 7]);
  const flat = add(mul(o, 8), i);
  assert.equal(simplify(floordiv(flat, 8)), o);
  assert.equal(simplify(floormod(flat, 8)), i);
  assert.equal(exprText(simplify(add(mul(floordiv(i, 3), 3), floormod(i, 3)))), exprText(i));
  assert.equal(exprText(simplify(sub(add(o, i), o))), exprText(i));
  const nested = floordiv(floordiv(variable("x"), 4), 5);
  assert.equal(
    exprText(simplify(nested)),
    exprText(floordiv(nested.k === "bin" && nested.a.k === "bin" ? nested.a.a : imm(0), 20)),
  );
  assert.equal(exprText(simplify(substitute(flat, new Map([[o, imm(2)]])))), exprText(add(i, 16)));
});
