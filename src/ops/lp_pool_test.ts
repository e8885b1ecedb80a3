/** Values of onnx.reference 1.23.2; patterns are those of testing.ts. */
import { tensor } from "../util/tensor.ts";
import { ops } from "./lp_pool.ts";
import { agrees, pattern } from "./testing.ts";

Deno.test("norms of windows", () => {
  agrees(ops, {
    type: "LpPool",
    opset: 22,
    attrs: { kernel_shape: [2], p: 1 },
    ins: [pattern([1, 2, 4])],
    outs: [[[1, 2, 3], [1.75, 1, 1.75, 1, 1.75, 1]]],
  });
  agrees(ops, {
    type: "LpPool",
    opset: 22,
    attrs: { kernel_shape: [2], p: 2 },
    ins: [pattern([1, 2, 4])],
    outs: [[[1, 2, 3], [1.3462912, 0.70710677, 1.3462912, 0.79056942, 1.25, 1]]],
  });
  agrees(ops, {
    type: "LpPool",
    opset: 22,
    attrs: { kernel_shape: [2], p: 3 },
    ins: [pattern([1, 2, 4])],
    outs: [[[1, 2, 3], [1.2761172, 0.62996054, 1.2761172, 0.75914723, 1.1244854, 1]]],
  });
  agrees(ops, {
    type: "LpPool",
    opset: 22,
    attrs: { kernel_shape: [3, 2], strides: [2, 1], pads: [1, 0, 1, 0] },
    ins: [pattern([1, 1, 4, 3])],
    outs: [[[1, 1, 2, 2], [1.8540497, 1.0606601, 1.8027756, 1.8027756]]],
  });
});

Deno.test("MaxUnpool puts elements back", () => {
  agrees(ops, {
    type: "MaxUnpool",
    opset: 22,
    attrs: { kernel_shape: [2], strides: [2] },
    ins: [pattern([1, 1, 2]), tensor("int64", [1, 1, 2], [1, 2])],
    outs: [[[1, 1, 4], [0, -1.25, 0.5, 0]]],
  });
  agrees(ops, {
    type: "MaxUnpool",
    opset: 22,
    attrs: { kernel_shape: [2, 2], strides: [2, 2] },
    ins: [
      pattern([1, 1, 1, 2]),
      tensor("int64", [1, 1, 1, 2], [1, 6]),
      tensor("int64", [4], [1, 1, 3, 5]),
    ],
    outs: [[[1, 1, 3, 5], [0, -1.25, 0, 0, 0, 0, 0, 0.5, 0, 0, 0, 0, 0, 0, 0]]],
  });
});

Deno.test("GlobalLpPool keeps the spatial axes with size 1", () => {
  const ins = [tensor("float32", [1, 1, 1, 2], [3, -4])];
  agrees(ops, { type: "GlobalLpPool", ins, outs: [[[1, 1, 1, 1], [5]]] });
  agrees(ops, { type: "GlobalLpPool", attrs: { p: 1 }, ins, outs: [[[1, 1, 1, 1], [7]]] });
});
