/** Values of ONNX's own cases (onnx.reference 1.23.2). */
import { tensor } from "../util/tensor.ts";
import { ops } from "./quantize_any.ts";
import { agrees, floats, pattern, refuses } from "./testing.ts";

Deno.test("QuantizeLinear in blocks, with and without zero points", () => {
  const x = floats([3, 2], [6, 12, 18, 5, 50, 5]), scale = floats([3, 1], [1.5, 2.5, 3.6]);
  const attrs = { axis: 1, block_size: 2, output_dtype: 5 };
  agrees(ops, {
    type: "QuantizeLinear",
    attrs,
    ins: [x, scale],
    outs: [[[3, 2], [4, 8, 7, 2, 14, 1]]],
  });
  const zero = tensor("uint8", [3, 1], [0, 1, 2]);
  const outs = [[[3, 2], [4, 8, 8, 3, 16, 3]]] as const;
  agrees(ops, {
    type: "QuantizeLinear",
    attrs: { axis: 1, block_size: 2 },
    ins: [x, scale, zero],
    outs,
  });
});

Deno.test("DequantizeLinear in blocks", () => {
  const x = tensor("uint8", [1, 4, 2], [3, 89, 34, 200, 74, 59, 5, 24]);
  const scale = floats([1, 2, 2], [3, 2, 4, 1]), zero = tensor("uint8", [1, 2, 2], [1, 0, 0, 1]);
  const outs = [[[1, 4, 2], [6, 178, 99, 400, 296, 58, 20, 23]]] as const;
  agrees(ops, {
    type: "DequantizeLinear",
    attrs: { axis: 1, block_size: 2 },
    ins: [x, scale, zero],
    outs,
  });
});

Deno.test("integers of 4 and 2 bits saturate at their own bounds", () => {
  const x = floats([5], [0, 2.5, 4.8, 8.6, -20]), scale = floats([], [2]);
  const quantized = (dtype: "int4" | "uint4" | "int2", zero: number, want: readonly number[]) =>
    agrees(ops, {
      type: "QuantizeLinear",
      ins: [x, scale, tensor(dtype, [], [zero])],
      outs: [[[5], want]],
    });
  quantized("int4", 1, [1, 2, 3, 5, -8]);
  quantized("uint4", 1, [1, 2, 3, 5, 0]);
  quantized("int2", 0, [0, 1, 1, 1, -2]);
  const back = [tensor("int4", [3], [-8, 0, 7]), scale, tensor("int4", [], [1])];
  agrees(ops, { type: "DequantizeLinear", ins: back, outs: [[[3], [-18, -2, 12]]] });
});

Deno.test("the output has the scale's type, or the one that is asked for", () => {
  const half = tensor("float16", [], [0x3800]), q = tensor("int8", [2], [3, -4]); // 0.5
  agrees(ops, {
    type: "DequantizeLinear",
    attrs: { output_dtype: 1 },
    ins: [q, half],
    outs: [[[2], [1.5, -2]]],
  });
  agrees(ops, { type: "DequantizeLinear", ins: [q, half], outs: [[[2], [0x3e00, 0xc000]]] });
});

Deno.test("float8 has no zero point but 0, and blocks must fit", () => {
  const x = pattern([2, 4]), scale = floats([], [1]);
  const zero = tensor("float8e4m3fn", [], [0x38]);
  refuses(
    () => agrees(ops, { type: "QuantizeLinear", ins: [x, scale, zero], outs: [] }),
    /is not 0/,
  );
  const ins = [x, floats([2, 3], [1, 1, 1, 1, 1, 1])];
  refuses(
    () => agrees(ops, { type: "QuantizeLinear", attrs: { block_size: 2 }, ins, outs: [] }),
    /does not fit blocks of 2/,
  );
});
