/** Resize and Upsample: one axis after another, by tables of samples. */
import { type DType, isFloat } from "../util/dtype.ts";
import { numbers, sizeOf, tensor } from "../util/tensor.ts";
import { axis as reduceAxis, compute, sum } from "../te/compute.ts";
import { cast, type Expr, type Indexable, load, mul } from "../te/expr.ts";
import { type AttrReader, type OnnxBinding, type OpDef, OpError } from "../ir/opdef.ts";
import { dims, type Value } from "../ir/graph.ts";
import { axisNames } from "./axes.ts";
import type { Builder } from "../ir/build.ts";
import { building } from "./building.ts";
import { axisIndex, onnx } from "./common.ts";
import { where } from "./elementwise.ts";
import { gather } from "./gather.ts";
import { checkScales, type Policy, sampleTables, type Tables } from "./resample_run_time.ts";
import { outputShape, sizesOf } from "./solve.ts";
import {
  MODES,
  NEAREST,
  type ResizedAxis,
  samples,
  type Sampling,
  TRANSFORMS,
} from "./resample.ts";

interface ResizeAttrs extends Sampling {
  readonly axes: readonly ResizedAxis[];
  /** What stands where a crop reaches out of the input. */
  readonly outside: number;
  /** The operand that the scales come from when the model runs; the axes' are lower bounds then. */
  readonly computed:
    | { readonly input: number; readonly sizes: boolean; readonly policy: Policy }
    | null;
  /** The regions are input 1. */
  readonly roiAtRunTime: boolean;
}

/** Operands as they are read, and where they are inputs. */
interface Given {
  readonly scales: readonly number[] | null | undefined;
  readonly scalesAt: number;
  readonly sizes: readonly number[] | null | undefined;
  readonly sizesAt: number;
  readonly roi: readonly number[] | null | undefined;
}

function oneOf<T extends string>(r: AttrReader, name: string, values: readonly T[], or: T): T {
  const given = r.string(name, or), found = values.find((v) => v === given);
  if (found) return found;
  throw new OpError(`its ${name} is '${given}'`, `it is one of ${values.join(", ")}`);
}

const shapeOf = (r: AttrReader): number[] => dims(r.type(0)!);

/** An operand: its numbers, null where it is left out or empty, undefined at run time. */
function list(r: AttrReader, input: number): readonly number[] | null | undefined {
  const type = r.type(input);
  if (input >= r.inputCount || !type || sizeOf(dims(type)) === 0) return null;
  const known = r.constant(input);
  return known && numbers(known);
}

const policyOf = (r: AttrReader): Policy =>
  oneOf(r, "keep_aspect_ratio_policy", ["stretch", "not_larger", "not_smaller"], "stretch");

/** The sizes that are asked for; where the aspect ratio is kept, the output does not tell them. */
function sizesOperand(r: AttrReader): readonly number[] | null | undefined {
  const given = list(r, 3);
  if (given !== undefined || policyOf(r) !== "stretch") return given;
  const axes = r.has("axes") ? r.ints("axes") : null;
  return r.operandInts(3, axes ? sizesOf(axes) : outputShape) ?? null;
}

/** Every axis whose size or place changes. */
function resizedAxes(r: AttrReader, given: Given): Pick<ResizeAttrs, "axes" | "computed"> {
  const shape = shapeOf(r), { scales, sizes, roi } = given, policy = policyOf(r);
  const axes = r.has("axes")
    ? r.ints("axes").map((a) => axisIndex(a, shape.length))
    : shape.map((_, i) => i);
  const input = scales === null ? given.sizesAt : given.scalesAt;
  const values = scales === null ? sizes : scales;
  const count = values?.length ?? dims(r.type(input) ?? { dtype: "int64", shape: [0] })[0];
  if ((scales === null) === (sizes === null) || count !== axes.length) {
    throw new OpError(
      `its ${scales === null ? "sizes" : "scales"} [${
        values ?? ""
      }] do not fit ${axes.length} axes`,
      "give scales or sizes, one for every axis",
    );
  }
  const region = (i: number) => [roi?.[i] ?? 0, roi?.[axes.length + i] ?? 1] as const;
  if (!values) {
    const out = r.declared(0);
    if (!out || out.shape.length !== shape.length) r.operand(input); // throws what there is to say
    const to = dims(out!),
      list = axes.map((axis, i) => ({
        axis,
        size: shape[axis],
        out: to[axis],
        scale: to[axis] / shape[axis],
        roi: region(i),
      }));
    return { axes: list, computed: { input, sizes: scales === null, policy } };
  }
  const ratios = axes.map((axis, i) => sizes ? sizes[i] / shape[axis] : values[i]);
  const common = policy === "stretch" || !sizes
    ? null
    : policy === "not_larger"
    ? Math.min(...ratios)
    : Math.max(...ratios);
  const list = axes.map((axis, i) => {
    const size = shape[axis], scale = common ?? ratios[i];
    const out = !sizes
      ? Math.floor(Math.fround(scale * size))
      : common === null
      ? sizes[i]
      : Math.floor(common * size + 0.5);
    if (!(scale > 0) || out < 1) throw new OpError(`its scale ${scale} leaves nothing of ${size}`);
    return { axis, size, out, scale, roi: region(i) };
  });
  return { axes: list, computed: null };
}

function readResize(r: AttrReader): ResizeAttrs {
  const transform = oneOf(r, "coordinate_transformation_mode", TRANSFORMS, "half_pixel");
  const crop = transform === "tf_crop_and_resize";
  const roi = crop ? list(r, 1) : null, scales = list(r, 2);
  const whole = roi?.every((v, i) => v === (i < roi.length / 2 ? 0 : 1)) ?? roi === null;
  if (crop && scales !== null && !whole) {
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
    roiAtRunTime: roi === undefined,
    ...resizedAxes(r, { scales, scalesAt: 2, sizes: sizesOperand(r), sizesAt: 3, roi }),
  };
}

/** Before operator set 11 positions were divided by the scale, and rounded down. */
const readOld =
  (scalesOf: (r: AttrReader) => readonly number[] | null | undefined) =>
  (r: AttrReader): ResizeAttrs => ({
    mode: oneOf(r, "mode", MODES, "nearest"),
    transform: "asymmetric",
    nearest: "floor",
    a: -0.75,
    exclude: false,
    antialias: false,
    outside: 0,
    roiAtRunTime: false,
    ...resizedAxes(r, { scales: scalesOf(r), scalesAt: 1, sizes: null, sizesAt: 1, roi: null }),
  });

const bindings: readonly OnnxBinding<ResizeAttrs>[] = [
  onnx("Upsample", 7, readOld((r) => r.floats("scales"))),
  onnx("Upsample", 9, readOld((r) => list(r, 1))),
  onnx("Resize", 10, readOld((r) => list(r, 1))),
  onnx("Resize", 11, readResize),
];

/**
 * Sums of weighted elements along one axis after another. Inputs x, and for each axis weights and
 * indices [out, taps].
 */
const interpolate: OpDef<{ axes: readonly number[] }> = {
  name: "Interpolate",
  onnx: [],
  infer: ({ axes }, [x, ...tables]) => {
    const shape = dims(x!);
    axes.forEach((axis, i) => shape[axis] = dims(tables[2 * i]!)[0]);
    return [{ dtype: x!.dtype, shape }];
  },
  body: {
    kind: "compute",
    define({ axes }, [x, ...tables], [out]) {
      const shape = [...x!.shape], names = axisNames(shape.length);
      let from: Indexable = x!;
      return axes.map((axis, i) => {
        const w = tables[2 * i]!, indices = tables[2 * i + 1]!, source = from;
        shape[axis] = w.shape[0];
        const name = i === axes.length - 1 ? "y" : `along_${names[axis]}`;
        const stage = compute(name, out.dtype, [...shape], (...at) => {
          const k = reduceAxis("tap", w.shape[1]), o = at[axis], places: Expr[] = [...at];
          places[axis] = cast("int32", load(indices, [o, k.v]));
          const element = load(source, places);
          return sum([k], mul(load(w, [o, k.v]), element));
        }, names);
        from = stage.out;
        return stage;
      });
    },
  },
};

/** The shape of a vector along one of several axes. */
const wideShape = (rank: number, r: ResizedAxis): number[] =>
  Array.from({ length: rank }, (_, i) => i === r.axis ? r.out : 1);

/** The samples of an axis whose scale is known. */
function constantTables(b: Builder, s: Sampling, r: ResizedAxis, dtype: DType): Tables {
  const { taps, indices, weights, inside } = samples(s, r);
  const shape = s.mode === "nearest" ? [r.out] : [r.out, taps];
  return {
    indices: b.constant(tensor("int32", shape, indices)),
    weights: b.constant(tensor(isFloat(dtype) ? dtype : "float32", shape, weights)),
    inside: inside.every((v) => v) ? null : b.constant(tensor("bool", [r.out], inside.map(Number))),
  };
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
    rewrite(a, ins, _, b) {
      const [x] = ins, g = building(b), { dtype } = x!.type, rank = x!.type.shape.length;
      const runs = a.computed !== null || a.roiAtRunTime;
      if (a.computed) checkScales(b, a.axes, a.computed, ins[a.computed.input]!);
      let y = x!;
      const insides: Value[] = [], axes: number[] = [], tables: Value[] = [];
      a.axes.forEach((r, i) => {
        const same = r.out === r.size && Math.abs(r.scale - 1) <= 1e-9 && r.roi[0] === 0 &&
          r.roi[1] === 1;
        if (same && !runs) return;
        const t = runs
          ? sampleTables(b, { sampling: a, axis: r, index: i, count: a.axes.length }, {
            scales: a.computed && { ...a.computed, value: ins[a.computed.input]! },
            sizes: a.axes.map((v) => v.size),
            roi: a.roiAtRunTime ? ins[1]! : null,
          }, dtype)
          : constantTables(b, a, r, dtype);
        if (a.mode === "nearest") y = g.apply(gather, { axis: r.axis }, y, t.indices);
        else {
          axes.push(r.axis);
          tables.push(t.weights, t.indices);
        }
        if (a.transform === "tf_crop_and_resize" && t.inside) {
          insides.push(g.reshape(t.inside, wideShape(rank, r)));
        }
      });
      if (axes.length > 0) y = g.apply(interpolate, { axes }, y, ...tables);
      for (const inside of insides) {
        y = g.apply(where, null, inside, y, g.scalar(a.outside, dtype));
      }
      return [y];
    },
  },
};

export const ops = [interpolate, resize] as OpDef<unknown>[];
