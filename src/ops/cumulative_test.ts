/** Values of onnx.reference 1.23.2; patterns are those of testing.ts. */
import { tensor } from "../util/tensor.ts";
import { ops } from "./cumulative.ts";
import { agrees, pattern } from "./testing.ts";

Deno.test("running sums", () => {
  agrees(ops, {
    type: "CumSum",
    opset: 14,
    attrs: { exclusive: 0, reverse: 0 },
    ins: [pattern([2, 3]), tensor("int32", [], [1])],
    outs: [[[2, 3], [-1.25, -0.75, -1.25, 1.25, 1.5, 0.75]]],
  });
  agrees(ops, {
    type: "CumSum",
    opset: 14,
    attrs: { exclusive: 1, reverse: 0 },
    ins: [pattern([2, 3]), tensor("int32", [], [0])],
    outs: [[[2, 3], [0, 0, 0, -1.25, 0.5, -0.5]]],
  });
  agrees(ops, {
    type: "CumSum",
    opset: 14,
    attrs: { exclusive: 0, reverse: 1 },
    ins: [pattern([2, 3]), tensor("int32", [], [-1])],
    outs: [[[2, 3], [-1.25, 0, -0.5, 0.75, -0.5, -0.75]]],
  });
  agrees(ops, {
    type: "CumSum",
    opset: 14,
    attrs: { exclusive: 1, reverse: 1 },
    ins: [pattern([2, 3]), tensor("int32", [], [1])],
    outs: [[[2, 3], [0, -0.5, 0, -0.5, -0.75, 0]]],
  });
});

Deno.test("running products", () => {
  agrees(ops, {
    type: "CumProd",
    attrs: { exclusive: 0, reverse: 0 },
    ins: [pattern([4], "int32"), tensor("int32", [], [0])],
    outs: [[[4], [-5, -10, 20, 100]]],
  });
  agrees(ops, {
    type: "CumProd",
    attrs: { exclusive: 1, reverse: 1 },
    ins: [pattern([4], "int32"), tensor("int32", [], [0])],
    outs: [[[4], [-20, -10, 5, 1]]],
  });
});
