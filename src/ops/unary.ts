/** Element-wise mathematics of one input. */
import * as te from "../te/expr.ts";
import { type Expr, imm, select, un, type UnOp } from "../te/expr.ts";
import type { OpDef } from "../ir/opdef.ts";
import type { LibmName } from "../te/scalar.ts";
import { type Accepts, elementwise, fn } from "./common.ts";

const unary = (
  name: string,
  since: number,
  body: (x: Expr) => Expr,
  accepts: Accepts = "float",
): OpDef<null> => elementwise({ name, onnx: since, accepts, body: ([x]) => body(x) });

/** One operation of the machine. */
const basic = (name: string, op: UnOp, since: number, accepts: Accepts = "float"): OpDef<null> =>
  unary(name, since, (x) => un(op, x), accepts);

/** A function of libm: not the same bits on every target. */
const external = (name: string, since: number): OpDef<null> =>
  unary(name, since, (x) => fn(name.toLowerCase() as LibmName, x));

const sign = (x: Expr): Expr => {
  const one = (v: number): Expr => imm(v, x.dtype);
  if (x.dtype.startsWith("uint")) return select(te.gt(x, 0), one(1), one(0));
  return select(te.gt(x, 0), one(1), select(te.lt(x, 0), one(-1), one(0)));
};

export const squareRoot = basic("Sqrt", "sqrt", 1);

export const reciprocal = unary("Reciprocal", 1, (x) => te.div(imm(1, x.dtype), x));
export const exponential = unary("Exp", 1, (x) => fn("exp", x));

const isInf = elementwise<{ positive: boolean; negative: boolean }>({
  name: "IsInf",
  onnx: 10,
  attrs: (r) => ({
    positive: r.int("detect_positive", 1) !== 0,
    negative: r.int("detect_negative", 1) !== 0,
  }),
  accepts: "float",
  result: "bool",
  body([x], { positive, negative }) {
    const is = (v: number): Expr => te.eq(x, imm(v, x.dtype));
    return te.bin(
      "or",
      positive ? is(Infinity) : te.FALSE,
      negative ? is(-Infinity) : te.FALSE,
    );
  },
});

export const ops = [
  basic("Neg", "neg", 1, "number"),
  squareRoot,
  basic("Floor", "floor", 1),
  basic("Ceil", "ceil", 1),
  basic("Round", "rint", 11),
  basic("Not", "not", 1, "bool"),
  basic("BitwiseNot", "bitnot", 18, "int"),
  unary("Abs", 1, (x) => x.dtype.startsWith("uint") ? x : un("abs", x), "number"),
  unary("Sign", 9, sign, "number"),
  reciprocal,
  exponential,
  unary("Log", 1, (x) => fn("log", x)),
  unary("Erf", 9, (x) => fn("erf", x)),
  elementwise({
    name: "IsNaN",
    onnx: 9,
    accepts: "float",
    result: "bool",
    body: ([x]) => te.bin("ne", x, x),
  }),
  isInf,
  external("Sin", 7),
  external("Cos", 7),
  external("Tan", 7),
  external("Asin", 7),
  external("Acos", 7),
  external("Atan", 7),
  external("Sinh", 9),
  external("Cosh", 9),
  external("Asinh", 9),
  external("Acosh", 9),
  external("Atanh", 9),
] as OpDef<unknown>[];
