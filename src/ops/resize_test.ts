/** Values of onnx.reference 1.23.2; patterns are those of testing.ts. */
import { tensor } from "../util/tensor.ts";
import { ops } from "./resize.ts";
import { agrees, counting, pattern, refuses } from "./testing.ts";

Deno.test("nearest, every way of rounding", () => {
  agrees(ops, {
    type: "Resize",
    opset: 19,
    attrs: { mode: "nearest", nearest_mode: "floor", coordinate_transformation_mode: "half_pixel" },
    ins: [pattern([1, 1, 4]), null, tensor("float32", [3], [1, 1, 1.5])],
    outs: [[[1, 1, 6], [-1.25, -1.25, 0.5, 0.5, -0.5, 1.25]]],
  });
  agrees(ops, {
    type: "Resize",
    opset: 19,
    attrs: { mode: "nearest", nearest_mode: "ceil", coordinate_transformation_mode: "half_pixel" },
    ins: [pattern([1, 1, 4]), null, tensor("float32", [3], [1, 1, 1.5])],
    outs: [[[1, 1, 6], [-1.25, 0.5, -0.5, -0.5, 1.25, 1.25]]],
  });
  agrees(ops, {
    type: "Resize",
    opset: 19,
    attrs: {
      mode: "nearest",
      nearest_mode: "round_prefer_floor",
      coordinate_transformation_mode: "half_pixel",
    },
    ins: [pattern([1, 1, 4]), null, tensor("float32", [3], [1, 1, 1.5])],
    outs: [[[1, 1, 6], [-1.25, -1.25, 0.5, -0.5, -0.5, 1.25]]],
  });
  agrees(ops, {
    type: "Resize",
    opset: 19,
    attrs: {
      mode: "nearest",
      nearest_mode: "round_prefer_ceil",
      coordinate_transformation_mode: "half_pixel",
    },
    ins: [pattern([1, 1, 4]), null, tensor("float32", [3], [1, 1, 1.5])],
    outs: [[[1, 1, 6], [-1.25, 0.5, 0.5, -0.5, 1.25, 1.25]]],
  });
});

Deno.test("linear, every transformation", () => {
  agrees(ops, {
    type: "Resize",
    opset: 19,
    attrs: { mode: "linear", coordinate_transformation_mode: "half_pixel" },
    ins: [pattern([1, 1, 4]), null, tensor("float32", [3], [1, 1, 0.60000002])],
    outs: [[[1, 1, 2], [-0.66666675, -0.49999991]]],
  });
  agrees(ops, {
    type: "Resize",
    opset: 19,
    attrs: { mode: "linear", coordinate_transformation_mode: "half_pixel_symmetric" },
    ins: [pattern([1, 1, 4]), null, tensor("float32", [3], [1, 1, 0.60000002])],
    outs: [[[1, 1, 2], [-0.083333276, 0.083333276]]],
  });
  agrees(ops, {
    type: "Resize",
    opset: 19,
    attrs: { mode: "linear", coordinate_transformation_mode: "pytorch_half_pixel" },
    ins: [pattern([1, 1, 4]), null, tensor("float32", [3], [1, 1, 0.60000002])],
    outs: [[[1, 1, 2], [-0.66666675, -0.49999991]]],
  });
  agrees(ops, {
    type: "Resize",
    opset: 19,
    attrs: { mode: "linear", coordinate_transformation_mode: "align_corners" },
    ins: [pattern([1, 1, 4]), null, tensor("float32", [3], [1, 1, 0.60000002])],
    outs: [[[1, 1, 2], [-1.25, -0.25000027]]],
  });
  agrees(ops, {
    type: "Resize",
    opset: 11,
    attrs: { mode: "nearest", coordinate_transformation_mode: "tf_half_pixel_for_nn" },
    ins: [counting([1, 1, 8]), null, null, tensor("int64", [3], [1, 1, 3])],
    outs: [[[1, 1, 3], [1, 4, 7]]],
  });
  agrees(ops, {
    type: "Resize",
    opset: 19,
    attrs: { mode: "linear", coordinate_transformation_mode: "asymmetric" },
    ins: [pattern([1, 1, 4]), null, tensor("float32", [3], [1, 1, 0.60000002])],
    outs: [[[1, 1, 2], [-1.25, -0.1666666]]],
  });
});

Deno.test("linear over two axes", () => {
  agrees(ops, {
    type: "Resize",
    opset: 19,
    attrs: { mode: "linear" },
    ins: [pattern([1, 1, 2, 3]), null, null, tensor("int64", [4], [1, 1, 3, 4])],
    outs: [[[1, 1, 3, 4], [
      -1.25,
      -0.15625,
      0.125,
      -0.5,
      0,
      0.234375,
      0,
      -0.625,
      1.25,
      0.625,
      -0.125,
      -0.75,
    ]]],
  });
});

Deno.test("cubic, samples outside left out", () => {
  agrees(ops, {
    type: "Resize",
    opset: 19,
    attrs: { mode: "cubic", exclude_outside: 1, cubic_coeff_a: -0.5 },
    ins: [pattern([1, 1, 4]), null, tensor("float32", [3], [1, 1, 1.75])],
    outs: [[[1, 1, 7], [
      -1.3888224,
      -0.68322575,
      0.45150876,
      0,
      -0.45150876,
      0.68322575,
      1.3888224,
    ]]],
  });
  agrees(ops, {
    type: "Resize",
    opset: 19,
    attrs: { mode: "cubic" },
    ins: [pattern([1, 1, 4]), null, null, tensor("int64", [3], [1, 1, 6])],
    outs: [[[1, 1, 6], [-1.4019103, -0.28125, 0.47800979, -0.47800979, 0.28125, 1.4019103]]],
  });
});

Deno.test("antialias widens the filter", () => {
  agrees(ops, {
    type: "Resize",
    opset: 19,
    attrs: { mode: "linear", antialias: 1 },
    ins: [pattern([1, 1, 4]), null, tensor("float32", [3], [1, 1, 0.5])],
    outs: [[[1, 1, 2], [-0.5, 0.5]]],
  });
  agrees(ops, {
    type: "Resize",
    opset: 19,
    attrs: { mode: "cubic", antialias: 1 },
    ins: [pattern([1, 1, 4]), null, tensor("float32", [3], [1, 1, 0.60000002])],
    outs: [[[1, 1, 2], [-0.59939808, 0.18154907]]],
  });
});

Deno.test("a crop", () => {
  agrees(ops, {
    type: "Resize",
    opset: 19,
    attrs: {
      mode: "linear",
      coordinate_transformation_mode: "tf_crop_and_resize",
      extrapolation_value: 9,
    },
    ins: [
      pattern([1, 1, 4]),
      tensor("float32", [6], [0, 0, 0.40000001, 1, 1, 1.2]),
      null,
      tensor("int64", [3], [1, 1, 3]),
    ],
    outs: [[[1, 1, 3], [0.29999995, 0.20000027, 9]]],
  });
});

Deno.test("axes, keeping the aspect ratio", () => {
  agrees(ops, {
    type: "Resize",
    opset: 19,
    attrs: { mode: "nearest", axes: [2, 3], keep_aspect_ratio_policy: "not_larger" },
    ins: [pattern([1, 1, 2, 3]), null, null, tensor("int64", [2], [5, 6])],
    outs: [[[1, 1, 4, 6], [
      -1.25,
      -1.25,
      0.5,
      0.5,
      -0.5,
      -0.5,
      -1.25,
      -1.25,
      0.5,
      0.5,
      -0.5,
      -0.5,
      1.25,
      1.25,
      0.25,
      0.25,
      -0.75,
      -0.75,
      1.25,
      1.25,
      0.25,
      0.25,
      -0.75,
      -0.75,
    ]]],
  });
  agrees(ops, {
    type: "Resize",
    opset: 19,
    attrs: { mode: "nearest", axes: [2, 3], keep_aspect_ratio_policy: "not_smaller" },
    ins: [pattern([1, 1, 2, 3]), null, null, tensor("int64", [2], [5, 6])],
    outs: [[[1, 1, 5, 8], [
      -1.25,
      -1.25,
      -1.25,
      0.5,
      0.5,
      -0.5,
      -0.5,
      -0.5,
      -1.25,
      -1.25,
      -1.25,
      0.5,
      0.5,
      -0.5,
      -0.5,
      -0.5,
      -1.25,
      -1.25,
      -1.25,
      0.5,
      0.5,
      -0.5,
      -0.5,
      -0.5,
      1.25,
      1.25,
      1.25,
      0.25,
      0.25,
      -0.75,
      -0.75,
      -0.75,
      1.25,
      1.25,
      1.25,
      0.25,
      0.25,
      -0.75,
      -0.75,
      -0.75,
    ]]],
  });
});

Deno.test("Upsample and the first Resize round positions down", () => {
  for (const [type, opset] of [["Upsample", 9], ["Resize", 10]] as const) {
    agrees(ops, {
      type,
      opset,
      ins: [counting([1, 3]), tensor("float32", [2], [1, 1.7])],
      outs: [[[1, 5], [0, 0, 1, 1, 2]]],
    });
  }
});

Deno.test("integers are not interpolated, and both scales and sizes are too much", () => {
  const scales = tensor("float32", [1], [2]), sizes = tensor("int64", [1], [4]);
  const ins = [pattern([2], "int8"), null, scales];
  refuses(
    () => agrees(ops, { type: "Resize", attrs: { mode: "linear" }, ins, outs: [] }),
    /interpolates int8/,
  );
  const both = [pattern([2]), null, scales, sizes];
  refuses(() => agrees(ops, { type: "Resize", ins: both, outs: [] }), /do not fit/);
});
