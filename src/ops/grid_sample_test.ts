/** Values of onnx.reference 1.23.2; patterns are those of testing.ts. */
import { tensor } from "../util/tensor.ts";
import { ops } from "./grid_sample.ts";
import { agrees, pattern } from "./testing.ts";

Deno.test("every mode and padding", () => {
  agrees(ops, {
    type: "GridSample",
    opset: 22,
    attrs: { mode: "nearest", padding_mode: "zeros", align_corners: 0 },
    ins: [
      pattern([1, 1, 3, 4]),
      tensor("float32", [1, 2, 2, 2], [
        -1.3,
        -0.5,
        0.2,
        1.1,
        0.89999998,
        -2.4000001,
        0,
        0.60000002,
      ]),
    ],
    outs: [[[1, 1, 2, 2], [0, 0, 0, -0.25]]],
  }, 1e-5);
  agrees(ops, {
    type: "GridSample",
    opset: 22,
    attrs: { mode: "nearest", padding_mode: "zeros", align_corners: 1 },
    ins: [
      pattern([1, 1, 3, 4]),
      tensor("float32", [1, 2, 2, 2], [
        -1.3,
        -0.5,
        0.2,
        1.1,
        0.89999998,
        -2.4000001,
        0,
        0.60000002,
      ]),
    ],
    outs: [[[1, 1, 2, 2], [-1.25, -0.25, 0, -0.25]]],
  }, 1e-5);
  agrees(ops, {
    type: "GridSample",
    opset: 22,
    attrs: { mode: "nearest", padding_mode: "border", align_corners: 0 },
    ins: [
      pattern([1, 1, 3, 4]),
      tensor("float32", [1, 2, 2, 2], [
        -1.3,
        -0.5,
        0.2,
        1.1,
        0.89999998,
        -2.4000001,
        0,
        0.60000002,
      ]),
    ],
    outs: [[[1, 1, 2, 2], [-1.25, -0.25, 1.25, -0.25]]],
  }, 1e-5);
  agrees(ops, {
    type: "GridSample",
    opset: 22,
    attrs: { mode: "nearest", padding_mode: "border", align_corners: 1 },
    ins: [
      pattern([1, 1, 3, 4]),
      tensor("float32", [1, 2, 2, 2], [
        -1.3,
        -0.5,
        0.2,
        1.1,
        0.89999998,
        -2.4000001,
        0,
        0.60000002,
      ]),
    ],
    outs: [[[1, 1, 2, 2], [-1.25, -0.25, 1.25, -0.25]]],
  }, 1e-5);
  agrees(ops, {
    type: "GridSample",
    opset: 22,
    attrs: { mode: "nearest", padding_mode: "reflection", align_corners: 0 },
    ins: [
      pattern([1, 1, 3, 4]),
      tensor("float32", [1, 2, 2, 2], [
        -1.3,
        -0.5,
        0.2,
        1.1,
        0.89999998,
        -2.4000001,
        0,
        0.60000002,
      ]),
    ],
    outs: [[[1, 1, 2, 2], [-1.25, -0.25, -1.25, -0.25]]],
  }, 1e-5);
  agrees(ops, {
    type: "GridSample",
    opset: 22,
    attrs: { mode: "nearest", padding_mode: "reflection", align_corners: 1 },
    ins: [
      pattern([1, 1, 3, 4]),
      tensor("float32", [1, 2, 2, 2], [
        -1.3,
        -0.5,
        0.2,
        1.1,
        0.89999998,
        -2.4000001,
        0,
        0.60000002,
      ]),
    ],
    outs: [[[1, 1, 2, 2], [-1.25, -0.25, 0, -0.25]]],
  }, 1e-5);
  agrees(ops, {
    type: "GridSample",
    opset: 22,
    attrs: { mode: "linear", padding_mode: "zeros", align_corners: 0 },
    ins: [
      pattern([1, 1, 3, 4]),
      tensor("float32", [1, 2, 2, 2], [
        -1.3,
        -0.5,
        0.2,
        1.1,
        0.89999998,
        -2.4000001,
        0,
        0.60000002,
      ]),
    ],
    outs: [[[1, 1, 2, 2], [0, -0.052500054, 0, 0.23750001]]],
  }, 1e-5);
  agrees(ops, {
    type: "GridSample",
    opset: 22,
    attrs: { mode: "linear", padding_mode: "zeros", align_corners: 1 },
    ins: [
      pattern([1, 1, 3, 4]),
      tensor("float32", [1, 2, 2, 2], [
        -1.3,
        -0.5,
        0.2,
        1.1,
        0.89999998,
        -2.4000001,
        0,
        0.60000002,
      ]),
    ],
    outs: [[[1, 1, 2, 2], [-0.27500004, -0.045000069, 0, 0.2]]],
  }, 1e-5);
  agrees(ops, {
    type: "GridSample",
    opset: 22,
    attrs: { mode: "linear", padding_mode: "border", align_corners: 0 },
    ins: [
      pattern([1, 1, 3, 4]),
      tensor("float32", [1, 2, 2, 2], [
        -1.3,
        -0.5,
        0.2,
        1.1,
        0.89999998,
        -2.4000001,
        0,
        0.60000002,
      ]),
    ],
    outs: [[[1, 1, 2, 2], [-0.875, -0.1500001, 1.25, 0.23750001]]],
  }, 1e-5);
  agrees(ops, {
    type: "GridSample",
    opset: 22,
    attrs: { mode: "linear", padding_mode: "border", align_corners: 1 },
    ins: [
      pattern([1, 1, 3, 4]),
      tensor("float32", [1, 2, 2, 2], [
        -1.3,
        -0.5,
        0.2,
        1.1,
        0.89999998,
        -2.4000001,
        0,
        0.60000002,
      ]),
    ],
    outs: [[[1, 1, 2, 2], [-0.5, -0.050000072, 0.98749983, 0.2]]],
  }, 1e-5);
  agrees(ops, {
    type: "GridSample",
    opset: 22,
    attrs: { mode: "linear", padding_mode: "reflection", align_corners: 0 },
    ins: [
      pattern([1, 1, 3, 4]),
      tensor("float32", [1, 2, 2, 2], [
        -1.3,
        -0.5,
        0.2,
        1.1,
        0.89999998,
        -2.4000001,
        0,
        0.60000002,
      ]),
    ],
    outs: [[[1, 1, 2, 2], [-0.76875007, -0.1500001, -0.75000018, 0.23750001]]],
  }, 1e-5);
  agrees(ops, {
    type: "GridSample",
    opset: 22,
    attrs: { mode: "linear", padding_mode: "reflection", align_corners: 1 },
    ins: [
      pattern([1, 1, 3, 4]),
      tensor("float32", [1, 2, 2, 2], [
        -1.3,
        -0.5,
        0.2,
        1.1,
        0.89999998,
        -2.4000001,
        0,
        0.60000002,
      ]),
    ],
    outs: [[[1, 1, 2, 2], [-0.33125004, 0.019999877, -0.35000002, 0.2]]],
  }, 1e-5);
  agrees(ops, {
    type: "GridSample",
    opset: 22,
    attrs: { mode: "cubic", padding_mode: "zeros", align_corners: 0 },
    ins: [
      pattern([1, 1, 3, 4]),
      tensor("float32", [1, 2, 2, 2], [
        -1.3,
        -0.5,
        0.2,
        1.1,
        0.89999998,
        -2.4000001,
        0,
        0.60000002,
      ]),
    ],
    outs: [[[1, 1, 2, 2], [0.060631119, -0.091848493, 0, 0.50811523]]],
  }, 1e-5);
  agrees(ops, {
    type: "GridSample",
    opset: 22,
    attrs: { mode: "cubic", padding_mode: "zeros", align_corners: 1 },
    ins: [
      pattern([1, 1, 3, 4]),
      tensor("float32", [1, 2, 2, 2], [
        -1.3,
        -0.5,
        0.2,
        1.1,
        0.89999998,
        -2.4000001,
        0,
        0.60000002,
      ]),
    ],
    outs: [[[1, 1, 2, 2], [-0.30680764, 0.016227268, -0.1202912, 0.42312503]]],
  }, 1e-5);
  agrees(ops, {
    type: "GridSample",
    opset: 22,
    attrs: { mode: "cubic", padding_mode: "border", align_corners: 0 },
    ins: [
      pattern([1, 1, 3, 4]),
      tensor("float32", [1, 2, 2, 2], [
        -1.3,
        -0.5,
        0.2,
        1.1,
        0.89999998,
        -2.4000001,
        0,
        0.60000002,
      ]),
    ],
    outs: [[[1, 1, 2, 2], [-0.86621094, -0.09543778, 1.4429374, 0.47726575]]],
  }, 1e-5);
  agrees(ops, {
    type: "GridSample",
    opset: 22,
    attrs: { mode: "cubic", padding_mode: "border", align_corners: 1 },
    ins: [
      pattern([1, 1, 3, 4]),
      tensor("float32", [1, 2, 2, 2], [
        -1.3,
        -0.5,
        0.2,
        1.1,
        0.89999998,
        -2.4000001,
        0,
        0.60000002,
      ]),
    ],
    outs: [[[1, 1, 2, 2], [-0.3828125, 0.0640001, 1.0122029, 0.36828125]]],
  }, 1e-5);
  agrees(ops, {
    type: "GridSample",
    opset: 22,
    attrs: { mode: "cubic", padding_mode: "reflection", align_corners: 0 },
    ins: [
      pattern([1, 1, 3, 4]),
      tensor("float32", [1, 2, 2, 2], [
        -1.3,
        -0.5,
        0.2,
        1.1,
        0.89999998,
        -2.4000001,
        0,
        0.60000002,
      ]),
    ],
    outs: [[[1, 1, 2, 2], [-0.77983689, -0.26707613, -1.0436844, 0.47726575]]],
  }, 1e-5);
  agrees(ops, {
    type: "GridSample",
    opset: 22,
    attrs: { mode: "cubic", padding_mode: "reflection", align_corners: 1 },
    ins: [
      pattern([1, 1, 3, 4]),
      tensor("float32", [1, 2, 2, 2], [
        -1.3,
        -0.5,
        0.2,
        1.1,
        0.89999998,
        -2.4000001,
        0,
        0.60000002,
      ]),
    ],
    outs: [[[1, 1, 2, 2], [-0.42661712, 0.087069742, -0.63859475, 0.40962502]]],
  }, 1e-5);
});

Deno.test("one and three axes", () => {
  agrees(ops, {
    type: "GridSample",
    opset: 22,
    ins: [pattern([1, 2, 4]), tensor("float32", [1, 2, 1], [-0.40000001, 0.69999999])],
    outs: [[[1, 2, 2], [-0.024999917, 1.0750002, -0.45000005, 0.099999905]]],
  });
  agrees(ops, {
    type: "GridSample",
    opset: 22,
    attrs: { mode: "linear" },
    ins: [
      pattern([1, 1, 2, 2, 2]),
      tensor("float32", [1, 1, 1, 1, 3], [-0.40000001, 0.69999999, 0.1]),
    ],
    outs: [[[1, 1, 1, 1, 1], [0.32799998]]],
  });
});

Deno.test("affine grids", () => {
  agrees(ops, {
    type: "AffineGrid",
    opset: 20,
    attrs: { align_corners: 1 },
    ins: [pattern([1, 2, 3]), tensor("int64", [4], [1, 1, 2, 3])],
    outs: [[[1, 2, 3, 2], [0.25, -2.25, -1, -1, -2.25, 0.25, 1.25, -1.75, 0, -0.5, -1.25, 0.75]]],
  });
  agrees(ops, {
    type: "AffineGrid",
    opset: 20,
    attrs: { align_corners: 0 },
    ins: [pattern([1, 3, 4]), tensor("int64", [5], [1, 1, 2, 1, 2])],
    outs: [[[1, 2, 1, 2, 3], [
      2.125,
      -0.625,
      -0.625,
      0.875,
      -0.375,
      -1.625,
      1.625,
      0.375,
      -0.875,
      0.375,
      0.625,
      -1.875,
    ]]],
  });
});

Deno.test("places that are no numbers or far out stay inside the image", () => {
  const grid = tensor("float32", [1, 1, 2, 2], [NaN, 1e30, -1e30, 0]);
  const ins = [tensor("float32", [1, 1, 2, 2], [1, 2, 3, 4]), grid];
  const attrs = { padding_mode: "border", mode: "nearest" };
  agrees(ops, { type: "GridSample", attrs, ins, outs: [[[1, 1, 1, 2], [3, 1]]] });
});
