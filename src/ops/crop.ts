/** Operators that take a middle, or turn a part of an axis round. */
import { compute } from "../te/compute.ts";
import * as te from "../te/expr.ts";
import { and, cast, type Expr, imm, load, select, sub } from "../te/expr.ts";
import { type OpDef, OpError } from "../ir/opdef.ts";
import { dims } from "../ir/graph.ts";
import { axisNames } from "./axes.ts";
import { axisIndex, onnx, operand } from "./common.ts";
import { outputShape, sizesOf } from "./solve.ts";

interface CropAttrs {
  /** null: all, in order. */
  readonly axes: readonly number[] | null;
  readonly shape: readonly number[];
}

function cropped(a: CropAttrs, from: readonly number[]): number[] {
  const axes = a.axes ?? from.map((_, i) => i), shape = [...from];
  if (axes.length !== a.shape.length) {
    throw new OpError(
      `its shape [${a.shape}] does not fit ${axes.length} axes`,
      "give a size for every axis",
    );
  }
  axes.forEach((axis, i) => shape[axisIndex(axis, from.length)] = a.shape[i]);
  return shape;
}

/** The middle of the input, with zeros around it where the shape is larger. */
const centerCropPad: OpDef<CropAttrs> = {
  name: "CenterCropPad",
  onnx: [onnx("CenterCropPad", 18, (r) => {
    const axes = r.has("axes") ? r.ints("axes") : null;
    return { axes, shape: r.operandInts(1, axes ? sizesOf(axes) : outputShape) ?? [] };
  }, 1)],
  infer(a, ins) {
    const x = operand(ins, 0, "any");
    return [{ dtype: x.dtype, shape: cropped(a, dims(x)) }];
  },
  body: {
    kind: "compute",
    define(_, [x], [out]) {
      const shape = dims(out);
      return [compute("y", out.dtype, shape, (...at) => {
        const inside: Expr[] = [];
        const place = at.map((v, i): Expr => {
          const spare = shape[i] - x!.shape[i];
          if (spare <= 0) return te.add(v, Math.floor(-spare / 2));
          const begin = Math.floor(spare / 2);
          inside.push(te.ge(v, begin), te.lt(v, begin + x!.shape[i]));
          return sub(v, begin);
        });
        const element = load(x!, place);
        return inside.length ? select(and(...inside), element, imm(0, out.dtype)) : element;
      }, axisNames(shape.length))];
    },
  },
};

interface ReverseAttrs {
  readonly batch: number;
  readonly time: number;
}

/** Inputs x and a length for each of the batch: so many elements of the time axis are reversed. */
const reverseSequence: OpDef<ReverseAttrs> = {
  name: "ReverseSequence",
  onnx: [onnx("ReverseSequence", 10, (r) => ({
    batch: r.int("batch_axis", 1),
    time: r.int("time_axis", 0),
  }))],
  infer(a, ins) {
    const x = operand(ins, 0, "any"), shape = dims(x), rank = shape.length;
    const batch = axisIndex(a.batch, rank);
    const lengths = dims(operand(ins, 1, "int"));
    if (batch === axisIndex(a.time, rank) || `${lengths}` !== `${shape[batch]}`) {
      throw new OpError(
        `its lengths [${lengths}] do not fit axis ${a.batch} of its input [${shape}]`,
        "give one for each of the batch, whose axis is not that of time",
      );
    }
    return [x];
  },
  body: {
    kind: "compute",
    define(a, [x, lengths], [out]) {
      const shape = dims(out), batch = axisIndex(a.batch, shape.length);
      const time = axisIndex(a.time, shape.length);
      return [compute("y", out.dtype, shape, (...at) => {
        const n = cast("int32", load(lengths!, [at[batch]])), t = at[time];
        const turned = te.clamp(sub(sub(n, 1), t), 0, shape[time] - 1);
        return load(x!, (at as Expr[]).with(time, select(te.lt(t, n), turned, t)));
      }, axisNames(shape.length))];
    },
  },
};

export const ops = [centerCropPad, reverseSequence] as OpDef<unknown>[];
