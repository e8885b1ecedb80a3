/** Values of onnx.reference 1.23.2; patterns are those of testing.ts. */
import { tensor } from "../util/tensor.ts";
import { ops } from "./language.ts";
import { agrees, pattern, refuses } from "./testing.ts";

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
