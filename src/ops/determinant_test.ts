/** Values of onnx.reference 1.23.2; patterns are those of testing.ts. */
import { ops } from "./determinant.ts";
import { agrees, pattern, refuses } from "./testing.ts";

Deno.test("determinants of up to four rows", () => {
  agrees(ops, {
    type: "Det",
    opset: 22,
    ins: [pattern([1, 1])],
    outs: [[[], [-1.25]]],
  }, 1e-5);
  agrees(ops, {
    type: "Det",
    opset: 22,
    ins: [pattern([2, 2])],
    outs: [[[], [-1.3125]]],
  }, 1e-5);
  agrees(ops, {
    type: "Det",
    opset: 22,
    ins: [pattern([2, 3, 3])],
    outs: [[[2], [0.6875, 0.6875]]],
  }, 1e-5);
  agrees(ops, {
    type: "Det",
    opset: 22,
    ins: [pattern([1, 2, 4, 4])],
    outs: [[[1, 2], [1.4179688, 0]]],
  }, 1e-5);
});

Deno.test("larger and oblong matrices are refused", () => {
  const det = (rows: number, columns: number) => () =>
    agrees(ops, { type: "Det", ins: [pattern([rows, columns])], outs: [] });
  refuses(det(5, 5), /5 rows/);
  refuses(det(2, 3), /not square/);
});
