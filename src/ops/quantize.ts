/**
 * Quantisation: the ONNX operators, and the integer forms that `passes/integerize.ts` makes of them.
 * Everything that rounds goes through te/rounding.ts.
 */
import { type DType, intRange, isInt } from "../util/dtype.ts";
import { axis, compute, reduce, type Tensor } from "../te/compute.ts";
import {
  cast,
  div,
  eq,
  type Expr,
  f32,
  imm,
  load,
  max,
  min,
  mul,
  rint,
  select,
  sub,
  type Var,
} from "../te/expr.ts";
import { quantize, requantize } from "../te/rounding.ts";
import { type OpDef, OpError } from "../ir/opdef.ts";
import { dims, type TensorType } from "../ir/graph.ts";
import { axisNames } from "./axes.ts";

/** Scale and zero point are inputs 1 and 2, or, where these are null, numbers here. */
export interface LinearAttrs {
  /** The axis that a scale of more than one element belongs to. */
  readonly axis: number;
  readonly scale: number | null;
  readonly zero: number | null;
}
export interface QuantizeAttrs extends LinearAttrs {
  readonly dtype: DType;
  /** Bounds of the result where they are narrower than the type's; only with a number as zero. */
  readonly lo?: number;
  readonly hi?: number;
}

type Ins = readonly (Tensor | null)[];

/** The element of a parameter tensor ([], [1] or [n] along `axis`) that an output element uses. */
function parameter(t: Tensor, at: readonly Var[], axis: number): Expr {
  if (t.shape.length === 0) return load(t, []);
  if (t.shape.length !== 1) throw new OpError("its scale is not a scalar or a vector");
  if (t.shape[0] === 1) return load(t, [0]);
  return load(t, [at[axis < 0 ? axis + at.length : axis]]);
}

function scaleOf(a: LinearAttrs, ins: Ins, at: readonly Var[]): Expr {
  if (ins[1]) return parameter(ins[1], at, a.axis);
  if (a.scale === null) throw new OpError("it has no scale");
  return f32(a.scale);
}
function zeroOf(a: LinearAttrs, ins: Ins, at: readonly Var[]): Expr {
  return ins[2] ? cast("int32", parameter(ins[2], at, a.axis)) : imm(a.zero ?? 0);
}

/** Refuses a parameter that is neither one for all nor one for each index along the axis. */
export function vectorAlong(t: TensorType, along: number, shape: readonly number[]): void {
  const axis = along < 0 ? along + shape.length : along;
  if (t.shape.length > 1) {
    throw new OpError("its scale has more than one axis", "quantise per tensor or per channel");
  }
  const n = t.shape[0] ?? 1;
  if (n !== 1 && (axis < 0 || axis >= shape.length || shape[axis] !== n)) {
    throw new OpError(`its scale has ${n} elements, which does not fit axis ${along}`);
  }
}

function checkParameters(a: LinearAttrs, ins: readonly (TensorType | null)[]): void {
  const x = ins[0];
  if (!x) throw new OpError("its input is missing");
  if (ins[1] && ins[1].dtype !== "float32") {
    throw new OpError(`its scale is ${ins[1].dtype}`, "use float32");
  }
  for (const t of [ins[1], ins[2]]) if (t) vectorAlong(t, a.axis, dims(x));
  const count = (t: TensorType | null | undefined): number => t ? dims(t)[0] ?? 1 : 1;
  if (count(ins[1]) !== count(ins[2]) && count(ins[2]) !== 1) {
    throw new OpError(`its zero point has ${count(ins[2])} elements for ${count(ins[1])} scales`);
  }
}

/** Lowest and highest result. */
function bounds(dtype: DType, { lo, hi }: { lo?: number; hi?: number } = {}): [Expr, Expr] {
  const { min, max } = intRange(dtype);
  return [imm(lo ?? min), imm(hi ?? max)];
}

/** What is quantised to integers that compute. */
export const TARGETS: readonly DType[] = ["int8", "uint8", "int16", "uint16", "int32"];

/** y = saturate(rint(x / scale) + zero). */
export const quantizeLinear: OpDef<QuantizeAttrs> = {
  name: "QuantizeLinear",
  quantizes: "output",
  onnx: [],
  infer(a, ins) {
    checkParameters(a, ins);
    if (!TARGETS.includes(a.dtype)) throw new OpError(`it quantises to ${a.dtype}`);
    return [{ dtype: a.dtype, shape: ins[0]!.shape }];
  },
  body: {
    kind: "compute",
    define(a, ins, [out]) {
      const shape = dims(out);
      return [compute("y", a.dtype, shape, (...at) => {
        const zero = zeroOf(a, ins, at);
        const [lo, hi] = bounds(a.dtype, a);
        const x = div(cast("float32", load(ins[0]!, at)), scaleOf(a, ins, at));
        return cast(a.dtype, quantize(x, zero, lo, hi));
      }, axisNames(shape.length))];
    },
  },
};

/** y = float32(x − zero) × scale. */
export const dequantizeLinear: OpDef<LinearAttrs> = {
  name: "DequantizeLinear",
  quantizes: "input",
  onnx: [],
  infer(a, ins) {
    checkParameters(a, ins);
    if (!isInt(ins[0]!.dtype)) throw new OpError(`it dequantises ${ins[0]!.dtype}`);
    if (ins[2] && ins[2].dtype !== ins[0]!.dtype) {
      throw new OpError(`its input is ${ins[0]!.dtype} but its zero point ${ins[2].dtype}`);
    }
    return [{ dtype: "float32", shape: ins[0]!.shape }];
  },
  fold: false,
  body: {
    kind: "compute",
    define(a, ins, [out]) {
      const shape = dims(out);
      return [compute("y", "float32", shape, (...at) => {
        // An int32 tensor has no zero point in ONNX, so this subtraction stays within int32.
        const q = sub(cast("int32", load(ins[0]!, at)), zeroOf(a, ins, at));
        return mul(cast("float32", q), scaleOf(a, ins, at));
      }, axisNames(shape.length))];
    },
  },
};

/** Quantises to uint8 with a range taken from the data: outputs y, scale, zero point. */
export const dynamicQuantizeLinear: OpDef<null> = {
  name: "DynamicQuantizeLinear",
  postTraining: { integers: true },
  onnx: [{ domain: "", type: "DynamicQuantizeLinear", since: 11, attrs: () => null }],
  infer(_, [x]) {
    if (x?.dtype !== "float32") throw new OpError("its input is not float32");
    return [
      { dtype: "uint8", shape: x.shape },
      { dtype: "float32", shape: [] },
      { dtype: "uint8", shape: [] },
    ];
  },
  body: {
    kind: "compute",
    define(_, [x]) {
      const over = x!.shape.map((n, i) => axis(`r${i}`, n));
      const range = (op: "min" | "max") =>
        compute(
          op,
          "float32",
          [],
          () => reduce(op, over, load(x!, over.map((r) => r.v)), { init: f32(0) }),
        );
      const lo = range("min"), hi = range("max");
      const step = compute("step", "float32", [], () => {
        const width = sub(load(hi.out, []), load(lo.out, []));
        return select(eq(width, 0), f32(1), div(width, f32(255)));
      });
      const origin = compute("origin", "uint8", [], () => {
        const z = div(sub(f32(0), load(lo.out, [])), load(step.out, []));
        return cast("uint8", cast("int32", rint(min(max(z, f32(0)), f32(255)))));
      });
      const y = compute("y", "uint8", x!.shape, (...at) => {
        const zero = cast("int32", load(origin.out, []));
        const [l, h] = bounds("uint8");
        return cast("uint8", quantize(div(load(x!, at), load(step.out, [])), zero, l, h));
      }, axisNames(x!.shape.length));
      const scale = compute("scale", "float32", [], () => load(step.out, []));
      const zero = compute("zero", "uint8", [], () => load(origin.out, []));
      return [lo, hi, step, origin, y, scale, zero];
    },
  },
};

export interface RequantizeAttrs {
  readonly dtype: DType;
  readonly zero: number;
  /** Bounds of the result, inclusive, zero point included. */
  readonly lo: number;
  readonly hi: number;
  /** The axis that a scale of more than one element belongs to. */
  readonly axis: number;
}

/** Accumulator to stored integer: inputs acc (int32 or int64) and scale (float32, [] or [n]). */
export const requantizeOp: OpDef<RequantizeAttrs> = {
  name: "Requantize",
  onnx: [],
  infer: (a, [acc]) => [{ dtype: a.dtype, shape: acc!.shape }],
  body: {
    kind: "compute",
    define(a, ins, [out]) {
      const shape = dims(out);
      return [compute("y", a.dtype, shape, (...at) => {
        const m = parameter(ins[1]!, at, a.axis);
        const [zero, lo, hi] = [imm(a.zero), imm(a.lo), imm(a.hi)];
        return cast(a.dtype, requantize(load(ins[0]!, at), m, zero, lo, hi));
      }, axisNames(shape.length))];
    },
  },
};

export interface DequantizeAccAttrs {
  readonly axis: number;
  /** Bounds of the real value that the graph clips to, null where there is none. */
  readonly lo: number | null;
  readonly hi: number | null;
}

/** Accumulator to float: clip(float32(acc) × scale); inputs as of Requantize. */
export const dequantizeAcc: OpDef<DequantizeAccAttrs> = {
  name: "DequantizeAcc",
  onnx: [],
  infer: (_, [acc]) => [{ dtype: "float32", shape: acc!.shape }],
  body: {
    kind: "compute",
    define(a, ins, [out]) {
      const shape = dims(out);
      return [compute("y", "float32", shape, (...at) => {
        let x = mul(cast("float32", load(ins[0]!, at)), parameter(ins[1]!, at, a.axis));
        if (a.lo !== null) x = max(x, f32(a.lo));
        if (a.hi !== null) x = min(x, f32(a.hi));
        return x;
      }, axisNames(shape.length))];
    },
  },
};

/** y = table[q as its unsigned byte]; inputs q (int8 or uint8) and a constant table of 256. */
export const table: OpDef<null> = {
  name: "Table",
  onnx: [],
  infer(_, [q, t]) {
    if (q?.dtype !== "int8" && q?.dtype !== "uint8") throw new OpError("its index is not a byte");
    if (t?.shape.length !== 1 || t.shape[0] !== 256) throw new OpError("its table is not [256]");
    return [{ dtype: t.dtype, shape: q.shape }];
  },
  body: {
    kind: "compute",
    define(_, [q, t], [out]) {
      const shape = dims(out);
      const index = (at: readonly Var[]): Expr => cast("int32", cast("uint8", load(q!, at)));
      return [
        compute(
          "y",
          out.dtype,
          shape,
          (...at) => load(t!, [index(at)]),
          axisNames(shape.length),
        ),
      ];
    },
  },
};

export const ops: readonly OpDef<unknown>[] = [
  quantizeLinear,
  dequantizeLinear,
  dynamicQuantizeLinear,
  requantizeOp,
  dequantizeAcc,
  table,
] as OpDef<unknown>[];
