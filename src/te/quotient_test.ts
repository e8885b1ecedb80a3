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
