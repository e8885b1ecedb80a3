import assert from "node:assert/strict";
import { compileStages } from "../compile.ts";
import { interpreter } from "../compile/interpret.ts";
import { evaluateGraph } from "../ir/evaluate.ts";
import { importModel } from "../onnx/import.ts";
import { sizeOf, tensor as data } from "../util/tensor.ts";
import { assertSameBits, board, defaults, outputsOn } from "../../tests/e2e/support.ts";
import { model, node, tensor, value } from "../../tests/onnx_builder.ts";
import { bytesOf, random } from "../../tests/properties/random.ts";

/** Pointwise layers between so many channels on a map. */
function makePointwise(seed: number, channels: readonly number[], map: readonly number[]) {
  const r = random(seed), shape = [1, channels[0], ...map];
  const layers = channels.slice(1);
  const out = [1, channels.at(-1)!, ...map];
  const bytes = model({
    nodes: layers.map((_, i) =>
      node("QLinearConv", [`v${i}`, "s", "z", `w${i}`, "sw", "zw", "s", "z"], [`v${i + 1}`], {
        kernel_shape: [1, 1],
      })
    ),
    initializers: [
      tensor("s", "float32", [], [0.5]),
      tensor("sw", "float32", [], [1 / 64]),
      tensor("z", "int8", [], [r.int(-9, 9)]),
      tensor("zw", "int8", [], [0]),
      ...layers.map((n, i) =>
        tensor(`w${i}`, "int8", [n, channels[i], 1, 1], bytesOf(r, "int8", n * channels[i]))
      ),
    ],
    inputs: [value("v0", "int8", shape)],
    outputs: [value(`v${layers.length}`, "int8", out)],
  });
  return { bytes, sample: [data("int8", shape, bytesOf(r, "int8", sizeOf(shape)))] };
}

Deno.test("products on Cortex-M55 write over their input, a tile of rows away, forwards and backwards", async () => {
  const m55 = board("mps3-an547");
  let text = "";
  // Rows that no tile divides; maps that keep their size, grow and shrink.
  for (
    const [seed, channels, map] of [
      [1, [5, 48, 48, 48, 7], [7, 5]],
      [2, [3, 32, 64, 3], [5, 8]],
      [3, [9, 64, 20, 20, 4], [11, 3]],
    ] as const
  ) {
    const { bytes, sample } = makePointwise(seed, channels, map);
    const want = [evaluateGraph(importModel(bytes).graph, sample)];
    // Streams of rows would need less still.
    const c = await compileStages(bytes, { ...defaults(m55), optimize: "flash" });
    const widest = Math.max(...channels.slice(1, -1)) * sizeOf(map);
    const apart = Math.max(...channels.slice(1, -2).map((n, i) => n + channels[i + 2])) *
      sizeOf(map);
    const { arenaBytes, sources } = c.artifact;
    assert.ok(arenaBytes < apart && arenaBytes <= widest + 512, `${arenaBytes} of ${apart}`);
    text += [...sources.values()].join();
    assertSameBits([interpreter(c.program, { checked: true })(sample)], want, `chain ${seed}`);
    assertSameBits(await outputsOn(c.artifact, m55, [sample]), want, `C of chain ${seed}`);
  }
  assert.ok(/product_\w+_back\(/.test(text));
});
