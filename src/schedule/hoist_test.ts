/** A condition is tested before a loop only where what it reads is there before the loop. */
import assert from "node:assert/strict";
import { model, node, tensor, value } from "../../tests/onnx_builder.ts";
import { board, defaults } from "../../tests/e2e/support.ts";
import { compileStages } from "../compile.ts";
import { interpreter } from "../compile/interpret.ts";
import * as util from "../util/tensor.ts";

/** where(max(b) = −∞, 0, x): of single elements the maximum and the choice are one kernel. */
const masked = (n: number): Uint8Array =>
  model({
    inputs: [value("x", "float32", [1, n]), value("b", "float32", [1, 4])],
    outputs: [value("y", "float32", [1, n])],
    initializers: [
      tensor("lowest", "float32", [], [-Infinity]),
      tensor("zero", "float32", [], [0]),
    ],
    nodes: [
      node("ReduceMax", ["b"], ["m"], { axes: [-1], keepdims: 1 }),
      node("Equal", ["m", "lowest"], ["none"]),
      node("Where", ["none", "zero", "x"], ["y"]),
    ],
  });

for (const n of [1, 2, 5]) {
  Deno.test(`a choice of ${n} by a maximum that is computed beside it`, async () => {
    const { program } = await compileStages(masked(n), defaults(board("mps2-an386")));
    const run = interpreter(program, { checked: true });
    const x = util.tensor("float32", [1, n], Array.from({ length: n }, (_, i) => i + 3));
    const of = (b: number[]) => [...run([x, util.tensor("float32", [1, 4], b)])[0].data];
    assert.deepEqual(of([-Infinity, -1, -Infinity, -2]), [...x.data]);
    assert.deepEqual(of(new Array(4).fill(-Infinity)), new Array(n).fill(0));
  });
}
