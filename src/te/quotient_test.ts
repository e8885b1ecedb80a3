/** Quotients and remainders vanish from an index where the ranges allow it, and only there. */
import assert from "node:assert/strict";
import {
  add,
  type Expr,
  floordiv,
  floormod,
  imm,
  mul,
  substitute,
  type Var,
  variable,
} from "./expr.ts";
import { simplify } from "./linear.ts";
import { exprText } from "./print.ts";

/** The value of an index without variables, by this test's own arithmetic. */
function value(e: Expr): number {
  if (e.k === "imm") return Number(e.value);
  assert.ok(e.k === "bin");
  const a = value(e.a), b = value(e.b);
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
    default:
      throw new TypeError(`no index has the operation ${e.op}`);
  }
}
const at = (e: Expr, v: Var, x: number): number => value(substitute(e, new Map([[v, imm(x)]])));

Deno.test("a quotient or remainder of a range that ends at, before or behind a multiple", () => {
  for (let lo = -4; lo <= 4; lo++) {
    for (let hi = lo; hi <= 9; hi++) {
      const v = variable("v", "int32", [lo, hi]);
      for (const factor of [1, 2, 3, -1]) {
        for (let offset = -5; offset <= 5; offset++) {
          for (const d of [2, 3, 4]) {
            const inner = add(mul(v, factor), offset);
            for (const e of [floordiv(inner, d), floormod(inner, d)]) {
              const simple = simplify(e);
              for (let x = lo; x <= hi; x++) {
                const what = `${exprText(e)} as ${exprText(simple)} at v = ${x} of [${lo}, ${hi}]`;
                assert.equal(at(simple, v, x) + 0, at(e, v, x) + 0, what);
              }
            }
          }
        }
      }
    }
  }
});

Deno.test("what a range decides is gone", () => {
  const v = variable("v", "int32", [0, 3]);
  assert.equal(exprText(simplify(floordiv(v, 4))), "0");
  assert.equal(exprText(simplify(floormod(v, 4))), "v");
  assert.equal(exprText(simplify(floordiv(add(mul(v, 4), 3), 4))), "v");
});

Deno.test("a common factor with the divisor leaves quotients and remainders of sums", () => {
  for (const [k, n, d] of [[2, 2, 4], [2, 2, 6], [4, 3, 12], [6, 2, 4], [2, 3, 4], [3, 2, 7]]) {
    const outer = variable("o", "int32", [0, 9]), inner = variable("i", "int32", [0, n - 1]);
    const row = add(mul(outer, k), inner);
    for (const e of [floordiv(row, imm(d)), floormod(row, imm(d))]) {
      const simple = simplify(e);
      for (let o = 0; o <= 9; o++) {
        for (let i = 0; i < n; i++) {
          const by = new Map([[outer, imm(o)], [inner, imm(i)]]);
          assert.equal(value(substitute(simple, by)), value(substitute(e, by)), exprText(e));
        }
      }
    }
  }
  const o = variable("o", "int32", [0, 99]), i = variable("i", "int32", [0, 1]);
  const row = add(mul(o, 2), i);
  assert.equal(exprText(simplify(floordiv(row, imm(4)))), exprText(floordiv(o, imm(2))));
});
