/** Concat: tensors side by side along one axis; the planner places them so that nothing is copied. */
import { compute, type Tensor } from "../te/compute.ts";
import { type Expr, load, lt, select, sub } from "../te/expr.ts";
import { type IO, type OpDef, OpError } from "../ir/opdef.ts";
import { dims, type TensorType } from "../ir/graph.ts";
import { axisNames } from "./axes.ts";
import { axisIndex, onnx, sameType, type Types } from "./common.ts";

export interface ConcatAttrs {
  readonly axis: number;
}

function parts(ins: Types): TensorType[] {
  const types = ins.flatMap((t) => t ? [t] : []);
  if (!types.length || types.length !== ins.length) {
    throw new OpError("one of its inputs is missing", "give the node all of its inputs");
  }
  return types;
}

/** Where each part begins along the axis. */
function starts(sizes: readonly number[]): number[] {
  let at = 0;
  return sizes.map((n) => (at += n) - n);
}

export const concat: OpDef<ConcatAttrs> = {
  name: "Concat",
  postTraining: { range: "shared" },
  onnx: [
    onnx("Concat", 1, (r) => ({ axis: r.int("axis", 1) })),
    onnx("Concat", 4, (r) => ({ axis: r.int("axis") })),
  ],
  infer(a, ins) {
    const types = parts(ins), shapes = types.map(dims);
    sameType(types);
    const axis = axisIndex(a.axis, shapes[0].length);
    for (const s of shapes) {
      if (s.length !== shapes[0].length || s.some((n, i) => i !== axis && n !== shapes[0][i])) {
        throw new OpError(
          `its inputs [${shapes[0]}] and [${s}] differ outside of axis ${axis}`,
          "all other sizes must be equal",
        );
      }
    }
    const size = shapes.reduce((sum, s) => sum + s[axis], 0);
    return [{ dtype: types[0].dtype, shape: shapes[0].with(axis, size) }];
  },
  body: {
    kind: "compute",
    define(a, ins, [out]) {
      const shape = dims(out), axis = axisIndex(a.axis, shape.length);
      const tensors = ins as readonly Tensor[], at = starts(tensors.map((t) => t.shape[axis]));
      return [compute("y", out.dtype, shape, (...axes) => {
        const part = (i: number): Expr =>
          load(tensors[i], axes.map((v, k) => k === axis ? sub(v, at[i]) : v));
        const last = tensors.length - 1;
        return tensors.slice(0, last).reduceRight<Expr>(
          (rest, _, i) => select(lt(axes[axis], at[i + 1]), part(i), rest),
          part(last),
        );
      }, axisNames(shape.length))];
    },
  },
  place(a, io: IO) {
    const shapes = parts(io.ins).map(dims), axis = axisIndex(a.axis, shapes[0].length);
    return starts(shapes.map((s) => s[axis])).map((n, input) => ({
      input,
      start: shapes[0].map((_, i) => i === axis ? n : 0),
    }));
  },
};

export const ops = [concat] as OpDef<unknown>[];
