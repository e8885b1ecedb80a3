import assert from "node:assert/strict";
import {
  add,
  bits,
  call,
  cast,
  type Expr,
  floordiv,
  floormod,
  load,
  lt,
  max,
  min,
  select,
  sub,
  un,
  variable,
} from "./expr.ts";
import { keyOf } from "./linear.ts";
import { exp, log } from "./scalar.ts";

Deno.test("only equal expressions have equal keys", () => {
  const a = variable("v"), b = variable("v"), x = variable("x", "float32");
  const t = { name: "t", dtype: "int32", shape: [9] } as const, u = { ...t };
  const all: Expr[] = [
    a,
    b,
    add(a, b),
    add(b, a),
    sub(a, b),
    floordiv(a, 3),
    floormod(a, 3),
    floormod(a, 4),
    min(a, b),
    max(a, b),
    un("neg", a),
    un("abs", a),
    cast("int8", a),
    cast("uint8", a),
    cast("int32", x),
    bits("int32", x),
    load(t, [a]),
    load(t, [b]),
    load(u, [a]),
    select(lt(a, b), a, b),
    select(lt(a, b), b, a),
    call(exp, x),
    call(log, x),
  ];
  assert.equal(new Set(all.map(keyOf)).size, all.length);
  assert.equal(keyOf(add(a, floordiv(b, 3))), keyOf(add(a, floordiv(b, 3))));
});
