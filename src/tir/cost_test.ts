import assert from "node:assert/strict";
import { loadBoard } from "../target/boards.ts";
import { add, cast, type Expr, imm, load, mul, variable } from "../te/expr.ts";
import { countOperations, predictInstructions } from "./cost.ts";
import { denseBuffer, type Kernel, type Stmt, type Store } from "./stmt.ts";
import { mla4 } from "./intrinsics.ts";

const m4 = loadBoard("mps2-an386").target;
const m3 = loadBoard("mps2-an385").target;
const m0 = loadBoard("microbit").target;

const kernel = (body: Stmt): Kernel => ({
  name: "k",
  buffers: [],
  params: [],
  body,
  origin: [],
  ops: [],
  macs: 0,
});
const buffer = (name: string, dtype: "int8" | "int32" | "float32", scope: "input" | "param") =>
  denseBuffer(name, dtype, [64, 64], scope, [64, 1], 4);
const acc = denseBuffer("acc", "int32", [1], "local", [1], 4);
const x = buffer("x", "int8", "input"), w = buffer("w", "int8", "param");
const wide = (e: Expr): Expr => cast("int32", e);

/** for i < 64, j < 64: acc += x[i, j]·w[…] */
function products(index: (i: Expr, j: Expr) => Expr[]): Kernel {
  const i = variable("i"), j = variable("j");
  const step: Store = {
    k: "store",
    buf: acc,
    idx: [imm(0)],
    value: add(load(acc, [0]), mul(wide(load(x, [i, j])), wide(load(w, index(i, j))))),
  };
  const inner: Stmt = { k: "for", v: j, lo: imm(0), hi: imm(64), body: step };
  const loop: Stmt = { k: "for", v: i, lo: imm(0), hi: imm(64), body: inner };
  return kernel({ k: "alloc", buf: acc, body: loop });
}

Deno.test("cost: products are counted once a turn, what a loop does not change outside it", () => {
  const both = countOperations(products((i, j) => [i, j]), m4);
  assert.equal(both.get("mac"), 4096);
  assert.equal(both.get("load"), 8192);
  assert.equal(both.get("turn"), 4096 + 64);
  const outer = countOperations(products((i) => [i, imm(0)]), m4);
  assert.equal(outer.get("load"), 4096 + 64);
  assert.equal(countOperations(products(() => [imm(3), imm(5)]), m4).get("load"), 4096 + 1);
});

Deno.test("cost: a loop of a load and a sum is within 20 % of what gcc makes of it", () => {
  // ldrsb, ldrsb, mla, cmp, bne: 5 a turn of the inner loop.
  const n = predictInstructions(products((i, j) => [i, j]), m4);
  assert(n > 4096 * 5 && n < 4096 * 6, `${n}`);
});

Deno.test("cost: the same element is loaded once, again after a store that may have changed it", () => {
  const y = denseBuffer("y", "int8", [64, 64], "input", [64, 1], 4);
  const at = [imm(0), imm(1)];
  const put = (index: number): Store => ({
    k: "store",
    buf: { ...y, scope: "output", name: "out" },
    idx: [imm(0), imm(index)],
    value: load(x, at),
  });
  const loads = (source: typeof x): number => {
    const stores = [1, 2].map((i) => ({ ...put(i), value: load(source, at) }));
    return countOperations(kernel({ k: "seq", body: stores }), m4).get("load")!;
  };
  assert.equal(loads(x), 2);
  assert.equal(loads(w), 1);
});

Deno.test("cost: cores without FPU pay for floats, the smallest for all", () => {
  const f = denseBuffer("f", "float32", [64, 64], "input", [64, 1], 4);
  const i = variable("i");
  const body: Store = {
    k: "store",
    buf: { ...f, scope: "output", name: "out" },
    idx: [imm(0), i],
    value: add(mul(load(f, [imm(0), i]), load(f, [imm(1), i])), load(f, [imm(2), i])),
  };
  const program = kernel({ k: "for", v: i, lo: imm(0), hi: imm(64), body });
  const [a, b, c] = [m4, m3, m0].map((t) => predictInstructions(program, t));
  assert(b > 5 * a && c > 1.5 * b, `${a} ${b} ${c}`);
});

Deno.test("cost: an intrinsic costs what its text for the core has, or what it means", () => {
  const four = denseBuffer("acc4", "int32", [4], "local", [1], 4);
  const call: Stmt = {
    k: "intrin",
    op: mla4("int8"),
    args: [
      { buf: four, idx: [imm(0)], axis: 0 },
      { buf: x, idx: [imm(0), imm(0)], axis: 1 },
      { buf: w, idx: [imm(0), imm(0)], axis: 1 },
    ],
    scalars: [3],
  };
  const program = kernel({ k: "alloc", buf: four, body: call });
  assert.equal(countOperations(program, m4).get("instruction"), 10);
  assert.equal(countOperations(program, m3).get("mac"), 4);
});
