import assert from "node:assert/strict";
import { loadBoard } from "../target/boards.ts";
import { imm, variable } from "../te/expr.ts";
import { dotBlock } from "./dot_block.ts";
import { estimate } from "./estimate.ts";
import { type Buffer, denseBuffer, type Kernel, type Stmt } from "./stmt.ts";

const m4 = loadBoard("mps2-an386").target, m0 = loadBoard("microbit").target;

const K = 64;

/** `times` products of a row of 64 elements by two columns. */
function kernel(times: number): Kernel {
  const acc = denseBuffer("acc", "int32", [1, 2], "local", [2, 1], 4);
  const a: Buffer = { ...denseBuffer("a", "int16", [1, K], "scratch", [K, 1], 4) };
  const w = denseBuffer("w", "int8", [1, K / 2, 2, 2], "param", [2 * K, 4, 2, 1], 4);
  const zero = [imm(0), imm(0)];
  const call: Stmt = {
    k: "intrin",
    op: dotBlock(1, K, K),
    args: [
      { buf: acc, idx: zero, axis: 1 },
      { buf: a, idx: zero, axis: 1 },
      { buf: w, idx: [...zero, ...zero], axis: 3 },
    ],
    scalars: [],
  };
  const v = variable("i", "int32", [0, times - 1]);
  const loop: Stmt = { k: "for", v, lo: imm(0), hi: imm(times), body: call };
  return {
    name: "k",
    buffers: [a],
    params: [w],
    body: { k: "alloc", buf: acc, body: loop },
    origin: [],
    ops: [],
    macs: 0,
  };
}

Deno.test("estimate: time grows with the turns of a loop, code and memory do not", () => {
  const once = estimate(kernel(10), m4), often = estimate(kernel(100), m4);
  assert(often.instructions > 8 * once.instructions && often.cycles! > 8 * once.cycles!);
  assert.equal(often.codeBytes, once.codeBytes);
  assert.deepEqual([often.constantBytes, often.scratchBytes], [2 * K, 2 * K]);
});

Deno.test("estimate: cycles are those of the instructions in the text of an intrinsic", () => {
  // Two LDRD of 3 cycles among eight instructions: 1.5 each, and what is around them.
  const { instructions, cycles } = estimate(kernel(1000), m4);
  assert(cycles! > 1.45 * instructions && cycles! < 1.6 * instructions, `${cycles}`);
  assert.equal(estimate(kernel(1000), m0).cycles, null);
});
