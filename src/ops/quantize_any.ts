/**
 * QuantizeLinear and DequantizeLinear as ONNX has them. What is quantised per tensor or per channel to
 * integers of at least 8 bits becomes the operators that the passes know; the rest, blocks and the
 * types that are storage only, is computed as it stands.
 */
import {
  type DType,
  dtypeByNumber,
  DTYPES,
  intRange,
  isFloat,
  isInt,
  isStored,
} from "../util/dtype.ts";
import { numbers, tensor } from "../util/tensor.ts";
import { compute, type Tensor } from "../te/compute.ts";
import { add, cast, div, type Expr, floordiv, imm, load, mul, sub, type Var } from "../te/expr.ts";
import { quantize } from "../te/rounding.ts";
import { SATURATING, toStored } from "../te/stored.ts";
import { type AttrReader, type KnownData, type OpDef, OpError } from "../ir/opdef.ts";
import type { Builder } from "../ir/build.ts";
import { dims, type TensorType, type Value } from "../ir/graph.ts";
import { axisNames } from "./axes.ts";
import type { Types } from "./common.ts";
import {
  dequantizeLinear,
  type LinearAttrs,
  quantizeLinear,
  TARGETS,
  vectorAlong,
} from "./quantize.ts";

interface ScaleAttrs {
  readonly axis: number;
  /** Elements along the axis that share a scale; 0: not in blocks. */
  readonly block: number;
}

interface AnyQuantizeAttrs extends ScaleAttrs {
  readonly dtype: DType;
  /** Too large numbers become the largest of a float8 type, else infinity or NaN. */
  readonly saturate: boolean;
  /** In which the quotient is rounded; null: the scale's. */
  readonly precision: DType | null;
}
interface AnyDequantizeAttrs extends ScaleAttrs {
  /** null: the scale's. */
  readonly dtype: DType | null;
}

/** The type that an attribute names, null where it is left out. */
function typeAttr(r: AttrReader, name: string): DType | null {
  const number = r.int(name, 0);
  if (number === 0) return null;
  const dtype = dtypeByNumber(number);
  if (dtype) return dtype;
  throw new OpError(`its ${name} is ONNX's element type ${number}`, "use a type that there is");
}

const readScale = (r: AttrReader): ScaleAttrs => ({
  axis: r.int("axis", 1),
  block: r.int("block_size", 0),
});

/** The result of an input tensor of these parameters; throws where they do not fit. */
function checkScales(a: ScaleAttrs, ins: Types): { x: TensorType; scale: TensorType } {
  const [x, scale, zero] = ins;
  if (!x || !scale) throw new OpError("its input or scale is missing", "give the node its inputs");
  if (scale.dtype !== "float32" && scale.dtype !== "float16" && scale.dtype !== "bfloat16") {
    throw new OpError(`its scale is ${scale.dtype}`, "use float32");
  }
  const shape = dims(x), from = dims(scale);
  if (zero && zero.shape.length > 0 && `${dims(zero)}` !== `${from}` && dims(zero)[0] !== 1) {
    throw new OpError(
      `its zero point has the shape [${dims(zero)}], its scale [${from}]`,
      "give both one shape",
    );
  }
  if (a.block === 0) {
    vectorAlong(scale, a.axis, shape);
    return { x, scale };
  }
  const axis = a.axis < 0 ? a.axis + shape.length : a.axis;
  const want = shape.map((n, i) => i === axis ? Math.ceil(n / a.block) : n);
  if (a.block < 0 || !(axis >= 0 && axis < shape.length) || `${want}` !== `${from}`) {
    throw new OpError(
      `its scale [${from}] does not fit blocks of ${a.block} along axis ${a.axis} of [${shape}]`,
      "give one for every block",
    );
  }
  return { x, scale };
}

/** The element of a parameter that an element of the tensor uses. */
function parameter(t: Tensor, at: readonly Var[], a: ScaleAttrs): Expr {
  const axis = a.axis < 0 ? a.axis + at.length : a.axis;
  if (t.shape.every((n) => n === 1)) return load(t, t.shape.map(() => 0));
  if (a.block > 0) return load(t, (at as readonly Expr[]).with(axis, floordiv(at[axis], a.block)));
  return load(t, [at[axis]]);
}
const scaleAt = (ins: readonly (Tensor | null)[], at: readonly Var[], a: ScaleAttrs): Expr =>
  cast("float32", parameter(ins[1]!, at, a));

/** A quotient rounded to a narrower float and back. */
const rounded = (x: Expr, d: DType): Expr => isStored(d) ? cast("float32", cast(d, x)) : x;

/** Computed element by element, whatever the types. */
const quantizeAny: OpDef<AnyQuantizeAttrs> = {
  name: "QuantizeAny",
  onnx: [],
  infer: (a, ins) => [{ dtype: a.dtype, shape: checkScales(a, ins).x.shape }],
  body: {
    kind: "compute",
    define(a, ins, [out]) {
      const shape = dims(out), [x, scale, zero] = ins;
      return [compute("y", a.dtype, shape, (...at) => {
        const quotient = rounded(
          div(cast("float32", load(x!, at)), scaleAt(ins, at, a)),
          a.precision ?? scale!.dtype,
        );
        if (isFloat(a.dtype)) {
          // A float8 zero point is 0; that of float4 is added.
          const moved = zero && a.dtype === "float4e2m1"
            ? add(quotient, cast("float32", parameter(zero, at, a)))
            : quotient;
          return a.saturate ? toStored(a.dtype, moved, SATURATING) : cast(a.dtype, moved);
        }
        const z = zero ? cast("int32", parameter(zero, at, a)) : imm(0);
        const { min, max } = intRange(a.dtype);
        return cast(a.dtype, quantize(quotient, z, imm(min), imm(max)));
      }, axisNames(shape.length))];
    },
  },
};

const dequantizeAny: OpDef<AnyDequantizeAttrs> = {
  name: "DequantizeAny",
  onnx: [],
  infer(a, ins) {
    const { x, scale } = checkScales(a, ins);
    return [{ dtype: a.dtype ?? scale.dtype, shape: x.shape }];
  },
  body: {
    kind: "compute",
    define(a, ins, [out]) {
      const shape = dims(out), [x, , zero] = ins, { dtype } = x!;
      return [compute("y", out.dtype, shape, (...at) => {
        const q = load(x!, at), z = zero && parameter(zero, at, a);
        const value = isFloat(dtype)
          ? cast("float32", q)
          : cast("float32", z ? sub(cast("int32", q), cast("int32", z)) : cast("int32", q));
        return cast(out.dtype, mul(value, scaleAt(ins, at, a)));
      }, axisNames(shape.length))];
    },
  },
};

/** Constants of less than 8 bits as bytes, which integer operators compute with. */
function wideConstant(v: Value, b: Builder): Value {
  const { dtype } = v.type;
  if (!v.data || !isStored(dtype) || isFloat(dtype)) return v;
  return b.constant(tensor(DTYPES[dtype].carrier!, v.data.shape, numbers(v.data)), v.name);
}

/** A zero point that float8 types must not have. */
function checkZero(dtype: DType, known: KnownData): void {
  const zero = known(2);
  if (zero && dtype.startsWith("float8") && numbers(zero).some((v) => v !== 0)) {
    throw new OpError(`its zero point of ${dtype} is not 0`, "float8 types have none");
  }
}

const core = (a: ScaleAttrs): LinearAttrs => ({ axis: a.axis, scale: null, zero: null });
const QUANTIZED: readonly DType[] = [
  ...TARGETS,
  ...["float8e4m3fn", "float8e4m3fnuz", "float8e5m2", "float8e5m2fnuz", "float4e2m1"] as const,
  ...["int4", "uint4", "int2", "uint2"] as const,
];
const DOMAINS = [{ domain: "", since: 10 }, { domain: "com.microsoft", since: 1 }];

/** y = saturate(x / scale + zero), rounded half to even. */
const quantizeOnnx: OpDef<AnyQuantizeAttrs> = {
  name: "QuantizeLinear",
  postTraining: { integers: true },
  quantizes: "output",
  onnx: DOMAINS.map((d) => ({
    ...d,
    type: "QuantizeLinear",
    attrs: (r) => ({
      ...readScale(r),
      dtype: r.type(2)?.dtype ?? typeAttr(r, "output_dtype") ?? "uint8",
      saturate: r.int("saturate", 1) !== 0,
      precision: typeAttr(r, "precision"),
    }),
  })),
  infer(a, ins, known) {
    const { x } = checkScales(a, ins);
    if (!QUANTIZED.includes(a.dtype)) {
      throw new OpError(`it quantises to ${a.dtype}`, "use int8 or uint8");
    }
    if (!["float32", "float16", "bfloat16", "int32"].includes(x.dtype)) {
      throw new OpError(`its input is ${x.dtype}`, "use float32");
    }
    checkZero(a.dtype, known);
    return [{ dtype: a.dtype, shape: x.shape }];
  },
  body: {
    kind: "expand",
    rewrite(a, ins, _, b) {
      const plain = a.block === 0 && a.precision === null && TARGETS.includes(a.dtype) &&
        ins.slice(0, 2).every((v) => v && !isStored(v.type.dtype));
      return plain
        ? b.node(quantizeLinear, { ...core(a), dtype: a.dtype }, ins)
        : b.node(quantizeAny, a, ins);
    },
  },
};

/** y = (x − zero) × scale. */
const dequantizeOnnx: OpDef<AnyDequantizeAttrs> = {
  name: "DequantizeLinear",
  quantizes: "input",
  onnx: DOMAINS.map((d) => ({
    ...d,
    type: "DequantizeLinear",
    attrs: (r) => ({ ...readScale(r), dtype: typeAttr(r, "output_dtype") }),
  })),
  infer(a, ins, known) {
    const { x, scale } = checkScales(a, ins);
    if (!QUANTIZED.includes(x.dtype)) {
      throw new OpError(`it dequantises ${x.dtype}`, "use int8 or uint8");
    }
    if (ins[2] && ins[2].dtype !== x.dtype) {
      throw new OpError(
        `its input is ${x.dtype} but its zero point ${ins[2].dtype}`,
        "give both one type",
      );
    }
    checkZero(x.dtype, known);
    return [{ dtype: a.dtype ?? scale.dtype, shape: x.shape }];
  },
  fold: false,
  body: {
    kind: "expand",
    rewrite(a, ins, [out], b) {
      const wide = ins.map((v) => v && wideConstant(v, b)), [x, scale, zero] = wide;
      const plain = a.block === 0 && isInt(x!.type.dtype) && !isStored(x!.type.dtype) &&
        x!.type.dtype === (zero ?? x)!.type.dtype &&
        scale!.type.dtype === "float32" && out.dtype === "float32";
      return plain ? b.node(dequantizeLinear, core(a), wide) : b.node(dequantizeAny, a, ins);
    },
  },
};

export const ops = [
  quantizeOnnx,
  dequantizeOnnx,
  quantizeAny,
  dequantizeAny,
] as OpDef<unknown>[];
