/** Values of onnx.reference 1.23.2; patterns are those of testing.ts. */
import { tensor } from "../util/tensor.ts";
import { ops } from "./language.ts";
import { agrees, pattern, refuses } from "./testing.ts";

// Values of onnxruntime 1.31.1.
Deno.test("RotaryEmbedding of onnxruntime: positions from an offset, of each element, of heads", () => {
  const rotary = ops.filter((o) => o.onnx.some((b) => b.domain === "com.microsoft"));
  const type = "RotaryEmbedding", opset = 1;
  const f = (shape: number[], values: number[]) => tensor("float32", shape, values);
  agrees(rotary, {
    type,
    opset,
    attrs: {},
    ins: [
      f([1, 2, 4], [0.13, -0.13, 0.64, 0.1, -0.54, 0.36, 1.3, 0.95]),
      tensor("int64", [1], [1]),
      f([3, 2], [-0.059, -0.946, -0.77, 1.0, -0.841, 0.995]),
      f([3, 2], [0.998, 0.326, 0.638, 0.01, 0.541, 0.1]),
    ],
    outs: [[[1, 2, 4], [-0.5084, -0.131, -0.4099, 0.0987, -0.2492, 0.2632, -1.3854, 0.9812]]],
  }, 1e-4);
  agrees(rotary, {
    type,
    opset,
    attrs: { interleaved: 1 },
    ins: [
      f([2, 2, 4], [
        ...[-1.25, -0.73, -0.54, -0.32, 0.41, 1.04, -0.13, 1.37],
        ...[-0.67, 0.35, 0.9, 0.09, -0.74, -0.92, -0.46, 0.22],
      ]),
      tensor("int64", [2, 2], [0, 2, 1, 1]),
      f([3, 2], [-0.479, 0.39, 0.917, -0.556, -0.009, 0.598]),
      f([3, 2], [0.878, 0.921, 0.399, 0.831, 1.0, 0.802]),
    ],
    outs: [[[2, 2, 4], [
      ...[1.2397, -0.7478, 0.0841, -0.6221, -1.0437, 0.4006, -1.1765, 0.715],
      ...[-0.754, 0.0536, -0.5752, 0.6979, -0.3115, -1.1389, 0.0729, -0.5046],
    ]]],
  }, 1e-4);
  agrees(rotary, {
    type,
    opset,
    attrs: {},
    ins: [
      f([1, 2, 2, 4], [
        ...[-0.65, -0.13, 0.78, 1.49, -1.26, 1.51, 1.35, 0.78],
        ...[0.26, -0.31, 1.46, 1.96, 1.8, 1.32, 0.36, -1.21],
      ]),
      tensor("int64", [1], [0]),
      f([3, 2], [-0.872, 0.984, 0.532, 0.9, 0.219, -0.731]),
      f([3, 2], [0.49, 0.179, 0.847, 0.435, 0.976, 0.683]),
    ],
    outs: [[[1, 2, 2, 4], [
      ...[0.1846, -0.3946, -0.9987, 1.4429, -1.8138, 1.0197, -0.349, 1.3589],
      ...[-0.9421, -0.6559, -1.1457, 1.8732, 0.6527, 1.7143, 1.7161, -0.5148],
    ]]],
  }, 1e-4);
  agrees(rotary, {
    type,
    opset,
    attrs: { num_heads: 2, rotary_embedding_dim: 2 },
    ins: [
      f([1, 2, 8], [
        ...[-1.18, -0.66, -0.44, -1.17, 1.74, -0.5, 0.33, -0.26],
        ...[1.58, 1.32, 0.63, -2.2, 0.05, 0.68, 1.0, -0.62],
      ]),
      tensor("int64", [1, 2], [2, 0]),
      f([3, 1], [0.071, 0.287, -0.285]),
      f([3, 1], [0.997, 0.958, 0.958]),
    ],
    outs: [[[1, 2, 8], [
      ...[0.9686, -0.9423, -0.44, -1.17, -0.0169, 1.8094, 0.33, -0.26],
      ...[-1.2039, 1.669, 0.63, -2.2, -0.6744, 0.0981, 1.0, -0.62],
    ]]],
  }, 1e-4);
});

Deno.test("RotaryEmbedding in both forms", () => {
  agrees(ops, {
    type: "RotaryEmbedding",
    opset: 23,
    attrs: { interleaved: 1 },
    ins: [pattern([1, 2, 2, 4]), pattern([3, 2]), pattern([3, 2]), tensor("int64", [1, 2], [0, 2])],
    outs: [[[1, 2, 2, 4], [
      2.1875,
      0.9375,
      -0.875,
      0.375,
      0.25,
      -0.125,
      -0.75,
      -0.75,
      2.1875,
      0.3125,
      0.5,
      -0.75,
      0.25,
      0,
      -0.75,
      -1.125,
    ]]],
  });
  agrees(ops, {
    type: "RotaryEmbedding",
    opset: 23,
    attrs: { num_heads: 2, rotary_embedding_dim: 2 },
    ins: [pattern([1, 2, 8]), pattern([1, 2, 1]), pattern([1, 2, 1])],
    outs: [[[1, 2, 8], [
      2.1875,
      0.9375,
      -0.5,
      1.25,
      -1.25,
      0.625,
      1,
      0,
      -0.875,
      -0.125,
      -0.25,
      -1.25,
      0.5,
      0,
      1.25,
      0.25,
    ]]],
  });
});

Deno.test("SwiGLU", () => {
  agrees(ops, {
    type: "SwiGLU",
    opset: 28,
    attrs: { alpha: 0.5 },
    ins: [pattern([2, 2]), pattern([2, 2])],
    outs: [[[2, 2], [0.54475808, 0.14054413, 0.10945586, 1.017742]]],
  });
});

Deno.test("CausalConvWithState hands on what comes before", () => {
  agrees(ops, {
    type: "CausalConvWithState",
    opset: 27,
    ins: [pattern([1, 2, 3]), pattern([2, 1, 3]), pattern([2])],
    outs: [[[1, 2, 3], [-0.625, -2.125, 0.8125, -0.4375, 0.625, 2.6875]], [[1, 2, 2], [
      0.5,
      -0.5,
      0.25,
      -0.75,
    ]]],
  });
  agrees(ops, {
    type: "CausalConvWithState",
    opset: 27,
    attrs: { activation: "silu" },
    ins: [pattern([1, 2, 3]), pattern([2, 1, 2]), null, pattern([1, 2, 1])],
    outs: [[[1, 2, 3], [0.67368221, 1.5581405, -0.25743809, 1.0341597, -0.13203269, -0.27288401]], [
      [1, 2, 1],
      [-0.5, -0.75],
    ]],
  });
});

Deno.test("LinearAttention, every rule", () => {
  agrees(ops, {
    type: "LinearAttention",
    opset: 27,
    attrs: { update_rule: "linear", q_num_heads: 2, kv_num_heads: 1 },
    ins: [pattern([1, 2, 4]), pattern([1, 2, 2]), pattern([1, 2, 2]), pattern([1, 1, 2, 2])],
    outs: [[[1, 2, 4], [
      -0.67396116,
      0.6408155,
      -1.1048543,
      1.3700194,
      1.0275146,
      -1.7567184,
      0.39774758,
      -0.53033006,
    ]], [[1, 1, 2, 2], [0.5625, -0.75, -1.75, 3.0625]]],
  });
  agrees(ops, {
    type: "LinearAttention",
    opset: 27,
    attrs: { update_rule: "gated", q_num_heads: 2, kv_num_heads: 1 },
    ins: [
      pattern([1, 2, 4]),
      pattern([1, 2, 2]),
      pattern([1, 2, 2]),
      pattern([1, 1, 2, 2]),
      pattern([1, 2, 1]),
    ],
    outs: [[[1, 2, 4], [
      -1.3361402,
      0.6408155,
      -1.1048543,
      0.70784038,
      1.3984045,
      -1.6112634,
      1.5808564,
      -1.0035737,
    ]], [[1, 1, 2, 2], [2.2356687, -1.4192675, -1.891634, 2.5651383]]],
  });
  agrees(ops, {
    type: "LinearAttention",
    opset: 27,
    attrs: { update_rule: "delta", q_num_heads: 2, kv_num_heads: 1 },
    ins: [
      pattern([1, 2, 4]),
      pattern([1, 2, 2]),
      pattern([1, 2, 2]),
      pattern([1, 1, 2, 2]),
      null,
      pattern([1, 2, 1]),
    ],
    outs: [[[1, 2, 4], [
      5.0333023,
      -0.80101943,
      2.8311892,
      0.37565047,
      0.17893462,
      -0.5406881,
      -2.9188871,
      0.77892232,
    ]], [[1, 1, 2, 2], [-4.1279297, 1.1015625, -1.7133789, 1.3867188]]],
  });
  agrees(ops, {
    type: "LinearAttention",
    opset: 27,
    attrs: { update_rule: "gated_delta", q_num_heads: 2, kv_num_heads: 1 },
    ins: [
      pattern([1, 2, 4]),
      pattern([1, 2, 2]),
      pattern([1, 2, 2]),
      pattern([1, 1, 2, 2]),
      pattern([1, 2, 2]),
      pattern([1, 2, 1]),
    ],
    outs: [[[1, 2, 4], [
      2.0844848,
      1.1649534,
      0.81825155,
      2.1591794,
      0.20812504,
      -0.95053619,
      -0.81591201,
      1.3856301,
    ]], [[1, 1, 2, 2], [-1.1538738, 1.9595768, -0.77706897, 2.4455404]]],
  });
  agrees(ops, {
    type: "LinearAttention",
    opset: 27,
    attrs: { update_rule: "linear", scale: 0.5, q_num_heads: 1, kv_num_heads: 1 },
    ins: [pattern([1, 1, 2]), pattern([1, 1, 2]), pattern([1, 1, 3])],
    outs: [[[1, 1, 3], [-1.1328125, 0.453125, -0.453125]], [[1, 1, 2, 3], [
      1.5625,
      -0.625,
      0.625,
      -0.625,
      0.25,
      -0.25,
    ]]],
  });
});

Deno.test("LinearAttention writes out a bounded number of steps", () => {
  const attrs = { update_rule: "linear", q_num_heads: 1, kv_num_heads: 1 };
  const long = pattern([1, 65, 2]), ins = [long, long, long];
  refuses(
    () => agrees(ops, { type: "LinearAttention", opset: 27, attrs, ins, outs: [] }),
    /65 steps/,
  );
});
