/** Element-wise operators of two and more inputs, with numpy's broadcasting. */
import { bytesOf, type DType, isFloat, isInt } from "../util/dtype.ts";
import { numbers } from "../util/tensor.ts";
import { compute } from "../te/compute.ts";
import * as te from "../te/expr.ts";
import { bin, type BinOp, cast, type Expr, imm, select } from "../te/expr.ts";
import { type OpDef, OpError } from "../ir/opdef.ts";
import { dims } from "../ir/graph.ts";
import type { PostTraining } from "../ir/post_training.ts";
import { affineProduct, affineSum } from "./affine.ts";
import { axisNames } from "./axes.ts";
import {
  type Accepts,
  broadcastLoad,
  broadcastShapes,
  elementwise,
  fn,
  noAttrs,
  onnx,
  operand,
  sameType,
} from "./common.ts";

const binary = (
  name: string,
  op: BinOp,
  since: number,
  accepts: Accepts = "number",
  postTraining?: PostTraining,
) =>
  elementwise({
    name,
    onnx: since,
    accepts,
    arity: 2,
    body: ([a, b]) => bin(op, a, b),
    postTraining,
  });
const comparison = (name: string, op: BinOp, since: number, accepts: Accepts = "number") =>
  elementwise({
    name,
    onnx: since,
    accepts,
    arity: 2,
    result: "bool",
    body: ([a, b]) => bin(op, a, b),
  });
const variadic = (name: string, body: (xs: readonly Expr[]) => Expr) =>
  elementwise({ name, onnx: 1, accepts: "number", arity: "any", body });

/** An operator that refuses to divide integers by a constant 0. */
function withDivisor<A>(op: OpDef<A>): OpDef<A> {
  return {
    ...op,
    infer(a, ins, known) {
      const divisor = known(1);
      if (divisor && isInt(divisor.dtype) && numbers(divisor).includes(0)) {
        throw new OpError("it divides integers by 0", "replace the 0 among its constants");
      }
      return op.infer(a, ins, known);
    },
  };
}

/** Both operands and the result are quantised. */
const OPERANDS: PostTraining = { range: "own", operands: 2 };

export const add = binary("Add", "add", 7, "number", {
  ...OPERANDS,
  takesClamp: true,
  sums: true,
  affine: affineSum,
});
export const sub = binary("Sub", "sub", 7, "number", OPERANDS);
export const mul = binary("Mul", "mul", 7, "number", { ...OPERANDS, affine: affineProduct });
/** Integers truncate, as in C. */
export const div: OpDef<null> = withDivisor(binary("Div", "div", 7));
export const max = variadic("Max", (xs) => xs.reduce((a, b) => te.max(a, b)));
export const min = variadic("Min", (xs) => xs.reduce((a, b) => te.min(a, b)));
const sum = variadic("Sum", (xs) => xs.reduce((a, b) => te.add(a, b)));
const mean = variadic(
  "Mean",
  (xs) => te.div(xs.reduce((a, b) => te.add(a, b)), imm(xs.length, xs[0].dtype)),
);

/** x where x ≥ 0, else slope · x. */
export const prelu = elementwise({
  name: "PRelu",
  onnx: 7,
  accepts: "number",
  arity: 2,
  body: ([x, slope]) => select(te.lt(x, 0), te.mul(x, slope), x),
});

/** The result has the type of the base; integers go through double. */
export const pow: OpDef<null> = {
  name: "Pow",
  onnx: [onnx("Pow", 7, noAttrs)],
  infer(_, ins) {
    const base = operand(ins, 0, "number"), exponent = operand(ins, 1, "number");
    return [{ dtype: base.dtype, shape: broadcastShapes([dims(base), dims(exponent)]) }];
  },
  body: {
    kind: "compute",
    define(_, [base, exponent], [out]) {
      const shape = dims(out), dtype = isFloat(out.dtype) ? out.dtype : "float64";
      return [compute("y", out.dtype, shape, (...at) => {
        const a = cast(dtype, broadcastLoad(base!, at)),
          b = cast(dtype, broadcastLoad(exponent!, at));
        return cast(out.dtype, fn("pow", a, b));
      }, axisNames(shape.length))];
    },
  },
};

/** a − ⌊a/b⌋·b of floats; a zero has the sign of b too. */
function flooredMod(a: Expr, b: Expr): Expr {
  const zero = imm(0, a.dtype), r = fn("fmod", a, b);
  const differ = bin("xor", te.lt(r, zero), te.lt(b, zero));
  return select(
    te.eq(r, zero),
    select(te.lt(b, zero), imm(-0, a.dtype), zero),
    select(differ, te.add(r, b), r),
  );
}

/** Remainder with the sign of the divisor (Python's), or with fmod that of the dividend (C's). */
const mod: OpDef<{ fmod: boolean }> = withDivisor(
  elementwise<{ fmod: boolean }>({
    name: "Mod",
    onnx: 10,
    attrs: (r) => ({ fmod: r.int("fmod", 0) !== 0 }),
    accepts: "number",
    arity: 2,
    body([a, b], { fmod }) {
      if (isFloat(a.dtype)) return fmod ? fn("fmod", a, b) : flooredMod(a, b);
      const r = bin("mod", a, b);
      if (fmod || a.dtype.startsWith("uint")) return r;
      const signs = te.lt(bin("xor", r, b), 0);
      return select(te.and(bin("ne", r, imm(0, r.dtype)), signs), te.add(r, b), r);
    },
  }),
);

/** Of signed numbers a right shift copies the sign; by less than 0 or all bits nothing else is left. */
const shift: OpDef<{ left: boolean }> = elementwise<{ left: boolean }>({
  name: "BitShift",
  onnx: 11,
  attrs: (r) => ({ left: r.string("direction") === "LEFT" }),
  accepts: "int",
  arity: 2,
  body([a, b], { left }) {
    const { dtype } = a, signed = !dtype.startsWith("uint"), bits = 8 * bytesOf(dtype);
    const inside = signed ? te.and(te.ge(b, 0), te.lt(b, bits)) : te.lt(b, bits);
    if (!left) {
      const sign = signed ? select(te.lt(a, 0), imm(-1, dtype), imm(0, dtype)) : imm(0, dtype);
      return select(inside, bin("shr", a, b), sign);
    }
    const raw = (signed ? `u${dtype}` : dtype) as DType;
    const shifted = cast(dtype, bin("shl", cast(raw, a), cast(raw, b)));
    return select(inside, shifted, imm(0, dtype));
  },
});

/** condition ? x : y; of any element type. */
export const where: OpDef<null> = {
  name: "Where",
  onnx: [onnx("Where", 9, noAttrs)],
  infer(_, ins) {
    const cond = operand(ins, 0, "bool"), x = operand(ins, 1, "any"), y = operand(ins, 2, "any");
    sameType([x, y]);
    return [{ dtype: x.dtype, shape: broadcastShapes([cond, x, y].map(dims)) }];
  },
  body: {
    kind: "compute",
    define(_, ins, [out]) {
      const shape = dims(out);
      return [compute("y", out.dtype, shape, (...at) => {
        const [c, x, y] = ins.map((t) => broadcastLoad(t!, at));
        return select(c, x, y);
      }, axisNames(shape.length))];
    },
  },
};

/** Comparisons, bool. */
export const compare = {
  equal: comparison("Equal", "eq", 7, "any"),
  greater: comparison("Greater", "gt", 7),
  less: comparison("Less", "lt", 7),
  greaterOrEqual: comparison("GreaterOrEqual", "ge", 12),
  lessOrEqual: comparison("LessOrEqual", "le", 12),
};

/** And, Or, Xor. */
export const logic = [
  binary("And", "and", 7, "bool"),
  binary("Or", "or", 7, "bool"),
  binary("Xor", "xor", 7, "bool"),
];

export const ops = [
  add,
  sub,
  mul,
  div,
  max,
  min,
  sum,
  mean,
  prelu,
  pow,
  mod,
  shift,
  where,
  ...Object.values(compare),
  ...logic,
  binary("BitwiseAnd", "and", 18, "int"),
  binary("BitwiseOr", "or", 18, "int"),
  binary("BitwiseXor", "xor", 18, "int"),
] as OpDef<unknown>[];
