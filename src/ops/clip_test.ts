import assert from "node:assert/strict";
import { ops } from "./clip.ts";
import { agrees, floats, named, read, refuses } from "./testing.ts";

Deno.test("Clip reads its bounds from attributes or from inputs", () => {
  const clip = named(ops, "Clip"), x = floats([1], [0]);
  const attrs = (n: Parameters<typeof read>[2]) => read(clip, "Clip", n);
  assert.deepEqual(attrs({ opset: 6, attrs: { min: -1, max: 6 }, inputs: [x] }), { lo: -1, hi: 6 });
  assert.deepEqual(attrs({ opset: 6, inputs: [x] }), { lo: null, hi: null });
  assert.deepEqual(attrs({ opset: 11, inputs: [x, null, floats([], [6])] }), { lo: null, hi: 6 });
  refuses(() => attrs({ opset: 11, inputs: [x, floats([2], [0, 1])] }), /min has shape \[2\]/);
});

Deno.test("where the lower bound is above the upper one, the upper one counts", () => {
  const ins = [floats([3], [-2, 0, 6]), floats([], [2]), floats([], [1])];
  agrees(ops, { type: "Clip", ins, outs: [[[3], [1, 1, 1]]] });
});
