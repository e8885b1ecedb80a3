/**
 * Operators that write updates into a copy of their data. Every element of the result looks through
 * the updates that can be meant for it, in their order; an index outside hits nothing.
 */
import { axis as reduceAxis, compute, reduce, type Tensor } from "../te/compute.ts";
import * as te from "../te/expr.ts";
import {
  add,
  and,
  cast,
  type Expr,
  floordiv,
  floormod,
  imm,
  load,
  max,
  mul,
  type ReduceOp,
  select,
} from "../te/expr.ts";
import { type AttrReader, type OpDef, OpError } from "../ir/opdef.ts";
import { dims, type TensorType } from "../ir/graph.ts";
import { axisNames } from "./axes.ts";
import { axisIndex, highest, lowest, onnx, operand, sameType, type Types } from "./common.ts";

const REDUCTIONS: Readonly<Record<string, ReduceOp | null>> = {
  none: null,
  add: "sum",
  mul: "prod",
  max: "max",
  min: "min",
};

interface ScatterAttrs {
  readonly axis: number;
  /** null: of several updates of an element the last stays. */
  readonly reduction: ReduceOp | null;
}

function readReduction(r: AttrReader): ReduceOp | null {
  const name = r.string("reduction", "none");
  if (name in REDUCTIONS) return REDUCTIONS[name];
  throw new OpError(
    `its reduction is '${name}'`,
    `it is one of ${Object.keys(REDUCTIONS).join(", ")}`,
  );
}

/** What changes nothing when a reduction takes it in. */
function neutral(op: ReduceOp, d: TensorType["dtype"]): Expr {
  if (op === "sum") return imm(d.startsWith("float") ? -0 : 0, d);
  return op === "prod" ? imm(1, d) : op === "max" ? lowest(d) : highest(d);
}

/** Indices count from either end. */
function counted(index: Expr, size: number): Expr {
  const i = cast("int64", index);
  return select(te.lt(i, 0), add(i, size), i);
}
const hits = (index: Expr, size: number, position: Expr): Expr =>
  te.eq(counted(index, size), cast("int64", position));

function types(ins: Types, reduction: ReduceOp | null): [TensorType, number[], number[]] {
  const x = operand(ins, 0, reduction ? "number" : "any"), u = operand(ins, 2, "any");
  sameType([x, u]);
  return [x, dims(operand(ins, 1, "int")), dims(u)];
}

/** y = data; y[i, indices[i, j, …], …] takes updates[i, j, …], the index along the axis. */
const scatterElements: OpDef<ScatterAttrs> = {
  name: "ScatterElements",
  onnx: [
    onnx("Scatter", 9, (r) => ({ axis: r.int("axis", 0), reduction: null })),
    onnx("ScatterElements", 11, (r) => ({
      axis: r.int("axis", 0),
      reduction: readReduction(r),
    })),
  ],
  infer(a, ins) {
    const [x, indices, updates] = types(ins, a.reduction), shape = dims(x);
    const axis = axisIndex(a.axis, shape.length);
    const fits = `${indices}` === `${updates}` && indices.length === shape.length &&
      indices.every((n, i) => i === axis || n <= shape[i]);
    if (!fits) {
      throw new OpError(
        `its indices [${indices}] and updates [${updates}] do not fit its data [${shape}]`,
        "indices and updates have one shape, within that of the data",
      );
    }
    return [x];
  },
  body: {
    kind: "compute",
    define(a, ins, [out]) {
      const [x, indices, updates] = ins as readonly Tensor[], shape = dims(out);
      const axis = axisIndex(a.axis, shape.length), names = axisNames(shape.length);
      const k = reduceAxis("update", indices.shape[axis]);
      const from = (at: readonly Expr[]): Expr[] => at.with(axis, k.v);
      const reached = (at: readonly Expr[]): Expr[] =>
        at.flatMap((v, i) =>
          i !== axis && indices.shape[i] < shape[i] ? [te.lt(v, indices.shape[i])] : []
        );
      const hit = (at: readonly Expr[]): Expr =>
        hits(load(indices, from(at)), shape[axis], at[axis]);
      const { reduction } = a;
      if (reduction) {
        return [compute("y", out.dtype, shape, (...at) => {
          const update = load(updates, from(at));
          const body = select(hit(at), update, neutral(reduction, out.dtype));
          return reduce(reduction, [k], body, { init: load(x, at), where: reached(at) });
        }, names)];
      }
      const last = compute(
        "last",
        "int32",
        shape,
        (...at) =>
          reduce("max", [k], select(hit(at), k.v, imm(-1)), {
            init: imm(-1),
            where: reached(at),
          }),
        names,
      );
      const y = compute("y", out.dtype, shape, (...at) => {
        const which = load(last.out, at);
        const place = at.map((v, i) =>
          i === axis ? max(which, 0) : reached(at).length ? te.min(v, indices.shape[i] - 1) : v
        );
        return select(te.ge(which, 0), load(updates, place), load(x, at));
      }, names);
      return [last, y];
    },
  },
};

/** y = data; the slices that the index vectors name take the slices of the updates. */
const scatterNd: OpDef<Pick<ScatterAttrs, "reduction">> = {
  name: "ScatterND",
  onnx: [onnx("ScatterND", 11, (r) => ({ reduction: readReduction(r) }))],
  infer(a, ins) {
    const [x, indices, updates] = types(ins, a.reduction), shape = dims(x);
    const length = indices.at(-1) ?? 0;
    const want = [...indices.slice(0, -1), ...shape.slice(length)];
    if (length < 1 || length > shape.length || `${updates}` !== `${want}`) {
      throw new OpError(
        `its indices [${indices}] and updates [${updates}] do not fit its data [${shape}]`,
        "updates have the shape of the indices without their last axis, then that of a slice",
      );
    }
    return [x];
  },
  body: {
    kind: "compute",
    define({ reduction }, ins, [out]) {
      const [x, indices, updates] = ins as readonly Tensor[], shape = dims(out);
      const length = indices.shape.at(-1)!, outer = indices.shape.slice(0, -1);
      const axes = outer.map((n, i) => reduceAxis(`u${i}`, n)), k = axes.map((r) => r.v);
      const hit = (at: readonly Expr[]): Expr =>
        and(
          ...Array.from(
            { length },
            (_, i) => hits(load(indices, [...k, imm(i)]), shape[i], at[i]),
          ),
        );
      const names = axisNames(shape.length);
      if (reduction) {
        return [compute("y", out.dtype, shape, (...at) => {
          const update = load(updates, [...k, ...at.slice(length)]);
          const body = select(hit(at), update, neutral(reduction, out.dtype));
          return reduce(reduction, axes, body, { init: load(x, at) });
        }, names)];
      }
      const prefix = shape.slice(0, length);
      const last = compute("last", "int32", prefix, (...at) => {
        const flat = k.reduce<Expr>((f, v, i) => add(mul(f, outer[i]), v), imm(0));
        return reduce("max", axes, select(hit(at), flat, imm(-1)), { init: imm(-1) });
      }, axisNames(length));
      const y = compute("y", out.dtype, shape, (...at) => {
        const which = load(last.out, at.slice(0, length)), flat = max(which, 0);
        let inner = 1;
        const place = outer.map((n, i) => [n, i] as const).reverse().map(([n, i]) => {
          const q = floordiv(flat, inner);
          inner *= n;
          return i === 0 ? q : floormod(q, n);
        }).reverse();
        const update = load(updates, [...place, ...at.slice(length)]);
        return select(te.ge(which, 0), update, load(x, at));
      }, names);
      return [last, y];
    },
  },
};

interface CacheAttrs {
  readonly axis: number;
  readonly circular: boolean;
}

/** Inputs cache, update, where to write it along the axis for each of the batch (0 if left out). */
const tensorScatter: OpDef<CacheAttrs> = {
  name: "TensorScatter",
  onnx: [onnx("TensorScatter", 24, (r) => ({
    axis: r.int("axis", -2),
    circular: r.string("mode", "linear") === "circular",
  }))],
  infer(a, ins) {
    const x = operand(ins, 0, "any"), update = dims(operand(ins, 1, "any")), shape = dims(x);
    const axis = axisIndex(a.axis, shape.length);
    const fits = update.length === shape.length && axis > 0 &&
      update.every((n, i) => i === axis ? n <= shape[i] : n === shape[i]);
    if (!fits) {
      throw new OpError(
        `its update [${update}] does not fit its cache [${shape}]`,
        "only the axis that is written to may be shorter",
      );
    }
    return [x];
  },
  body: {
    kind: "compute",
    define(a, [cache, update, where], [out]) {
      const shape = dims(out), axis = axisIndex(a.axis, shape.length);
      const n = update!.shape[axis];
      return [compute("y", out.dtype, shape, (...at) => {
        const start = where ? cast("int64", load(where, [at[0]])) : imm(0, "int64");
        const ahead = te.sub(cast("int64", at[axis]), start);
        const off = a.circular ? floormod(ahead, shape[axis]) : ahead;
        const within = and(te.ge(off, 0), te.lt(off, n));
        const place = (at as Expr[]).with(axis, cast("int32", te.clamp(off, 0, n - 1)));
        return select(within, load(update!, place), load(cache!, at));
      }, axisNames(shape.length))];
    },
  },
};

export const ops = [scatterElements, scatterNd, tensorScatter] as OpDef<unknown>[];
