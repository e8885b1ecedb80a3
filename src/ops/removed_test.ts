/** By the formulas of operator set 1. */
import { tensor } from "../util/tensor.ts";
import { typeOf } from "../ir/graph.ts";
import { ops } from "./removed.ts";
import { ops as determinants } from "./determinant.ts";
import { agrees, named, refuses } from "./testing.ts";

const xs = [-40, -1, 0, 0.5, 3, 90];

Deno.test("element-wise functions with two numbers", () => {
  const formulas: [string, (x: number) => number][] = [
    ["Affine", (x) => 0.5 * x + 2],
    ["ScaledTanh", (x) => 0.5 * Math.tanh(2 * x)],
    ["ParametricSoftplus", (x) => 0.5 * (2 * x > 30 ? 2 * x : Math.log1p(Math.exp(2 * x)))],
  ];
  for (const [type, f] of formulas) {
    agrees(ops, {
      type,
      opset: 1,
      attrs: { alpha: 0.5, beta: 2 },
      ins: [tensor("float32", [6], xs)],
      outs: [[[6], xs.map(f)]],
    }, 1e-5);
  }
});

Deno.test("ImageScaler has one scale, and a bias for each channel", () => {
  const x = tensor("float32", [1, 2, 1, 2], [1, 2, 3, 4]);
  agrees(ops, {
    type: "ImageScaler",
    opset: 1,
    attrs: { scale: 2, bias: [0.5, -1] },
    ins: [x],
    outs: [[[1, 2, 1, 2], [2.5, 4.5, 5, 7]]],
  });
  const op = named(ops, "ImageScaler");
  refuses(() => op.infer({ scale: 1, bias: [1] }, [typeOf(x)], () => undefined), /bias of 1/);
});

Deno.test("Crop takes borders off, or a size from left and top on", () => {
  const x = tensor("float32", [1, 1, 3, 4], Array.from({ length: 12 }, (_, i) => i));
  const border = [1, 0, 1, 2];
  agrees(ops, {
    type: "Crop",
    opset: 1,
    attrs: { border },
    ins: [x],
    outs: [[[1, 1, 1, 2], [1, 2]]],
  });
  agrees(ops, {
    type: "Crop",
    opset: 1,
    attrs: { border, scale: [2, 3] },
    ins: [x],
    outs: [[[1, 1, 2, 3], [1, 2, 3, 5, 6, 7]]],
  });
  const op = named(ops, "Crop");
  refuses(
    () => op.infer({ border: [0, 0, 0, 3], size: [] }, [typeOf(x)], () => undefined),
    /border \[0,0,0,3\]/,
  );
});

Deno.test("Inverse of small matrices", () => {
  const inverse = (n: number, x: number[], y: number[]) =>
    agrees(determinants, {
      type: "Inverse",
      opset: 1,
      ins: [tensor("float32", [1, n, n], x)],
      outs: [[[1, n, n], y]],
    });
  inverse(1, [4], [0.25]);
  inverse(2, [4, 7, 2, 6], [0.6, -0.7, -0.2, 0.4]);
  inverse(3, [2, 0, 0, 0, 4, 1, 0, 0, 5], [0.5, 0, 0, 0, 0.25, -0.05, 0, 0, 0.2]);
});
