/** Values of onnx.reference 1.23.2; patterns are those of testing.ts. */
import { tensor } from "../util/tensor.ts";
import { ops } from "./signal.ts";
import { agrees, pattern, refuses } from "./testing.ts";

Deno.test("transforms forwards", () => {
  agrees(ops, {
    type: "DFT",
    opset: 20,
    ins: [pattern([1, 4, 1]), null, tensor("int64", [], [1])],
    outs: [[[1, 4, 2], [0, 0, -0.75, 0.75, -3.5, 0, -0.75, -0.75]]],
  });
  agrees(ops, {
    type: "DFT",
    opset: 17,
    attrs: { axis: 0 },
    ins: [pattern([3, 2, 2])],
    outs: [[[3, 2, 2], [
      -2,
      0.5,
      0.25,
      0,
      -2.1740382,
      -0.58253175,
      0.20753175,
      0.79246825,
      0.42403811,
      1.5825318,
      -1.9575318,
      2.9575317,
    ]]],
  });
  agrees(ops, {
    type: "DFT",
    opset: 20,
    attrs: { onesided: 1 },
    ins: [pattern([1, 5, 1]), null, tensor("int64", [], [1])],
    outs: [[[1, 3, 2], [0.25, 0, -1.625, 0.79086006, -1.625, -1.8112953]]],
  });
  agrees(ops, {
    type: "DFT",
    opset: 20,
    ins: [pattern([1, 4, 1]), tensor("int64", [], [6]), tensor("int64", [], [1])],
    outs: [[[1, 6, 2], [0, 0, -2, 0, 0, -0.86602539, -3.5, 0, 0, 0.86602539, -2, 0]]],
  });
});

Deno.test("transforms back", () => {
  agrees(ops, {
    type: "DFT",
    opset: 20,
    attrs: { inverse: 1 },
    ins: [pattern([1, 4, 2]), null, tensor("int64", [], [1])],
    outs: [[[1, 4, 2], [-0.125, 0.25, -0.6875, -0.0625, -0.375, -0.375, -0.0625, 0.6875]]],
  });
  agrees(ops, {
    type: "DFT",
    opset: 20,
    attrs: { inverse: 1, onesided: 1 },
    ins: [tensor("float32", [1, 3, 2], [1, 0, 2, -1, 3, 0]), null, tensor("int64", [], [1])],
    outs: [[[1, 4, 1], [2, 0, 0, -1]]],
  });
  agrees(ops, {
    type: "DFT",
    opset: 20,
    attrs: { inverse: 1, onesided: 1 },
    ins: [
      tensor("float32", [1, 3, 2], [1, 0, 2, -1, 3, 0.5]),
      tensor("int64", [], [5]),
      tensor("int64", [], [1]),
    ],
    outs: [[[1, 5, 1], [2.2, -0.26074126, 0.34893221, -0.50171864, -0.78647244]]],
  });
});

Deno.test("STFT transforms windows", () => {
  agrees(ops, {
    type: "STFT",
    opset: 17,
    attrs: { onesided: 1 },
    ins: [pattern([1, 8, 1]), tensor("int64", [], [2]), tensor("float32", [4], [0.5, 1, 1, 0.5])],
    outs: [[[1, 3, 3, 2], [
      0,
      0,
      -0.125,
      0.125,
      -2.25,
      0,
      0.875,
      0,
      -0.5,
      -1.625,
      -0.875,
      0,
      0.375,
      0,
      -0.875,
      0.75,
      1.875,
      0,
    ]]],
  });
  agrees(ops, {
    type: "STFT",
    opset: 17,
    attrs: { onesided: 0 },
    ins: [pattern([1, 6, 1]), tensor("int64", [], [3]), null, tensor("int64", [], [3])],
    outs: [[[1, 2, 3, 2], [
      -1.25,
      0,
      -1.25,
      -0.86602539,
      -1.25,
      0.86602539,
      0.75,
      0,
      1.5,
      -0.86602539,
      1.5,
      0.86602539,
    ]]],
  });
});

Deno.test("windows", () => {
  agrees(ops, {
    type: "HannWindow",
    opset: 17,
    ins: [tensor("int64", [], [5])],
    outs: [[[5], [0, 0.34549153, 0.90450853, 0.90450847, 0.34549144]]],
  });
  agrees(ops, {
    type: "HammingWindow",
    opset: 17,
    attrs: { periodic: 0 },
    ins: [tensor("int64", [], [4])],
    outs: [[[4], [0.086956523, 0.77173913, 0.77173907, 0.086956523]]],
  });
  agrees(ops, {
    type: "BlackmanWindow",
    opset: 17,
    attrs: { output_datatype: 11 },
    ins: [tensor("int64", [], [4])],
    outs: [[[4], [0, 0.34, 1, 0.34]]],
  });
});

Deno.test("weights of a mel spectrum", () => {
  agrees(ops, {
    type: "MelWeightMatrix",
    opset: 17,
    ins: [
      tensor("int64", [], [3]),
      tensor("int64", [], [16]),
      tensor("int64", [], [8192]),
      tensor("float32", [], [0]),
      tensor("float32", [], [4096]),
    ],
    outs: [[[9, 3], [
      1,
      0,
      0,
      0,
      1,
      0,
      0,
      0.5,
      0.5,
      0,
      0,
      1,
      0,
      0,
      0.5,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
    ]]],
  });
});

Deno.test("complex numbers have no onesided transform forwards", () => {
  const ins = [pattern([1, 4, 2])];
  refuses(() => agrees(ops, { type: "DFT", attrs: { onesided: 1 }, ins, outs: [] }), /onesided/);
});
