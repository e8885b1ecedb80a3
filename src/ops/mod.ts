/** The one array of all operators; the importer and the table in the documentation read it. */
import type { OpDef } from "../ir/opdef.ts";
import { ops as activation } from "./activation.ts";
import { ops as arg } from "./arg.ts";
import { ops as attention } from "./attention.ts";
import { ops as atRunTime } from "./at_run_time.ts";
import { ops as bitCast } from "./bit_cast.ts";
import { ops as blockWeights } from "./block_weights.ts";
import { ops as cast } from "./cast.ts";
import { ops as channelsLast } from "./channels_last.ts";
import { ops as check } from "./check.ts";
import { ops as clip } from "./clip.ts";
import { ops as concat } from "./concat.ts";
import { ops as constant } from "./constant.ts";
import { ops as control } from "./control.ts";
import { ops as conv } from "./conv.ts";
import { ops as convTranspose } from "./conv_transpose.ts";
import { ops as crop } from "./crop.ts";
import { ops as cumulative } from "./cumulative.ts";
import { ops as determinant } from "./determinant.ts";
import { ops as dynamicQuant } from "./dynamic_quant.ts";
import { ops as dropout } from "./dropout.ts";
import { ops as einsum } from "./einsum.ts";
import { ops as elementwise } from "./elementwise.ts";
import { ops as flexAttention } from "./flex_attention.ts";
import { ops as fourier } from "./fourier.ts";
import { ops as fused } from "./fused.ts";
import { ops as fusedAttention } from "./fused_attention.ts";
import { ops as gather } from "./gather.ts";
import { ops as gridSample } from "./grid_sample.ts";
import { ops as language } from "./language.ts";
import { ops as loss } from "./loss.ts";
import { ops as groupNorm } from "./group_norm.ts";
import { ops as lpPool } from "./lp_pool.ts";
import { ops as masks } from "./masks.ts";
import { ops as matmul } from "./matmul.ts";
import { ops as mlColumns } from "./ml_columns.ts";
import { ops as mlFeatures } from "./ml_features.ts";
import { ops as mlLinear } from "./ml_linear.ts";
import { ops as mlTreeEnsemble } from "./ml_tree_ensemble.ts";
import { ops as mlTrees } from "./ml_trees.ts";
import { ops as movement } from "./movement.ts";
import { ops as normalization } from "./normalization.ts";
import { ops as oldBroadcast } from "./old_broadcast.ts";
import { ops as optimizer } from "./optimizer.ts";
import { ops as pad } from "./pad.ts";
import { ops as pool } from "./pool.ts";
import { ops as qlinear } from "./qlinear.ts";
import { ops as quantize } from "./quantize.ts";
import { ops as quantizeAny } from "./quantize_any.ts";
import { ops as recurrent } from "./recurrent.ts";
import { ops as reduce } from "./reduce.ts";
import { ops as refused } from "./refused.ts";
import { ops as regions } from "./regions.ts";
import { ops as removed } from "./removed.ts";
import { ops as resampleRunTime } from "./resample_run_time.ts";
import { ops as reshape } from "./reshape.ts";
import { ops as resize } from "./resize.ts";
import { ops as scatter } from "./scatter.ts";
import { ops as select } from "./select.ts";
import { ops as sequence } from "./sequence.ts";
import { ops as shape } from "./shape.ts";
import { ops as signal } from "./signal.ts";
import { ops as softmax } from "./softmax.ts";
import { ops as text } from "./text.ts";
import { ops as topK } from "./top_k.ts";
import { ops as transformer } from "./transformer.ts";
import { ops as unary } from "./unary.ts";

// Operators and helpers that passes speak of by name.
export { clip, type ClipAttrs, relu } from "./activation.ts";
export { cast } from "./cast.ts";
export { check, operandIs } from "./check.ts";
export { concat, type ConcatAttrs } from "./concat.ts";
export { add, div, max, min, mul, pow, sub, where } from "./elementwise.ts";
export { conv, type ConvAttrs, convGeometry } from "./conv.ts";
export { slice, type SliceAttrs, split, transpose, type TransposeAttrs } from "./movement.ts";
export { pad, type PadAttrs, padding } from "./pad.ts";
export { averagePool, type AveragePoolAttrs, maxPool, type MaxPoolAttrs } from "./pool.ts";
export { type ReduceAttrs, reduceMax, reduceMean } from "./reduce.ts";
export { logSoftmax, softmax, type SoftmaxAttrs } from "./softmax.ts";
export { identity, reshape, type ReshapeAttrs } from "./reshape.ts";
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
  ...arg,
  ...attention,
  ...atRunTime,
  ...bitCast,
  ...blockWeights,
  ...cast,
  ...channelsLast,
  ...check,
  ...clip,
  ...concat,
  ...constant,
  ...control,
  ...conv,
  ...dropout,
  ...convTranspose,
  ...crop,
  ...cumulative,
  ...determinant,
  ...dynamicQuant,
  ...einsum,
  ...elementwise,
  ...flexAttention,
  ...fourier,
  ...fused,
  ...fusedAttention,
  ...gather,
  ...gridSample,
  ...language,
  ...loss,
  ...groupNorm,
  ...lpPool,
  ...masks,
  ...matmul,
  ...mlColumns,
  ...mlFeatures,
  ...mlLinear,
  ...mlTreeEnsemble,
  ...mlTrees,
  ...movement,
  ...normalization,
  ...oldBroadcast,
  ...optimizer,
  ...pad,
  ...pool,
  ...qlinear,
  ...quantize,
  ...quantizeAny,
  ...recurrent,
  ...reduce,
  ...refused,
  ...regions,
  ...removed,
  ...resampleRunTime,
  ...reshape,
  ...resize,
  ...scatter,
  ...select,
  ...sequence,
  ...shape,
  ...signal,
  ...softmax,
  ...text,
  ...topK,
  ...transformer,
  ...unary,
];
