/** Pools over sliding windows of 1 to 3 spatial axes. */
import { type Compute, compute, reduce, sum, type Tensor } from "../te/compute.ts";
import { add, cast, eq, type Expr, imm, load, mul, select } from "../te/expr.ts";
import type { OpDef } from "../ir/opdef.ts";
import { dims, type TensorType } from "../ir/graph.ts";
import type { QuantRule } from "../ir/quant.ts";
import { axisNames } from "./axes.ts";
import type { Geometry } from "./conv.ts";
import { highest, lowest, onnx, operand } from "./common.ts";
import { average, averaged, averageIntegers, type QuantAttrs, sumType, term } from "./mean.ts";
import { readWindow, taps, type WindowAttrs, windowCount, windows } from "./window.ts";

export interface MaxPoolAttrs extends WindowAttrs {
  /** Whether the second output exists: where each maximum was, flattened over the whole input. */
  readonly indices: boolean;
  /** Spatial positions are flattened with the first axis fastest. */
  readonly columnMajor: boolean;
}

/** The flat index of a position, int64. */
function flatIndex(x: Tensor, columnMajor: boolean, n: Expr, c: Expr, at: readonly Expr[]): Expr {
  const size = x.shape.slice(2), order = at.map((_, i) => i);
  if (columnMajor) order.reverse();
  const plane = add(mul(n, x.shape[1]), c);
  return cast("int64", order.reduce((flat, i) => add(mul(flat, size[i]), at[i]), plane));
}

function defineMax(
  a: MaxPoolAttrs,
  x: Tensor,
  [out]: readonly TensorType[],
): readonly Compute[] {
  const g = windows(a, x.shape), shape = dims(out), names = axisNames(shape.length);
  const y = compute("y", out.dtype, shape, (n, c, ...o) => {
    const { axes, at, where } = taps(g, o);
    return reduce("max", axes, load(x, [n, c, ...at]), { init: lowest(out.dtype), where });
  }, names);
  if (!a.indices) return [y];
  const indices = compute("indices", "int64", shape, (n, c, ...o) => {
    const { axes, at, where } = taps(g, o), none = highest("int64");
    const hit = eq(load(x, [n, c, ...at]), load(y.out, [n, c, ...o]));
    const body = select(hit, flatIndex(x, a.columnMajor, n, c, at), none);
    return reduce("min", axes, body, { init: none, where });
  }, names);
  return [y, indices];
}

/** A maximum of integers is that of the real numbers, as scales are positive. */
const maxIntegers: QuantRule<MaxPoolAttrs> = (a, [x], { b }) => {
  if (!x || x.k === "flt" || a.indices || (x.scale.data.length > 1 && x.axis > 1)) return null;
  const v = x.k === "deq" ? x.q : x.acc;
  const [y] = b.node(maxPool, a, [v]);
  return x.k === "deq" ? { ...x, q: y } : { ...x, acc: y };
};

/** The maximum of every window; padding never wins. */
export const maxPool: OpDef<MaxPoolAttrs> = {
  name: "MaxPool",
  postTraining: { range: "same" },
  channelsLast: true,
  onnx: [onnx("MaxPool", 1, (r) => ({
    ...readWindow(r),
    indices: r.outputCount > 1,
    columnMajor: r.int("storage_order", 0) !== 0,
  }))],
  infer(a, ins) {
    const x = operand(ins, 0, "number"), from = dims(x);
    const shape = [...from.slice(0, 2), ...windows(a, from).out];
    return [{ dtype: x.dtype, shape }, ...a.indices ? [{ dtype: "int64" as const, shape }] : []];
  },
  body: { kind: "compute", define: (a, [x], outs) => defineMax(a, x!, outs) },
  quantized: maxIntegers,
};

export interface AveragePoolAttrs extends WindowAttrs {
  /** Padding counts as elements of value 0. */
  readonly includePad: boolean;
  /** The input holds integers. */
  readonly quant?: QuantAttrs;
}

function defineAverage(
  a: AveragePoolAttrs,
  x: Tensor,
  [out]: readonly TensorType[],
): readonly Compute[] {
  const g: Geometry = windows(a, x.shape), shape = dims(out), names = axisNames(shape.length);
  const type = sumType(x.dtype, g.kernel.reduce((p, k) => p * k, 1), a.quant);
  const total = compute("sum", type, shape, (n, c, ...o) => {
    const { axes, at, where } = taps(g, o);
    return sum(axes, term(load(x, [n, c, ...at]), type, a.quant), { init: imm(0, type), where });
  }, names);
  return [
    total,
    compute(
      "y",
      out.dtype,
      shape,
      (n, c, ...o) =>
        average(load(total.out, [n, c, ...o]), windowCount(g, a.includePad, o), a.quant),
      names,
    ),
  ];
}

/** The mean of every window. */
export const averagePool: OpDef<AveragePoolAttrs> = {
  name: "AveragePool",
  postTraining: { range: "own" },
  channelsLast: true,
  onnx: [onnx("AveragePool", 1, (r) => ({
    ...readWindow(r),
    includePad: r.int("count_include_pad", 0) !== 0,
  }))],
  infer(a, ins) {
    const x = averaged(ins, a.quant), from = dims(x);
    const dtype = a.quant ? "float32" : operand(ins, 0, "float").dtype;
    return [{ dtype, shape: [...from.slice(0, 2), ...windows(a, from).out] }];
  },
  body: { kind: "compute", define: (a, [x], outs) => defineAverage(a, x!, outs) },
  quantized: averageIntegers(() => averagePool),
};

export const ops = [maxPool, averagePool] as OpDef<unknown>[];
