/** Values of onnx.reference 1.23.2; patterns are those of testing.ts. */
import { ops } from "./einsum.ts";
import { agrees, pattern, refuses } from "./testing.ts";

Deno.test("products, sums, diagonals", () => {
  agrees(ops, {
    type: "Einsum",
    opset: 12,
    attrs: { equation: "ij,jk->ik" },
    ins: [pattern([2, 3]), pattern([3, 2])],
    outs: [[[2, 2], [1.1875, 0.375, -1.875, 1.5]]],
  });
  agrees(ops, {
    type: "Einsum",
    opset: 12,
    attrs: { equation: "ij->j" },
    ins: [pattern([2, 3])],
    outs: [[[3], [0, 0.75, -1.25]]],
  });
  agrees(ops, {
    type: "Einsum",
    opset: 12,
    attrs: { equation: "ii->i" },
    ins: [pattern([3, 3])],
    outs: [[[3], [-1.25, 0.25, -1]]],
  });
  agrees(ops, {
    type: "Einsum",
    opset: 12,
    attrs: { equation: "ii" },
    ins: [pattern([3, 3])],
    outs: [[[], [-2]]],
  });
  agrees(ops, {
    type: "Einsum",
    opset: 12,
    attrs: { equation: "i,j,k->kji" },
    ins: [pattern([2]), pattern([2]), pattern([2])],
    outs: [[[2, 2, 2], [-1.953125, 0.78125, 0.78125, -0.3125, 0.78125, -0.3125, -0.3125, 0.125]]],
  });
});

Deno.test("the output that is not given has the letters that stand once, sorted", () => {
  agrees(ops, {
    type: "Einsum",
    opset: 12,
    attrs: { equation: "bj,ja" },
    ins: [pattern([2, 3]), pattern([3, 2])],
    outs: [[[2, 2], [1.1875, -1.875, 0.375, 1.5]]],
  });
});

Deno.test("ellipses broadcast", () => {
  agrees(ops, {
    type: "Einsum",
    opset: 12,
    attrs: { equation: "...ij,...jk->...ik" },
    ins: [pattern([2, 1, 2, 2]), pattern([2, 2, 1])],
    outs: [[[2, 2, 2, 1], [1.8125, 1.25, 1.25, 1.8125, -0.6875, -1.25, -1.0625, -0.5]]],
  });
  agrees(ops, {
    type: "Einsum",
    opset: 12,
    attrs: { equation: "i...->...i" },
    ins: [pattern([2, 3])],
    outs: [[[3, 2], [-1.25, 1.25, 0.5, 0.25, -0.5, -0.75]]],
  });
});

Deno.test("equations that do not fit are refused", () => {
  const einsum = (equation: string) => () =>
    agrees(ops, { type: "Einsum", attrs: { equation }, ins: [pattern([2, 3])], outs: [] });
  refuses(einsum("ij,jk->ik"), /has 2 terms/);
  refuses(einsum("ij->k"), /terms do not give/);
  refuses(einsum("i->i"), /does not fit 2 axes/);
  refuses(einsum("ii->i"), /gives 'i' 2 and 3/);
});
