/** C for scalar functions that a core has instructions for; the others are printed from their code. */
import { has, isHost, type Target } from "../target/target.ts";
import type { Expr } from "../te/expr.ts";
import type { ScalarFn } from "../te/functions.ts";
import { REQUANTIZE, REQUANTIZE_WORD, ROUND_CLAMP, SHIFT_CLAMP } from "../te/rounding.ts";
import {
  fixedRound,
  type Helper,
  NARROW_REACH,
  ROUND_EVEN,
  scaleRound,
  WIDE_REACH,
} from "./integer_rounding.ts";

/** A call in C: the function, the arguments that it takes, and definitions by name, callees first. */
export interface SpecialCall {
  readonly name: string;
  readonly args: readonly Expr[];
  readonly helpers: readonly Helper[];
}

/** Bounds that one saturating instruction knows: all values of some number of bits. */
export interface Saturation {
  readonly lo: number;
  readonly hi: number;
  readonly instruction: "ssat" | "usat";
  readonly bits: number;
}

/** The instruction that keeps a value within bounds; null where none does. */
export function saturationOf(lo: number, hi: number): Saturation | null {
  const bits = Math.log2(hi + 1);
  if (!Number.isInteger(bits)) return null;
  if (lo === 0) return { lo, hi, instruction: "usat", bits };
  return lo === -hi - 1 ? { lo, hi, instruction: "ssat", bits: bits + 1 } : null;
}

/** Adding 1.5·2^23 rounds a float of this magnitude half to even, and leaves it in the low bits. */
const MAGIC_LIMIT = 2 ** 22;

const MAGIC = `    x = x > (float)(lo - zero) ? x : (float)(lo - zero);
    x = x < (float)(hi - zero) ? x : (float)(hi - zero);
    x += 12582912.0f; /* 1.5 * 2^23: the sum is rounded half to even */
    memcpy(&q, &x, 4);
    return q - 0x4b400000 + zero;`;
const VCVTR = `    __asm__("vcvtr.s32.f32 %0, %0" : "+t"(x));
    memcpy(&q, &x, 4);`;
/**
 * VCVTR saturates to int32, so that adding the zero point has to saturate as well. Not so after
 * clamping, which is one instruction too where the zero point is the lowest value.
 */
const addZero = (lo: number, hi: number): string =>
  `    if (zero == ${lo}) {
        return (q < 0 ? 0 : q > ${hi - lo} ? ${hi - lo} : q) + zero;
    }
    if (zero != 0) {
        __asm__("qadd %0, %0, %1" : "+r"(q) : "r"(zero));
    }`;
const saturate = ({ instruction, bits }: Saturation): string =>
  `    __asm__("${instruction} %0, #${bits}, %0" : "+r"(q));
    return q;`;

const COMPARE = "    return q < lo ? lo : q > hi ? hi : q;";

/** Statements of the body where floats are in hardware. */
function floatBody(fn: ScalarFn, target: Target, s: Saturation | null): string {
  const start = fn === REQUANTIZE ? "    float x = (float)acc * scale;\n" : "";
  const number = fn === ROUND_CLAMP ? "    x = x == x ? x : 0.0f;\n" : "";
  const steps = !has(target, "fpu")
    ? `${number}${MAGIC}`
    : s
    ? [VCVTR, addZero(s.lo, s.hi), saturate(s)].join("\n")
    : `${VCVTR}\n    return q < lo - zero ? lo : q > hi - zero ? hi : q + zero;`;
  return `${start}    int32_t q;\n\n${steps}`;
}

/** Statements of the body around a function that rounds to an integer of at most 2^30. */
function integerBody(fn: ScalarFn, rounding: string, s: Saturation | null): string {
  const value = `${rounding}(${fn === REQUANTIZE ? "acc, scale" : "x"}) + zero`;
  return `    int32_t q = ${value};\n\n${s ? saturate(s) : COMPARE}`;
}

/** A shift and its saturation are one instruction. */
function shiftClamp(args: readonly Expr[], target: Target): SpecialCall | null {
  const [shift, lo, hi] = args.slice(1).map((e) => e.k === "imm" ? Number(e.value) : NaN);
  const s = has(target, "sat") && shift > 0 && shift < 32 ? saturationOf(lo, hi) : null;
  if (!s) return null;
  const name = `shift${shift}_${s.instruction[0]}${s.bits}`;
  const text = `/* x / 2^${shift} rounded down, saturated */
static inline int32_t ${name}(int32_t x)
{
    int32_t q;

    __asm__("${s.instruction} %0, #${s.bits}, %1, asr #${shift}" : "=r"(q) : "r"(x));
    return q;
}`;
  return { name, args: args.slice(0, 1), helpers: [[name, text]] };
}

/** Without an FPU: a product, its shift and the saturation. */
function requantizeWord(args: readonly Expr[], target: Target): SpecialCall | null {
  if (has(target, "fpu") || isHost(target)) return null;
  const [zero, lo, hi] = args.slice(-3).map((e) => e.k === "imm" ? Number(e.value) : NaN);
  if (!(Math.max(Math.abs(lo), Math.abs(hi)) + Math.abs(zero) <= NARROW_REACH)) return null;
  const s = has(target, "sat") ? saturationOf(lo, hi) : null;
  const callees = fixedRound(target);
  const name = `requantize_word${s ? `_${s.instruction[0]}${s.bits}` : ""}`;
  const text = `/* acc * scale rounded half to even, plus zero, ${
    s ? "saturated" : "within [lo, hi]"
  }; word as above */
static inline int32_t ${name}(int32_t acc, int32_t word, int32_t zero${
    s ? "" : ", int32_t lo, int32_t hi"
  })
{
    int32_t q = ${callees.at(-1)![0]}(acc, word, zero);

${s ? saturate(s) : COMPARE}
}`;
  return { name, args: s ? args.slice(0, -2) : args, helpers: [...callees, [name, text]] };
}

/** Whether some calls of a function have a text of their own. */
export const hasSpecialText = (fn: ScalarFn): boolean =>
  [REQUANTIZE, REQUANTIZE_WORD, ROUND_CLAMP, SHIFT_CLAMP].includes(fn);

/** The call of a function on this target; null where its code is to be printed. */
export function specialCall(
  fn: ScalarFn,
  args: readonly Expr[],
  target: Target,
): SpecialCall | null {
  if (!hasSpecialText(fn)) return null;
  if (fn === SHIFT_CLAMP) return shiftClamp(args, target);
  if (fn === REQUANTIZE_WORD) return requantizeWord(args, target);
  const [zero, lo, hi] = args.slice(-3).map((e) => e.k === "imm" ? Number(e.value) : null);
  if (lo === null || hi === null) return null;
  // A zero point that is no literal is an element of a tensor of at most 16 bits.
  const reach = Math.max(Math.abs(lo), Math.abs(hi)) + Math.abs(zero ?? 2 ** 16);
  const floats = has(target, "fpu") || isHost(target);
  if (reach > (floats ? MAGIC_LIMIT : WIDE_REACH)) return null;
  const canSaturate = has(target, "sat") && (!floats || has(target, "dsp"));
  const s = canSaturate ? saturationOf(lo, hi) : null;
  const callees = floats ? [] : fn === REQUANTIZE ? scaleRound(target, reach) : [ROUND_EVEN];
  const rounding = callees.at(-1)?.[0] ?? "";
  const name = [fn.name, /\d+$/.exec(rounding)?.[0], s && `_${s.instruction[0]}${s.bits}`].join("");
  const [what, head] = fn === REQUANTIZE
    ? ["acc * scale", "int32_t acc, float scale"]
    : ["x", "float x"];
  const text = `/* ${what} rounded half to even, plus zero, ${
    s ? "saturated" : "within [lo, hi]"
  } */
static inline int32_t ${name}(${head}, int32_t zero${s ? "" : ", int32_t lo, int32_t hi"})
{
${floats ? floatBody(fn, target, s) : integerBody(fn, rounding, s)}
}`;
  return { name, args: s ? args.slice(0, -2) : args, helpers: [...callees, [name, text]] };
}
