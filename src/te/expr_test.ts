import assert from "node:assert/strict";
import {
  add,
  and,
  bin,
  type BinOp,
  cast,
  div,
  f32,
  FALSE,
  floordiv,
  floormod,
  imm,
  load,
  lt,
  max,
  mul,
  rewrite,
  select,
  sub,
  substitute,
  TRUE,
  variable,
  visit,
} from "./expr.ts";
import { compute, placeholder } from "./compute.ts";
import { evaluate } from "./interp.ts";
import { isPointwise, loads, valueRange, variables } from "./analyze.ts";

const x = variable("x"), y = variable("y");

Deno.test("what holds for every integer is simplified as it is built", () => {
  assert.equal(add(x, 0), x);
  assert.equal(add(imm(0), x), x);
  assert.equal(sub(x, 0), x);
  assert.equal(mul(x, 1), x);
  assert.deepEqual(mul(x, 0), imm(0));
  assert.equal(floordiv(x, 1), x);
  assert.deepEqual(floormod(x, 1), imm(0));
  assert.equal(and(TRUE, lt(x, y), TRUE).k, "bin");
  assert.equal(and(), TRUE);
  assert.equal(select(TRUE, x, y), x);
  assert.equal(select(FALSE, x, y), y);
});

Deno.test("floats keep what is no identity of theirs", () => {
  const f = variable("f", "float32");
  // -0 + 0 is 0, NaN * 0 is NaN.
  assert.equal(add(f, f32(0)).k, "bin");
  assert.equal(mul(f, f32(0)).k, "bin");
  assert.deepEqual(div(f32(1), f32(3)), f32(1 / 3));
});

/** Literals of index arithmetic fold to what the interpreter computes. */
Deno.test("folded literals are what the interpreter computes", () => {
  const ops: BinOp[] = ["add", "sub", "mul", "div", "mod", "floordiv", "floormod", "min", "max"];
  const t = placeholder("t", "int32", [2]);
  for (const op of [...ops, "eq", "ne", "lt", "le", "gt", "ge"] as BinOp[]) {
    for (const [a, b] of [[7, 3], [-7, 3], [7, -3], [-7, -3], [6, 3], [0, 5]]) {
      const folded = bin(op, imm(a), imm(b));
      assert.ok(folded.k === "imm", op);
      const c = compute("c", folded.dtype, [], () => bin(op, load(t, [0]), load(t, [1])));
      const data = { dtype: "int32", shape: [2], data: Int32Array.of(a, b) } as const;
      const [value] = evaluate([c], new Map([[t, data]])).get(c.out)!.data;
      assert.equal(Number(folded.value) + 0, Number(value) + 0, `${op} of ${a} and ${b}`);
    }
  }
});

Deno.test("literals that overflow or divide by zero stay as they are", () => {
  assert.equal(add(imm(2147483647), imm(1)).k, "bin");
  assert.equal(floordiv(imm(1), imm(0)).k, "bin");
  assert.equal(cast("int32", f32(1e20)).k, "cast");
});

Deno.test("operands of different types are refused", () => {
  assert.throws(() => add(x, variable("f", "float32")), /add of int32 and float32/);
  assert.throws(() => select(lt(x, y), x, f32(1)), /select of int32 and float32/);
  assert.throws(() => load(placeholder("t", "int8", [2, 2]), [0]), /t has 2 axes, indexed with 1/);
});

Deno.test("rewriting keeps what it does not touch, substitution replaces variables by identity", () => {
  const kept = max(y, 5), e = add(mul(x, 4), kept);
  assert.equal(rewrite(e, () => undefined), e);
  const s = substitute(e, new Map([[x, imm(3)]]));
  assert.ok(s.k === "bin" && s.b === kept);
  assert.deepEqual(s.k === "bin" && s.a, imm(12));
  assert.equal(substitute(e, new Map([[variable("x"), imm(3)]])), e);
  const seen: string[] = [];
  visit(e, (n) => void seen.push(n.k));
  assert.equal(seen[0], "bin");
  assert.deepEqual([...variables(e)], [x, y]);
});

Deno.test("a load is point by point only where it covers the same extent", () => {
  const t = placeholder("t", "int8", [1, 4]), short = placeholder("s", "int8", [1, 3]);
  const c = compute("c", "int8", [1, 4], (n, i) => load(t, [n, i]));
  const padded = compute(
    "p",
    "int8",
    [1, 4],
    (n, i) => select(lt(i, 3), load(short, [n, i]), imm(0, "int8")),
  );
  const moved = compute("m", "int8", [1, 4], (n, i) => load(t, [n, sub(imm(3), i)]));
  assert.deepEqual([c, padded, moved].map((s) => loads(s.body).every((l) => isPointwise(l, s))), [
    true,
    false,
    false,
  ]);
});

Deno.test("the range of an integer expression covers its extreme values", () => {
  const t = placeholder("t", "uint8", [1]);
  const e = sub(cast("int32", load(t, [0])), 128);
  assert.deepEqual(valueRange(e), [-128, 127]);
  assert.deepEqual(valueRange(mul(e, e)), [-16256, 16384]);
  assert.equal(valueRange(x), null);
});
