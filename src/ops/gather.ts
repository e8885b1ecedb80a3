/** Operators that look elements up by indices, known or computed at run time. */
import { numbers, type TensorData } from "../util/tensor.ts";
import { compute } from "../te/compute.ts";
import { add, cast, clamp, type Expr, imm, load, lt, select } from "../te/expr.ts";
import { type OpDef, OpError } from "../ir/opdef.ts";
import { dims } from "../ir/graph.ts";
import type { QuantRule } from "../ir/quant.ts";
import { axisNames } from "./axes.ts";
import { axisIndex, onnx, onnxAndMicrosoft, operand, type Types } from "./common.ts";

export interface GatherAttrs {
  readonly axis: number;
}

/** Negative indices count from the end; whatever comes at run time, no access leaves the tensor. */
export function bounded(index: Expr, size: number): Expr {
  const i = cast("int32", index);
  return clamp(select(lt(i, 0), add(i, size), i), 0, size - 1);
}

/** Indices that are known must be inside; those of run time are held inside. */
function checkIndices(indices: TensorData | undefined, size: number): void {
  const wrong = indices && numbers(indices).find((i) => i < -size || i >= size);
  if (wrong !== undefined) {
    throw new OpError(`its index ${wrong} is not one of ${size}`, `use -${size} to ${size - 1}`);
  }
}

function data(ins: Types): { shape: number[]; indices: number[] } {
  const x = ins[0];
  if (!x) throw new OpError("its input is missing", "give the node its input");
  const shape = dims(x);
  if (!shape.length) throw new OpError("its input is a scalar", "reshape it to one axis");
  return { shape, indices: dims(operand(ins, 1, "int")) };
}

/** Stored integers are looked up as they are, unless the scales lie along the looked-up axis. */
const gatherIntegers: QuantRule<GatherAttrs> = (a, [x, idx], { b }) => {
  if (!x || x.k === "flt" || idx?.k !== "flt") return null;
  const v = x.k === "deq" ? x.q : x.acc;
  const axis = axisIndex(a.axis, v.type.shape.length), perAxis = x.scale.data.length > 1;
  if (perAxis && axis === x.axis) return null;
  const [y] = b.node(gather, a, [v, idx.x]);
  const shift = perAxis && x.axis > axis ? idx.x.type.shape.length - 1 : 0;
  const moved = { axis: x.axis + shift };
  return x.k === "deq" ? { ...x, ...moved, q: y } : { ...x, ...moved, acc: y };
};

/** The slices of x along the axis that the indices name: x[…, indices…, …]. */
export const gather: OpDef<GatherAttrs> = {
  name: "Gather",
  postTraining: { range: "same" },
  onnx: [onnx("Gather", 1, (r) => ({ axis: r.int("axis", 0) }))],
  infer(a, ins, known) {
    const { shape, indices } = data(ins), axis = axisIndex(a.axis, shape.length);
    checkIndices(known(1), shape[axis]);
    return [{
      dtype: ins[0]!.dtype,
      shape: [...shape.slice(0, axis), ...indices, ...shape.slice(axis + 1)],
    }];
  },
  body: {
    kind: "compute",
    define(a, ins, [out]) {
      const x = ins[0]!, indices = ins[1]!, shape = dims(out);
      const axis = axisIndex(a.axis, x.shape.length), end = axis + indices.shape.length;
      return [compute("y", out.dtype, shape, (...at) => {
        const i = bounded(load(indices, at.slice(axis, end)), x.shape[axis]);
        return load(x, [...at.slice(0, axis), i, ...at.slice(end)]);
      }, axisNames(shape.length))];
    },
  },
  quantized: gatherIntegers,
};

/** y[i, j, …] = x[i, indices[i, j, …], …] with the index along the axis. */
const gatherElements: OpDef<GatherAttrs> = {
  name: "GatherElements",
  onnx: [onnx("GatherElements", 11, (r) => ({ axis: r.int("axis", 0) }))],
  infer(a, ins, known) {
    const { shape, indices } = data(ins), axis = axisIndex(a.axis, shape.length);
    checkIndices(known(1), shape[axis]);
    if (indices.length !== shape.length || indices.some((n, i) => i !== axis && n > shape[i])) {
      throw new OpError(`its indices [${indices}] do not fit its input [${shape}]`);
    }
    return [{ dtype: ins[0]!.dtype, shape: indices }];
  },
  body: {
    kind: "compute",
    define(a, ins, [out]) {
      const x = ins[0]!, shape = dims(out), axis = axisIndex(a.axis, shape.length);
      return [compute("y", out.dtype, shape, (...at) => {
        const i = bounded(load(ins[1]!, at), x.shape[axis]);
        return load(x, at.map((v, k) => k === axis ? i : v));
      }, axisNames(shape.length))];
    },
  },
};

/** x at the index vectors that the last axis of the indices holds, after `batch` common axes. */
const gatherNd: OpDef<{ batch: number }> = {
  name: "GatherND",
  onnx: onnxAndMicrosoft("GatherND", 11, (r) => ({ batch: r.int("batch_dims", 0) })),
  infer({ batch }, ins) {
    const { shape, indices } = data(ins), length = indices.at(-1) ?? 0;
    if (length < 1 || batch + length > shape.length || indices.length <= batch) {
      throw new OpError(`its indices [${indices}] do not fit its input [${shape}]`);
    }
    return [{
      dtype: ins[0]!.dtype,
      shape: [...indices.slice(0, -1), ...shape.slice(batch + length)],
    }];
  },
  body: {
    kind: "compute",
    define({ batch }, ins, [out]) {
      const x = ins[0]!, indices = ins[1]!, shape = dims(out);
      const outer = indices.shape.length - 1, length = indices.shape[outer];
      return [compute("y", out.dtype, shape, (...at) => {
        const vector = Array.from(
          { length },
          (_, i) => bounded(load(indices, [...at.slice(0, outer), imm(i)]), x.shape[batch + i]),
        );
        return load(x, [...at.slice(0, batch), ...vector, ...at.slice(outer)]);
      }, axisNames(shape.length))];
    },
  },
};

export const ops = [gather, gatherElements, gatherNd] as OpDef<unknown>[];
