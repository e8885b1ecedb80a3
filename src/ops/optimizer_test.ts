/** Values of onnx.reference 1.23.2; patterns are those of testing.ts. */
import { tensor } from "../util/tensor.ts";
import { ops } from "./optimizer.ts";
import { agrees, pattern, refuses } from "./testing.ts";

Deno.test("Adagrad", () => {
  agrees(ops, {
    type: "Adagrad",
    opset: 1,
    attrs: { norm_coefficient: 0.01, epsilon: 1e-05, decay_factor: 0.1 },
    ins: [
      tensor("float32", [], [0.1]),
      tensor("int64", [], [2]),
      pattern([2]),
      pattern([2]),
      tensor("float32", [2], [0.5, 2]),
    ],
    outs: [[[2], [-1.1772943, 0.47197589]], [[2], [2.0939064, 2.2550249]]],
  });
  agrees(ops, {
    type: "Adagrad",
    opset: 1,
    attrs: { norm_coefficient: 0, epsilon: 1e-05, decay_factor: 0 },
    ins: [
      tensor("float32", [], [0.1]),
      tensor("int64", [], [0]),
      pattern([2]),
      pattern([2]),
      pattern([2]),
      pattern([2]),
      tensor("float32", [2], [0.5, 2]),
      tensor("float32", [2], [0.5, 2]),
    ],
    outs: [
      [[2], [-1.1629617, 0.46666688]],
      [[2], [-1.1629617, 0.46666688]],
      [[2], [2.0625, 2.25]],
      [[2], [2.0625, 2.25]],
    ],
  });
});

Deno.test("Adam", () => {
  agrees(ops, {
    type: "Adam",
    opset: 1,
    attrs: {
      norm_coefficient: 0.01,
      norm_coefficient_post: 0.1,
      alpha: 0.95,
      beta: 0.1,
      epsilon: 1e-05,
    },
    ins: [
      tensor("float32", [], [0.1]),
      tensor("int64", [], [3]),
      pattern([2]),
      pattern([2]),
      pattern([2]),
      tensor("float32", [2], [0.5, 2]),
    ],
    outs: [[[2], [-0.47761793, -0.031412099]], [[2], [-1.250625, 0.50024998]], [[2], [
      1.4845157,
      0.42952251,
    ]]],
  });
  agrees(ops, {
    type: "Adam",
    opset: 1,
    attrs: {
      norm_coefficient: 0,
      norm_coefficient_post: 0,
      alpha: 0.9,
      beta: 0.99,
      epsilon: 1e-05,
    },
    ins: [
      tensor("float32", [], [0.1]),
      tensor("int64", [], [0]),
      pattern([2]),
      pattern([2]),
      pattern([2]),
      tensor("float32", [2], [0.5, 2]),
    ],
    outs: [[[2], [-1.0750746, 0.46448922]], [[2], [-1.25, 0.5]], [[2], [0.510625, 1.9825001]]],
  });
});

Deno.test("Momentum", () => {
  agrees(ops, {
    type: "Momentum",
    opset: 1,
    attrs: { norm_coefficient: 0.01, alpha: 0.95, beta: 0.1, mode: "standard" },
    ins: [
      tensor("float32", [], [0.1]),
      tensor("int64", [], [1]),
      pattern([2]),
      pattern([2]),
      pattern([2]),
    ],
    outs: [[[2], [-1.118625, 0.44745001]], [[2], [-1.31375, 0.5255]]],
  });
  agrees(ops, {
    type: "Momentum",
    opset: 1,
    attrs: { norm_coefficient: 0.01, alpha: 0.95, beta: 0.1, mode: "nesterov" },
    ins: [
      tensor("float32", [], [0.1]),
      tensor("int64", [], [0]),
      pattern([2]),
      pattern([2]),
      pattern([2]),
    ],
    outs: [[[2], [-0.89099997, 0.35640001]], [[2], [-2.45, 0.98000002]]],
  });
});

Deno.test("a tensor without its gradient is refused", () => {
  const ins = [tensor("float32", [], [1]), tensor("int64", [], [1]), pattern([2])];
  refuses(() => agrees(ops, { type: "Adagrad", ins, outs: [] }), /has 3 inputs/);
});
