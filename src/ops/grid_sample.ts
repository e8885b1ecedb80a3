/** Images sampled at places that are computed: grids, and affine grids. */
import { axis as reduceAxis, compute, sum, type Tensor } from "../te/compute.ts";
import * as te from "../te/expr.ts";
import { add, cast, div, type Expr, imm, load, mul, select, sub, un } from "../te/expr.ts";
import { type AttrReader, type OpDef, OpError, type Solve } from "../ir/opdef.ts";
import { dims, type TensorType } from "../ir/graph.ts";
import { axisNames, spatialNames } from "./axes.ts";
import { onnx, onnxAndMicrosoft, operand, sameType, type Types } from "./common.ts";

const MODES = { nearest: 1, linear: 2, cubic: 4, bilinear: 2, bicubic: 4 } as const;
const PADDINGS = ["zeros", "border", "reflection"] as const;

interface GridAttrs {
  /** Samples along every axis: 1 nearest, 2 linear, 4 cubic. */
  readonly taps: 1 | 2 | 4;
  readonly padding: typeof PADDINGS[number];
  readonly alignCorners: boolean;
}

function readGrid(r: AttrReader): GridAttrs {
  const mode = r.string("mode", "linear"), padding = r.string("padding_mode", "zeros");
  const known = PADDINGS.find((p) => p === padding);
  if (!(mode in MODES) || !known) {
    throw new OpError(
      `its mode is '${mode}' with padding_mode '${padding}'`,
      `modes are ${Object.keys(MODES).join(", ")}, paddings ${PADDINGS.join(", ")}`,
    );
  }
  return {
    taps: MODES[mode as keyof typeof MODES],
    padding: known,
    alignCorners: r.int("align_corners", 0) !== 0,
  };
}

function gridTypes(ins: Types): { x: TensorType; shape: number[]; nd: number } {
  const x = operand(ins, 0, "float"), grid = operand(ins, 1, "float"), [n, c] = dims(x);
  sameType([x, grid]);
  const at = dims(grid), nd = x.shape.length - 2;
  if (nd < 1 || nd > 3 || at.length !== nd + 2 || at[0] !== n || at[nd + 1] !== nd) {
    throw new OpError(
      `its grid [${at}] does not fit its input [${dims(x)}]`,
      "a grid is [N, out…, number of spatial axes], of which there are 1 to 3",
    );
  }
  return { x, shape: [n, c, ...at.slice(1, -1)], nd };
}

/** v reflected at both borders until it lies between them. */
function reflected(v: Expr, lo: number, hi: number): Expr {
  const at = (x: number): Expr => imm(x, v.dtype), range = hi - lo;
  if (range <= 0) return at(lo);
  const fold = (distance: Expr, near: Expr, sign: 1 | -1): Expr => {
    const turns = un("trunc", div(distance, at(range)));
    const rest = sub(distance, mul(turns, at(range)));
    const even = te.eq(mul(at(2), un("floor", mul(turns, at(0.5)))), turns);
    const far = at(sign === 1 ? hi : lo);
    return sign === 1
      ? select(even, add(near, rest), sub(far, rest))
      : select(even, sub(near, rest), add(far, rest));
  };
  return select(
    te.lt(v, at(lo)),
    fold(sub(at(lo), v), at(lo), 1),
    select(te.gt(v, at(hi)), fold(sub(v, at(hi)), at(hi), -1), v),
  );
}

/** Keys' cubic kernel with −3/4 at tap k, for a place `fraction` behind tap 1. */
function cubicWeight(fraction: Expr, k: Expr): Expr {
  const c = (x: number): Expr => imm(x, fraction.dtype), a = -0.75;
  const d = un("abs", sub(fraction, cast(fraction.dtype, sub(k, 1))));
  const near = add(mul(mul(sub(mul(c(a + 2), d), c(a + 3)), d), d), c(1));
  const far = sub(mul(add(mul(sub(mul(c(a), d), c(5 * a)), d), c(8 * a)), d), c(4 * a));
  return select(te.le(d, c(1)), near, far);
}

/** Inputs x [N, C, spatial…], grid [N, out…, axes] in units of −1 to 1, the last axis first. */
const gridSample: OpDef<GridAttrs> = {
  name: "GridSample",
  changes: [{ since: 20, kind: "meaning" }],
  onnx: onnxAndMicrosoft("GridSample", 16, readGrid),
  infer(_, ins) {
    const { x, shape } = gridTypes(ins);
    return [{ dtype: x.dtype, shape }];
  },
  body: {
    kind: "compute",
    define(a, ins, [out]) {
      const [x, grid] = ins as readonly Tensor[], shape = dims(out), { dtype } = out;
      const nd = shape.length - 2, size = x.shape.slice(2), c = (v: number) => imm(v, dtype);
      const lo = a.alignCorners ? 0 : -0.5;
      const hi = size.map((n) => a.alignCorners ? n - 1 : n - 0.5);
      const places = size.map((n, axis) =>
        compute(`place${axis}`, dtype, [shape[0], ...shape.slice(2)], (b, ...o) => {
          const g = add(load(grid, [b, ...o, imm(nd - 1 - axis)]), c(1));
          const raw = a.alignCorners
            ? mul(div(g, c(2)), c(n - 1))
            : div(sub(mul(g, c(n)), c(1)), c(2));
          const v = a.taps === 1 ? te.rint(raw) : raw;
          const within = a.padding === "border"
            ? select(
              te.bin("or", te.lt(v, c(lo)), te.gt(v, c(hi[axis]))),
              te.clamp(v, c(0), c(n - 1)),
              v,
            )
            : a.padding === "reflection"
            ? reflected(v, lo, hi[axis])
            : v;
          // Farther out nothing is different, and an index fits its type.
          return te.clamp(within, c(-4), c(n + 3));
        })
      );
      const y = compute("y", dtype, shape, (n, channel, ...o) => {
        const axes = spatialNames("k", nd).map((name) => reduceAxis(name, a.taps));
        const inside: Expr[] = [], weights: Expr[] = [];
        const at = size.map((extent, axis): Expr => {
          const v = load(places[axis].out, [n, ...o]), k = axes[axis].v;
          const floor = un("floor", v), fraction = sub(v, floor);
          if (a.taps === 4) weights.push(cubicWeight(fraction, k));
          if (a.taps === 2) {
            weights.push(select(te.eq(k, 0), sub(c(1), fraction), fraction));
          }
          const tap = add(cast("int32", floor), a.taps === 4 ? sub(k, 1) : k);
          const index = a.taps === 1 ? cast("int32", v) : tap;
          if (a.padding === "zeros") inside.push(te.ge(index, 0), te.lt(index, extent));
          const turned = a.padding === "reflection"
            ? cast("int32", reflected(cast(dtype, index), lo, hi[axis]))
            : index;
          return te.clamp(turned, 0, extent - 1);
        });
        const element = load(x, [n, channel, ...at]);
        const weighed = weights.reduce<Expr>((e, w) => mul(e, w), element);
        return sum(axes, inside.length ? select(te.and(...inside), weighed, c(0)) : weighed);
      }, axisNames(shape.length));
      return [...places, y];
    },
  },
};

interface AffineAttrs {
  /** [N, C, spatial…]. */
  readonly size: readonly number[];
  readonly alignCorners: boolean;
}

/** The channels make no difference. */
const sizeOfGrid: Solve = ({ outs }) => {
  if (!outs[0]) return [];
  const [n, ...rest] = dims(outs[0]), spatial = rest.slice(0, -1);
  return [{
    values: [n, 1, ...spatial],
    same: [[n], null, ...spatial.map((size) => [size])],
  }];
};

/** Places for GridSample: an affine map [N, axes, axes + 1] of evenly spaced ones. */
const affineGrid: OpDef<AffineAttrs> = {
  name: "AffineGrid",
  onnx: [onnx("AffineGrid", 20, (r) => ({
    size: r.operandInts(1, sizeOfGrid) ?? [],
    alignCorners: r.int("align_corners", 0) !== 0,
  }), 1)],
  infer({ size }, ins) {
    const theta = operand(ins, 0, "float"), [n, , ...out] = size, nd = out.length;
    if (nd < 2 || nd > 3 || `${dims(theta)}` !== `${[n, nd, nd + 1]}`) {
      throw new OpError(
        `its theta [${dims(theta)}] does not fit the size [${size}]`,
        "give it [N, axes, axes + 1] for 2 or 3 axes",
      );
    }
    return [{ dtype: theta.dtype, shape: [n, ...out, nd] }];
  },
  body: {
    kind: "compute",
    define({ size, alignCorners }, [theta], [out]) {
      const extents = size.slice(2), { dtype } = out, nd = extents.length;
      const c = (v: number): Expr => imm(v, dtype);
      const place = (v: Expr, n: number): Expr => {
        const i = cast(dtype, v);
        if (alignCorners) return n === 1 ? c(-1) : add(mul(i, c(2 / (n - 1))), c(-1));
        return add(mul(i, c(2 / n)), c(-1 + 1 / n));
      };
      return [compute("y", dtype, dims(out), (...at) => {
        const row = at[nd + 1], n = at[0];
        return extents.map((extent, axis) =>
          mul(
            load(theta!, [n, row, imm(nd - 1 - axis)]),
            place(at[1 + axis], extent),
          )
        ).reverse().reduce(add, load(theta!, [n, row, imm(nd)]));
      })];
    },
  },
};

export const ops = [gridSample, affineGrid] as OpDef<unknown>[];
