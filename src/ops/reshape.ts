/** Operators that give the same elements in the same order another shape. */
import { rowMajor, sizeOf } from "../util/tensor.ts";
import { type Compute, compute, type Tensor } from "../te/compute.ts";
import { add, type Expr, floordiv, floormod, imm, load, mul } from "../te/expr.ts";
import { type AttrReader, type OnnxBinding, type OpDef, OpError } from "../ir/opdef.ts";
import { dims, type TensorType } from "../ir/graph.ts";
import { axisNames } from "./axes.ts";
import { axisIndex, type Ins, noAttrs, onnx, type Types } from "./common.ts";
import { reshapedTo, someAxes } from "./solve.ts";
import { reshapeStrides, viewOf } from "./views.ts";

function first(ins: Types): TensorType {
  if (!ins[0]) throw new OpError("its input is missing", "give the node its input");
  return ins[0];
}

/**
 * The index into `from` of the element at `at` in `to`. Axes that both shapes have in the same place
 * keep their variable, so that most accesses stay affine.
 */
function reshapedIndex(
  from: readonly number[],
  to: readonly number[],
  at: readonly Expr[],
): Expr[] {
  const result = new Array<Expr>(from.length).fill(imm(0));
  let i = 0, j = 0;
  while (i < from.length) {
    const begin = i, firstNew = j;
    let have = from[i++], want = j < to.length ? to[j++] : 1;
    while (have !== want) {
      if (have < want) have *= from[i++];
      else want *= to[j++];
    }
    const inner = rowMajor(to.slice(firstNew, j));
    const flat = inner.map((s, k) => mul(at[firstNew + k], s)).reduce(add, imm(0));
    const strides = rowMajor(from.slice(begin, i));
    for (let k = begin; k < i; k++) {
      const q = floordiv(flat, strides[k - begin]);
      result[k] = from[k] === 1 ? imm(0) : k === begin ? q : floormod(q, from[k]);
    }
  }
  return result;
}

const reshapeDefine = (_: unknown, [x]: Ins, [out]: readonly TensorType[]): readonly Compute[] => {
  const shape = dims(out), from = (x as Tensor).shape;
  return [
    compute("y", out.dtype, shape, (...at) =>
      load(
        x!,
        shape.includes(0) ? from.map(() => 0) : reshapedIndex(from, shape, at),
      ), axisNames(shape.length)),
  ];
};

/** An operator of this kind: only the new shape differs. */
function reshaping<A>(
  name: string,
  bindings: readonly OnnxBinding<A>[],
  shape: (a: A, from: number[]) => readonly number[],
  changes: OpDef<A>["changes"] = [],
): OpDef<A> {
  return {
    name,
    postTraining: { range: "same" },
    changes,
    onnx: bindings,
    infer: (a, ins) => [{ dtype: first(ins).dtype, shape: shape(a, dims(first(ins))) }],
    body: { kind: "compute", define: reshapeDefine },
    view: (_, io, strides) =>
      viewOf(reshapeStrides(dims(first(io.ins)), strides, dims(io.outs[0]))),
  };
}

export interface ReshapeAttrs {
  /** −1: what is left; 0: as in the input unless `allowZero`. */
  readonly shape: readonly number[];
  readonly allowZero: boolean;
}

function reshapeShape({ shape, allowZero }: ReshapeAttrs, from: number[]): number[] {
  const to = shape.map((d, i) => d === 0 && !allowZero ? from[i] ?? 0 : d);
  const open = to.indexOf(-1), size = sizeOf(from);
  const known = sizeOf(to.filter((d) => d !== -1));
  if (open >= 0 && known > 0) to[open] = size / known;
  const fits = to.every((d) => Number.isInteger(d) && d >= 0) && sizeOf(to) === size;
  if (!fits) {
    throw new OpError(
      `its input [${from}] of ${size} elements does not fit the shape [${shape}]`,
      "both shapes need the same number of elements; exporters often freeze the batch size here",
    );
  }
  return to;
}

const readReshape = (r: AttrReader): ReshapeAttrs => ({
  shape: r.has("shape")
    ? r.ints("shape")
    : r.operandInts(1, reshapedTo(r.int("allowzero", 0) !== 0 ? "is 0" : "copies")) ?? [],
  allowZero: r.int("allowzero", 0) !== 0,
});

export const reshape = reshaping<ReshapeAttrs>(
  "Reshape",
  [onnx("Reshape", 1, readReshape, 1)],
  reshapeShape,
);

/** Two axes: everything before `axis`, everything from it on. */
const flatten = reshaping<{ axis: number }>(
  "Flatten",
  [onnx("Flatten", 1, (r) => ({ axis: r.int("axis", 1) }))],
  ({ axis }, from) => {
    const at = axis === from.length ? axis : axisIndex(axis, from.length);
    return [sizeOf(from.slice(0, at)), sizeOf(from.slice(at))];
  },
);

export interface AxesAttrs {
  /** null: every axis of size 1 (Squeeze only). */
  readonly axes: readonly number[] | null;
}
const AXES_AS_INPUT = [{ since: 13, kind: "input", attribute: "axes" }] as const;

const readAxes = (of: "input" | "output") => (r: AttrReader): AxesAttrs => ({
  axes: r.has("axes")
    ? r.ints("axes")
    : r.inputCount > 1
    ? r.operandInts(1, someAxes(of)) ?? null
    : null,
});

export const squeeze = reshaping<AxesAttrs>(
  "Squeeze",
  [onnx("Squeeze", 1, readAxes("input"), 1)],
  ({ axes }, from) => {
    // An empty list is as none, as in onnxruntime.
    const gone = axes?.length ? axes.map((a) => axisIndex(a, from.length)) : undefined;
    const bad = gone?.find((a) => from[a] !== 1);
    if (bad !== undefined) {
      throw new OpError(
        `it drops axis ${bad} of [${from}], whose size is not 1`,
        "correct its axes",
      );
    }
    return from.filter((n, i) => gone ? !gone.includes(i) : n !== 1);
  },
  AXES_AS_INPUT,
);

export const unsqueeze = reshaping<AxesAttrs>(
  "Unsqueeze",
  [onnx("Unsqueeze", 1, readAxes("output"), 1), {
    ...onnx("ExpandDims", 1, readAxes("output"), 1),
    domain: "com.microsoft",
  }],
  ({ axes }, from) => {
    if (!axes) throw new OpError("it has no axes", "give it an attribute or input 'axes'");
    const rank = from.length + axes.length;
    const added = new Set(axes.map((a) => axisIndex(a, rank)));
    if (added.size !== axes.length) {
      throw new OpError(`its axes [${axes}] repeat`, "name each once");
    }
    const rest = [...from];
    return Array.from({ length: rank }, (_, i) => added.has(i) ? 1 : rest.shift()!);
  },
  AXES_AS_INPUT,
);

export const identity: OpDef<null> = {
  ...reshaping<null>("Identity", [onnx("Identity", 1, noAttrs)], (_, from) => from),
  items: { apply: (_, [v]) => v ? [v] : [] },
};

export const ops = [reshape, flatten, squeeze, unsqueeze, identity] as OpDef<unknown>[];
