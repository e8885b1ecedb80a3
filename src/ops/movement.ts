/** Operators that reorder, cut, repeat or look up elements, and Split, which is several cuts. */
import { compute, type Tensor } from "../te/compute.ts";
import { add, type Expr, floordiv, floormod, imm, load, mul, type Var } from "../te/expr.ts";
import { type AttrReader, type IO, type OpDef, OpError, type StridedView } from "../ir/opdef.ts";
import { dims, type TensorType } from "../ir/graph.ts";
import { axisNames } from "./axes.ts";
import { axisIndex, broadcastLoad, broadcastShapes, onnx, type Types } from "./common.ts";
import { broadcastTo, repeats as solveRepeats, sizesAlong } from "./solve.ts";

/** What distinguishes a movement operator of one input. */
interface Movement<A> {
  readonly name: string;
  readonly onnx: OpDef<A>["onnx"];
  shape(a: A, from: number[]): readonly number[];
  /** The input element that the output element at `at` is. */
  element(a: A, x: Tensor, at: readonly Var[]): Expr;
  /** Absent: a copy is always needed. */
  view?(a: A, from: number[], strides: readonly number[]): StridedView | null;
}

function movement<A>(m: Movement<A>): OpDef<A> {
  const input = (ins: Types): TensorType => {
    if (!ins[0]) throw new OpError("its input is missing", "give the node its input");
    return ins[0];
  };
  return {
    name: m.name,
    onnx: m.onnx,
    infer: (a, ins) => [{ dtype: input(ins).dtype, shape: m.shape(a, dims(input(ins))) }],
    body: {
      kind: "compute",
      define(a, [x], [out]) {
        const shape = dims(out);
        return [
          compute("y", out.dtype, shape, (...at) => m.element(a, x!, at), axisNames(shape.length)),
        ];
      },
    },
    postTraining: { range: "same" },
    // Present even where it only answers null: it says that the operator moves elements only.
    view: (a: A, io: IO, strides: readonly number[]) =>
      m.view?.(a, dims(input(io.ins)), strides) ?? null,
  };
}

export interface TransposeAttrs {
  /** Output axis i is input axis perm[i]; null: reversed. */
  readonly perm: readonly number[] | null;
}

/** The permutation for an input of this rank. */
export function permutation({ perm }: TransposeAttrs, rank: number): readonly number[] {
  const p = perm ?? Array.from({ length: rank }, (_, i) => rank - 1 - i);
  if (p.length !== rank || new Set(p).size !== rank || p.some((v) => v < 0 || v >= rank)) {
    throw new OpError(`its perm [${p}] is no permutation of ${rank} axes`, "correct the attribute");
  }
  return p;
}

export const transpose = movement<TransposeAttrs>({
  name: "Transpose",
  onnx: [onnx("Transpose", 1, (r) => ({ perm: r.has("perm") ? r.ints("perm") : null }))],
  shape: (a, from) => permutation(a, from.length).map((p) => from[p]),
  element(a, x, at) {
    const p = permutation(a, at.length);
    return load(x, at.map((_, i) => at[p.indexOf(i)]));
  },
  view: (a, from, strides) => ({
    offset: 0,
    strides: permutation(a, from.length).map((p) => strides[p]),
  }),
});

/** The size is what the shape and the input broadcast to. */
export const expand = movement<{ shape: readonly number[] }>({
  name: "Expand",
  onnx: [onnx("Expand", 8, (r) => ({ shape: r.operandInts(1, broadcastTo) ?? [] }), 1)],
  shape: ({ shape }, from) => broadcastShapes([from, shape]),
  element: (_, x, at) => broadcastLoad(x, at),
  view({ shape }, from, strides) {
    const to = broadcastShapes([from, shape]), extra = to.length - from.length;
    return {
      offset: 0,
      strides: to.map((n, i) => (from[i - extra] ?? 1) === n ? strides[i - extra] ?? 0 : 0),
    };
  },
});

export interface SliceAttrs {
  readonly starts: readonly number[];
  readonly ends: readonly number[];
  /** null: the first axes. */
  readonly axes: readonly number[] | null;
  /** null: 1 each. */
  readonly steps: readonly number[] | null;
}

interface Cut {
  readonly start: number;
  readonly step: number;
  readonly size: number;
}

/** What is taken of every axis. */
export function cuts(a: SliceAttrs, from: readonly number[]): Cut[] {
  const result: Cut[] = from.map((size) => ({ start: 0, step: 1, size }));
  const axes = a.axes ?? a.starts.map((_, i) => i), steps = a.steps ?? a.starts.map(() => 1);
  if (
    axes.length !== a.starts.length || a.ends.length !== axes.length || steps.length !== axes.length
  ) {
    throw new OpError(
      "its starts, ends, axes and steps differ in number",
      "give one for every axis",
    );
  }
  const distinct = new Set(axes.map((axis) => axisIndex(axis, from.length)));
  if (distinct.size !== axes.length) {
    throw new OpError(`its axes [${axes}] name one twice`, "cut every axis once");
  }
  axes.forEach((axis, i) => {
    const at = axisIndex(axis, from.length), n = from[at], step = steps[i];
    if (step === 0) throw new OpError("its step is 0", "use a positive or negative step");
    const place = (v: number, lo: number, hi: number): number =>
      Math.min(Math.max(v < 0 ? v + n : v, lo), hi);
    const start = step > 0 ? place(a.starts[i], 0, n) : place(a.starts[i], 0, n - 1);
    const end = step > 0 ? place(a.ends[i], 0, n) : place(a.ends[i], -1, n - 1);
    result[at] = { start, step, size: Math.max(0, Math.ceil((end - start) / step)) };
  });
  return result;
}

function readSlice(r: AttrReader): SliceAttrs {
  if (r.has("starts")) {
    const axes = r.has("axes") ? r.ints("axes") : null;
    return { starts: r.ints("starts"), ends: r.ints("ends"), axes, steps: null };
  }
  const optional = (i: number): readonly number[] | null =>
    i < r.inputCount ? r.operandInts(i) ?? null : null;
  return {
    starts: optional(1) ?? [],
    ends: optional(2) ?? [],
    axes: optional(3),
    steps: optional(4),
  };
}

export const slice = movement<SliceAttrs>({
  name: "Slice",
  onnx: [onnx("Slice", 1, readSlice, 1), onnx("DynamicSlice", 1, readSlice, 1)],
  shape: (a, from) => cuts(a, from).map((c) => c.size),
  element: (a, x, at) => load(x, cuts(a, x.shape).map((c, i) => add(mul(at[i], c.step), c.start))),
  view(a, from, strides) {
    const cut = cuts(a, from);
    if (cut.some((c) => c.size === 0)) return { offset: 0, strides };
    return {
      offset: cut.reduce((sum, c, i) => sum + c.start * strides[i], 0),
      strides: cut.map((c, i) => c.step * strides[i]),
    };
  },
});

const tile = movement<{ repeats: readonly number[] }>({
  name: "Tile",
  onnx: [onnx("Tile", 6, (r) => ({ repeats: r.operandInts(1, solveRepeats) ?? [] }), 1)],
  shape({ repeats }, from) {
    if (repeats.length !== from.length) {
      throw new OpError(
        `its repeats [${repeats}] do not fit ${from.length} axes`,
        "give one an axis",
      );
    }
    return from.map((n, i) => n * repeats[i]);
  },
  element: ({ repeats }, x, at) =>
    load(
      x,
      x.shape.map((n, i) => n === 1 ? imm(0) : repeats[i] === 1 ? at[i] : floormod(at[i], n)),
    ),
});

interface BlockAttrs {
  readonly block: number;
  /** Channels are ordered block, block, depth (DCR), or depth first (CRD). */
  readonly depthFirst: boolean;
}
const readBlock = (r: AttrReader): BlockAttrs => ({
  block: r.int("blocksize"),
  depthFirst: r.string("mode", "DCR") === "CRD",
});
function image(from: readonly number[]): readonly number[] {
  if (from.length !== 4) throw new OpError(`its input [${from}] has not 4 axes`, "reshape it");
  return from;
}
const divides = (block: number, what: string, ...sizes: number[]): void => {
  if (block < 1 || sizes.some((n) => n % block !== 0)) {
    throw new OpError(
      `its ${what} [${sizes}] cannot be cut into blocks of ${block}`,
      "pad it before",
    );
  }
};

const depthToSpace = movement<BlockAttrs>({
  name: "DepthToSpace",
  onnx: [onnx("DepthToSpace", 1, readBlock)],
  shape({ block }, from) {
    const [n, c, h, w] = image(from);
    divides(block * block, "channels", c);
    return [n, c / (block * block), h * block, w * block];
  },
  element({ block: b, depthFirst }, x, [n, c, h, w]) {
    const inner = add(mul(floormod(h, b), b), floormod(w, b));
    const depth = x.shape[1] / (b * b);
    const channel = depthFirst ? add(mul(c, b * b), inner) : add(mul(inner, depth), c);
    return load(x, [n, channel, floordiv(h, b), floordiv(w, b)]);
  },
});

const spaceToDepth = movement<BlockAttrs>({
  name: "SpaceToDepth",
  onnx: [onnx("SpaceToDepth", 1, readBlock)],
  shape({ block }, from) {
    const [n, c, h, w] = image(from);
    divides(block, "height and width", h, w);
    return [n, c * block * block, h / block, w / block];
  },
  element({ block: b, depthFirst }, x, [n, c, h, w]) {
    const depth = x.shape[1];
    const inner = depthFirst ? floormod(c, b * b) : floordiv(c, depth);
    const channel = depthFirst ? floordiv(c, b * b) : floormod(c, depth);
    return load(x, [
      n,
      channel,
      add(mul(h, b), floordiv(inner, b)),
      add(mul(w, b), floormod(inner, b)),
    ]);
  },
});

export interface SplitAttrs {
  readonly axis: number;
  /** Sizes of the parts; null: equal ones, the last smaller where it does not come out even. */
  readonly split: readonly number[] | null;
  readonly parts: number;
}

function splitSizes(a: SplitAttrs, n: number): readonly number[] {
  const each = Math.ceil(n / a.parts);
  const sizes = a.split ??
    Array.from({ length: a.parts }, (_, i) => Math.max(0, Math.min(each, n - i * each)));
  if (sizes.reduce((x, y) => x + y, 0) !== n || sizes.some((s) => s < 0)) {
    throw new OpError(`its parts [${sizes}] do not add up to ${n}`, "correct its split sizes");
  }
  return sizes;
}

const readSplit = (r: AttrReader): SplitAttrs => ({
  axis: r.int("axis", 0),
  split: r.has("split")
    ? r.ints("split")
    : r.inputCount > 1
    ? r.operandInts(1, sizesAlong(r.int("axis", 0))) ?? null
    : null,
  parts: r.int("num_outputs", r.outputCount),
});

/** Every part is a slice. */
export const split: OpDef<SplitAttrs> = {
  name: "Split",
  postTraining: { range: "same" },
  changes: [
    { since: 13, kind: "input", attribute: "split" },
    { since: 18, kind: "counted", attribute: "num_outputs" },
  ],
  onnx: [onnx("Split", 1, readSplit, 1)],
  infer(a, [x]) {
    if (!x) throw new OpError("its input is missing", "give the node its input");
    const shape = dims(x), axis = axisIndex(a.axis, shape.length);
    return splitSizes(a, shape[axis]).map((n) => ({ dtype: x.dtype, shape: shape.with(axis, n) }));
  },
  body: {
    kind: "expand",
    rewrite(a, [x], outs, b) {
      const axis = axisIndex(a.axis, outs[0].shape.length);
      let start = 0;
      return outs.flatMap((t) => {
        const end = start + dims(t)[axis];
        const attrs = { starts: [start], ends: [end], axes: [axis], steps: null };
        start = end;
        return b.node(slice, attrs, [x]);
      });
    },
  },
};

export const ops = [
  transpose,
  expand,
  slice,
  tile,
  depthToSpace,
  spaceToDepth,
  split,
] as OpDef<unknown>[];
