/** DequantizeLinear rounds once: the zero point is subtracted from the integer. */
import assert from "node:assert/strict";
import { numbers, tensor } from "../util/tensor.ts";
import { evaluateNode } from "../ir/evaluate.ts";
import { dequantizeLinear } from "./quantize.ts";

Deno.test("DequantizeLinear: every byte, float32(q − zero) × scale to the last bit", () => {
  const stored = Array.from({ length: 256 }, (_, i) => i - 128);
  for (const zero of [-128, -77, -1, 0, 3, 127]) {
    for (const scale of [0.1, 0.023528477, 1 / 3, 3.7e-9, 1e-41]) {
      const attrs = { axis: 0, scale, zero };
      const [y] = evaluateNode(dequantizeLinear, attrs, [tensor("int8", [256], stored)]);
      const want = stored.map((q) => Math.fround((q - zero) * Math.fround(scale)));
      assert.deepEqual(numbers(y).map((v) => v + 0), want.map((v) => v + 0), `${zero}, ${scale}`);
    }
  }
});
