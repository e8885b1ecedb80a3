/** Bands of reductions over rows: the type that their sums are kept in. */
import assert from "node:assert/strict";
import { axis, compute, placeholder, sum } from "../te/compute.ts";
import { cast, imm, load, sub } from "../te/expr.ts";
import { denseBuffer } from "../tir/stmt.ts";
import type { DType } from "../util/dtype.ts";
import { bandOfSums } from "./band.ts";

/** Sums of `rows` rows of four columns by three channels, each element less `zero`, from `start`. */
function sumsOf(rows: number, zero: number, start: number): DType | undefined {
  const shape = [rows, 4, 3];
  const x = placeholder("x", "int8", shape);
  const h = axis("h", rows), w = axis("w", 4);
  const acc = compute(
    "acc",
    "int32",
    [3],
    (c) => sum([h, w], sub(cast("int32", load(x, [h.v, w.v, c])), imm(zero)), { init: imm(start) }),
    ["c"],
  );
  const y = compute("y", "int32", [3], (c) => load(acc.out, [c]), ["c"]);
  const band = bandOfSums({
    name: "test",
    computes: [acc, y],
    buffers: new Map([
      [x, denseBuffer("x", "int8", shape, "input", [12, 3, 1], 4)],
      [y.out, denseBuffer("y", "int32", [3], "output", [1], 4)],
    ]),
    consts: new Map(),
    origin: [],
    ops: [],
    macs: 0,
  });
  return band?.sums?.dtype;
}

Deno.test("sums over rows are kept in int16 where it holds all of them, at any time", () => {
  // 128 elements of up to 255: 32,640.
  assert.equal(sumsOf(32, -128, 0), "int16");
  assert.equal(sumsOf(32, -128, 127), "int16");
  assert.equal(sumsOf(32, -128, 128), "int32");
  assert.equal(sumsOf(33, -128, 0), "int32");
  // Down to −255 each: −32,640.
  assert.equal(sumsOf(32, 127, -128), "int16");
  assert.equal(sumsOf(32, 127, -129), "int32");
  // What begins beyond it stays beyond it, whatever is added.
  assert.equal(sumsOf(2, -128, -32769), "int32");
  assert.equal(sumsOf(2, -128, -32768), "int16");
});
