/** Softmax and its kin: the maximum, exponentials of the distance to it, their sum, the result. */
import { compute, reduce, sum, type Tensor } from "../te/compute.ts";
import { div, type Expr, imm, load, sub } from "../te/expr.ts";
import type { AttrReader, OpDef } from "../ir/opdef.ts";
import { dims } from "../ir/graph.ts";
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

function family(
  name: string,
  /** The result from x − max, its exponential and the sum of these. */
  result: (shifted: Expr, e: Expr, total: Expr) => Expr,
): OpDef<SoftmaxAttrs> {
  return {
    name,
    onnx: [onnx(name, 1, readSoftmax(1, true)), onnx(name, 13, readSoftmax(-1, false))],
    infer(a, ins) {
      const x = operand(ins, 0, "float");
      if (!(a.flatten && a.axis === x.shape.length)) axisIndex(a.axis, x.shape.length);
      return [x];
    },
    body: {
      kind: "compute",
      define(a, [input], [out]) {
        const x = input as Tensor, shape = dims(out), { dtype } = out;
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
          return reduce("max", axes, element, { init: lowest(dtype) });
        }, kept(names));
        const shifted = (at: readonly Expr[]): Expr => sub(load(x, at), load(top.out, kept(at)));
        const e = compute("e", dtype, shape, (...at) => fn("exp", shifted(at)), names);
        const total = compute("sum", dtype, kept(shape), (...at) => {
          const { axes, element } = reduced(over, e.out, at);
          return sum(axes, element, { init: imm(0, dtype) });
        }, kept(names));
        const y = compute(
          "y",
          dtype,
          shape,
          (...at) => result(shifted(at), load(e.out, at), load(total.out, kept(at))),
          names,
        );
        return [top, e, total, y];
      },
    },
  };
}

export const softmax = family("Softmax", (_, e, total) => div(e, total));
export const logSoftmax = family("LogSoftmax", (d, _, total) => sub(d, fn("log", total)));

export const ops = [softmax, logSoftmax] as OpDef<unknown>[];
