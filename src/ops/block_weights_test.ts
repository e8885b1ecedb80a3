import { tensor } from "../util/tensor.ts";
import { ops } from "./block_weights.ts";
import { agrees, pattern, read, refuses } from "./testing.ts";

const filled = (dtype: "uint8" | "float32", shape: number[], at: (i: number) => number) =>
  tensor(dtype, shape, Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => at(i)));
const bytes = (...shape: number[]) => filled("uint8", shape, (i) => (i * 37 + 11) % 256);
const scales = (...shape: number[]) => filled("float32", shape, (i) => 0.25 * (1 + i % 3));

Deno.test("MatMulNBits unpacks weights of 2, 4 and 8 bits, with and without zero points", () => {
  agrees(ops, {
    type: "MatMulNBits",
    attrs: { K: 20, N: 3, bits: 4, block_size: 16 },
    ins: [pattern([2, 20]), bytes(3, 2, 8), scales(6)],
    outs: [[[2, 3], [-2.5625, 12.0625, 3.6875, 0.75, 22, 22.25]]],
  }, 1e-5);
  agrees(ops, {
    type: "MatMulNBits",
    attrs: { K: 20, N: 3, bits: 4, block_size: 16 },
    ins: [pattern([2, 20]), bytes(3, 2, 8), scales(6), bytes(3), null, pattern([3])],
    outs: [[[2, 3], [-7, 13.125, 1.875, 7.0625, 20.1875, 24.5625]]],
  }, 1e-5);
  agrees(ops, {
    type: "MatMulNBits",
    attrs: { K: 20, N: 3, bits: 4, block_size: 16 },
    ins: [pattern([2, 20]), bytes(3, 2, 8), scales(6), pattern([3, 2])],
    outs: [[[2, 3], [-4.796875, 12.39062, -0.265625, 5.578125, 20.17188, 30.82812]]],
  }, 1e-5);
  agrees(ops, {
    type: "MatMulNBits",
    attrs: { K: 20, N: 3, bits: 2, block_size: 16 },
    ins: [pattern([2, 20]), bytes(3, 2, 4), scales(6), bytes(3)],
    outs: [[[2, 3], [0.5625, -2.9375, -3.5, 2, 0.8125, 1.3125]]],
  }, 1e-5);
  agrees(ops, {
    type: "MatMulNBits",
    attrs: { K: 20, N: 3, bits: 8, block_size: 16 },
    ins: [pattern([2, 20]), bytes(3, 2, 16), scales(6), bytes(6)],
    outs: [[[2, 3], [-42.9375, -44, 137.4375, 34.1875, -67.1875, -237.375]]],
  }, 1e-5);
});

Deno.test("MatMulBnb4 looks weights up, the upper bits first", () => {
  agrees(ops, {
    type: "MatMulBnb4",
    attrs: { K: 6, N: 3, block_size: 16, quant_type: 0 },
    ins: [pattern([2, 6]), bytes(9), scales(2)],
    outs: [[[2, 3], [-0.3125, -0.3222656, -0.250651, -0.4375, -0.06640625, -0.8229167]]],
  }, 1e-5);
  agrees(ops, {
    type: "MatMulBnb4",
    attrs: { K: 6, N: 3, block_size: 16, quant_type: 1 },
    ins: [pattern([2, 6]), bytes(9), scales(2)],
    outs: [[[2, 3], [0.1147008, 0.4040249, 0.2438456, -0.2694806, 0.208611, 0.8624818]]],
  }, 1e-5);
});

Deno.test("GatherBlockQuantized looks up and scales by blocks", () => {
  agrees(ops, {
    type: "GatherBlockQuantized",
    attrs: { bits: 4, block_size: 16, gather_axis: 0, quantize_axis: 1 },
    ins: [bytes(3, 16), tensor("int64", [2], [2, 0]), scales(3, 2), bytes(3, 1)],
    outs: [[[2, 32], [
      3,
      2.5,
      -2.5,
      4,
      0,
      5,
      2.5,
      -2,
      5,
      -1,
      -0.5,
      0.5,
      2,
      1.5,
      4.5,
      2.5,
      -1.5,
      6,
      2.25,
      7.5,
      6,
      -3,
      -2.25,
      -0.75,
      1.5,
      0.75,
      5.25,
      2.25,
      -3,
      4.5,
      0.75,
      6,
      0,
      -2.75,
      -2.75,
      -2,
      -1.5,
      -1.5,
      -0.25,
      -1,
      1,
      -0.5,
      -1.75,
      0.25,
      -0.5,
      0.75,
      0.75,
      -2.75,
      1.5,
      1.5,
      4,
      2.5,
      6.5,
      3.5,
      1,
      5,
      3.5,
      6,
      6,
      7,
      0.5,
      0.5,
      3,
      1.5,
    ]]],
  }, 1e-5);
  agrees(ops, {
    type: "GatherBlockQuantized",
    attrs: { bits: 8, block_size: 16, gather_axis: 0, quantize_axis: 2 },
    ins: [bytes(3, 2, 16), tensor("int64", [1, 2], [2, 0]), scales(3, 2, 1)],
    outs: [[[1, 2, 2, 16], [
      -26.5,
      -8,
      10.5,
      29,
      47.5,
      -62,
      -43.5,
      -25,
      -6.5,
      12,
      30.5,
      49,
      -60.5,
      -42,
      -23.5,
      -5,
      20.25,
      48,
      75.75,
      -88.5,
      -60.75,
      -33,
      -5.25,
      22.5,
      50.25,
      78,
      -86.25,
      -58.5,
      -30.75,
      -3,
      24.75,
      52.5,
      -29.25,
      -20,
      -10.75,
      -1.5,
      7.75,
      17,
      26.25,
      -28.5,
      -19.25,
      -10,
      -0.75,
      8.5,
      17.75,
      27,
      -27.75,
      -18.5,
      -18.5,
      0,
      18.5,
      37,
      55.5,
      -54,
      -35.5,
      -17,
      1.5,
      20,
      38.5,
      57,
      -52.5,
      -34,
      -15.5,
      3,
    ]]],
  }, 1e-5);
});

Deno.test("weights that do not fit their sizes are refused", () => {
  const op = ops.find((o) => o.name === "MatMulNBits")!;
  const attrs = { K: 20, N: 3, bits: 3, block_size: 16 };
  refuses(() => read(op, "MatMulNBits", { attrs }), /bits are 3/);
  refuses(() => read(op, "MatMulNBits", { attrs: { ...attrs, bits: 4, N: 0 } }), /20, 0 and 16/);
  const four = { ...attrs, bits: 4, block: 16, n: 3, k: 20 };
  const type = (dtype: "uint8" | "float32", ...shape: number[]) => ({ dtype, shape });
  const infer = (x: number, ...w: number[]) => () =>
    op.infer(
      four,
      [type("float32", 2, x), type("uint8", ...w), type("float32", 6)],
      () => undefined,
    );
  refuses(infer(20, 3, 2, 4), /input 1 has the shape \[3,2,4\]/);
  refuses(infer(19, 3, 2, 8), /does not end in 20 elements/);
});
