/** Values of onnx.reference 1.23.2; patterns are those of testing.ts. */
import { tensor } from "../util/tensor.ts";
import { ops } from "./scatter.ts";
import { agrees, pattern, refuses } from "./testing.ts";

Deno.test("ScatterElements, with and without a reduction", () => {
  agrees(ops, {
    type: "ScatterElements",
    opset: 18,
    attrs: { axis: 1, reduction: "none" },
    ins: [pattern([3, 4]), tensor("int64", [2, 3], [1, -1, 0, 1, 0, 0]), pattern([2, 3])],
    outs: [[[3, 4], [-0.5, -1.25, -0.5, 0.5, -0.75, 1.25, 1, 0, -1, 0.75, -0.25, -1.25]]],
  });
  agrees(ops, {
    type: "ScatterElements",
    opset: 18,
    attrs: { axis: 1, reduction: "add" },
    ins: [pattern([3, 4]), tensor("int64", [2, 3], [1, -1, 0, 1, 0, 0]), pattern([2, 3])],
    outs: [[[3, 4], [-1.75, -0.75, -0.5, 1.75, -0.25, 0.5, 1, 0, -1, 0.75, -0.25, -1.25]]],
  });
  agrees(ops, {
    type: "ScatterElements",
    opset: 18,
    attrs: { axis: 1, reduction: "mul" },
    ins: [pattern([3, 4]), tensor("int64", [2, 3], [1, -1, 0, 1, 0, 0]), pattern([2, 3])],
    outs: [[[3, 4], [
      0.625,
      -0.625,
      -0.5,
      0.625,
      -0.046875,
      -0.9375,
      1,
      0,
      -1,
      0.75,
      -0.25,
      -1.25,
    ]]],
  });
  agrees(ops, {
    type: "ScatterElements",
    opset: 18,
    attrs: { axis: 1, reduction: "max" },
    ins: [pattern([3, 4]), tensor("int64", [2, 3], [1, -1, 0, 1, 0, 0]), pattern([2, 3])],
    outs: [[[3, 4], [-0.5, 0.5, -0.5, 1.25, 0.25, 1.25, 1, 0, -1, 0.75, -0.25, -1.25]]],
  });
  agrees(ops, {
    type: "ScatterElements",
    opset: 18,
    attrs: { axis: 1, reduction: "min" },
    ins: [pattern([3, 4]), tensor("int64", [2, 3], [1, -1, 0, 1, 0, 0]), pattern([2, 3])],
    outs: [[[3, 4], [-1.25, -1.25, -0.5, 0.5, -0.75, -0.75, 1, 0, -1, 0.75, -0.25, -1.25]]],
  });
  agrees(ops, {
    type: "ScatterElements",
    opset: 18,
    attrs: { axis: 0 },
    ins: [pattern([3, 4]), tensor("int64", [1, 3], [2, 0, -2]), pattern([1, 3])],
    outs: [[[3, 4], [-1.25, 0.5, -0.5, 1.25, 0.25, -0.75, -0.5, 0, -1.25, 0.75, -0.25, -1.25]]],
  });
});

Deno.test("ScatterND writes slices", () => {
  agrees(ops, {
    type: "ScatterND",
    opset: 18,
    attrs: { reduction: "none" },
    ins: [pattern([2, 2]), tensor("int64", [3, 1], [1, -2, 1]), pattern([3, 2])],
    outs: [[[2, 2], [-0.5, 1.25, 0.25, -0.75]]],
  });
  agrees(ops, {
    type: "ScatterND",
    opset: 18,
    attrs: { reduction: "add" },
    ins: [pattern([2, 2]), tensor("int64", [3, 1], [1, -2, 1]), pattern([3, 2])],
    outs: [[[2, 2], [-1.75, 1.75, -1.5, 1]]],
  });
  agrees(ops, {
    type: "ScatterND",
    opset: 18,
    attrs: { reduction: "mul" },
    ins: [pattern([2, 2]), tensor("int64", [3, 1], [1, -2, 1]), pattern([3, 2])],
    outs: [[[2, 2], [0.625, 0.625, 0.15625, -0.46875]]],
  });
  agrees(ops, {
    type: "ScatterND",
    opset: 18,
    attrs: { reduction: "max" },
    ins: [pattern([2, 2]), tensor("int64", [3, 1], [1, -2, 1]), pattern([3, 2])],
    outs: [[[2, 2], [-0.5, 1.25, 0.25, 1.25]]],
  });
  agrees(ops, {
    type: "ScatterND",
    opset: 18,
    attrs: { reduction: "min" },
    ins: [pattern([2, 2]), tensor("int64", [3, 1], [1, -2, 1]), pattern([3, 2])],
    outs: [[[2, 2], [-1.25, 0.5, -1.25, -0.75]]],
  });
  agrees(ops, {
    type: "ScatterND",
    opset: 18,
    ins: [pattern([2, 3]), tensor("int64", [2, 2, 2], [1, 2, 0, -1, 0, 0, 1, 2]), pattern([2, 2])],
    outs: [[[2, 3], [-0.5, 0.5, 0.5, 1.25, 0.25, 1.25]]],
  });
});

Deno.test("TensorScatter writes into a cache", () => {
  agrees(ops, {
    type: "TensorScatter",
    opset: 24,
    ins: [pattern([2, 3, 2]), pattern([2, 1, 2]), tensor("int64", [2], [2, 1])],
    outs: [[[2, 3, 2], [-1.25, 0.5, -0.5, 1.25, -1.25, 0.5, 1, 0, -0.5, 1.25, -0.25, -1.25]]],
  });
  agrees(ops, {
    type: "TensorScatter",
    opset: 24,
    attrs: { mode: "circular", axis: 1 },
    ins: [pattern([1, 3, 2]), pattern([1, 2, 2]), tensor("int64", [1], [5])],
    outs: [[[1, 3, 2], [-0.5, 1.25, -0.5, 1.25, -1.25, 0.5]]],
  });
  agrees(ops, {
    type: "TensorScatter",
    opset: 24,
    ins: [pattern([1, 3, 2]), pattern([1, 2, 2])],
    outs: [[[1, 3, 2], [-1.25, 0.5, -0.5, 1.25, 0.25, -0.75]]],
  });
});

Deno.test("indices outside hit nothing, and shapes that do not fit are refused", () => {
  const data = tensor("float32", [2], [1, 2]), updates = tensor("float32", [2], [8, 9]);
  const ins = [data, tensor("int64", [2], [2, -3]), updates];
  agrees(ops, { type: "ScatterElements", ins, outs: [[[2], [1, 2]]] });
  const wrong = [data, tensor("int64", [1], [0]), updates];
  refuses(() => agrees(ops, { type: "ScatterElements", ins: wrong, outs: [] }), /do not fit/);
});
