/** Reductions over whole axes; the global pools are reductions over the spatial ones. */
import { axis as reduceAxis, type Compute, compute, reduce, type Tensor } from "../te/compute.ts";
import * as te from "../te/expr.ts";
import {
  type Expr,
  f32,
  imm,
  load,
  type ReduceAxis,
  type ReduceOp,
  un,
  type Var,
} from "../te/expr.ts";
import type { AttrReader, OpDef } from "../ir/opdef.ts";
import { dims, type TensorType } from "../ir/graph.ts";
import type { PostTraining } from "../ir/post_training.ts";
import type { QuantRule } from "../ir/quant.ts";
import { axisNames } from "./axes.ts";
import { type Accepts, axisIndex, fn, highest, lowest, onnx, operand } from "./common.ts";
import { someAxes } from "./solve.ts";
import { average, averaged, averageIntegers, type QuantAttrs, sumType, term } from "./mean.ts";

export interface ReduceAttrs {
  /** null: all. */
  readonly axes: readonly number[] | null;
  /** Reduced axes stay, with size 1. */
  readonly keepDims: boolean;
  /** The input holds integers (ReduceMean). */
  readonly quant?: QuantAttrs;
}

function readReduce(r: AttrReader): ReduceAttrs {
  const given = r.has("axes")
    ? r.ints("axes")
    : r.inputCount > 1
    ? r.operandInts(1, someAxes("input"))
    : undefined;
  const none = r.int("noop_with_empty_axes", 0) !== 0 ? [] : null;
  return { axes: given?.length ? given : none, keepDims: r.int("keepdims", 1) !== 0 };
}

/** The axes of [N, C, spatial…] that a global pool takes. */
const readGlobal = (r: AttrReader): ReduceAttrs => ({
  axes: (r.type(0)?.shape ?? []).flatMap((_, i) => i >= 2 ? [i] : []),
  keepDims: true,
});

/** The reduced axes, ascending. */
function reducedAxes(a: Pick<ReduceAttrs, "axes">, rank: number): number[] {
  const axes = a.axes?.map((v) => axisIndex(v, rank)) ?? Array.from({ length: rank }, (_, i) => i);
  return [...new Set(axes)].sort((x, y) => x - y);
}

export function reducedShape(a: ReduceAttrs, shape: readonly number[]): number[] {
  const gone = reducedAxes(a, shape.length);
  return shape.flatMap((n, i) => !gone.includes(i) ? [n] : a.keepDims ? [1] : []);
}

/** The elements of x that an output element is made of. */
export function reduced(a: ReduceAttrs, x: Tensor, at: readonly Expr[]): {
  axes: ReduceAxis[];
  element: Expr;
  /** Position along each reduced axis. */
  positions: Var[];
} {
  const rank = x.shape.length, gone = reducedAxes(a, rank);
  const names = axisNames(rank).map((n) => n.replace(/^o/, "k"));
  const axes = gone.map((i) =>
    reduceAxis(i >= 2 ? names[i] ?? `k${i}` : ["kn", "ci"][i], x.shape[i])
  );
  let next = 0;
  const idx = x.shape.map((_, i): Expr => {
    const k = gone.indexOf(i);
    if (k < 0) return at[next++];
    if (a.keepDims) next++;
    return axes[k].v;
  });
  return { axes, element: load(x, idx), positions: axes.map((r) => r.v) };
}

/** What tells one reduction from another: what is reduced, and what becomes of the result. */
interface Reduction {
  readonly name: string;
  readonly op: ReduceOp;
  readonly accepts?: Accepts;
  readonly map?: (x: Expr) => Expr;
  readonly finish?: (acc: Expr) => Expr;
  readonly onnx?: OpDef<ReduceAttrs>["onnx"];
  readonly quantized?: QuantRule<ReduceAttrs>;
  readonly postTraining?: PostTraining;
  /** The operator set in which its axes became an input, 18 if left out. */
  readonly axesAsInput?: number;
}

const axesAsInput = (since: number): OpDef<ReduceAttrs>["changes"] => [
  { since, kind: "input", attribute: "axes" },
];

const START: Readonly<Record<ReduceOp, (d: TensorType["dtype"]) => Expr>> = {
  sum: (d) => imm(0, d),
  prod: (d) => imm(1, d),
  max: lowest,
  min: highest,
};

function reduction(r: Reduction): OpDef<ReduceAttrs> {
  return {
    name: r.name,
    onnx: [onnx(r.name, 1, readReduce, 1), ...r.onnx ?? []],
    infer(a, ins) {
      const x = operand(ins, 0, r.accepts ?? "number");
      return [{ dtype: x.dtype, shape: reducedShape(a, dims(x)) }];
    },
    body: {
      kind: "compute",
      define(a, [x], [out]) {
        const shape = dims(out), names = axisNames(shape.length);
        const acc = compute(r.finish ? "acc" : "y", out.dtype, shape, (...at) => {
          const { axes, element } = reduced(a, x!, at);
          return reduce(r.op, axes, r.map?.(element) ?? element, { init: START[r.op](out.dtype) });
        }, names);
        const { finish } = r;
        if (!finish) return [acc];
        return [acc, compute("y", out.dtype, shape, (...at) => finish(load(acc.out, at)), names)];
      },
    },
    changes: axesAsInput(r.axesAsInput ?? 18),
    ...r.quantized && { quantized: r.quantized },
    ...r.postTraining && { postTraining: r.postTraining },
  };
}

function defineMean(a: ReduceAttrs, x: Tensor, out: TensorType): readonly Compute[] {
  const shape = dims(out), names = axisNames(shape.length);
  const count = reducedAxes(a, x.shape.length).reduce((n, i) => n * x.shape[i], 1);
  const type = sumType(x.dtype, count, a.quant);
  const total = compute("sum", type, shape, (...at) => {
    const { axes, element } = reduced(a, x, at);
    return reduce("sum", axes, term(element, type, a.quant), { init: imm(0, type) });
  }, names);
  return [
    total,
    compute(
      "y",
      out.dtype,
      shape,
      (...at) => average(load(total.out, at), f32(count), a.quant),
      names,
    ),
  ];
}

/** The mean over axes; integers with `quant` give float32. */
export const reduceMean: OpDef<ReduceAttrs> = {
  name: "ReduceMean",
  postTraining: { range: "own" },
  changes: axesAsInput(18),
  onnx: [onnx("ReduceMean", 1, readReduce, 1), onnx("GlobalAveragePool", 1, readGlobal)],
  infer(a, ins) {
    const x = averaged(ins, a.quant);
    return [{ dtype: a.quant ? "float32" : x.dtype, shape: reducedShape(a, dims(x)) }];
  },
  body: { kind: "compute", define: (a, [x], [out]) => defineMean(a, x!, out) },
  quantized: averageIntegers(() => reduceMean),
};

/** A maximum of integers is that of the real numbers, as scales are positive. */
const maxIntegers: QuantRule<ReduceAttrs> = (a, [x], { b }) => {
  if (!x || x.k === "flt" || x.scale.data.length > 1) return null;
  const [y] = b.node(reduceMax, a, [x.k === "deq" ? x.q : x.acc]);
  return x.k === "deq" ? { ...x, q: y } : { ...x, acc: y };
};
export const reduceMax: OpDef<ReduceAttrs> = reduction({
  name: "ReduceMax",
  op: "max",
  accepts: "any",
  onnx: [onnx("GlobalMaxPool", 1, readGlobal)],
  quantized: maxIntegers,
  postTraining: { range: "same" },
});

/** ln Σ e^x, shifted by the maximum so that nothing overflows. */
const logSumExp: OpDef<ReduceAttrs> = {
  ...reduction({ name: "ReduceLogSumExp", op: "sum", accepts: "float" }),
  body: {
    kind: "compute",
    define(a, [x], [out]) {
      const shape = dims(out), names = axisNames(shape.length);
      const top = compute("max", out.dtype, shape, (...at) => {
        const { axes, element } = reduced(a, x!, at);
        return reduce("max", axes, element, { init: lowest(out.dtype) });
      }, names);
      const total = compute("sum", out.dtype, shape, (...at) => {
        const { axes, element } = reduced(a, x!, at);
        const e = fn("exp", te.sub(element, load(top.out, at)));
        return reduce("sum", axes, e, { init: imm(0, out.dtype) });
      }, names);
      const y = compute(
        "y",
        out.dtype,
        shape,
        (...at) => te.add(fn("log", load(total.out, at)), load(top.out, at)),
        names,
      );
      return [top, total, y];
    },
  },
};

const absolute = (x: Expr): Expr => x.dtype.startsWith("uint") ? x : un("abs", x);
const square = (x: Expr): Expr => te.mul(x, x);

export const reduceL1 = reduction({ name: "ReduceL1", op: "sum", map: absolute });
export const reduceL2 = reduction({
  name: "ReduceL2",
  op: "sum",
  map: square,
  finish: te.sqrt,
  accepts: "float",
});
export const reduceSum = reduction({ name: "ReduceSum", op: "sum", axesAsInput: 13 });

export const ops = [
  reduceMean,
  reduceMax,
  logSumExp,
  reduceSum,
  reduction({ name: "ReduceMin", op: "min", accepts: "any" }),
  reduction({ name: "ReduceProd", op: "prod" }),
  reduceL1,
  reduceL2,
  reduction({ name: "ReduceSumSquare", op: "sum", map: square }),
  reduction({ name: "ReduceLogSum", op: "sum", finish: (x) => fn("log", x), accepts: "float" }),
] as OpDef<unknown>[];
