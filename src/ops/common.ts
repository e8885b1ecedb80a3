/** What the operator families share: checks of operands, broadcasting, element-wise definitions. */
import { type DType, DTYPES, isFloat, isInt, isStored } from "../util/dtype.ts";
import { compute, type Tensor } from "../te/compute.ts";
import { add, call, div, type Expr, imm, load, un } from "../te/expr.ts";
import { erf, exp, libm, type LibmName, log, sigmoid, tanh } from "../te/scalar.ts";
import { type AttrReader, type OnnxBinding, type OpDef, OpError } from "../ir/opdef.ts";
import { dims, type TensorType } from "../ir/graph.ts";
import type { PostTraining } from "../ir/post_training.ts";
import type { QuantRule } from "../ir/quant.ts";
import { axisNames } from "./axes.ts";

export type Types = readonly (TensorType | null)[];
export type Ins = readonly (Tensor | null)[];

/**
 * Which element types an operator takes. Types that are storage only are among `any` alone: what
 * computes with its elements is given wider ones by the importer.
 */
export type Accepts = "float" | "float32" | "int" | "bool" | "number" | "any";

const ACCEPTS: Readonly<Record<Accepts, (d: DType) => boolean>> = {
  float: (d) => d === "float32" || d === "float64",
  float32: (d) => d === "float32",
  int: (d) => isInt(d) && !isStored(d),
  bool: (d) => d === "bool",
  number: (d) => (isInt(d) && !isStored(d)) || d === "float32" || d === "float64",
  any: () => true,
};

/** An input that must be there, of a type that the operator takes. */
export function operand(ins: Types, i: number, accepts: Accepts): TensorType {
  const t = ins[i];
  if (!t) throw new OpError(`its input ${i} is missing`, "give the node all of its inputs");
  if (!ACCEPTS[accepts](t.dtype)) {
    throw new OpError(
      `its input ${i} is ${t.dtype}, which it does not compute with`,
      isFloat(t.dtype) ? "convert the model to float32" : "insert a Cast before it",
    );
  }
  return t;
}

/** numpy's broadcasting of shapes. */
export function broadcastShapes(shapes: readonly (readonly number[])[]): number[] {
  const rank = Math.max(0, ...shapes.map((s) => s.length));
  return Array.from({ length: rank }, (_, i) => {
    const sizes = shapes.map((s) => s[i - rank + s.length] ?? 1);
    const n = sizes.find((d) => d !== 1) ?? 1;
    if (sizes.some((d) => d !== 1 && d !== n)) {
      throw new OpError(
        `its inputs of shapes ${shapes.map((s) => `[${s}]`).join(" and ")} do not broadcast`,
        "sizes must be equal or 1, counted from the last axis",
      );
    }
    return n;
  });
}

/** The element of `t` that broadcasting gives to the output element at `axes`. */
export const broadcastLoad = (t: Tensor, axes: readonly Expr[]): Expr =>
  load(t, t.shape.map((n, i) => n === 1 ? 0 : axes[axes.length - t.shape.length + i]));

/** An axis counted from either end, as an index from the front. */
export function axisIndex(axis: number, rank: number): number {
  if (!Number.isInteger(axis) || axis < -rank || axis >= rank) {
    throw new OpError(`its axis ${axis} is not one of ${rank}`, `use -${rank} to ${rank - 1}`);
  }
  return axis < 0 ? axis + rank : axis;
}

/** The extreme values of a type as literals: what a maximum, a minimum starts with. */
export const lowest = (d: DType): Expr => imm(isFloat(d) ? -Infinity : DTYPES[d].min ?? 0, d);
export const highest = (d: DType): Expr => imm(isFloat(d) ? Infinity : DTYPES[d].max ?? 1, d);

const GENERATED = { exp, log, tanh, erf, sigmoid };

/** A transcendental function: generated code on float32 where there is some, else of libm. */
export function fn(name: LibmName | keyof typeof GENERATED, ...args: Expr[]): Expr {
  const { dtype } = args[0];
  if (dtype === "float32" && name in GENERATED) {
    return call(GENERATED[name as keyof typeof GENERATED], ...args);
  }
  if (name === "sigmoid") {
    const one = imm(1, dtype);
    return div(one, add(one, fn("exp", un("neg", args[0]))));
  }
  return call(libm(name as LibmName, dtype), ...args);
}

/** Reads nothing. */
export const noAttrs = (): null => null;

/** A binding of the default domain; `inputs` is how many leading inputs stay data. */
export const onnx = <A>(
  type: string,
  since: number,
  attrs: (r: AttrReader) => A,
  inputs?: number,
): OnnxBinding<A> => ({ domain: "", type, since, attrs, ...inputs !== undefined && { inputs } });

/** The same, and the first version of onnxruntime's own operator of that name. */
export const onnxAndMicrosoft = <A>(
  type: string,
  since: number,
  attrs: (r: AttrReader) => A,
  inputs?: number,
): OnnxBinding<A>[] => [
  onnx(type, since, attrs, inputs),
  { ...onnx(type, 1, attrs, inputs), domain: "com.microsoft" },
];

/** What tells one element-wise operator from another. */
export interface Elementwise<A> {
  readonly name: string;
  /** The operator set version that this reading starts with, or the bindings. */
  readonly onnx: number | readonly OnnxBinding<A>[];
  readonly attrs?: (r: AttrReader) => A;
  readonly accepts: Accepts;
  /** How many inputs it has, 1 if left out; "any" is one or more. */
  readonly arity?: number | "any";
  /** Type of the result; that of the inputs if left out. */
  readonly result?: DType;
  readonly body: (xs: readonly Expr[], a: A) => Expr;
  readonly quantized?: QuantRule<A>;
  readonly postTraining?: PostTraining;
}

/** An operator on one type, element by element, with numpy's broadcasting. */
export function elementwise<A = null>(d: Elementwise<A>): OpDef<A> {
  const attrs = d.attrs ?? (noAttrs as () => A);
  return {
    name: d.name,
    onnx: typeof d.onnx === "number" ? [onnx(d.name, d.onnx, attrs)] : d.onnx,
    pointwise: true,
    infer(_, ins) {
      const arity = d.arity ?? 1;
      if (arity !== "any" && ins.length > arity) {
        throw new OpError(`it has ${ins.length} inputs`, `it takes ${arity}`);
      }
      const count = arity === "any" ? Math.max(ins.length, 1) : arity;
      const types = Array.from({ length: count }, (_, i) => operand(ins, i, d.accepts));
      sameType(types);
      return [{ dtype: d.result ?? types[0].dtype, shape: broadcastShapes(types.map(dims)) }];
    },
    body: {
      kind: "compute",
      define(a, ins, [out]) {
        const shape = dims(out);
        return [
          compute(
            "y",
            out.dtype,
            shape,
            (...at) => d.body(ins.flatMap((t) => t ? [broadcastLoad(t, at)] : []), a),
            axisNames(shape.length),
          ),
        ];
      },
    },
    ...d.quantized && { quantized: d.quantized },
    ...d.postTraining && { postTraining: d.postTraining },
  };
}

/** Refuses operands of several types. */
export function sameType(types: readonly TensorType[]): void {
  const other = types.find((t) => t.dtype !== types[0].dtype);
  if (other) {
    throw new OpError(
      `its inputs are ${types[0].dtype} and ${other.dtype}`,
      "insert a Cast before it",
    );
  }
}
