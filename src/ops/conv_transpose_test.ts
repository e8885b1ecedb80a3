/** Values of onnx.reference 1.23.2; patterns are those of testing.ts. */
import { tensor } from "../util/tensor.ts";
import { ops } from "./conv_transpose.ts";
import { agrees, pattern, refuses } from "./testing.ts";

Deno.test("strides, pads, dilations, groups", () => {
  agrees(ops, {
    type: "ConvTranspose",
    opset: 22,
    ins: [pattern([1, 1, 3]), pattern([1, 2, 2])],
    outs: [[[1, 2, 4], [1.5625, -1.25, 0.875, -0.25, 0.625, -1.8125, 0.875, -0.625]]],
  });
  agrees(ops, {
    type: "ConvTranspose",
    opset: 22,
    attrs: { strides: [2], pads: [1, 1] },
    ins: [pattern([1, 2, 3]), pattern([2, 1, 3]), pattern([1])],
    outs: [[[1, 1, 5], [-1.5625, -1.875, -0.9375, -2, -1.6875]]],
  });
  agrees(ops, {
    type: "ConvTranspose",
    opset: 22,
    attrs: { strides: [2, 1], dilations: [1, 2], output_padding: [1, 0] },
    ins: [pattern([1, 1, 2, 2]), pattern([1, 1, 2, 2])],
    outs: [[[1, 1, 5, 4], [
      1.5625,
      -0.625,
      -0.625,
      0.25,
      0.625,
      -0.25,
      -1.5625,
      0.625,
      0.625,
      -1.5625,
      -0.25,
      0.625,
      0.25,
      -0.625,
      -0.625,
      1.5625,
      0,
      0,
      0,
      0,
    ]]],
  });
  agrees(ops, {
    type: "ConvTranspose",
    opset: 22,
    attrs: { group: 2 },
    ins: [pattern([1, 2, 2]), pattern([2, 1, 2])],
    outs: [[[1, 2, 3], [1.5625, -1.25, 0.25, 0.25, -1.25, 1.5625]]],
  });
});

Deno.test("the output given by its shape or by auto_pad", () => {
  agrees(ops, {
    type: "ConvTranspose",
    opset: 22,
    attrs: { strides: [2], auto_pad: "SAME_UPPER" },
    ins: [pattern([1, 1, 3]), pattern([1, 1, 3])],
    outs: [[[1, 1, 6], [1.5625, -0.625, 0, 0.25, 0.375, -0.25]]],
  });
  agrees(ops, {
    type: "ConvTranspose",
    opset: 22,
    attrs: { strides: [2], auto_pad: "SAME_LOWER" },
    ins: [pattern([1, 1, 3]), pattern([1, 1, 3])],
    outs: [[[1, 1, 6], [-0.625, 0, 0.25, 0.375, -0.25, 0.25]]],
  });
});

Deno.test("Col2Im adds what overlaps", () => {
  agrees(ops, {
    type: "Col2Im",
    opset: 18,
    ins: [pattern([1, 2, 3]), tensor("int64", [1], [4]), tensor("int64", [1], [2])],
    outs: [[[1, 1, 4], [-1.25, 1.75, -0.25, -0.75]]],
  });
  agrees(ops, {
    type: "Col2Im",
    opset: 18,
    attrs: { strides: [1, 2], pads: [0, 1, 0, 0], dilations: [2, 1] },
    ins: [pattern([1, 8, 2]), tensor("int64", [2], [3, 3]), tensor("int64", [2], [2, 2])],
    outs: [[[1, 2, 3, 3], [
      -0.5,
      0.5,
      1.25,
      0,
      0,
      0,
      1,
      -0.75,
      0,
      -0.25,
      0.75,
      -1.25,
      0,
      0,
      0,
      1.25,
      -0.5,
      0.25,
    ]]],
  });
});

Deno.test("a padding that output_shape leaves odd is larger in front", () => {
  const ins = [tensor("float32", [1, 1, 3], [1, 2, 3]), tensor("float32", [1, 1, 3], [1, 1, 1])];
  const attrs = { strides: [2], output_shape: [6] };
  agrees(ops, { type: "ConvTranspose", attrs, ins, outs: [[[1, 1, 6], [1, 3, 2, 5, 3, 3]]] });
});

Deno.test("what does not fit is refused", () => {
  const ins = [pattern([1, 2, 3]), pattern([1, 1, 2])];
  refuses(() => agrees(ops, { type: "ConvTranspose", ins, outs: [] }), /weight \[1,1,2\]/);
  const small = [pattern([1, 1, 3]), pattern([1, 1, 2])], attrs = { output_shape: [9] };
  refuses(() => agrees(ops, { type: "ConvTranspose", attrs, ins: small, outs: [] }), /larger than/);
});
