/** Quantisation parameters of QuantizeLinear and DequantizeLinear nodes, read and checked. */
import { BurinError } from "../util/errors.ts";
import type { DType } from "../util/dtype.ts";
import { numbers, tensor, type TensorData } from "../util/tensor.ts";
import type { Node } from "../ir/graph.ts";
import type { QParams } from "../ir/quant.ts";
import { dequantizeLinear, type LinearAttrs, quantizeLinear } from "../ops/mod.ts";

/** The parameters of such a node, null where they are only known at run time. */
export function paramsOf(n: Node): QParams | null {
  const a = n.attrs as LinearAttrs, [, s, z] = n.ins;
  const dtype: DType = n.op === dequantizeLinear ? n.ins[0]!.type.dtype : n.outs[0].type.dtype;
  const scale = s ? s.data : a.scale === null ? undefined : tensor("float32", [], [a.scale]);
  const zero = z ? z.data : tensor(dtype, [], [a.zero ?? 0]);
  if (!scale || !zero) return null;
  checkScale(scale, n);
  const rank = n.ins[0]!.type.shape.length;
  return { scale: vector(scale), zero: vector(zero), axis: a.axis < 0 ? a.axis + rank : a.axis };
}

/** A parameter of equal elements is a scalar, so that per-tensor has one form. */
function vector(t: TensorData): TensorData {
  const v = numbers(t);
  return v.every((x) => x === v[0]) && v.length ? tensor(t.dtype, [], [v[0]]) : t;
}

function checkScale(scale: TensorData, n: Node): void {
  for (const s of numbers(scale)) {
    if (s > 0 && Number.isFinite(s)) continue;
    throw new BurinError(
      "model/bad-scale",
      `Cannot ${n.op === quantizeLinear ? "quantise" : "dequantise"} in '${n.name}' as its scale ` +
        `is ${s}`,
      "scales are positive and finite; quantise the model again",
    );
  }
}

/** Whether there is one scale and one zero point for the whole tensor. */
export const perTensor = (p: QParams): boolean =>
  p.scale.data.length === 1 && p.zero.data.length === 1;

/** Whether two sets of parameters mean the same for a tensor of one shape. */
export function sameParams(a: QParams, b: QParams): boolean {
  const same = (x: TensorData, y: TensorData): boolean => {
    const u = numbers(x), v = numbers(y);
    return u.length === v.length && u.every((s, i) => s === v[i]);
  };
  return same(a.scale, b.scale) && same(a.zero, b.zero) && (perTensor(a) || a.axis === b.axis);
}
