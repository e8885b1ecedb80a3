/** Loop programs: what the interpreter does and watches, what the verifier refuses, what may overlap. */
import assert from "node:assert/strict";
import { BurinError } from "../util/errors.ts";
import {
  add,
  cast,
  type Expr,
  floormod,
  imm,
  load,
  lt,
  mul,
  sub,
  type Var,
  variable,
} from "../te/expr.ts";
import { canOverwrite } from "./in_place.ts";
import { interpretKernel } from "./interp.ts";
import { widen4 } from "./intrinsics.ts";
import { kernelText } from "./print.ts";
import { type Buffer, denseBuffer, type Kernel, seq, type Stmt } from "./stmt.ts";
import { verifyKernel } from "./verify.ts";

const x = denseBuffer("x", "int8", [4], "input", [1], 4);
const y = denseBuffer("y", "int8", [4], "output", [1], 4);
const i = variable("i", "int32", [0, 3]);

const kernel = (body: Stmt, buffers: readonly Buffer[] = [x, y]): Kernel => ({
  name: "k",
  buffers,
  params: [],
  body,
  origin: ["node"],
  ops: [],
  macs: 0,
});
const each = (body: Stmt, v: Var = i): Stmt => ({ k: "for", v, lo: imm(0), hi: imm(4), body });
const put = (buf: Buffer, at: Expr, value: Expr): Stmt => ({ k: "store", buf, idx: [at], value });
const copy = each(put(y, i, load(x, [i])));

Deno.test("a loop program runs on its buffers, locals start at zero", () => {
  const acc = denseBuffer("acc", "int32", [1], "local", [1], 4);
  const body: Stmt = {
    k: "alloc",
    buf: acc,
    body: seq(
      each(put(acc, imm(0), add(load(acc, [imm(0)]), cast("int32", load(x, [i]))))),
      put(y, imm(0), cast("int8", load(acc, [imm(0)]))),
      {
        k: "if",
        cond: lt(load(acc, [imm(0)]), 0),
        then: put(y, imm(1), imm(-1, "int8")),
        else: put(y, imm(1), imm(1, "int8")),
      },
    ),
  };
  const out = new Int8Array(4);
  interpretKernel(kernel(body), { checked: true })([Int8Array.of(1, 2, 3, -16), out]);
  assert.deepEqual([...out], [-10, -1, 0, 0]);
});

Deno.test("views of one memory see each other's writes", () => {
  const high: Buffer = { ...y, shape: [2], offset: 2 };
  const out = new Int8Array(4);
  const body = seq(put(high, imm(1), imm(5, "int8")), put(y, imm(0), load(y, [imm(3)])));
  interpretKernel(kernel(body), { checked: true })([new Int8Array(4), out]);
  assert.deepEqual([...out], [5, 0, 0, 5]);
});

Deno.test("accesses outside a buffer and values outside a type are caught where asked for", () => {
  const memory = [Int8Array.of(1, 2, 3, 100), new Int8Array(4)];
  const cases: [Stmt, RegExp][] = [
    [each(put(y, add(i, 1), load(x, [i]))), /y\[4\] of 4/],
    [each(put(y, i, load(x, [sub(i, 1)]))), /x\[-1\] of 4/],
    [
      each(
        put(
          y,
          i,
          {
            k: "bin",
            op: "mul",
            dtype: "int32",
            a: cast("int32", load(x, [i])),
            b: imm(2),
          } as Expr,
        ),
      ),
      /200 into y/,
    ],
  ];
  for (const [body, message] of cases) {
    assert.throws(() => interpretKernel(kernel(body), { checked: true })(memory), message);
    interpretKernel(kernel(body))(memory);
  }
});

Deno.test("a loop's end is taken once, before it starts", () => {
  const n = denseBuffer("n", "int32", [1], "output", [1], 4);
  const body: Stmt = {
    k: "for",
    v: i,
    lo: imm(0),
    hi: load(n, [imm(0)]),
    body: put(n, imm(0), add(load(n, [imm(0)]), 1)),
  };
  const memory = Int32Array.of(3);
  interpretKernel(kernel(body, [n]))([memory]);
  assert.deepEqual([...memory], [6]);
});

Deno.test("long loops run as functions of their own, with all that they need from around them", () => {
  const j = variable("j", "int32", [0, 3]), k = variable("k", "int32", [0, 9]);
  const acc = denseBuffer("acc", "int32", [4], "local", [1], 4);
  const sum = denseBuffer("sum", "int32", [40], "output", [1], 4);
  const wide = cast("int32", load(x, [i]));
  // acc[j] += x[i] · j + c, for so many c that no loop's text is short.
  const inner = each(
    seq(...Array.from({ length: 40 }, (_, c): Stmt => {
      const value = add(load(acc, [j]), add(mul(wide, j), c));
      return put(acc, j, value);
    })),
    j,
  );
  const out = (c: number): Stmt => put(sum, add(k, c), add(load(acc, [floormod(k, 4)]), i));
  const body: Stmt = {
    k: "alloc",
    buf: acc,
    body: each({ k: "let", v: k, value: mul(i, 3), body: seq(inner, out(0), out(10)) }),
  };
  for (const checked of [false, true]) {
    const memory = [Int8Array.of(1, -2, 3, 4), new Int32Array(40)];
    interpretKernel(kernel(body, [x, sum]), { checked })(memory);
    const want = new Int32Array(40), sums = [0, 0, 0, 0];
    for (const [n, v] of [1, -2, 3, 4].entries()) {
      sums.forEach((_, at) => sums[at] += 40 * v * at + 780);
      want[3 * n] = want[3 * n + 10] = sums[(3 * n) % 4] + n;
    }
    assert.deepEqual([...memory[1]], [...want]);
  }
});

const WRONG: readonly (readonly [string, Stmt, RegExp])[] = [
  ["a free variable", put(y, variable("j"), imm(0, "int8")), /variable j is not bound/],
  [
    "a stranger's buffer",
    put({ ...y, name: "z" }, imm(0), imm(0, "int8")),
    /buffer z is not its own/,
  ],
  ["writing to an input", each(put(x, i, imm(0, "int8"))), /it writes to x/],
  ["another type", each(put(y, i, imm(0))), /it stores int32 into y, which is int8/],
  [
    "another rank",
    { k: "store", buf: y, idx: [], value: imm(0, "int8") },
    /y has 1 axes, indexed with 0/,
  ],
  [
    "an operand of another type",
    {
      k: "intrin",
      op: widen4("int8"),
      args: [{ buf: y, idx: [imm(0)], axis: 0 }, { buf: x, idx: [imm(0)], axis: 0 }],
      scalars: [0],
    },
    /widen4_s8 takes int16 as dst/,
  ],
];
for (const [what, body, message] of WRONG) {
  Deno.test(`a loop program is refused: ${what}`, () => {
    assert.throws(() => verifyKernel(kernel(body)), (e) => {
      assert.ok(e instanceof BurinError);
      assert.equal(e.code, "internal/loop-program");
      assert.equal(e.exitCode, 4);
      assert.match(e.message, message);
      return true;
    });
  });
}

Deno.test("an output may take an input's place only where each element is read before it is replaced", () => {
  verifyKernel(kernel(copy));
  assert.ok(canOverwrite(kernel(copy), x, y));
  const reversed = each(put(y, i, load(x, [sub(3, i)])));
  assert.ok(!canOverwrite(kernel(reversed), x, y));
  const strided = denseBuffer("y", "int8", [4], "output", [2], 4);
  assert.ok(!canOverwrite(kernel(each(put(strided, i, load(x, [i]))), [x, strided]), x, strided));
  const wide = denseBuffer("y", "int32", [4], "output", [1], 4);
  const widening = kernel(each(put(wide, i, cast("int32", load(x, [i])))), [x, wide]);
  assert.ok(!canOverwrite(widening, x, wide));
  const condition: Stmt = {
    k: "if",
    cond: lt(load(x, [imm(0)]), imm(0, "int8")),
    then: copy,
    else: null,
  };
  assert.ok(!canOverwrite(kernel(condition), x, y));
});

Deno.test("loop programs are printed as text", () => {
  assert.equal(
    kernelText(kernel(each(put(y, sub(3, i), load(x, [add(mul(i, 1), 0)]))))),
    `kernel k
  input x: int8[4] strides [1]
  output y: int8[4] strides [1]
  for i in [0, 4)
    y[3 - i] = x[i]`,
  );
});
