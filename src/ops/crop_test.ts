/** Values of onnx.reference 1.23.2; patterns are those of testing.ts. */
import { tensor } from "../util/tensor.ts";
import { ops } from "./crop.ts";
import { agrees, pattern } from "./testing.ts";

Deno.test("CenterCropPad cuts and pads", () => {
  agrees(ops, {
    type: "CenterCropPad",
    opset: 18,
    ins: [pattern([3, 2]), tensor("int64", [2], [2, 5])],
    outs: [[[2, 5], [0, -1.25, 0.5, 0, 0, 0, -0.5, 1.25, 0, 0]]],
  });
  agrees(ops, {
    type: "CenterCropPad",
    opset: 18,
    attrs: { axes: [-1] },
    ins: [pattern([2, 4]), tensor("int64", [1], [1])],
    outs: [[[2, 1], [0.5, -0.75]]],
  });
});

Deno.test("ReverseSequence turns the first elements round", () => {
  agrees(ops, {
    type: "ReverseSequence",
    opset: 10,
    attrs: { time_axis: 0, batch_axis: 1 },
    ins: [pattern([3, 3]), tensor("int64", [3], [1, 2, 3])],
    outs: [[[3, 3], [-1.25, 0.25, -1, 1.25, 0.5, -0.75, 1, 0, -0.5]]],
  });
  agrees(ops, {
    type: "ReverseSequence",
    opset: 10,
    attrs: { time_axis: 1, batch_axis: 0 },
    ins: [pattern([2, 3, 2]), tensor("int64", [2], [3, 2])],
    outs: [[[2, 3, 2], [0.25, -0.75, -0.5, 1.25, -1.25, 0.5, -1, 0.75, 1, 0, -0.25, -1.25]]],
  });
});
