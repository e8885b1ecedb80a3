/** Values of onnx.reference 1.23.2; patterns are those of testing.ts. */
import { tensor } from "../util/tensor.ts";
import { ops } from "./regions.ts";
import { agrees, pattern, refuses } from "./testing.ts";

Deno.test("RoiAlign by averages and maxima", () => {
  agrees(ops, {
    type: "RoiAlign",
    opset: 16,
    attrs: {
      mode: "avg",
      output_height: 2,
      output_width: 1,
      sampling_ratio: 2,
      spatial_scale: 1,
      coordinate_transformation_mode: "half_pixel",
    },
    ins: [
      pattern([2, 1, 3, 4]),
      tensor("float32", [2, 4], [0, 0, 3, 2, 1, -2, 2.5, 1]),
      tensor("int64", [2], [0, 1]),
    ],
    outs: [[[2, 1, 2, 1], [-0.4296875, 0.109375, 0, 0.13867188]]],
  });
  agrees(ops, {
    type: "RoiAlign",
    opset: 16,
    attrs: {
      mode: "avg",
      output_height: 2,
      output_width: 1,
      sampling_ratio: 2,
      spatial_scale: 0.5,
      coordinate_transformation_mode: "output_half_pixel",
    },
    ins: [
      pattern([2, 1, 3, 4]),
      tensor("float32", [2, 4], [0, 0, 3, 2, 1, -2, 2.5, 1]),
      tensor("int64", [2], [0, 1]),
    ],
    outs: [[[2, 1, 2, 1], [-0.1640625, -0.2734375, -0.15625, -0.029296875]]],
  });
  agrees(ops, {
    type: "RoiAlign",
    opset: 16,
    attrs: {
      mode: "max",
      output_height: 2,
      output_width: 1,
      sampling_ratio: 2,
      spatial_scale: 1,
      coordinate_transformation_mode: "half_pixel",
    },
    ins: [
      pattern([2, 1, 3, 4]),
      tensor("float32", [2, 4], [0, 0, 3, 2, 1, -2, 2.5, 1]),
      tensor("int64", [2], [0, 1]),
    ],
    outs: [[[2, 1, 2, 1], [0.1875, 0.5625, 0, 0.78125]]],
  });
});

Deno.test("DeformConv samples beside the window", () => {
  agrees(ops, {
    type: "DeformConv",
    opset: 19,
    attrs: { kernel_shape: [2, 2], pads: [0, 0, 0, 0] },
    ins: [pattern([1, 1, 3, 3]), pattern([1, 1, 2, 2]), pattern([1, 8, 2, 2]), pattern([1])],
    outs: [[[1, 1, 2, 2], [-2.1171875, -2.5234375, -1.0390625, -1.5195312]]],
  }, 1e-5);
  agrees(ops, {
    type: "DeformConv",
    opset: 19,
    attrs: { kernel_shape: [1, 2], pads: [0, 1, 0, 1], strides: [2, 1], group: 2, offset_group: 2 },
    ins: [
      pattern([1, 2, 3, 2]),
      pattern([2, 1, 1, 2]),
      pattern([1, 8, 2, 3]),
      null,
      pattern([1, 4, 2, 3]),
    ],
    outs: [[[1, 2, 2, 3], [
      -0.4375,
      0.546875,
      -0.390625,
      0.052734375,
      -0.014648438,
      -0.21972656,
      0,
      -0.3359375,
      -0.10742188,
      0,
      1.171875,
      0.375,
    ]]],
  }, 1e-5);
});

Deno.test("RoiAlign needs a number of samples", () => {
  refuses(() => agrees(ops, { type: "RoiAlign", ins: [], outs: [] }), /number of samples/);
});
