import assert from "node:assert/strict";
import { add, cast, imm, load, mul, variable } from "../te/expr.ts";
import { widen4 } from "./intrinsics.ts";
import { denseBuffer, seq } from "./stmt.ts";
import { countTraffic } from "./traffic.ts";

Deno.test("traffic: every element as often as the loops touch it", () => {
  const x = denseBuffer("x", "int8", [16], "input", [1], 4);
  const y = denseBuffer("y", "int32", [4], "output", [1], 4);
  const rows = denseBuffer("rows", "int16", [4], "scratch", [1], 4);
  const i = variable("i", "int32", [0, 3]), j = variable("j", "int32", [0, 3]);
  const at = add(mul(i, 4), j);
  const body = {
    k: "for" as const,
    v: i,
    lo: imm(0),
    hi: imm(4),
    body: seq(
      {
        k: "intrin",
        op: widen4("int8"),
        args: [{ buf: rows, idx: [imm(0)], axis: 0 }, { buf: x, idx: [mul(i, 4)], axis: 0 }],
        scalars: [0],
      },
      {
        k: "for",
        v: j,
        lo: imm(0),
        hi: imm(4),
        body: {
          k: "store",
          buf: y,
          idx: [i],
          value: add(
            load(y, [i]),
            mul(cast("int32", load(rows, [j])), cast("int32", load(x, [at]))),
          ),
        },
      },
    ),
  };
  const kernel = { name: "k", params: [], body, origin: [], ops: [], macs: 0 };
  // x: 16 widened and 16 loaded; y: 16 loads and stores of 4 bytes; rows: 16 and 16 of 2.
  assert.deepEqual(countTraffic({ ...kernel, buffers: [x, y, rows] }), [32, 128, 64]);
});
