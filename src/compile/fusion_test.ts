/** Streams for speed: where they take fewer instructions, and not beyond the flash that there is. */
import assert from "node:assert/strict";
import { assertSameBits, board, defaults } from "../../tests/e2e/support.ts";
import { model, node, tensor, value } from "../../tests/onnx_builder.ts";
import { random } from "../../tests/properties/random.ts";
import { compileStages } from "../compile.ts";
import { estimate } from "../tir/estimate.ts";
import { tensor as data } from "../util/tensor.ts";
import { interpreter } from "./interpret.ts";

const m4 = board("mps2-an386");

/** Windows of floats that meet borders, each followed by a pool: rings of rows have their borders filled. */
function windows(): Uint8Array {
  const r = random(3), draw = (n: number) => Array.from({ length: n }, () => r.int(-9, 9) / 8);
  const conv = { kernel_shape: [5, 5], pads: [2, 2, 2, 2] };
  const pool = (n: number) => ({ kernel_shape: [n, n], strides: [n, n] });
  return model({
    nodes: [
      node("Conv", ["x", "w0", "b0"], ["c0"], conv),
      node("Relu", ["c0"], ["r0"]),
      node("MaxPool", ["r0"], ["p0"], pool(2)),
      node("Conv", ["p0", "w1", "b1"], ["c1"], conv),
      node("Relu", ["c1"], ["r1"]),
      node("MaxPool", ["r1"], ["p1"], pool(3)),
      node("Flatten", ["p1"], ["flat"], { axis: 1 }),
      node("MatMul", ["flat", "w2"], ["y"]),
    ],
    initializers: [
      tensor("w0", "float32", [8, 1, 5, 5], draw(200)),
      tensor("b0", "float32", [8], draw(8)),
      tensor("w1", "float32", [16, 8, 5, 5], draw(3200)),
      tensor("b1", "float32", [16], draw(16)),
      tensor("w2", "float32", [256, 10], draw(2560)),
    ],
    inputs: [value("x", "float32", [1, 1, 28, 28])],
    outputs: [value("y", "float32", [1, 10])],
  });
}

Deno.test("fusion: speed takes a stream where it is fewer instructions", async () => {
  const bytes = windows(), r = random(4);
  const x = data("float32", [1, 1, 28, 28], Array.from({ length: 784 }, () => r.int(-99, 99) / 16));
  const compiled = async (optimize: "balanced" | "speed" | "flash") => {
    const { kernels, program } = await compileStages(bytes, { ...defaults(m4), optimize });
    const takes = kernels.map((k) => estimate(k.kernel, m4.target).instructions);
    return { program, count: kernels.length, instructions: takes.reduce((a, b) => a + b, 0) };
  };
  const [balanced, speed, flash] = await Promise.all(
    (["balanced", "speed", "flash"] as const).map(compiled),
  );
  assert(speed.count < flash.count, `${speed.count} kernels`);
  assert(speed.instructions < flash.instructions);
  assert(speed.instructions <= balanced.instructions);
  assertSameBits([interpreter(speed.program)([x])], [interpreter(flash.program)([x])], "bits");
});
