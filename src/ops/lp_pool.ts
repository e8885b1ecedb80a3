/** Pools by a norm, and the inverse of maximum pools. */
import { axis as reduceAxis, compute, reduce, sum, type Tensor } from "../te/compute.ts";
import * as te from "../te/expr.ts";
import { add, cast, type Expr, imm, load, mul, un } from "../te/expr.ts";
import { type AttrReader, type OpDef, OpError } from "../ir/opdef.ts";
import { dims, type TensorType } from "../ir/graph.ts";
import { axisNames } from "./axes.ts";
import { fn, onnx, operand, type Types } from "./common.ts";
import { outputShape } from "./solve.ts";
import { readWindow, taps, type WindowAttrs, windows } from "./window.ts";

interface NormAttrs {
  readonly p: number;
}
interface LpAttrs extends WindowAttrs, NormAttrs {}

const readNorm = (r: AttrReader): number => {
  const p = r.int("p", 2);
  if (p >= 1) return p;
  throw new OpError(`its p is ${p}`, "use a positive integer");
};

/** |x|^p. */
function power(x: Expr, p: number): Expr {
  if (p === 2) return mul(x, x);
  const a = un("abs", x);
  return p === 1 ? a : fn("pow", a, imm(p, x.dtype));
}
/** x^(1/p) of what is not negative. */
const root = (x: Expr, p: number): Expr =>
  p === 1 ? x : p === 2 ? te.sqrt(x) : fn("pow", x, imm(1 / p, x.dtype));

/** The norm of every window; padding counts nothing. */
const lpPool: OpDef<LpAttrs> = {
  name: "LpPool",
  onnx: [onnx("LpPool", 1, (r) => ({ ...readWindow(r), p: readNorm(r) }))],
  infer(a, ins) {
    const x = operand(ins, 0, "float"), from = dims(x);
    return [{ dtype: x.dtype, shape: [...from.slice(0, 2), ...windows(a, from).out] }];
  },
  body: {
    kind: "compute",
    define(a, [x], [out]) {
      const g = windows(a, x!.shape), shape = dims(out), names = axisNames(shape.length);
      const total = compute("total", out.dtype, shape, (n, c, ...o) => {
        const { axes, at, where } = taps(g, o);
        return sum(axes, power(load(x!, [n, c, ...at]), a.p), { where });
      }, names);
      const y = compute("y", out.dtype, shape, (...at) => root(load(total.out, at), a.p), names);
      return [total, y];
    },
  },
};

/** The norm over all spatial axes, which stay with size 1. */
const globalLpPool: OpDef<NormAttrs> = {
  name: "GlobalLpPool",
  onnx: [onnx("GlobalLpPool", 1, (r) => ({ p: readNorm(r) }))],
  infer(_, ins) {
    const x = operand(ins, 0, "float");
    return [{ dtype: x.dtype, shape: dims(x).map((n, i) => i < 2 ? n : 1) }];
  },
  body: {
    kind: "compute",
    define({ p }, [x], [out]) {
      const shape = dims(out), names = axisNames(shape.length);
      const total = compute("total", out.dtype, shape, (n, c) => {
        const axes = x!.shape.slice(2).map((size, i) => reduceAxis(`k${i}`, size));
        return sum(axes, power(load(x!, [n, c, ...axes.map((k) => k.v)]), p));
      }, names);
      return [
        total,
        compute("y", out.dtype, shape, (...at) => root(load(total.out, at), p), names),
      ];
    },
  },
};

interface UnpoolAttrs {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly pads: readonly number[];
  /** null: what the windows give. */
  readonly shape: readonly number[] | null;
}

/** The shape that the indices are flattened over, and that of the output. */
function unpooled(a: UnpoolAttrs, ins: Types): { inner: number[]; shape: readonly number[] } {
  const x = dims(operand(ins, 0, "number")), nd = x.length - 2;
  if (`${dims(operand(ins, 1, "int"))}` !== `${x}` || a.kernel.length !== nd || nd < 1) {
    throw new OpError(`its indices or kernel [${a.kernel}] do not fit its input [${x}]`);
  }
  const inner = x.map((n, i) => {
    if (i < 2) return n;
    const d = i - 2, pads = (a.pads[d] ?? 0) + (a.pads[nd + d] ?? 0);
    return (n - 1) * (a.strides[d] ?? 1) - pads + a.kernel[d];
  });
  const shape = a.shape ?? inner;
  if (shape.length !== inner.length || inner.some((n, i) => !(n > 0) || n > shape[i])) {
    throw new OpError(`its output_shape [${shape}] is smaller than [${inner}]`);
  }
  return { inner, shape };
}

/** Inputs x and where its elements were, flattened; zeros elsewhere. Of several the last stays. */
const maxUnpool: OpDef<UnpoolAttrs> = {
  name: "MaxUnpool",
  onnx: [onnx("MaxUnpool", 9, (r) => ({
    kernel: r.ints("kernel_shape"),
    strides: r.ints("strides", []),
    pads: r.ints("pads", []),
    shape: r.inputCount > 2 ? r.operandInts(2, outputShape) ?? null : null,
  }), 2)],
  infer: (a, ins): TensorType[] => [{ dtype: ins[0]!.dtype, shape: unpooled(a, ins).shape }],
  body: {
    kind: "compute",
    define(a, ins, [out]) {
      const [x, indices] = ins as readonly Tensor[], { inner } = unpooled(a, ins);
      const shape = dims(out), names = axisNames(shape.length);
      const flatten = (at: readonly Expr[], sizes: readonly number[]): Expr =>
        at.reduce((f, v, i) => add(mul(f, sizes[i]), v), imm(0) as Expr);
      const inside = (at: readonly Expr[]): Expr[] =>
        at.flatMap((v, i) => inner[i] < shape[i] ? [te.lt(v, inner[i])] : []);
      const last = compute("last", "int32", shape, (...at) => {
        const axes = x.shape.map((n, i) => reduceAxis(`k${i}`, n)), k = axes.map((r) => r.v);
        const hit = te.eq(cast("int64", load(indices, k)), cast("int64", flatten(at, inner)));
        return reduce("max", axes, te.select(hit, flatten(k, x.shape), imm(-1)), {
          init: imm(-1),
          where: inside(at),
        });
      }, names);
      const y = compute("y", out.dtype, shape, (...at) => {
        const which = load(last.out, at), place: Expr[] = [];
        let rest: Expr = te.max(which, 0);
        for (let i = x.shape.length - 1; i >= 0; i--) {
          place.unshift(i === 0 ? rest : te.floormod(rest, x.shape[i]));
          rest = te.floordiv(rest, x.shape[i]);
        }
        return te.select(te.ge(which, 0), load(x, place), imm(0, out.dtype));
      }, names);
      return [last, y];
    },
  },
};

export const ops = [lpPool, globalLpPool, maxUnpool] as OpDef<unknown>[];
