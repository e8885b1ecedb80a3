/** The one array of all operators; the importer and the table in the documentation read it. */
import type { OpDef } from "../ir/opdef.ts";
import { ops as conv } from "./conv.ts";
import { ops as matmul } from "./matmul.ts";
import { ops as quantize } from "./quantize.ts";

// Operators and helpers that passes speak of by name.
export { conv, type ConvAttrs, convGeometry } from "./conv.ts";
export { gemm, matmul, type MatMulAttrs } from "./matmul.ts";
export {
  dequantizeAcc,
  dequantizeLinear,
  dynamicQuantizeLinear,
  type LinearAttrs,
  type QuantizeAttrs,
  quantizeLinear,
  type RequantizeAttrs,
  requantizeOp,
  table,
} from "./quantize.ts";

// deno-lint-ignore no-explicit-any
export const ops: readonly OpDef<any>[] = [
  ...conv,
  ...matmul,
  ...quantize,
];
