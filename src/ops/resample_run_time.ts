/** The samples of a resized axis where its scale or its region comes when the model runs. */
import type { DType } from "../util/dtype.ts";
import { axis as reduceAxis, compute, sum, type Tensor } from "../te/compute.ts";
import * as te from "../te/expr.ts";
import { add, cast, div, type Expr, imm, load, mul, select, sub, un } from "../te/expr.ts";
import type { Builder } from "../ir/build.ts";
import type { Value } from "../ir/graph.ts";
import type { OpDef } from "../ir/opdef.ts";
import { check } from "./check.ts";
import type { ResizedAxis, Sampling } from "./resample.ts";

export type Policy = "stretch" | "not_larger" | "not_smaller";

/** Values of one axis: rows of samples and weights, and which positions lie inside; null: all. */
export interface Tables {
  readonly indices: Value;
  readonly weights: Value;
  readonly inside: Value | null;
}

/** What the scales are computed from. */
interface ScaleSource {
  /** The operand holds sizes, else scales. */
  readonly sizes: boolean;
  readonly policy: Policy;
}

const f64 = (v: number): Expr => imm(v, "float64");
const half = f64(0.5), one = f64(1);

interface ScaleAttrs extends ScaleSource {
  readonly index: number;
  /** Sizes of the input along all resized axes. */
  readonly from: readonly number[];
}

/** The scale of one axis, float64: the operand's, or the one that all axes have in common. */
const scaleOf: OpDef<ScaleAttrs> = {
  name: "ResizeScale",
  onnx: [],
  infer: () => [{ dtype: "float64", shape: [] }],
  body: {
    kind: "compute",
    define(a, [operand]) {
      const ratio = (i: number): Expr => {
        const v = cast("float64", load(operand!, [i]));
        return a.sizes ? div(v, f64(a.from[i])) : v;
      };
      const all = a.from.map((_, i) => ratio(i));
      const common = (op: "min" | "max"): Expr => all.reduce((x, y) => te.bin(op, x, y));
      const scale = a.policy === "stretch" || !a.sizes
        ? all[a.index]
        : common(a.policy === "not_larger" ? "min" : "max");
      return [compute("y", "float64", [], () => scale)];
    },
  },
};

interface FitsAttrs {
  readonly sizes: boolean;
  readonly axes: readonly ResizedAxis[];
}

/** Whether the scales, an input each, give the sizes that the model declares. */
const scalesFit: OpDef<FitsAttrs> = {
  name: "ResizeFits",
  onnx: [],
  infer: () => [{ dtype: "bool", shape: [] }],
  body: {
    kind: "compute",
    define: (a, ins) => [
      compute("y", "bool", [], () =>
        te.and(...a.axes.map((r, i) => {
          const scale = load(ins[i]!, []);
          const size = a.sizes
            ? un("floor", add(mul(scale, f64(r.size)), half))
            : cast("float64", un("floor", mul(cast("float32", scale), imm(r.size, "float32"))));
          return te.eq(size, f64(r.out));
        }))),
    ],
  },
};

interface TableAttrs {
  readonly sampling: Sampling;
  readonly axis: ResizedAxis;
  readonly index: number;
  /** How many axes are resized: the regions' starts, then their ends. */
  readonly count: number;
  readonly part: "indices" | "weights" | "inside";
  readonly dtype: DType;
}

/** The place in the input of an output position, float64. */
function original(s: Sampling, r: ResizedAxis, scale: Expr, roi: [Expr, Expr], x: Expr): Expr {
  const size = f64(r.size), last = f64(r.size - 1), width = mul(scale, size);
  const single = (value: Expr, e: Expr): Expr => select(te.eq(width, one), value, e);
  const centred = sub(div(add(x, half), scale), half);
  switch (s.transform) {
    case "align_corners":
      return single(f64(0), div(mul(x, last), sub(width, one)));
    case "asymmetric":
      return div(x, scale);
    case "tf_crop_and_resize": {
      const extent = mul(sub(roi[1], roi[0]), last);
      return add(
        single(div(extent, f64(2)), div(mul(x, extent), sub(width, one))),
        mul(roi[0], last),
      );
    }
    case "pytorch_half_pixel":
      return single(f64(-0.5), centred);
    case "tf_half_pixel_for_nn":
      return div(add(x, half), scale);
    case "half_pixel":
      return centred;
    case "half_pixel_symmetric":
      return add(mul(div(size, f64(2)), sub(one, div(f64(r.out), width))), centred);
  }
}

function nearest(mode: Sampling["nearest"], x: Expr): Expr {
  switch (mode) {
    case "floor":
      return un("floor", x);
    case "ceil":
      return un("ceil", x);
    case "round_prefer_ceil":
      return un("floor", add(x, half));
    case "round_prefer_floor":
      return un("ceil", sub(x, half));
  }
}

/** The weight of a sample at a distance. */
function kernel(s: Sampling, distance: Expr): Expr {
  const x = un("abs", distance), a = s.a;
  if (s.mode === "linear") return te.max(f64(0), sub(one, x));
  const near = add(mul(mul(sub(mul(f64(a + 2), x), f64(a + 3)), x), x), one);
  const far = sub(mul(add(mul(sub(mul(f64(a), x), f64(5 * a)), x), f64(8 * a)), x), f64(4 * a));
  return select(te.le(x, one), near, select(te.lt(x, f64(2)), far, f64(0)));
}

/** First sample of a window, counted from the one before the place, and how many there are. */
function windowOf(s: Sampling, r: ResizedAxis): { first: number; taps: number } {
  if (s.mode === "nearest") return { first: 0, taps: 1 };
  const reach = s.mode === "cubic" ? 2 : 1;
  // The scale is at least out ÷ size; what lies farther out than it needs weighs nothing.
  const first = Math.floor(-reach / (s.antialias ? Math.min(r.out / r.size, 1) : 1)) + 1;
  return { first, taps: 2 - 2 * first };
}

/** One of the tables. Inputs scale, float64 without axes, and regions or null. */
const sampleTable: OpDef<TableAttrs> = {
  name: "SampleTable",
  onnx: [],
  infer({ sampling, axis, part, dtype }) {
    const { taps } = windowOf(sampling, axis);
    const shape = part === "inside" || sampling.mode === "nearest" ? [axis.out] : [axis.out, taps];
    return [{ dtype: part === "inside" ? "bool" : part === "indices" ? "int32" : dtype, shape }];
  },
  body: {
    kind: "compute",
    define({ sampling: s, axis: r, index, count, part, dtype }, [scale, regions], [out]) {
      const { first, taps } = windowOf(s, r), factor = load(scale!, []);
      const edge = (i: number): Expr =>
        regions ? cast("float64", load(regions as Tensor, [index + i * count])) : f64(r.roi[i]);
      const place = compute(
        "place",
        "float64",
        [r.out],
        (o) => original(s, r, factor, [edge(0), edge(1)], cast("float64", o)),
      );
      const at = (o: Expr): Expr => load(place.out, [o]);
      // A place far outside is held where nothing is different, so that an index fits its type.
      const held = (v: Expr): Expr =>
        cast("int32", te.clamp(v, f64(-4 * taps), f64(r.size + 4 * taps)));
      const inside = (i: Expr): Expr => te.clamp(i, 0, r.size - 1);
      const begin = (o: Expr): Expr => sub(un("ceil", at(o)), one);
      const sample = (o: Expr, k: Expr): Expr => add(held(begin(o)), add(k, first));
      const named = (name: string, body: (o: Expr, k: Expr) => Expr, type: DType) =>
        compute(name, type, [r.out, taps], (o, k) => body(o, k), ["o", "tap"]);
      if (part === "inside") {
        const y = compute(
          "y",
          "bool",
          [r.out],
          (o) => te.and(te.ge(at(o), f64(0)), te.le(at(o), f64(r.size - 1))),
        );
        return [place, y];
      }
      if (s.mode === "nearest") {
        const y = compute(
          "y",
          out.dtype,
          [r.out],
          (o) => part === "indices" ? inside(held(nearest(s.nearest, at(o)))) : imm(1, out.dtype),
        );
        return [place, y];
      }
      if (part === "indices") return [place, named("y", (o, k) => inside(sample(o, k)), "int32")];
      const narrow = s.antialias ? te.min(factor, one) : one;
      const raw = named("raw", (o, k) => {
        const distance = sub(cast("float64", add(k, first)), sub(at(o), begin(o)));
        const w = kernel(s, mul(distance, narrow)), i = sample(o, k);
        return s.exclude ? select(te.and(te.ge(i, 0), te.lt(i, r.size)), w, f64(0)) : w;
      }, "float64");
      if (!s.exclude && !s.antialias) {
        const y = named("y", (o, k) => cast(dtype, load(raw.out, [o, k])), dtype);
        return [place, raw, y];
      }
      const total = compute("total", "float64", [r.out], (o) => {
        const k = reduceAxis("k", taps);
        return sum([k], load(raw.out, [o, k.v]));
      });
      const y = named("y", (o, k) => {
        const t = load(total.out, [o]);
        return cast(dtype, div(load(raw.out, [o, k]), select(te.eq(t, f64(0)), one, t)));
      }, dtype);
      return [place, raw, total, y];
    },
  },
};

/** Ends a run whose scales do not give the declared sizes. */
export function checkScales(
  b: Builder,
  axes: readonly ResizedAxis[],
  source: ScaleSource,
  operand: Value,
): void {
  const from = axes.map((r) => r.size);
  const scales = axes.map((_, index) =>
    b.node(scaleOf, { sizes: source.sizes, policy: source.policy, index, from }, [operand])[0]
  );
  b.node(check, null, b.node(scalesFit, { sizes: source.sizes, axes }, scales));
}

/** The tables of an axis. */
export function sampleTables(
  b: Builder,
  a: Pick<TableAttrs, "sampling" | "axis" | "index" | "count">,
  from: {
    readonly scales: (ScaleSource & { readonly value: Value }) | null;
    readonly sizes: readonly number[];
    readonly roi: Value | null;
  },
  dtype: DType,
): Tables {
  const { scales, roi } = from, float: DType = dtype === "float64" ? dtype : "float32";
  const scale = scales
    ? b.node(scaleOf, {
      sizes: scales.sizes,
      policy: scales.policy,
      index: a.index,
      from: from.sizes,
    }, [scales.value])[0]
    : b.constant({ dtype: "float64", shape: [], data: new Float64Array([a.axis.scale]) });
  const part = (name: TableAttrs["part"]): Value =>
    b.node(sampleTable, { ...a, part: name, dtype: float }, [scale, roi])[0];
  return { indices: part("indices"), weights: part("weights"), inside: part("inside") };
}

export const ops = [scaleOf, scalesFit, sampleTable] as OpDef<unknown>[];
