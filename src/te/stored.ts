/**
 * Conversions between float32 and the types that are storage only, as straight-line code on their
 * bits: one definition for the interpreter and for C, without an extension of the compiler.
 */
import { type DType, DTYPES } from "../util/dtype.ts";
import { FLOAT_FORMATS, type FloatFormat, largestPattern } from "../util/small_floats.ts";
import {
  add,
  bin,
  bits,
  call,
  cast,
  eq,
  type Expr,
  f32,
  ge,
  gt,
  imm,
  lt,
  mul,
  select,
  sub,
  type Var,
  variable,
} from "./expr.ts";
import type { ScalarFn } from "./functions.ts";

/** How a number that is too large, or between two powers of two, is converted. */
export interface Narrowing {
  /** To the largest finite number; else to infinity or NaN. float4 always does. */
  readonly saturate: boolean;
  /** float8e8m0 alone; the others round half to even. */
  readonly round: "up" | "down" | "nearest";
}
/** Floats of 16 bits overflow, as IEEE 754 has it. */
export const OVERFLOWING: Narrowing = { saturate: false, round: "up" };
export const SATURATING: Narrowing = { saturate: true, round: "up" };

type Let = (name: string, e: Expr) => Var;
const cache = new Map<string, ScalarFn>();

function define(name: string, from: DType, to: DType, build: (x: Var, bind: Let) => Expr) {
  let fn = cache.get(name);
  if (!fn) {
    const lets: [Var, Expr][] = [];
    const x = variable("x", from);
    const result = build(x, (n, e) => {
      const v = variable(n, e.dtype);
      lets.push([v, e]);
      return v;
    });
    fn = { name, dtype: to, def: { kind: "code", params: [x], lets, result } };
    cache.set(name, fn);
  }
  return fn;
}

const u32 = (v: number): Expr => imm(v, "uint32");
const or = (a: Expr, b: Expr): Expr => bin("or", a, b);
const and = (a: Expr, b: Expr): Expr => bin("and", a, b);
const shl = (a: Expr, n: number): Expr => n === 0 ? a : bin("shl", a, u32(n));
const shr = (a: Expr, n: number): Expr => n === 0 ? a : bin("shr", a, u32(n));
const NAN_BITS = 0x7fc00000;

/** float32 of a small float's bits. */
function decoder(dtype: DType, f: FloatFormat): ScalarFn {
  const carrier = DTYPES[dtype].carrier!;
  return define(`${dtype}_to_f32`, carrier, "float32", (x, bind) => {
    const magnitudeBits = f.exponentBits + f.fractionBits;
    const u = bind("u", cast("uint32", x));
    const magnitude = bind("magnitude", and(u, u32(2 ** magnitudeBits - 1)));
    const sign = bind("sign", shl(shr(u, magnitudeBits), 31));
    const aligned = shl(magnitude, 23 - f.fractionBits);
    // The exponent's bias is corrected by a product, which is exact for denormals too.
    const number = bind(
      "number",
      f.bias === 127
        ? aligned
        : bits("uint32", mul(bits("float32", aligned), f32(2 ** (127 - f.bias)))),
    );
    const beyond = gt(magnitude, u32(largestPattern(f)));
    switch (f.special) {
      case "none":
        return bits("float32", or(number, sign));
      case "uz":
        return bits(
          "float32",
          select(eq(u, u32(2 ** magnitudeBits)), u32(NAN_BITS), or(number, sign)),
        );
      case "fn":
        return bits("float32", or(select(beyond, u32(NAN_BITS), number), sign));
      case "ieee":
        return bits("float32", or(select(beyond, or(aligned, u32(0x7f800000)), number), sign));
    }
  });
}

/** The pattern of a float32 in a small format, rounded half to even. */
function encoder(dtype: DType, f: FloatFormat, saturate: boolean): ScalarFn {
  const carrier = DTYPES[dtype].carrier!;
  const m = f.fractionBits, magnitudeBits = f.exponentBits + m, largest = largestPattern(f);
  return define(`f32_to_${dtype}${saturate ? "_saturated" : ""}`, "float32", carrier, (x, bind) => {
    const u = bind("u", bits("uint32", x));
    const a = bind("a", and(u, u32(0x7fffffff)));
    const sign = bind("sign", shl(shr(u, 31), magnitudeBits));
    // Half of the last place that stays, less one where that place is even, carries where it must.
    const half = add(u32(2 ** (22 - m) - 1), and(shr(a, 23 - m), u32(1)));
    const normal = sub(shr(add(a, half), 23 - m), u32((127 - f.bias) * 2 ** m));
    // Adding a power of two leaves a denormal's rounded fraction in the low bits.
    const magic = 2 ** (1 - f.bias - m + 23);
    const denormal = sub(bits("uint32", add(bits("float32", a), f32(magic))), bitsOf(magic));
    const isDenormal = lt(a, u32((128 - f.bias) * 2 ** 23));
    const number = bind("number", f.bias === 127 ? normal : select(isDenormal, denormal, normal));
    const over = gt(number, u32(largest));
    const isNan = gt(a, u32(0x7f800000));
    const signed = (e: Expr): Expr => cast(carrier, or(e, sign));
    const top = saturate ? u32(largest) : u32(largest + 1);
    switch (f.special) {
      case "ieee":
        return signed(select(isNan, u32(largest + 1 + 2 ** (m - 1)), select(over, top, number)));
      case "fn":
        return signed(select(isNan, u32(largest + 1), select(over, top, number)));
      case "none":
        return cast(
          carrier,
          select(isNan, u32(2 ** magnitudeBits), or(select(over, u32(largest), number), sign)),
        );
      case "uz": {
        const nan = u32(2 ** magnitudeBits);
        const finite = select(eq(number, u32(0)), u32(0), or(number, sign));
        const beyond = saturate ? or(u32(largest), sign) : nan;
        return cast(carrier, select(isNan, nan, select(over, beyond, finite)));
      }
    }
  });
}

const bitsOf = (x: number): Expr => u32(new Uint32Array(new Float32Array([x]).buffer)[0]);

/** Powers of two: the exponent of a float32 as it stands, its sign left out. */
const powerDecoder = (): ScalarFn =>
  define("float8e8m0_to_f32", "uint8", "float32", (x, bind) => {
    const u = bind("u", cast("uint32", x));
    const tiny = select(eq(u, u32(0)), u32(0x00400000), shl(u, 23));
    return bits("float32", select(eq(u, u32(255)), u32(NAN_BITS), tiny));
  });

function powerEncoder({ saturate, round }: Narrowing): ScalarFn {
  const name = `f32_to_float8e8m0_${round}${saturate ? "_saturated" : ""}`;
  return define(name, "float32", "uint8", (x, bind) => {
    const u = bind("u", bits("uint32", x));
    const exponent = bind("exponent", and(shr(u, 23), u32(255)));
    const fraction = bind("fraction", and(u, u32(0x7fffff)));
    const half = u32(0x400000);
    const up = round === "down"
      ? u32(0)
      : round === "up"
      ? select(gt(fraction, u32(0)), u32(1), u32(0))
      : select(
        gt(exponent, u32(0)),
        select(ge(fraction, half), u32(1), u32(0)),
        select(gt(fraction, half), u32(1), u32(0)),
      );
    const last = saturate ? u32(254) : u32(255);
    const power = select(
      ge(exponent, u32(254)),
      select(eq(up, u32(0)), exponent, last),
      add(exponent, up),
    );
    return cast("uint8", select(eq(exponent, u32(255)), exponent, power));
  });
}

/** An element of a type that is storage only, as a type that is computed with. */
export function fromStored(a: Expr): Expr {
  const { carrier, kind } = DTYPES[a.dtype];
  const raw = bits(carrier!, a);
  if (kind !== "float") return raw;
  const f = FLOAT_FORMATS[a.dtype];
  return call(f ? decoder(a.dtype, f) : powerDecoder(), raw);
}

/** A number as an element of a type that is storage only; integers keep their low bits. */
export function toStored(dtype: DType, a: Expr, how: Narrowing): Expr {
  const { carrier, kind, max, min } = DTYPES[dtype];
  if (kind === "float") {
    const f = FLOAT_FORMATS[dtype], x = cast("float32", a);
    const saturate = how.saturate || f?.special === "none";
    return bits(dtype, call(f ? encoder(dtype, f, saturate) : powerEncoder(how), x));
  }
  const mask = Number(max! - min!), half = -Number(min!);
  const low = bin("and", cast("int32", a), imm(mask));
  return bits(dtype, cast(carrier!, half === 0 ? low : sub(bin("xor", low, imm(half)), half)));
}
