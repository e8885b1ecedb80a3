/** Running sums and products along an axis. */
import { axis as reduceAxis, compute, reduce } from "../te/compute.ts";
import * as te from "../te/expr.ts";
import { imm, load, sub } from "../te/expr.ts";
import { type AttrReader, type OpDef, OpError } from "../ir/opdef.ts";
import { dims } from "../ir/graph.ts";
import { axisNames } from "./axes.ts";
import { axisIndex, onnx, operand } from "./common.ts";
import { anyAxis } from "./solve.ts";

interface CumulativeAttrs {
  readonly axis: number;
  /** The element itself does not take part. */
  readonly exclusive: boolean;
  /** From the end. */
  readonly reverse: boolean;
}

function read(r: AttrReader): CumulativeAttrs {
  const axis = r.operandInts(1, anyAxis);
  if (axis?.length !== 1) throw new OpError("its axis is no scalar", "give it one axis");
  return {
    axis: axis[0],
    exclusive: r.int("exclusive", 0) !== 0,
    reverse: r.int("reverse", 0) !== 0,
  };
}

/** An element is made of those up to it, in the order of the axis or against it. */
const cumulative = (
  name: string,
  since: number,
  op: "sum" | "prod",
): OpDef<CumulativeAttrs> => ({
  name,
  onnx: [onnx(name, since, read, 1)],
  infer(a, ins) {
    const x = operand(ins, 0, "number");
    axisIndex(a.axis, x.shape.length);
    return [x];
  },
  body: {
    kind: "compute",
    define(a, [x], [out]) {
      const shape = dims(out), axis = axisIndex(a.axis, shape.length), n = shape[axis];
      return [compute("y", out.dtype, shape, (...at) => {
        const k = reduceAxis("step", n), from = a.reverse ? sub(n - 1, k.v) : k.v;
        const within = a.reverse
          ? a.exclusive ? te.gt(from, at[axis]) : te.ge(from, at[axis])
          : a.exclusive
          ? te.lt(from, at[axis])
          : te.le(from, at[axis]);
        const element = load(x!, (at as te.Expr[]).with(axis, from));
        return reduce(op, [k], element, {
          init: imm(op === "sum" ? 0 : 1, out.dtype),
          where: [within],
        });
      }, axisNames(shape.length))];
    },
  },
});

export const ops = [
  cumulative("CumSum", 11, "sum"),
  cumulative("CumProd", 26, "prod"),
] as OpDef<unknown>[];
