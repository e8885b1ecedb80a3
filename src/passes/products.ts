/** Integer convolutions and dense layers by constants, seen alike: output channels × input channels. */
import { numbers, tensor, type TensorData } from "../util/tensor.ts";
import { dims, type Node } from "../ir/graph.ts";
import { conv, type ConvAttrs, convGeometry, matmul, type MatMulAttrs } from "../ops/mod.ts";

/** acc[co] = bias[co] + Σ ci, k: w[co][ci][k] · (x[ci] − xZero), for one sample. */
export interface Product {
  readonly cout: number;
  readonly cin: number;
  /** Weights between one pair of channels. */
  readonly taps: number;
  readonly depthwise: boolean;
  /** Whether some window reaches over the border, where x counts as xZero. */
  readonly padded: boolean;
  readonly xZero: number;
  readonly bias: readonly number[];
  /** Weight k between two channels; of a depthwise product only co = ci. */
  weight(co: number, ci: number, k: number): number;
  /** Whether an output channel reads an input channel with a weight other than zero. */
  reads(co: number, ci: number): boolean;
  /** Weights and bias of the chosen channels; pairs that `zero` names get weights of zero. */
  slice(
    outs: readonly number[],
    ins: readonly number[],
    bias: readonly number[],
    zero: (co: number, ci: number) => boolean,
  ): { w: TensorData; bias: TensorData };
  /** Attributes for that many input channels. */
  attrs(ins: number): unknown;
}

/** The product that a node computes, null where it is none or has parameters known at run time only. */
export function productOf(n: Node): Product | null {
  const [x, w, bias] = n.ins;
  if (n.op !== conv && n.op !== matmul) return null;
  if (!x || x.data || !w?.data || n.outs[0].type.dtype !== "int32") return null;
  if (n.ins[3] || n.ins[4] || (bias && !bias.data) || dims(x.type)[0] !== 1) return null;
  return n.op === conv ? ofConv(n) : ofMatMul(n);
}

function ofConv(n: Node): Product | null {
  const a = n.attrs as ConvAttrs, [x, w, bias] = n.ins;
  const [cout, perGroup, ...kernel] = w!.data!.shape;
  const cin = dims(x!.type)[1];
  const depthwise = a.group > 1 && a.group === cin && cout === cin && perGroup === 1;
  if (a.wZero !== 0 || (a.group !== 1 && !depthwise)) return null;
  const g = convGeometry(a, x!.type, w!.type);
  const taps = kernel.reduce((p, k) => p * k, 1), data = numbers(w!.data!);
  const weight = (co: number, ci: number, k: number): number =>
    depthwise ? (co === ci ? data[co * taps + k] : 0) : data[(co * cin + ci) * taps + k];
  return {
    cout,
    cin,
    taps,
    depthwise,
    padded: [...g.begin, ...g.end].some((p) => p > 0),
    xZero: a.xZero,
    bias: bias ? numbers(bias.data!) : new Array<number>(cout).fill(0),
    weight,
    reads: anyWeight(weight, taps),
    slice(outs, ins, b, zero) {
      const values = outs.flatMap((co) =>
        (depthwise ? [co] : ins).flatMap((ci) =>
          Array.from({ length: taps }, (_, k) => zero(co, ci) ? 0 : weight(co, ci, k))
        )
      );
      const shape = [outs.length, depthwise ? 1 : ins.length, ...kernel];
      return {
        w: tensor(w!.data!.dtype, shape, values),
        bias: tensor("int32", [outs.length], outs.map((co) => b[co])),
      };
    },
    attrs: (count) => ({ ...a, group: depthwise ? count : 1 }),
  };
}

function ofMatMul(n: Node): Product | null {
  const a = n.attrs as MatMulAttrs, [x, w, bias] = n.ins;
  const wShape = w!.data!.shape;
  if (a.transA || a.wZero !== 0 || dims(x!.type).length !== 2 || wShape.length !== 2) return null;
  const [cin, cout] = a.transB ? [wShape[1], wShape[0]] : wShape;
  const data = numbers(w!.data!), b = bias ? numbers(bias.data!) : [0];
  if (b.length !== 1 && b.length !== cout) return null;
  const weight = (co: number, ci: number): number =>
    a.transB ? data[co * cin + ci] : data[ci * cout + co];
  return {
    cout,
    cin,
    taps: 1,
    depthwise: false,
    padded: false,
    xZero: a.xZero,
    bias: Array.from({ length: cout }, (_, co) => b[b.length === 1 ? 0 : co]),
    weight,
    reads: anyWeight(weight, 1),
    slice(outs, ins, folded, zero) {
      const at = (co: number, ci: number): number => zero(co, ci) ? 0 : weight(co, ci);
      const values = a.transB
        ? outs.flatMap((co) => ins.map((ci) => at(co, ci)))
        : ins.flatMap((ci) => outs.map((co) => at(co, ci)));
      const shape = a.transB ? [outs.length, ins.length] : [ins.length, outs.length];
      return {
        w: tensor(w!.data!.dtype, shape, values),
        bias: tensor("int32", [outs.length], outs.map((co) => folded[co])),
      };
    },
    attrs: () => a,
  };
}

const anyWeight = (weight: Product["weight"], taps: number): Product["reads"] => (co, ci) => {
  for (let k = 0; k < taps; k++) if (weight(co, ci, k) !== 0) return true;
  return false;
};
