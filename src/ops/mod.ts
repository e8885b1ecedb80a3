/** The one array of all operators; the importer and the table in the documentation read it. */
import type { OpDef } from "../ir/opdef.ts";
import { ops as activation } from "./activation.ts";
import { ops as cast } from "./cast.ts";
import { ops as conv } from "./conv.ts";
import { ops as elementwise } from "./elementwise.ts";
import { ops as matmul } from "./matmul.ts";
import { ops as quantize } from "./quantize.ts";
import { ops as unary } from "./unary.ts";

// Operators and helpers that passes speak of by name.
export { clip, type ClipAttrs, relu } from "./activation.ts";
export { cast } from "./cast.ts";
export { add, div, max, min, mul, pow, sub } from "./elementwise.ts";
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
  ...activation,
  ...cast,
  ...conv,
  ...elementwise,
  ...matmul,
  ...quantize,
  ...unary,
];
