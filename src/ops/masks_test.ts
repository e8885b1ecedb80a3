/** Values of onnx.reference 1.23.2; patterns are those of testing.ts. */
import { tensor } from "../util/tensor.ts";
import { ops } from "./masks.ts";
import { agrees, pattern } from "./testing.ts";

Deno.test("Trilu keeps a triangle", () => {
  agrees(ops, {
    type: "Trilu",
    opset: 14,
    attrs: { upper: 1 },
    ins: [pattern([2, 3, 3]), tensor("int64", [], [-1])],
    outs: [[[2, 3, 3], [
      -1.25,
      0.5,
      -0.5,
      1.25,
      0.25,
      -0.75,
      0,
      0,
      -1,
      0.75,
      -0.25,
      -1.25,
      0.5,
      -0.5,
      1.25,
      0,
      -0.75,
      1,
    ]]],
  });
  agrees(ops, {
    type: "Trilu",
    opset: 14,
    attrs: { upper: 0 },
    ins: [pattern([2, 4]), tensor("int64", [], [1])],
    outs: [[[2, 4], [-1.25, 0.5, 0, 0, 0.25, -0.75, 1, 0]]],
  });
  agrees(ops, {
    type: "Trilu",
    opset: 14,
    attrs: { upper: 1 },
    ins: [pattern([3, 2], "int64")],
    outs: [[[3, 2], [-5, 2, 0, 5, 0, 0]]],
  });
});

Deno.test("EyeLike", () => {
  agrees(ops, {
    type: "EyeLike",
    opset: 22,
    attrs: { k: 1 },
    ins: [pattern([3, 4])],
    outs: [[[3, 4], [0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]]],
  });
  agrees(ops, {
    type: "EyeLike",
    opset: 22,
    attrs: { k: -1, dtype: 6 },
    ins: [pattern([2, 2])],
    outs: [[[2, 2], [0, 0, 1, 0]]],
  });
  // Of a type that is storage only a one is the bits 0x3c00.
  agrees(ops, {
    type: "EyeLike",
    opset: 22,
    attrs: { dtype: 10 },
    ins: [pattern([2, 2])],
    outs: [[[2, 2], [0x3c00, 0, 0, 0x3c00]]],
  });
});

Deno.test("OneHot counts indices from either end", () => {
  agrees(ops, {
    type: "OneHot",
    opset: 11,
    attrs: { axis: 1 },
    ins: [
      tensor("int64", [2, 2], [0, -1, 2, 5]),
      tensor("int64", [], [3]),
      tensor("float32", [2], [2, 5]),
    ],
    outs: [[[2, 3, 2], [5, 2, 2, 2, 2, 5, 2, 2, 2, 2, 5, 2]]],
  });
  agrees(ops, {
    type: "OneHot",
    opset: 11,
    attrs: { axis: 0 },
    ins: [
      tensor("float32", [2], [1, -3]),
      tensor("float32", [], [3]),
      tensor("int32", [2], [0, 1]),
    ],
    outs: [[[3, 2], [0, 1, 1, 0, 0, 0]]],
  });
});

Deno.test("Hardmax takes the first maximum", () => {
  agrees(ops, {
    type: "Hardmax",
    opset: 13,
    attrs: { axis: 1 },
    ins: [tensor("float32", [2, 3], [1, 3, 3, 2, 0, -1])],
    outs: [[[2, 3], [0, 1, 0, 1, 0, 0]]],
  });
  agrees(ops, {
    type: "Hardmax",
    opset: 13,
    attrs: { axis: 0 },
    ins: [pattern([2, 3])],
    outs: [[[2, 3], [0, 1, 1, 1, 0, 0]]],
  });
});

Deno.test("Hardmax of old operator sets takes all axes from one on together", () => {
  agrees(ops, {
    type: "Hardmax",
    opset: 11,
    ins: [tensor("float32", [1, 2, 2], [1, 4, 7, 2])],
    outs: [[[1, 2, 2], [0, 0, 1, 0]]],
  });
});
