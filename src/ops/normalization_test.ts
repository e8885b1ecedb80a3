/** Values of onnx.reference 1.23.2; patterns are those of testing.ts. */
import { tensor } from "../util/tensor.ts";
import { ops } from "./normalization.ts";
import { agrees, pattern } from "./testing.ts";

Deno.test("BatchNormalization by known statistics", () => {
  agrees(ops, {
    type: "BatchNormalization",
    opset: 15,
    ins: [
      pattern([2, 2, 3]),
      pattern([2]),
      pattern([2]),
      pattern([2]),
      tensor("float32", [2], [1, 2]),
    ],
    outs: [[[2, 2, 3], [
      -1.25,
      -3.437489,
      -2.1874952,
      0.76516438,
      0.41161188,
      0.058059365,
      -4.0624857,
      -2.8124921,
      -1.5624985,
      0.58838814,
      0.23483562,
      -0.1187169,
    ]]],
  });
});

Deno.test("BatchNormalization of a vector has one channel", () => {
  agrees(ops, {
    type: "BatchNormalization",
    opset: 15,
    attrs: { epsilon: 0 },
    ins: [
      tensor("float32", [3], [1, 2, 5]),
      ...[2, 7, 1, 4].map((p) => tensor("float32", [1], [p])),
    ],
    outs: [[[3], [7, 8, 11]]],
  });
});

Deno.test("BatchNormalization by those of the batch", () => {
  agrees(ops, {
    type: "BatchNormalization",
    opset: 15,
    attrs: { training_mode: 1, momentum: 0.75, epsilon: 0.01 },
    ins: [
      pattern([2, 2, 3]),
      pattern([2]),
      pattern([2]),
      pattern([2]),
      tensor("float32", [2], [1, 2]),
    ],
    outs: [
      [[2, 2, 3], [
        0.37294412,
        -2.3536019,
        -0.79557562,
        1.2269572,
        0.64539146,
        0.063825697,
        -3.1326153,
        -1.5745888,
        -0.016562343,
        0.93617427,
        0.35460857,
        -0.2269572,
      ]],
      [[2], [-0.98958331, 0.375]],
      [[2], [0.90842015, 1.6822916]],
    ],
  });
});

Deno.test("LayerNormalization with its statistics", () => {
  agrees(ops, {
    type: "LayerNormalization",
    opset: 17,
    attrs: { axis: 1 },
    ins: [pattern([2, 2, 3]), pattern([2, 3]), pattern([2, 3])],
    outs: [
      [[2, 2, 3], [
        0.49130261,
        0.84826052,
        -0.25124246,
        3.2400603,
        0.34950301,
        -0.15298194,
        -2.9524498,
        0.57566446,
        0.029651046,
        2.5741277,
        0.21216778,
        0.27146995,
      ]],
      [[2, 1, 1], [-0.083333336, -0.125]],
      [[2, 1, 1], [1.1940361, 1.210631]],
    ],
  });
});

Deno.test("InstanceNormalization", () => {
  agrees(ops, {
    type: "InstanceNormalization",
    opset: 22,
    ins: [pattern([1, 2, 4]), tensor("float32", [2], [1, 2]), tensor("float32", [2], [1, 2])],
    outs: [[[1, 2, 4], [
      -0.31305707,
      1.5252228,
      0.47477716,
      2.3130569,
      2.3999949,
      -0.79996419,
      4.799964,
      1.6000051,
    ]]],
  });
});

Deno.test("LRN sums squares over the channels around each", () => {
  const ins = [tensor("float32", [1, 4, 1, 1], [1, 2, 3, 4])];
  const base = (squares: number) => Math.sqrt(2 + squares / 6);
  agrees(ops, {
    type: "LRN",
    attrs: { size: 3, alpha: 0.5, beta: 0.5, bias: 2 },
    ins,
    outs: [[[1, 4, 1, 1], [1 / base(5), 2 / base(14), 3 / base(29), 4 / base(25)]]],
  });
});
