/** Regions of interest, and convolutions whose samples are displaced: bilinear samples of images. */
import {
  axis as reduceAxis,
  type Compute,
  compute,
  reduce,
  sum,
  type Tensor,
} from "../te/compute.ts";
import * as te from "../te/expr.ts";
import {
  add,
  cast,
  div,
  type Expr,
  floordiv,
  imm,
  load,
  mul,
  select,
  sub,
  un,
} from "../te/expr.ts";
import { type AttrReader, type OpDef, OpError } from "../ir/opdef.ts";
import { dims, type TensorType } from "../ir/graph.ts";
import { axisNames, spatialNames } from "./axes.ts";
import { lowest, onnx, operand, sameType, type Types } from "./common.ts";
import { type ConvAttrs, geometry, readConv } from "./conv.ts";

interface RoiAttrs {
  readonly max: boolean;
  /** Height and width of the result. */
  readonly size: readonly [number, number];
  /** Samples along each axis of a bin. */
  readonly samples: number;
  readonly scale: number;
  readonly halfPixel: boolean;
}

const readRoi = (halfPixel: (r: AttrReader) => boolean) => (r: AttrReader): RoiAttrs => {
  const mode = r.string("mode", "avg"), samples = r.int("sampling_ratio", 0);
  if (mode !== "avg" && mode !== "max") {
    throw new OpError(`its mode is '${mode}'`, "use avg or max");
  }
  if (samples < 1) {
    throw new OpError(
      "its number of samples depends on the regions that come when the model runs",
      "set sampling_ratio to 1 or more",
    );
  }
  return {
    max: mode === "max",
    size: [r.int("output_height", 1), r.int("output_width", 1)],
    samples,
    scale: r.float("spatial_scale", 1),
    halfPixel: halfPixel(r),
  };
};

function roiTypes(ins: Types): { x: TensorType; count: number } {
  const x = operand(ins, 0, "float"), rois = operand(ins, 1, "float");
  const count = dims(rois)[0];
  sameType([x, rois]);
  if (
    x.shape.length !== 4 || `${dims(rois)}` !== `${[count, 4]}` ||
    `${dims(operand(ins, 2, "int"))}` !== `${count}`
  ) {
    throw new OpError(
      `its regions [${dims(rois)}] do not fit its input [${dims(x)}]`,
      "use [N, C, H, W], [regions, 4] and an index into the batch for each",
    );
  }
  return { x, count };
}

/** Places of the samples along one axis: [regions, bins, samples]. */
function places(a: RoiAttrs, rois: Tensor, axis: 0 | 1): Compute {
  const { dtype } = rois, bins = a.size[axis], c = (v: number): Expr => imm(v, dtype);
  // Regions are x, y, x, y; the image's axes are y, x.
  const edge = (r: Expr, i: number): Expr => {
    const e = mul(load(rois, [r, imm(1 - axis + i)]), c(a.scale));
    return a.halfPixel ? sub(e, c(0.5)) : e;
  };
  return compute(`place${axis}`, dtype, [rois.shape[0], bins, a.samples], (r, bin, i) => {
    const start = edge(r, 0), extent = sub(edge(r, 2), start);
    const size = div(a.halfPixel ? extent : te.max(extent, c(1)), c(bins));
    const within = div(mul(add(cast(dtype, i), c(0.5)), size), c(a.samples));
    return add(add(start, mul(cast(dtype, bin), size)), within);
  });
}

/** The two elements around a place along an axis of n elements, `k` 0 or 1, and their weights. */
function around(place: Expr, n: number, k: Expr): { index: Expr; weight: Expr; inside: Expr } {
  const { dtype } = place, c = (v: number): Expr => imm(v, dtype);
  const inside = te.and(te.ge(place, c(-1)), te.le(place, c(n)));
  const v = te.clamp(place, c(0), c(n - 1)), low = un("floor", v), part = sub(v, low);
  const index = te.min(add(cast("int32", low), k), n - 1);
  return { index, weight: select(te.eq(k, 0), sub(c(1), part), part), inside };
}

/** Inputs x [N, C, H, W], regions [R, 4], the image of each [R]: bins of bilinear samples. */
const roiAlign: OpDef<RoiAttrs> = {
  name: "RoiAlign",
  changes: [{ since: 16, kind: "meaning" }],
  onnx: [
    onnx("RoiAlign", 10, readRoi(() => false)),
    onnx(
      "RoiAlign",
      16,
      readRoi((r) => r.string("coordinate_transformation_mode", "half_pixel") === "half_pixel"),
    ),
  ],
  infer(a, ins) {
    const { x, count } = roiTypes(ins);
    return [{ dtype: x.dtype, shape: [count, dims(x)[1], ...a.size] }];
  },
  body: {
    kind: "compute",
    define(a, ins, [out]) {
      const [x, rois, images] = ins as readonly Tensor[], { dtype } = out;
      const [batch, , height, width] = x.shape, shape = dims(out), names = axisNames(4);
      const rows = places(a, rois, 0), columns = places(a, rois, 1);
      const total = compute("total", dtype, shape, (r, channel, oh, ow) => {
        const [ih, iw, kh, kw] = [a.samples, a.samples, 2, 2].map((n, i) =>
          reduceAxis(["ih", "iw", "kh", "kw"][i], n)
        );
        const y = around(load(rows.out, [r, oh, ih.v]), height, kh.v);
        const z = around(load(columns.out, [r, ow, iw.v]), width, kw.v);
        const image = te.clamp(cast("int32", load(images, [r])), 0, batch - 1);
        const element = load(x, [image, channel, y.index, z.index]);
        const weighed = mul(mul(y.weight, z.weight), element);
        const value = select(te.and(y.inside, z.inside), weighed, imm(0, dtype));
        const axes = [ih, iw, kh, kw];
        return a.max ? reduce("max", axes, value, { init: lowest(dtype) }) : sum(axes, value);
      }, names);
      const count = a.max ? 1 : a.samples * a.samples;
      const y = compute(
        "y",
        dtype,
        shape,
        (...at) => div(load(total.out, at), imm(count, dtype)),
        names,
      );
      return [rows, columns, total, y];
    },
  },
};

interface DeformAttrs extends ConvAttrs {
  readonly offsetGroups: number;
}

/**
 * Inputs x [N, Cin, spatial…], w, offsets [N, groups · kernel · axes, out…], bias or null, mask
 * [N, groups · kernel, out…] or null.
 */
function deformed(a: DeformAttrs, ins: Types) {
  const x = operand(ins, 0, "float"), w = operand(ins, 1, "float");
  const offset = operand(ins, 2, "float"), xs = dims(x), ws = dims(w), nd = xs.length - 2;
  sameType([x, w, offset]);
  if (
    nd < 1 || nd > 3 || ws.length !== xs.length || xs[1] !== ws[1] * a.group ||
    ws[0] % a.group !== 0 || xs[1] % a.offsetGroups !== 0
  ) {
    throw new OpError(
      `its weight [${ws}] does not fit its input [${xs}]`,
      "a weight is [Cout, Cin/group, kernel…], with 1 to 3 spatial axes",
    );
  }
  const g = geometry(a, xs.slice(2), ws.slice(2)), taps = g.kernel.reduce((p, k) => p * k, 1);
  const wanted = [xs[0], a.offsetGroups * taps * nd, ...g.out];
  const mask = [xs[0], a.offsetGroups * taps, ...g.out];
  if (`${dims(offset)}` !== `${wanted}` || (ins[4] && `${dims(ins[4])}` !== `${mask}`)) {
    throw new OpError(
      `its offsets [${dims(offset)}] do not fit its windows`,
      `they would be [${wanted}]`,
    );
  }
  return { x, g, nd, type: { dtype: x.dtype, shape: [xs[0], ws[0], ...g.out] } };
}

const deformConv: OpDef<DeformAttrs> = {
  name: "DeformConv",
  onnx: [onnx("DeformConv", 19, (r) => ({
    ...readConv(r),
    offsetGroups: r.int("offset_group", 1),
  }))],
  infer: (a, ins) => [deformed(a, ins).type],
  body: {
    kind: "compute",
    define(a, ins, [out]) {
      const [x, w, offset, bias, mask] = ins as readonly Tensor[], { dtype } = out;
      const { g, nd } = deformed(a, ins), shape = dims(out), c = (v: number) => imm(v, dtype);
      const perGroup = w.shape[1], groupOut = w.shape[0] / a.group;
      const perOffset = x.shape[1] / a.offsetGroups;
      const y = compute("y", dtype, shape, (n, co, ...o) => {
        const kernel = spatialNames("k", nd).map((name, i) => reduceAxis(name, g.kernel[i]));
        const corners = spatialNames("c", nd).map((name) => reduceAxis(name, 2));
        const ci = reduceAxis("ci", perGroup);
        const channel = a.group === 1 ? ci.v : add(mul(floordiv(co, groupOut), perGroup), ci.v);
        const tap = kernel.reduce<Expr>((f, k, i) => add(mul(f, g.kernel[i]), k.v), imm(0));
        const taps = g.kernel.reduce((p, k) => p * k, 1);
        const at = add(mul(floordiv(channel, perOffset), taps), tap);
        const inside: Expr[] = [], weights: Expr[] = [];
        const index = o.map((v, i): Expr => {
          const regular = sub(
            add(mul(v, g.strides[i]), mul(kernel[i].v, g.dilations[i])),
            g.begin[i],
          );
          const moved = add(
            cast(dtype, regular),
            load(offset, [n, add(mul(at, nd), i), ...o]),
          );
          // Farther out all is zero, and an index fits its type.
          const place = te.clamp(moved, c(-2), c(g.size[i] + 1)), low = un("floor", place);
          const part = sub(place, low), element = add(cast("int32", low), corners[i].v);
          weights.push(select(te.eq(corners[i].v, 0), sub(c(1), part), part));
          inside.push(te.ge(element, 0), te.lt(element, g.size[i]));
          return te.clamp(element, 0, g.size[i] - 1);
        });
        const sample = weights.reduce<Expr>((e, f) => mul(e, f), load(x, [n, channel, ...index]));
        const modulated = mask ? mul(sample, load(mask, [n, at, ...o])) : sample;
        const product = mul(modulated, load(w, [co, ci.v, ...kernel.map((k) => k.v)]));
        return sum(
          [...kernel, ci, ...corners],
          select(te.and(...inside), product, c(0)),
          { init: bias ? load(bias, [co]) : c(0) },
        );
      }, ["n", "co", ...spatialNames("o", nd)]);
      return [y];
    },
  },
};

export const ops = [roiAlign, deformConv] as OpDef<unknown>[];
