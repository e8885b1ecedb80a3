/**
 * The scalar functions of the operators. `exp`, `log`, `tanh`, `erf` and `sigmoid` on float32 are
 * straight-line code of basic operations, without fused ones: the same bits on every target. The
 * others come from libm.
 *
 * Method: argument reduction as in Cody and Waite, *Software Manual for the Elementary Functions*;
 * every polynomial is a minimax fit of our own (Remez exchange in 40 digits, weighted for the error
 * relative to the function's result), rounded to float32. Rounding to an integer adds and subtracts
 * 1.5·2²³, as a Cortex-M4 has no rounding instruction. An error is given in units in the last place
 * (ulp) against float64: the largest over 3 million evenly spaced arguments and every 211th float32.
 * Names end in `_f32`, as C has functions of the plain names.
 */
import type { DType } from "../util/dtype.ts";
import { errorFunction } from "./erf.ts";
import {
  add,
  bin,
  bits,
  call,
  cast,
  div,
  eq,
  type Expr,
  f32,
  imm,
  lt,
  max,
  min,
  mul,
  select,
  sub,
  un,
  type Var,
  variable,
} from "./expr.ts";
import type { ScalarFn } from "./functions.ts";

/** Names a sub-expression of a function under construction. */
type Let = (name: string, e: Expr) => Var;

function float32Function(name: string, build: (x: Var, bind: Let) => Expr): ScalarFn {
  const lets: [Var, Expr][] = [];
  const x = variable("x", "float32");
  const result = build(x, (n, e) => {
    const v = variable(n, e.dtype);
    lets.push([v, e]);
    return v;
  });
  return { name, dtype: "float32", def: { kind: "code", params: [x], lets, result } };
}

/** Horner's scheme, coefficients from the constant upwards. */
const polynomial = (x: Expr, coefficients: readonly number[]): Expr =>
  coefficients.slice(0, -1).reduceRight<Expr>(
    (acc, c) => add(mul(acc, x), f32(c)),
    f32(coefficients[coefficients.length - 1]),
  );

const u32 = (v: number): Expr => imm(v, "uint32");
/** 1.5·2²³: a small float added to it has its integer part in the low bits. */
const MAGIC = 12582912;
const MAGIC_BITS = 0x4b400000;
/** ln 2 in two parts; the first has 16 bits, so that its product with an exponent is exact. */
const LN2_HI = 0.693145751953125;
const LN2_LO = 1.4286068203094172e-6;
const NAN = bits("float32", u32(0x7fc00000));

/** 2^k for −126 ≤ k ≤ 127; other k give some float without undefined behaviour. */
const power = (k: Expr): Expr => bits("float32", bin("shl", cast("uint32", add(k, 127)), u32(23)));

/** e^x: x = k·ln 2 + r. Underflow goes through denormals to 0. At most 1.0 ulp. */
export const exp = float32Function("exp_f32", (x, bind) => {
  // The literal stands first, so that NaN passes (max and min give their second operand then).
  const c = bind("c", min(f32(89), max(f32(-104), x)));
  const t = bind("t", add(mul(c, f32(1 / Math.LN2)), f32(MAGIC)));
  const k = bind("k", sub(t, f32(MAGIC)));
  const r = bind("r", sub(sub(c, mul(k, f32(LN2_HI))), mul(k, f32(LN2_LO))));
  const p = polynomial(r, [
    0.50000000981,
    0.166665159157,
    0.0416661965406,
    0.00836923945901,
    0.00139511043233,
  ]);
  const e = bind("e", add(add(r, mul(mul(r, r), p)), f32(1)));
  const i = bind("i", sub(bits("int32", t), imm(MAGIC_BITS)));
  // 2^k in two factors: the product overflows, or becomes denormal, only once and rounds once.
  const h = bind("h", bin("shr", i, imm(1)));
  return mul(mul(e, power(h)), power(sub(i, h)));
});

/**
 * ln x: x = 2^k·(1+f), √½ ≤ 1+f < √2. 0 gives −∞, negative arguments NaN. At most 0.8 ulp.
 */
export const log = float32Function("log_f32", (x, bind) => {
  const tiny = bind("tiny", lt(x, f32(2 ** -126)));
  const n = bind("n", bits("uint32", select(tiny, mul(x, f32(2 ** 23)), x)));
  const i = bind("i", add(n, u32(0x3f800000 - 0x3f3504f3)));
  const exponent = sub(cast("int32", bin("shr", i, u32(23))), select(tiny, imm(150), imm(127)));
  const k = bind("k", cast("float32", exponent));
  const mantissa = add(bin("and", i, u32(0x007fffff)), u32(0x3f3504f3));
  const f = bind("f", sub(bits("float32", mantissa), f32(1)));
  const q = bind("q", mul(f, f));
  const p = polynomial(f, [
    0.333333104466,
    -0.249999865814,
    0.200022262693,
    -0.166692512369,
    0.142186640249,
    -0.123843474328,
    0.118729390335,
    -0.117897925316,
    0.0691541866871,
  ]);
  const low = bind("low", sub(add(mul(mul(f, q), p), mul(k, f32(LN2_LO))), mul(q, f32(0.5))));
  const y = add(add(f, low), mul(k, f32(LN2_HI)));
  return select(
    lt(f32(0), x),
    select(eq(x, f32(Infinity)), x, y),
    select(eq(x, f32(0)), f32(-Infinity), NAN),
  );
});

/** tanh x: an odd polynomial below 0.8, 1 − 2/(e^2|x| + 1) above. At most 1.1 ulp. */
export const tanh = float32Function("tanh_f32", (x, bind) => {
  const a = bind("a", un("abs", x));
  const z = bind("z", mul(x, x));
  const small = add(
    x,
    mul(
      mul(x, z),
      polynomial(z, [
        -0.333332995943,
        0.133322702174,
        -0.0538558533466,
        0.0213140074502,
        -0.00742521206984,
        0.00159303616334,
      ]),
    ),
  );
  const large = sub(f32(1), div(f32(2), add(call(exp, add(a, a)), f32(1))));
  return select(
    lt(a, f32(0.8)),
    small,
    select(lt(x, f32(0)), un("neg", large), large),
  );
});

/** 1/(1 + e^−x), computed from e^−|x| so that nothing overflows. At most 1.8 ulp. */
export const sigmoid = float32Function("sigmoid_f32", (x, bind) => {
  const e = bind("e", call(exp, un("neg", un("abs", x))));
  const negative = bind("negative", lt(x, f32(0)));
  const q = bind("q", div(select(negative, e, f32(1)), add(f32(1), e)));
  // e − e·q equals q = e/(1+e), and the rounding of 1+e counts less in it.
  return select(negative, sub(e, mul(e, q)), q);
});

/** erf x: an odd polynomial below 0.92, 1 − e^p(|x|) with a polynomial p above. At most 1.3 ulp. */
export const erf = float32Function("erf_f32", (x, bind) => {
  const a = bind("a", un("abs", x));
  const z = bind("z", mul(x, x));
  const small = add(
    x,
    mul(
      x,
      polynomial(z, [
        0.128379166692,
        -0.376126341885,
        0.112837016225,
        -0.0268597024237,
        0.00520171642844,
        -0.000814980960763,
        8.3978095927e-5,
      ]),
    ),
  );
  const t = bind("t", min(f32(3.95), a));
  const p = polynomial(t, [
    0.000174683867915,
    -1.12951492775,
    -0.633346911785,
    -0.108280083379,
    0.0251194234093,
    -0.00417106147013,
    0.000434462280357,
    -2.10950195219e-5,
  ]);
  const large = sub(f32(1), call(exp, p));
  return select(
    lt(a, f32(0.921875)),
    small,
    select(lt(x, f32(0)), un("neg", large), large),
  );
});

/** Functions of libm: the name in C for double (float adds an `f`), and the JavaScript one. */
const LIBM = {
  exp: Math.exp,
  log: Math.log,
  tanh: Math.tanh,
  sin: Math.sin,
  cos: Math.cos,
  tan: Math.tan,
  asin: Math.asin,
  acos: Math.acos,
  atan: Math.atan,
  sinh: Math.sinh,
  cosh: Math.cosh,
  asinh: Math.asinh,
  acosh: Math.acosh,
  atanh: Math.atanh,
  // IEEE 754 pow, which C follows and JavaScript does not: 1 to any power is 1.
  pow: (x: number, y: number): number => x === 1 ? 1 : Math.pow(x, y),
  fmod: (x: number, y: number): number => x % y,
  erf: errorFunction,
} satisfies Record<string, (...x: number[]) => number>;
export type LibmName = keyof typeof LIBM;

const cache = new Map<string, ScalarFn>();

/** A function of libm for float32 or float64. */
export function libm(name: LibmName, dtype: DType = "float32"): ScalarFn {
  const c = dtype === "float32" ? `${name}f` : name;
  let fn = cache.get(c);
  if (!fn) cache.set(c, fn = { name: c, dtype, def: { kind: "libm", c, js: LIBM[name] } });
  return fn;
}
