/**
 * Softmax and its kin: the maximum, exponentials of the distance to it, their sum, the result. ONNX
 * defines them as functions of other operators: floats of 16 bits are rounded after each of these,
 * and the exponentials are kept as such.
 */
import type { DType } from "../util/dtype.ts";
import { compute, reduce, sum, type Tensor } from "../te/compute.ts";
import { cast, div, type Expr, imm, load, sub } from "../te/expr.ts";
import type { AttrReader, OpDef } from "../ir/opdef.ts";
import { dims } from "../ir/graph.ts";
import type { PostTraining } from "../ir/post_training.ts";
import { axisNames } from "./axes.ts";
import { axisIndex, fn, lowest, onnx, operand } from "./common.ts";
import { reduced } from "./reduce.ts";

export interface SoftmaxAttrs {
  readonly axis: number;
  /** All axes from `axis` on together, as before operator set 13. */
  readonly flatten: boolean;
}

/** @param axis where the node does not say */
export const readSoftmax = (axis: number, flatten: boolean) => (r: AttrReader): SoftmaxAttrs => ({
  axis: r.int("axis", axis),
  flatten,
});

const isHalf = (d: DType | undefined): boolean => d === "float16" || d === "bfloat16";

function family(
  name: string,
  /** The result from x − max, its exponential and the sum of these. */
  result: (shifted: Expr, e: Expr, total: Expr, rounded: (e: Expr) => Expr) => Expr,
  postTraining: PostTraining = {},
): OpDef<SoftmaxAttrs> {
  return {
    name,
    postTraining,
    changes: [{ since: 13, kind: "axis" }],
    onnx: [onnx(name, 1, readSoftmax(1, true)), onnx(name, 13, readSoftmax(-1, false))],
    infer(a, ins) {
      const half = ins[0] && isHalf(ins[0].dtype), x = half ? ins[0]! : operand(ins, 0, "float");
      if (!(a.flatten && a.axis === x.shape.length)) axisIndex(a.axis, x.shape.length);
      return [x];
    },
    body: {
      kind: "compute",
      define(a, [input], [out]) {
        const x = input as Tensor, shape = dims(out), half = isHalf(out.dtype);
        const dtype = half ? "float32" : out.dtype;
        const wide = (e: Expr): Expr => half ? cast(dtype, e) : e;
        const narrow = (e: Expr): Expr => half ? cast(out.dtype, e) : e;
        const rounded = (e: Expr): Expr => wide(narrow(e));
        const first = a.axis === shape.length ? a.axis : axisIndex(a.axis, shape.length);
        const last = a.flatten ? shape.length : first + 1;
        const over = {
          axes: shape.flatMap((_, i) => i >= first && i < last ? [i] : []),
          keepDims: false,
        };
        const kept = <T>(xs: readonly T[]): T[] => xs.filter((_, i) => i < first || i >= last);
        const names = axisNames(shape.length);
        const top = compute("max", dtype, kept(shape), (...at) => {
          const { axes, element } = reduced(over, x, at);
          return reduce("max", axes, wide(element), { init: lowest(dtype) });
        }, kept(names));
        const shifted = (at: readonly Expr[]): Expr =>
          rounded(sub(wide(load(x, at)), load(top.out, kept(at))));
        const e = compute("e", out.dtype, shape, (...at) => narrow(fn("exp", shifted(at))), names);
        const total = compute("sum", dtype, kept(shape), (...at) => {
          const { axes, element } = reduced(over, e.out, at);
          return sum(axes, wide(element), { init: imm(0, dtype) });
        }, kept(names));
        const y = compute(
          "y",
          out.dtype,
          shape,
          (...at) =>
            narrow(
              result(
                shifted(at),
                wide(load(e.out, at)),
                rounded(load(total.out, kept(at))),
                rounded,
              ),
            ),
          names,
        );
        return [top, e, total, y];
      },
    },
  };
}

export const softmax = family("Softmax", (_, e, total) => div(e, total), {
  range: { low: 0, high: 255 / 256 },
  saturates: true,
});
export const logSoftmax = family(
  "LogSoftmax",
  (d, _, total, rounded) => sub(d, rounded(fn("log", total))),
);

export const ops = [softmax, logSoftmax] as OpDef<unknown>[];
