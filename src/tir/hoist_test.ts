import assert from "node:assert/strict";
import { add, floormod, imm, load, type Var, variable } from "../te/expr.ts";
import { keyOf } from "../te/linear.ts";
import { hoistDivisions } from "./hoist.ts";
import { kernelText } from "./print.ts";
import { denseBuffer, type Kernel, seq, type Stmt } from "./stmt.ts";

/** y[(i + j) mod 3] = x[j mod n] for large n within loops over i and j. */
function kernel(): Kernel {
  const x = denseBuffer("x", "int8", [2 ** 30], "input", [1], 1);
  const y = denseBuffer("y", "int8", [64], "output", [1], 1);
  const [i, j] = ["i", "j"].map((name) => variable(name, "int32", [0, 2 ** 30 - 1]));
  const put = (n: number): Stmt => ({
    k: "store",
    buf: y,
    idx: [floormod(add(i, j), 3)],
    value: load(x, [floormod(j, n)]),
  });
  const over = (v: Var, body: Stmt): Stmt => ({ k: "for", v, lo: imm(0), hi: imm(2 ** 30), body });
  return {
    name: "k",
    buffers: [x, y],
    params: [],
    body: over(i, over(j, seq(...[1007, 100_003, 1_000_003, 10_000_019, 100_000_007].map(put)))),
    origin: [],
    ops: [],
    macs: 0,
  };
}

Deno.test("divisions leave loops in an order that does not depend on what was compiled before", () => {
  const want = kernelText(hoistDivisions(kernel()));
  assert.match(want, /mod3/);
  for (let n = 0; n < 20_000; n++) keyOf(variable("other"));
  assert.equal(kernelText(hoistDivisions(kernel())), want);
});
