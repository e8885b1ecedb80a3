/** Values of onnx.reference 1.23.2; patterns are those of testing.ts. */
import { tensor } from "../util/tensor.ts";
import { ops } from "./loss.ts";
import { agrees, pattern, refuses } from "./testing.ts";

Deno.test("NegativeLogLikelihoodLoss, reduced or not", () => {
  agrees(ops, {
    type: "NegativeLogLikelihoodLoss",
    opset: 22,
    attrs: { reduction: "none" },
    ins: [pattern([2, 3, 2]), tensor("int64", [2, 2], [0, 2, 1, 2])],
    outs: [[[2, 2], [1.25, 0.75, 1, 1.25]]],
  });
  agrees(ops, {
    type: "NegativeLogLikelihoodLoss",
    opset: 22,
    attrs: { reduction: "sum" },
    ins: [pattern([2, 3, 2]), tensor("int64", [2, 2], [0, 2, 1, 2]), pattern([3])],
    outs: [[[], [-2.0625]]],
  });
  agrees(ops, {
    type: "NegativeLogLikelihoodLoss",
    opset: 22,
    attrs: { reduction: "mean" },
    ins: [pattern([2, 3, 2]), tensor("int64", [2, 2], [0, 2, 1, 2]), pattern([3])],
    outs: [[[], [1.1785715]]],
  });
});

Deno.test("ignored classes count in no sum", () => {
  agrees(ops, {
    type: "NegativeLogLikelihoodLoss",
    opset: 22,
    attrs: { reduction: "mean", ignore_index: 2 },
    ins: [pattern([2, 3, 2]), tensor("int64", [2, 2], [0, 2, 1, 2])],
    outs: [[[], [1.125]]],
  });
  agrees(ops, {
    type: "NegativeLogLikelihoodLoss",
    opset: 22,
    attrs: { reduction: "mean", ignore_index: -5 },
    ins: [pattern([2, 3]), tensor("int32", [2], [-5, 1]), pattern([3])],
    outs: [[[], [-0.25]]],
  });
});

Deno.test("SoftmaxCrossEntropyLoss with its probabilities", () => {
  agrees(ops, {
    type: "SoftmaxCrossEntropyLoss",
    opset: 13,
    attrs: { reduction: "mean" },
    ins: [pattern([2, 3]), tensor("int64", [2], [2, 1])],
    outs: [[[], [1.4202309]], [[2, 3], [
      -2.1828554,
      -0.43285552,
      -1.4328556,
      -0.40760598,
      -1.407606,
      -2.4076059,
    ]]],
  });
  agrees(ops, {
    type: "SoftmaxCrossEntropyLoss",
    opset: 13,
    attrs: { reduction: "none" },
    ins: [pattern([1, 3, 2]), tensor("int64", [1, 2], [2, 1]), pattern([3])],
    outs: [[[1, 2], [-0.26398787, 0.23740287]]],
  });
});

Deno.test("classes that do not fit the scores are refused", () => {
  const node = { type: "NegativeLogLikelihoodLoss", ins: [pattern([2, 3]), pattern([3], "int64")] };
  refuses(() => agrees(ops, { ...node, outs: [[[], [0]]] }), /classes \[3\]/);
});
