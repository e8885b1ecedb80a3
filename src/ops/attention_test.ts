/** Values of onnx.reference 1.23.2; patterns are those of testing.ts. */
import { tensor } from "../util/tensor.ts";
import { ops } from "./attention.ts";
import { agrees, pattern, refuses } from "./testing.ts";

Deno.test("heads share keys and values", () => {
  agrees(ops, {
    type: "Attention",
    opset: 24,
    ins: [pattern([1, 2, 2, 2]), pattern([1, 1, 3, 2]), pattern([1, 1, 3, 2])],
    outs: [[[1, 2, 2, 2], [
      -0.83755726,
      0.65765226,
      -0.72501904,
      0.82522565,
      -0.23299843,
      -0.10202715,
      -0.24655224,
      0.081993118,
    ]]],
  });
});

Deno.test("operands of three axes", () => {
  agrees(ops, {
    type: "Attention",
    opset: 24,
    attrs: { q_num_heads: 2, kv_num_heads: 1, scale: 0.5 },
    ins: [pattern([1, 2, 4]), pattern([1, 3, 2]), pattern([1, 3, 2])],
    outs: [[[1, 2, 4], [
      -0.76214159,
      0.60189295,
      -0.69473839,
      0.72741818,
      -0.31481481,
      0.024123937,
      -0.31676474,
      0.15988421,
    ]]],
  });
});

Deno.test("a query that no key takes part in gives zeros", () => {
  agrees(ops, {
    type: "Attention",
    opset: 24,
    ins: [
      pattern([1, 2, 2, 2]),
      pattern([1, 1, 3, 2]),
      pattern([1, 1, 3, 2]),
      tensor("bool", [2, 3], [1, 0, 1, 0, 0, 0]),
    ],
    outs: [[[1, 2, 2, 2], [-1.0312697, 0.31772467, 0, 0, -0.17497234, -0.39585638, 0, 0]]],
  });
});

Deno.test("masks of floats, short ones end in minus infinity", () => {
  agrees(ops, {
    type: "Attention",
    opset: 24,
    attrs: { is_causal: 1 },
    ins: [pattern([1, 2, 2, 2]), pattern([1, 1, 3, 2]), pattern([1, 1, 3, 2]), pattern([2, 2])],
    outs: [[[1, 2, 2, 2], [
      -1.25,
      0.5,
      -0.57840645,
      1.1715937,
      -1.25,
      0.5,
      -0.56957388,
      1.1804261,
    ]]],
  });
});

Deno.test("the past comes first", () => {
  agrees(ops, {
    type: "Attention",
    opset: 24,
    attrs: { is_causal: 1 },
    ins: [
      pattern([1, 1, 2, 2]),
      pattern([1, 1, 1, 2]),
      pattern([1, 1, 1, 2]),
      null,
      pattern([1, 1, 2, 2]),
      pattern([1, 1, 2, 2]),
    ],
    outs: [[[1, 1, 2, 2], [-1.0614127, 0.68858737, -0.92998809, 0.82001185]], [[1, 1, 3, 2], [
      -1.25,
      0.5,
      -0.5,
      1.25,
      -1.25,
      0.5,
    ]], [[1, 1, 3, 2], [-1.25, 0.5, -0.5, 1.25, -1.25, 0.5]]],
  });
});

Deno.test("the number of valid keys", () => {
  agrees(ops, {
    type: "Attention",
    opset: 24,
    attrs: { is_causal: 1 },
    ins: [
      pattern([2, 1, 2, 2]),
      pattern([2, 1, 3, 2]),
      pattern([2, 1, 3, 2]),
      null,
      null,
      null,
      tensor("int64", [2], [2, 3]),
    ],
    outs: [[[2, 1, 2, 2], [
      -1.25,
      0.5,
      -0.80139017,
      0.94860977,
      0.35892424,
      0.24040341,
      0.39461008,
      -0.20173465,
    ]]],
  });
});

Deno.test("windows", () => {
  agrees(ops, {
    type: "Attention",
    opset: 25,
    attrs: { left_window_size: 1, right_window_size: 0 },
    ins: [pattern([1, 1, 3, 2]), pattern([1, 1, 3, 2]), pattern([1, 1, 3, 2])],
    outs: [[[1, 1, 3, 2], [-1.25, 0.5, -0.80139017, 0.94860977, 0.0754904, -0.28464106]]],
  });
});

Deno.test("scores after every step", () => {
  agrees(ops, {
    type: "Attention",
    opset: 24,
    attrs: { qk_matmul_output_mode: 1, softcap: 2 },
    ins: [pattern([1, 1, 2, 2]), pattern([1, 1, 3, 2]), pattern([1, 1, 3, 2])],
    outs: [
      [[1, 1, 2, 2], [-0.80900496, 0.65712166, -0.73041415, 0.79147702]],
      [[1, 1, 3, 2], [-1.25, 0.5, -0.5, 1.25, 0.25, -0.75]],
      [[1, 1, 3, 2], [-1.25, 0.5, -0.5, 1.25, 0.25, -0.75]],
      [[1, 1, 2, 3], [1.1309091, 0.83050525, -0.47678292, 0.83050525, 1.1309092, -0.71784848]],
    ],
  });
  agrees(ops, {
    type: "Attention",
    opset: 24,
    attrs: { qk_matmul_output_mode: 2 },
    ins: [pattern([1, 1, 2, 2]), pattern([1, 1, 3, 2]), pattern([1, 1, 3, 2]), pattern([2, 3])],
    outs: [
      [[1, 1, 2, 2], [-0.59162062, 0.96826017, -0.96393651, 0.7399742]],
      [[1, 1, 3, 2], [-1.25, 0.5, -0.5, 1.25, 0.25, -0.75]],
      [[1, 1, 3, 2], [-1.25, 0.5, -0.5, 1.25, 0.25, -0.75]],
      [[1, 1, 2, 3], [0.031630993, 1.3838835, -0.98613596, 2.1338835, 1.5316311, -1.5013011]],
    ],
  });
  agrees(ops, {
    type: "Attention",
    opset: 24,
    attrs: { qk_matmul_output_mode: 3 },
    ins: [pattern([1, 1, 2, 2]), pattern([1, 1, 3, 2]), pattern([1, 1, 3, 2]), pattern([2, 3])],
    outs: [
      [[1, 1, 2, 2], [-0.59162062, 0.96826017, -0.96393651, 0.7399742]],
      [[1, 1, 3, 2], [-1.25, 0.5, -0.5, 1.25, 0.25, -0.75]],
      [[1, 1, 3, 2], [-1.25, 0.5, -0.5, 1.25, 0.25, -0.75]],
      [[1, 1, 2, 3], [0.1912951, 0.73957062, 0.069134258, 0.63534176, 0.34789848, 0.016759723]],
    ],
  });
});

Deno.test("operands that do not fit each other are refused", () => {
  const ins = [pattern([1, 3, 2, 2]), pattern([1, 2, 3, 2]), pattern([1, 2, 3, 2])];
  refuses(() => agrees(ops, { type: "Attention", ins, outs: [] }), /do not fit each other/);
  const flat = [pattern([1, 2, 4]), pattern([1, 3, 2]), pattern([1, 3, 2])];
  refuses(() => agrees(ops, { type: "Attention", ins: flat, outs: [] }), /no number of heads/);
});
