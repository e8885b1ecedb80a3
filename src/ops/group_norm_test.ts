/** Values of onnx.reference 1.23.2; patterns are those of testing.ts. */
import { tensor } from "../util/tensor.ts";
import { ops } from "./group_norm.ts";
import { agrees, pattern } from "./testing.ts";

Deno.test("RMSNormalization over the last axes", () => {
  agrees(ops, {
    type: "RMSNormalization",
    opset: 23,
    attrs: { axis: -1 },
    ins: [pattern([2, 3]), pattern([3])],
    outs: [[[2, 3], [1.8844321, 0.30150914, 0.30150914, -1.8298, 0.146384, 0.439152]]],
  });
  agrees(ops, {
    type: "RMSNormalization",
    opset: 23,
    attrs: { axis: 1, epsilon: 0.1 },
    ins: [pattern([2, 2, 2]), pattern([2, 2])],
    outs: [[[2, 2, 2], [
      1.5576398,
      0.24922238,
      0.24922238,
      1.5576398,
      -0.4392052,
      -0.52704626,
      -0.70272833,
      0,
    ]]],
  });
});

Deno.test("GroupNormalization with parameters for every channel", () => {
  agrees(ops, {
    type: "GroupNormalization",
    opset: 21,
    attrs: { num_groups: 2 },
    ins: [pattern([1, 4, 2]), pattern([4]), pattern([4])],
    outs: [[[1, 4, 2], [
      0.3913213,
      -1.9065285,
      0.23738858,
      1.1565285,
      -0.59999871,
      0.19999105,
      2.9999776,
      1.0000032,
    ]]],
  });
});

Deno.test("MeanVarianceNormalization", () => {
  agrees(ops, {
    type: "MeanVarianceNormalization",
    opset: 13,
    ins: [pattern([2, 2, 1, 2])],
    outs: [[[2, 2, 1, 2], [
      -1.3105561,
      1.1358153,
      -1.3105561,
      1.1358153,
      0.78633362,
      -0.61159283,
      0.78633362,
      -0.61159283,
    ]]],
  });
});

Deno.test("LpNormalization, zero where the norm is", () => {
  agrees(ops, {
    type: "LpNormalization",
    opset: 22,
    attrs: { axis: 0, p: 2 },
    ins: [tensor("float32", [2, 2], [3, 0, 4, 0])],
    outs: [[[2, 2], [0.60000002, 0, 0.80000001, 0]]],
  });
});

Deno.test("LpNormalization with p 1 divides by the sum of absolute values", () => {
  const [x, y] = [[3, -1, 0, -4], [0.75, -0.25, 0, -1]];
  const ins = [tensor("float32", [2, 2], x)];
  agrees(ops, { type: "LpNormalization", attrs: { p: 1 }, ins, outs: [[[2, 2], y]] });
});

Deno.test("GroupNormalization of operator set 18 has parameters for every group", () => {
  agrees(ops, {
    type: "GroupNormalization",
    opset: 18,
    attrs: { num_groups: 1, epsilon: 0 },
    ins: [
      tensor("float32", [1, 2, 2], [1, 2, 3, 4]),
      tensor("float32", [1], [2]),
      tensor("float32", [1], [1]),
    ],
    outs: [[[1, 2, 2], [-1.68328157, 0.105572809, 1.89442719, 3.68328157]]],
  });
  // As version 21 has it, where they are not as many as the groups.
  agrees(ops, {
    type: "GroupNormalization",
    opset: 18,
    attrs: { num_groups: 1, epsilon: 0 },
    ins: [
      tensor("float32", [1, 2, 2], [1, 2, 3, 4]),
      tensor("float32", [2], [2, 0]),
      tensor("float32", [2], [1, 5]),
    ],
    outs: [[[1, 2, 2], [-1.68328157, 0.105572809, 5, 5]]],
  });
});
