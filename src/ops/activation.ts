/** Activation functions. All are one expression of their input, so that chains become tables. */
import { isFloat, isInt } from "../util/dtype.ts";
import * as te from "../te/expr.ts";
import { add, cast, div, type Expr, imm, mul, select, sub, un } from "../te/expr.ts";
import { type OpDef, OpError } from "../ir/opdef.ts";
import type { PostTraining } from "../ir/post_training.ts";
import type { Acc, QuantRule } from "../ir/quant.ts";
import { elementwise, fn, onnx } from "./common.ts";

/** Bounds in real numbers, null where there is none. */
export interface ClipAttrs {
  readonly lo: number | null;
  readonly hi: number | null;
}

/** Bounds on an accumulator wait for its quantisation; bounds that wait already are clipped too. */
function boundAcc(x: Acc, { lo, hi }: ClipAttrs): Acc {
  const clip = (v: number): number => {
    const up = lo === null ? v : Math.max(v, lo);
    return hi === null ? up : Math.min(up, hi);
  };
  return {
    ...x,
    lo: x.lo === null ? lo : clip(x.lo),
    hi: x.hi === null ? hi : clip(x.hi),
  };
}

/** Without waiting bounds the maximum is taken on the integers at once. */
const reluOnIntegers: QuantRule<null> = (_, [x], { b }) => {
  if (x?.k !== "acc") return null;
  if (x.lo !== null || x.hi !== null) return boundAcc(x, { lo: 0, hi: null });
  return { ...x, acc: b.node(relu, null, [x.acc])[0] };
};

/** max(x, 0). */
export const relu: OpDef<null> = elementwise({
  name: "Relu",
  onnx: 1,
  accepts: "number",
  body: ([x]) => te.max(x, 0),
  postTraining: { range: "own", clamp: "scales" },
  quantized: reluOnIntegers,
});

/** min(max(x, lo), hi). */
export const clip: OpDef<ClipAttrs> = elementwise<ClipAttrs>({
  name: "Clip",
  onnx: [],
  accepts: "number",
  body([x], { lo, hi }) {
    for (const v of [lo, hi]) {
      if (v !== null && (Number.isNaN(v) || (isInt(x.dtype) && !Number.isInteger(v)))) {
        throw new OpError(`its bound ${v} is no ${x.dtype}`);
      }
    }
    const bounded = lo === null ? x : te.max(x, lo);
    return hi === null ? bounded : te.min(bounded, hi);
  },
  quantized: (a, [x]) => x?.k === "acc" ? boundAcc(x, a) : null,
});

interface AlphaAttrs {
  readonly alpha: number;
}
const withAlpha = (
  name: string,
  since: number,
  alpha: number,
  body: (x: Expr, alpha: Expr) => Expr,
  postTraining?: PostTraining,
): OpDef<AlphaAttrs> =>
  elementwise<AlphaAttrs>({
    name,
    onnx: since,
    attrs: (r) => ({ alpha: r.float("alpha", alpha) }),
    accepts: "float",
    body: ([x], a) => body(x, imm(a.alpha, x.dtype)),
    postTraining,
  });
const plain = (
  name: string,
  since: number,
  body: (x: Expr) => Expr,
  postTraining?: PostTraining,
): OpDef<null> =>
  elementwise({ name, onnx: since, accepts: "float", body: ([x]) => body(x), postTraining });

/** Its results are measured. */
const MEASURED: PostTraining = { range: "own" };
/** Every step of 8 bits that a function from 0 to 1, from −1 to 1, may use. */
const UNIT: PostTraining = { range: { low: 0, high: 255 / 256 } };
const SIGNED_UNIT: PostTraining = { range: { low: -1, high: 127 / 128 } };

const one = (x: Expr): Expr => imm(1, x.dtype);
const positive = (x: Expr): Expr => te.gt(x, 0);
const expMinus1 = (x: Expr): Expr => sub(fn("exp", x), one(x));
/** ln(1 + e^x) without overflow. */
const softplus = (x: Expr): Expr =>
  add(te.max(x, 0), fn("log", add(one(x), fn("exp", un("neg", un("abs", x))))));
const unitClamp = (x: Expr): Expr => te.clamp(x, 0, 1);

interface LinearAttrs {
  readonly alpha: number;
  readonly beta: number;
}

/** clamp(alpha·x + beta, 0, 1). */
const hardSigmoid = elementwise<LinearAttrs>({
  name: "HardSigmoid",
  onnx: 1,
  attrs: (r) => ({ alpha: r.float("alpha", 0.2), beta: r.float("beta", 0.5) }),
  accepts: "float",
  body: ([x], { alpha, beta }) => unitClamp(add(mul(x, imm(alpha, x.dtype)), imm(beta, x.dtype))),
  postTraining: MEASURED,
});

interface SeluAttrs {
  readonly alpha: number;
  readonly gamma: number;
}
const selu = elementwise<SeluAttrs>({
  name: "Selu",
  onnx: 1,
  attrs: (r) => ({
    alpha: r.float("alpha", r.opset < 6 ? 1.6732 : 1.67326319217681884765625),
    gamma: r.float("gamma", r.opset < 6 ? 1.0507 : 1.05070102214813232421875),
  }),
  accepts: "float",
  body([x], a) {
    const alpha = imm(a.alpha, x.dtype), gamma = imm(a.gamma, x.dtype);
    return mul(gamma, select(positive(x), x, mul(alpha, expMinus1(x))));
  },
});

interface ShrinkAttrs {
  readonly bias: number;
  readonly lambd: number;
}
const shrink = elementwise<ShrinkAttrs>({
  name: "Shrink",
  onnx: 9,
  attrs: (r) => ({ bias: r.float("bias", 0), lambd: r.float("lambd", 0.5) }),
  accepts: "number",
  body([x], { bias, lambd }) {
    // Integers are compared and moved as floats and cut to their type, as in onnxruntime.
    const wide = isFloat(x.dtype) ? x : cast("float32", x), b = imm(bias, wide.dtype);
    return cast(
      x.dtype,
      select(
        te.lt(wide, imm(-lambd, wide.dtype)),
        add(wide, b),
        select(te.gt(wide, imm(lambd, wide.dtype)), sub(wide, b), imm(0, wide.dtype)),
      ),
    );
  },
});

interface GeluAttrs {
  readonly approximate: boolean;
}
/** x·Φ(x), with the error function, or with the hyperbolic tangent that is close to it. */
export const gelu = elementwise<GeluAttrs>({
  name: "Gelu",
  onnx: [
    onnx("Gelu", 20, (r) => ({ approximate: r.string("approximate", "none") === "tanh" })),
    { domain: "com.microsoft", type: "Gelu", since: 1, attrs: () => ({ approximate: false }) },
  ],
  accepts: "float",
  body([x], { approximate }) {
    const c = (v: number): Expr => imm(v, x.dtype);
    const inner = approximate
      ? fn(
        "tanh",
        mul(c(Math.sqrt(2 / Math.PI)), add(x, mul(c(0.044715), mul(x, mul(x, x))))),
      )
      : fn("erf", mul(x, c(Math.SQRT1_2)));
    return mul(mul(c(0.5), x), add(c(1), inner));
  },
});

/** 1 / (1 + e^−x). */
export const sigmoid = plain("Sigmoid", 1, (x) => fn("sigmoid", x), UNIT);
export const hyperbolicTangent = plain("Tanh", 1, (x) => fn("tanh", x), SIGNED_UNIT);
/** x / (1 + e^−αx). */
export const swish = withAlpha("Swish", 24, 1, (x, a) => mul(x, fn("sigmoid", mul(x, a))));

export const ops = [
  relu,
  clip,
  sigmoid,
  hyperbolicTangent,
  plain("Softplus", 1, softplus),
  plain("Softsign", 1, (x) => div(x, add(one(x), un("abs", x)))),
  plain(
    "HardSwish",
    14,
    (x) => mul(x, unitClamp(add(mul(x, imm(1 / 6, x.dtype)), imm(0.5, x.dtype)))),
    MEASURED,
  ),
  plain("Mish", 18, (x) => mul(x, fn("tanh", softplus(x)))),
  withAlpha("LeakyRelu", 1, 0.01, (x, a) => select(te.lt(x, 0), mul(x, a), x), MEASURED),
  withAlpha("Elu", 1, 1, (x, a) => select(positive(x), x, mul(a, expMinus1(x))), MEASURED),
  withAlpha("Celu", 12, 1, (x, a) => select(positive(x), x, mul(a, expMinus1(div(x, a))))),
  withAlpha("ThresholdedRelu", 1, 1, (x, a) => select(te.gt(x, a), x, imm(0, x.dtype))),
  swish,
  hardSigmoid,
  selu,
  shrink,
  gelu,
] as OpDef<unknown>[];
