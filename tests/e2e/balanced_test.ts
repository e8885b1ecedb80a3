/** `balanced` takes little memory where that costs next to nothing. */
import assert from "node:assert/strict";
import { bytesOf, random } from "../properties/random.ts";
import { model, node, tensor, value } from "../onnx_builder.ts";
import { board, compile } from "./support.ts";

const m4 = board("mps2-an386");

/** What the chosen plan may take: times the instructions of the fastest, of two maps' bytes. */
const MOST = 1.03, PART = 0.65;

/** Windows of three by three that follow each other on a map whose rows no tile of three divides. */
function chain(width: number, channels: number, layers: number): Uint8Array {
  const r = random(width), shape = [1, channels, 32, width];
  const names = Array.from({ length: layers + 1 }, (_, i) => `v${i}`);
  const window = { kernel_shape: [3, 3], pads: [1, 1, 1, 1] };
  return model({
    nodes: names.slice(1).map((y, i) =>
      node("QLinearConv", [names[i], "s", "z", `w${i}`, "ws", "wz", "s", "z"], [y], window)
    ),
    initializers: [
      tensor("s", "float32", [], [0.05]),
      tensor("z", "int8", [], [-128]),
      tensor("ws", "float32", [], [0.002]),
      tensor("wz", "int8", [], [0]),
      ...names.slice(1).map((_, i) => {
        const dims = [channels, channels, 3, 3];
        return tensor(`w${i}`, "int8", dims, bytesOf(r, "int8", channels * channels * 9));
      }),
    ],
    inputs: [value(names[0], "int8", shape)],
    outputs: [value(names.at(-1)!, "int8", shape)],
  });
}

Deno.test("balanced: rows that no tile divides take two thirds of two maps for hardly more instructions", async () => {
  for (const width of [16, 32, 35]) {
    const { frontier, arenaBytes } = await compile(chain(width, 16, 4), m4);
    const fastest = frontier.reduce((a, b) => b.instructions < a.instructions ? b : a);
    const [chosen, ...others] = frontier.filter((p) => p.chosen);
    assert.equal(others.length, 0);
    const price = chosen.instructions / fastest.instructions;
    assert.ok(price <= MOST, `${width} columns: ${price} times the instructions`);
    assert.ok(arenaBytes < PART * 2 * 32 * width * 16, `${width} columns: ${arenaBytes} bytes`);
  }
});
