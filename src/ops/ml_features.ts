/** What ai.onnx.ml does to features and labels: scaling, norms, thresholds, look-ups. */
import { sizeOf, tensor, type TensorData } from "../util/tensor.ts";
import { axis as reduceAxis, compute, reduce, sum } from "../te/compute.ts";
import {
  bin,
  cast,
  div,
  eq,
  type Expr,
  f32,
  gt,
  imm,
  load,
  mul,
  select,
  sub,
  un,
} from "../te/expr.ts";
import type { DType } from "../util/dtype.ts";
import { dims, type TensorType } from "../ir/graph.ts";
import { type AttrReader, type KernelBody, type OpDef, OpError } from "../ir/opdef.ts";
import { axisNames } from "./axes.ts";
import { operand } from "./common.ts";
import { gather } from "./gather.ts";
import { identity, reshape } from "./reshape.ts";
import { ml, rows } from "./ml_common.ts";
import { block, loop, loops, store, when } from "./loops.ts";

interface ScalerAttrs {
  readonly offset: readonly number[];
  readonly scale: readonly number[];
}

/** (x − offset) · scale, one of each a feature or one for all. */
const scaleRows: OpDef<null> = {
  name: "ScaleRows",
  onnx: [],
  infer: (_, [x]) => [{ dtype: "float32", shape: x!.shape }],
  body: {
    kind: "compute",
    define(_, [x, offset, scale], [out]) {
      const shape = dims(out);
      return [compute("y", "float32", shape, (...at) => {
        const of = (t: typeof x): Expr => load(t!, [t!.shape[0] === 1 ? 0 : at[at.length - 1]]);
        return mul(sub(cast("float32", load(x!, at)), of(offset)), of(scale));
      }, axisNames(shape.length))];
    },
  },
};

const scaler: OpDef<ScalerAttrs> = {
  name: "Scaler",
  onnx: [ml("Scaler", (r) => ({ offset: r.floats("offset"), scale: r.floats("scale") }))],
  infer: (_, ins) => [{ dtype: "float32", shape: operand(ins, 0, "number").shape }],
  body: {
    kind: "expand",
    rewrite({ offset, scale }, [x], _, b) {
      const list = (v: readonly number[]) => b.constant(tensor("float32", [v.length], v));
      return b.node(scaleRows, null, [x, list(offset), list(scale)]);
    },
  },
};

type Norm = "MAX" | "L1" | "L2";

/** Rows over their norm; a row of zeros stays as it is. */
const normalizer: OpDef<{ norm: Norm }> = {
  name: "Normalizer",
  onnx: [ml("Normalizer", (r) => {
    const norm = r.string("norm", "MAX");
    if (!["MAX", "L1", "L2"].includes(norm)) throw new OpError(`its norm is ${norm}`);
    return { norm: norm as Norm };
  })],
  infer: (_, ins) => [{ dtype: "float32", shape: operand(ins, 0, "number").shape }],
  body: {
    kind: "compute",
    define({ norm }, [x], [out]) {
      const shape = dims(out), outer = shape.slice(0, -1), names = axisNames(shape.length);
      const element = (at: readonly Expr[]): Expr => cast("float32", load(x!, at));
      const total = compute("norm", "float32", outer, (...at) => {
        const k = reduceAxis("ci", shape[shape.length - 1]), e = element([...at, k.v]);
        if (norm === "MAX") return reduce("max", [k], e, { init: f32(-Infinity) });
        return sum([k], norm === "L1" ? un("abs", e) : mul(e, e));
      }, names);
      return [
        total,
        compute("y", "float32", shape, (...at) => {
          const t = load(total.out, at.slice(0, -1)), e = element(at);
          const by = norm === "L2" ? un("sqrt", t) : t;
          return select(eq(t, f32(0)), e, div(e, by));
        }, names),
      ];
    },
  },
};

const binarizer: OpDef<{ threshold: number }> = {
  name: "Binarizer",
  onnx: [ml("Binarizer", (r) => ({ threshold: r.float("threshold", 0) }))],
  infer: (_, ins) => [operand(ins, 0, "number")],
  body: {
    kind: "compute",
    define: ({ threshold }, [x], [out]) => [
      compute("y", out.dtype, dims(out), (...at) => {
        const e = load(x!, at);
        const above = gt(cast("float64", e), imm(threshold, "float64"));
        return select(above, imm(1, e.dtype), imm(0, e.dtype));
      }, axisNames(dims(out).length)),
    ],
  },
};

/** The features at some positions of the last axis. */
const featureExtractor: OpDef<null> = {
  name: "ArrayFeatureExtractor",
  onnx: [ml("ArrayFeatureExtractor", () => null)],
  infer(_, ins) {
    const x = operand(ins, 0, "any"), y = operand(ins, 1, "int"), shape = dims(x);
    const count = sizeOf(dims(y));
    return [{
      dtype: x.dtype,
      shape: shape.length === 1 ? [1, count] : [...shape.slice(0, -1), count],
    }];
  },
  body: {
    kind: "expand",
    rewrite(_, [x, y], [out], b) {
      const count = sizeOf(dims(y!.type));
      const [places] = b.node(reshape, { shape: [count], allowZero: true }, [y]);
      const [found] = b.node(gather, { axis: x!.type.shape.length - 1 }, [x, places]);
      return b.node(reshape, { shape: dims(out), allowZero: true }, [found]);
    },
  },
};

interface EncoderAttrs {
  readonly keys: TensorData;
  readonly values: TensorData;
  readonly fallback: number;
}

function readEncoder(r: AttrReader): EncoderAttrs {
  const list = (side: "keys" | "values", dtypes: readonly ["int64", "float32"]): TensorData => {
    if (r.has(`${side}_tensor`)) {
      const t = r.tensor(`${side}_tensor`);
      return t;
    }
    const ints = r.ints(`${side}_int64s`, []), floats = r.floats(`${side}_floats`, []);
    if (ints.length) return tensor(dtypes[0], [ints.length], ints);
    if (floats.length) return tensor(dtypes[1], [floats.length], floats);
    throw new OpError(`its ${side} are texts`, "map numbers to numbers");
  };
  const keys = list("keys", ["int64", "float32"]), values = list("values", ["int64", "float32"]);
  const fallback = r.has("default_tensor")
    ? Number(r.tensor("default_tensor").data[0])
    : values.dtype === "int64"
    ? r.int("default_int64", -1)
    : r.float("default_float", 0);
  return { keys, values, fallback };
}

const encoderBody: KernelBody<EncoderAttrs> = {
  constants: ({ keys, values }) => [keys, values],
  program({ fallback }, { ins: [x], outs: [y], constants: [keys, values] }) {
    const d: DType = y.dtype;
    return loops([], x!.shape, (at) =>
      block(
        store(y, at, imm(fallback, d)),
        loop("i", keys.shape[0], (i) => {
          const e = load(x!, at), key = load(keys, [i]);
          const same = x!.dtype.startsWith("float")
            ? bin("or", eq(e, key), bin("and", bin("ne", e, e), bin("ne", key, key)))
            : eq(e, key);
          return when(same, store(y, at, load(values, [i])));
        }),
      ));
  },
};

const labelEncoder: OpDef<EncoderAttrs> = {
  name: "LabelEncoder",
  onnx: [ml("LabelEncoder", readEncoder, 2)],
  infer({ keys, values }, [x]) {
    if (!x) throw new OpError("its input is missing", "give the node its input");
    if (x.dtype !== keys.dtype) throw new OpError(`its keys are ${keys.dtype} for ${x.dtype}`);
    return [{ dtype: values.dtype, shape: x.shape }];
  },
  body: { kind: "kernel", ...encoderBody },
};

interface ImputerAttrs {
  readonly values: readonly number[];
  readonly replaced: number;
}

/** Another number in the place of one that stands for a missing value. */
const imputer: OpDef<ImputerAttrs> = {
  name: "Imputer",
  onnx: [ml("Imputer", (r) => {
    const floats = r.floats("imputed_value_floats", []);
    return floats.length
      ? { values: floats, replaced: r.float("replaced_value_float", 0) }
      : { values: r.ints("imputed_value_int64s"), replaced: r.int("replaced_value_int64", 0) };
  })],
  infer: (_, ins) => [operand(ins, 0, "number")],
  body: {
    kind: "compute",
    define({ values, replaced }, [x], [out]) {
      const shape = dims(out), d = out.dtype;
      const value = (c: Expr): Expr =>
        values.reduceRight<Expr>(
          (rest, v, i) => i === values.length - 1 ? imm(v, d) : select(eq(c, i), imm(v, d), rest),
          imm(0, d),
        );
      return [compute("y", d, shape, (...at) => {
        const e = load(x!, at);
        const missing = Number.isNaN(replaced) ? bin("ne", e, e) : eq(e, imm(replaced, d));
        return select(missing, value(at[at.length - 1]), e);
      }, axisNames(shape.length))];
    },
  },
};

/** A list of maps becomes the tensor of their values: keys are known, and static. */
const zipMap: OpDef<null> = {
  name: "ZipMap",
  onnx: [{
    ...ml("ZipMap", (r) => {
      r.ints("classlabels_int64s", []);
      r.strings("classlabels_strings", []);
      return null;
    }),
    note: "ZipMap is left out: its output is the tensor of the values, in the order of the keys",
  }],
  infer(_, [x]) {
    rows(x);
    return [x as TensorType];
  },
  body: { kind: "expand", rewrite: (_, [x], __, b) => b.node(identity, null, [x]) },
};

export const ops = [
  scaler,
  normalizer,
  binarizer,
  featureExtractor,
  labelEncoder,
  imputer,
  zipMap,
  scaleRows,
] as OpDef<unknown>[];
