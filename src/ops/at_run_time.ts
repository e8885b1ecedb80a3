/**
 * Slice, Pad and Range whose operands are computed when the model runs. The size of the result is the
 * declared one, and a check holds the operands to it; every index stays inside its tensor.
 */
import { compute, type Tensor } from "../te/compute.ts";
import {
  add,
  and,
  bin,
  cast,
  clamp,
  div,
  eq,
  type Expr,
  floormod,
  ge,
  imm,
  load,
  lt,
  max,
  min,
  mul,
  select,
  sub,
  un,
} from "../te/expr.ts";
import type { Builder } from "../ir/build.ts";
import { dims, type TensorType, type Value } from "../ir/graph.ts";
import { type AttrReader, type OnnxBinding, type OpDef, OpError } from "../ir/opdef.ts";
import { axisNames } from "./axes.ts";
import { check } from "./check.ts";
import type { Ins } from "./common.ts";

/** The shape that the file declares for the result. */
function declared(r: AttrReader): number[] {
  const t = r.declared(0);
  if (t) return dims(t);
  throw new OpError(
    "its operands are computed at run time and its output declares no shape",
    "run onnx.shape_inference on the model, or make the operands constants",
  );
}

interface Declared {
  readonly shape: readonly number[];
}

/** What tells one such operator from another. */
interface AtRunTime<A extends Declared> {
  readonly name: string;
  readonly since: number;
  attrs(r: AttrReader): A;
  /** The element at `at`. */
  element(a: A, ins: Ins, at: readonly Expr[]): Expr;
  /** Whether the operands give the declared shape. */
  holds(a: A, ins: Ins): Expr;
  readonly dtype?: (ins: readonly (TensorType | null)[]) => TensorType["dtype"];
}

function atRunTime<A extends Declared>(d: AtRunTime<A>): OpDef<A>[] {
  const bool: TensorType = { dtype: "bool", shape: [] };
  const out = (a: A, ins: readonly (TensorType | null)[]): TensorType => {
    if (!ins[0]) throw new OpError("its input is missing", "give the node its input");
    return { dtype: ins[0].dtype, shape: a.shape };
  };
  const inner = (
    name: string,
    infer: OpDef<A>["infer"],
    body: (a: A, ins: Ins, at: Expr[]) => Expr,
  ): OpDef<A> => ({
    name,
    onnx: [],
    infer,
    body: {
      kind: "compute",
      define: (a, ins, [t]) => [
        compute("y", t.dtype, dims(t), (...at) => body(a, ins, at), axisNames(dims(t).length)),
      ],
    },
  });
  const element = inner(`${d.name}At`, (a, ins) => [out(a, ins)], d.element);
  const holds = inner(`${d.name}Fits`, () => [bool], (a, ins) => d.holds(a, ins));
  const binding: OnnxBinding<A> = {
    domain: "",
    type: d.name,
    since: d.since,
    runtime: true,
    attrs: (r) => d.attrs(r),
  };
  return [
    {
      name: `${d.name}AtRunTime`,
      onnx: [binding],
      infer: (a, ins) => [out(a, ins)],
      body: {
        kind: "expand",
        rewrite(a, ins: readonly (Value | null)[], _, b: Builder) {
          b.node(check, null, b.node(holds, a, ins));
          return b.node(element, a, ins);
        },
      },
    },
    element,
    holds,
  ];
}

const i32 = (e: Expr): Expr => cast("int32", e);
/** An int64 operand within what int32 holds, so that arithmetic on it cannot overflow. */
const operand = (t: Tensor, i: number): Expr => {
  const e = cast("int64", load(t, t.shape.length === 0 ? [] : [i]));
  return i32(min(max(e, imm(-(2 ** 30), "int64")), imm(2 ** 30, "int64")));
};

/** The operand that belongs to an axis of the data: listed by `axes`, or in their order. */
function ofAxis(
  t: Tensor | null | undefined,
  axes: Tensor | null | undefined,
  axis: number,
  rank: number,
  none: Expr,
  from = 0,
): Expr {
  if (!t) return none;
  if (!axes) return axis + from < t.shape[0] ? operand(t, axis + from) : none;
  return Array.from({ length: axes.shape[0] }, (_, j) => j).reduce((rest, j) => {
    const a = operand(axes, j);
    const is = bin("or", eq(a, imm(axis)), eq(a, imm(axis - rank)));
    return select(is, operand(t, j + from), rest);
  }, none);
}

/** Start, step and size along an axis, as numpy slices. */
function cut(
  [x, starts, ends, axes, steps]: Ins,
  axis: number,
): { start: Expr; step: Expr; size: Expr } {
  const n = x!.shape[axis], rank = x!.shape.length;
  const step = ofAxis(steps, axes, axis, rank, imm(1));
  const back = lt(step, 0);
  const counted = (e: Expr): Expr => select(lt(e, 0), add(e, n), e);
  const first = counted(ofAxis(starts, axes, axis, rank, imm(0)));
  // Where an axis is not named its step is 1, so that the end is n.
  const last = counted(ofAxis(ends, axes, axis, rank, imm(n)));
  const start = select(back, clamp(first, 0, Math.max(n - 1, 0)), clamp(first, 0, n));
  const end = select(back, clamp(last, -1, Math.max(n - 1, 0)), clamp(last, 0, n));
  const length = select(back, sub(start, end), sub(end, start));
  const stride = max(un("abs", step), 1);
  const size = max(div(sub(add(max(length, 0), stride), 1), stride), 0);
  return { start, step, size };
}

const sliceAtRunTime = atRunTime<Declared>({
  name: "Slice",
  since: 10,
  attrs: (r) => ({ shape: declared(r) }),
  element(_, ins, at) {
    const x = ins[0]!;
    const idx = at.map((v, i) => {
      const { start, step } = cut(ins, i);
      return clamp(add(start, mul(v, step)), 0, x.shape[i] - 1);
    });
    return load(x, idx);
  },
  holds: ({ shape }, ins) => and(...shape.map((n, i) => eq(cut(ins, i).size, imm(n)))),
});

interface PadAttrs extends Declared {
  readonly mode: string;
}

const padOf = ([x, pads, , axes]: Ins, axis: number, end: boolean): Expr =>
  ofAxis(pads, axes, axis, x!.shape.length, imm(0), end ? pads!.shape[0] / 2 : 0);

const padAtRunTime = atRunTime<PadAttrs>({
  name: "Pad",
  since: 11,
  attrs: (r) => ({ shape: declared(r), mode: r.string("mode", "constant") }),
  element({ mode }, ins, at) {
    const x = ins[0]!, fill = ins[2];
    const inside: Expr[] = [];
    const idx = at.map((v, i): Expr => {
      const n = x.shape[i], place = sub(v, padOf(ins, i, false));
      if (mode === "wrap") return floormod(place, imm(n));
      if (mode === "reflect") {
        const period = Math.max(2 * (n - 1), 1), m = floormod(place, imm(period));
        return n === 1 ? imm(0) : select(lt(m, n), m, sub(imm(period), m));
      }
      inside.push(ge(place, 0), lt(place, n));
      return clamp(place, 0, n - 1);
    });
    const e = load(x, idx);
    if (mode !== "constant") return e;
    const value = fill ? load(fill, fill.shape.length ? [0] : []) : imm(0, x.dtype);
    return select(and(...inside), e, value);
  },
  holds: ({ shape }, ins) =>
    and(
      ...shape.map((n, i) =>
        eq(add(add(padOf(ins, i, false), padOf(ins, i, true)), ins[0]!.shape[i]), imm(n))
      ),
    ),
});

const rangeAtRunTime = atRunTime<Declared>({
  name: "Range",
  since: 11,
  attrs: (r) => ({ shape: declared(r) }),
  element(_, [start, , delta], [i]) {
    const scalar = (t: Tensor | null): Expr => load(t!, t!.shape.map(() => 0));
    return add(scalar(start), mul(cast(start!.dtype, i), scalar(delta)));
  },
  holds({ shape: [n] }, ins) {
    const [start, limit, delta] = ins.map((t) => cast("float64", load(t!, t!.shape.map(() => 0))));
    const count = un("ceil", div(sub(limit, start), delta));
    return eq(max(count, imm(0, "float64")), imm(n, "float64"));
  },
});

export const ops = [...sliceAtRunTime, ...padAtRunTime, ...rangeAtRunTime] as OpDef<unknown>[];
