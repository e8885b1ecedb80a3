/** Resize and Upsample: one axis after another, by tables of samples. */
import { isFloat } from "../util/dtype.ts";
import { numbers, tensor } from "../util/tensor.ts";
import { axis as reduceAxis, compute, sum } from "../te/compute.ts";
import { cast, load, mul } from "../te/expr.ts";
import { type AttrReader, type OnnxBinding, type OpDef, OpError } from "../ir/opdef.ts";
import { dims, type Value } from "../ir/graph.ts";
import { axisNames } from "./axes.ts";
import { type Building, building } from "./building.ts";
import { axisIndex, onnx } from "./common.ts";
import { where } from "./elementwise.ts";
import { gather } from "./gather.ts";
import { outputShape, sizesOf } from "./solve.ts";
import {
  MODES,
  NEAREST,
  type ResizedAxis,
  type Samples,
  samples,
  type Sampling,
  TRANSFORMS,
} from "./resample.ts";

interface ResizeAttrs extends Sampling {
  readonly axes: readonly ResizedAxis[];
  /** What stands where a crop reaches out of the input. */
  readonly outside: number;
}

function oneOf<T extends string>(r: AttrReader, name: string, values: readonly T[], or: T): T {
  const given = r.string(name, or), found = values.find((v) => v === given);
  if (found) return found;
  throw new OpError(`its ${name} is '${given}'`, `it is one of ${values.join(", ")}`);
}

const shapeOf = (r: AttrReader): number[] => dims(r.type(0)!);

/** An operand of numbers, null where it is left out or empty. */
function list(r: AttrReader, input: number): number[] | null {
  const t = input < r.inputCount ? r.operand(input) : undefined;
  return t?.data.length ? numbers(t) : null;
}

/** The sizes that are asked for; where the aspect ratio is kept, the output does not tell them. */
function sizesOperand(r: AttrReader): readonly number[] | null {
  if (r.inputCount < 4 || !r.type(3)) return null;
  const axes = r.has("axes") ? r.ints("axes") : null;
  const kept = r.string("keep_aspect_ratio_policy", "stretch") !== "stretch";
  const sizes = r.operandInts(3, kept ? undefined : axes ? sizesOf(axes) : outputShape);
  return sizes?.length ? sizes : null;
}

/** Every axis whose size or place changes. */
function resizedAxes(
  r: AttrReader,
  given: { scales: readonly number[] | null; sizes: readonly number[] | null },
  roi: readonly number[] | null,
): ResizedAxis[] {
  const shape = shapeOf(r), { scales, sizes } = given;
  const axes = r.has("axes")
    ? r.ints("axes").map((a) => axisIndex(a, shape.length))
    : shape.map((_, i) => i);
  const values = scales ?? sizes;
  if (!values || (scales && sizes) || values.length !== axes.length) {
    throw new OpError(
      `its ${sizes ? "sizes" : "scales"} [${values ?? ""}] do not fit ${axes.length} axes`,
      "give scales or sizes, one for every axis",
    );
  }
  const policy = oneOf(
    r,
    "keep_aspect_ratio_policy",
    ["stretch", "not_larger", "not_smaller"],
    "stretch",
  );
  const ratios = axes.map((axis, i) => sizes ? sizes[i] / shape[axis] : scales![i]);
  const common = policy === "stretch" || !sizes
    ? null
    : policy === "not_larger"
    ? Math.min(...ratios)
    : Math.max(...ratios);
  return axes.map((axis, i) => {
    const size = shape[axis], scale = common ?? ratios[i];
    const out = !sizes
      ? Math.floor(Math.fround(scale * size))
      : common === null
      ? sizes[i]
      : Math.floor(common * size + 0.5);
    if (!(scale > 0) || out < 1) throw new OpError(`its scale ${scale} leaves nothing of ${size}`);
    const region = [roi?.[i] ?? 0, roi?.[axes.length + i] ?? 1] as const;
    return { axis, size, out, scale, roi: region };
  });
}

function readResize(r: AttrReader): ResizeAttrs {
  const transform = oneOf(r, "coordinate_transformation_mode", TRANSFORMS, "half_pixel");
  const crop = transform === "tf_crop_and_resize";
  const roi = crop ? list(r, 1) : null, scales = list(r, 2);
  if (crop && scales && roi?.some((v, i) => v !== (i < roi.length / 2 ? 0 : 1))) {
    throw new OpError("it crops and has scales", "give sizes instead of scales");
  }
  return {
    mode: oneOf(r, "mode", MODES, "nearest"),
    transform,
    nearest: oneOf(r, "nearest_mode", NEAREST, "round_prefer_floor"),
    a: r.float("cubic_coeff_a", -0.75),
    exclude: r.int("exclude_outside", 0) !== 0,
    antialias: r.int("antialias", 0) !== 0,
    outside: r.float("extrapolation_value", 0),
    axes: resizedAxes(r, { scales, sizes: sizesOperand(r) }, roi),
  };
}

/** Before operator set 11 positions were divided by the scale, and rounded down. */
const readOld = (scalesOf: (r: AttrReader) => readonly number[] | null) => (r: AttrReader) => ({
  mode: oneOf(r, "mode", MODES, "nearest"),
  transform: "asymmetric" as const,
  nearest: "floor" as const,
  a: -0.75,
  exclude: false,
  antialias: false,
  outside: 0,
  axes: resizedAxes(r, { scales: scalesOf(r), sizes: null }, null),
});

const bindings: readonly OnnxBinding<ResizeAttrs>[] = [
  onnx("Upsample", 7, readOld((r) => r.floats("scales")), 1),
  onnx("Upsample", 9, readOld((r) => list(r, 1)), 1),
  onnx("Resize", 10, readOld((r) => list(r, 1)), 1),
  onnx("Resize", 11, readResize, 1),
];

/** Sums of weighted elements along an axis. Inputs x, weights and indices [out, taps]. */
const interpolate: OpDef<{ axis: number }> = {
  name: "Interpolate",
  onnx: [],
  infer: ({ axis }, [x, w]) => [{ dtype: x!.dtype, shape: dims(x!).with(axis, dims(w!)[0]) }],
  body: {
    kind: "compute",
    define({ axis }, [x, w, indices], [out]) {
      const shape = dims(out);
      return [compute("y", out.dtype, shape, (...at) => {
        const k = reduceAxis("tap", w!.shape[1]), o = at[axis];
        const element = load(x!, at.with(axis, cast("int32", load(indices!, [o, k.v])) as never));
        return sum([k], mul(load(w!, [o, k.v]), element));
      }, axisNames(shape.length))];
    },
  },
};

/** True at the output positions along an axis that lie inside. */
function insideOf(g: Building, r: ResizedAxis, s: Samples, rank: number): Value | null {
  if (s.inside.every((v) => v)) return null;
  const shape = Array.from({ length: rank }, (_, i) => i === r.axis ? r.out : 1);
  return g.b.constant(tensor("bool", shape, s.inside.map(Number)));
}

const resize: OpDef<ResizeAttrs> = {
  name: "Resize",
  onnx: bindings,
  infer(a, [x]) {
    if (!x) throw new OpError("its input is missing", "give the node its input");
    if (a.mode !== "nearest" && !isFloat(x.dtype)) {
      throw new OpError(
        `it interpolates ${x.dtype}, whose rounding ONNX leaves open`,
        "insert a Cast to float32 before it",
      );
    }
    const shape = dims(x);
    for (const r of a.axes) shape[r.axis] = r.out;
    return [{ dtype: x.dtype, shape }];
  },
  body: {
    kind: "expand",
    rewrite(a, [x], _, b) {
      const g = building(b), { dtype } = x!.type, rank = x!.type.shape.length;
      let y = x!;
      const insides: Value[] = [];
      for (const r of a.axes) {
        const same = r.out === r.size && Math.abs(r.scale - 1) <= 1e-9 && r.roi[0] === 0 &&
          r.roi[1] === 1;
        if (same) continue;
        const s = samples(a, r);
        const table = { shape: [r.out, s.taps] };
        if (a.mode === "nearest") {
          const indices = b.constant(tensor("int32", [r.out], s.indices));
          y = g.apply(gather, { axis: r.axis }, y, indices);
        } else {
          const weights = b.constant(tensor(dtype, table.shape, s.weights));
          const indices = b.constant(tensor("int32", table.shape, s.indices));
          y = g.apply(interpolate, { axis: r.axis }, y, weights, indices);
        }
        const inside = a.transform === "tf_crop_and_resize" ? insideOf(g, r, s, rank) : null;
        if (inside) insides.push(inside);
      }
      for (const inside of insides) {
        y = g.apply(where, null, inside, y, g.scalar(a.outside, dtype));
      }
      return [y];
    },
  },
};

export const ops = [interpolate, resize] as OpDef<unknown>[];
