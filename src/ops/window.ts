/** Sliding windows of pools: where they lie, and how many of their elements are inside. */
import {
  add,
  cast,
  type Expr,
  f32,
  floordiv,
  ge,
  imm,
  lt,
  max,
  min,
  mul,
  type ReduceAxis,
  sub,
  type Var,
} from "../te/expr.ts";
import { axis } from "../te/compute.ts";
import { type AttrReader, OpError } from "../ir/opdef.ts";
import { spatialNames } from "./axes.ts";
import { type AutoPad, type Geometry, geometry } from "./conv.ts";

export interface WindowAttrs {
  readonly kernel: readonly number[];
  /** Empty: 1 along every axis. */
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  /** Begin of every spatial axis, then their ends; empty: 0. */
  readonly pads: readonly number[];
  readonly autoPad: AutoPad;
  /** The output's size is rounded up: the last window may reach out. */
  readonly ceil: boolean;
}

export function readWindow(r: AttrReader): WindowAttrs {
  return {
    kernel: r.ints("kernel_shape"),
    strides: r.ints("strides", []),
    dilations: r.ints("dilations", []),
    pads: r.ints("pads", []),
    autoPad: r.string("auto_pad", "NOTSET") as AutoPad,
    ceil: r.int("ceil_mode", 0) !== 0,
  };
}

/** The windows over an input [N, C, spatial…]. */
export function windows(a: WindowAttrs, x: readonly number[]): Geometry {
  const size = x.slice(2), nd = size.length;
  if (nd < 1 || nd > 3 || a.kernel.length !== nd) {
    throw new OpError(
      `its kernel [${a.kernel}] does not fit its input [${x}]`,
      "pools take inputs [N, C, spatial…] of 1 to 3 spatial axes",
    );
  }
  const g = geometry(a, size, a.kernel);
  if (!a.ceil || a.autoPad !== "NOTSET") return g;
  const out = size.map((n, i) => {
    const reach = (a.kernel[i] - 1) * g.dilations[i] + 1, padded = n + g.begin[i] + g.end[i];
    const count = Math.ceil((padded - reach) / g.strides[i]) + 1;
    // A window that would begin behind the input is left out.
    return (count - 1) * g.strides[i] >= n + g.begin[i] ? count - 1 : count;
  });
  return { ...g, out };
}

/** The last input position that any window touches along an axis. */
const lastTap = (g: Geometry, i: number): number =>
  (g.out[i] - 1) * g.strides[i] + (g.kernel[i] - 1) * g.dilations[i] - g.begin[i];

export interface Taps {
  readonly axes: readonly ReduceAxis[];
  /** Positions in the input along the spatial axes. */
  readonly at: readonly Expr[];
  /** Predicates that padding can make false. */
  readonly where: readonly Expr[];
}

/** The elements of the window at the spatial output position `o`. */
export function taps(g: Geometry, o: readonly Var[]): Taps {
  const axes = spatialNames("k", o.length).map((n, i) => axis(n, g.kernel[i]));
  const at = o.map((v, i) =>
    sub(add(mul(v, g.strides[i]), mul(axes[i].v, g.dilations[i])), g.begin[i])
  );
  const where = at.flatMap((e, i): Expr[] => [
    ...(g.begin[i] > 0 ? [ge(e, 0)] : []),
    ...(lastTap(g, i) >= g.size[i] ? [lt(e, g.size[i])] : []),
  ]);
  return { axes, at, where };
}

/**
 * How many elements the average at the spatial output position `o` divides by, as float32. Padding
 * counts if `includePad`; what a rounded-up window covers behind the padding never does.
 */
export function windowCount(g: Geometry, includePad: boolean, o: readonly Var[]): Expr {
  const counts = o.map((v, i): Expr => {
    const k = g.kernel[i], d = g.dilations[i];
    const end = g.size[i] + (includePad ? g.end[i] : 0);
    const start = sub(mul(v, g.strides[i]), g.begin[i]);
    const before = includePad || g.begin[i] === 0
      ? imm(0)
      : floordiv(add(max(sub(imm(0), start), 0), d - 1), d);
    const upTo = lastTap(g, i) < end
      ? imm(k)
      : min(add(floordiv(sub(imm(end - 1), start), d), 1), k);
    return sub(upTo, before);
  });
  const n = counts.reduce(mul);
  return n.k === "imm" ? f32(Number(n.value)) : cast("float32", n);
}
