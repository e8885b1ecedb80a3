/** C for scalar functions that a core has instructions for; the others are printed from their code. */
import { has, type Target } from "../target/target.ts";
import type { Expr } from "../te/expr.ts";
import type { ScalarFn } from "../te/functions.ts";
import { REQUANTIZE, ROUND_CLAMP } from "../te/rounding.ts";

/** Adding 1.5·2^23 rounds a float of this magnitude half to even, and leaves it in the low bits. */
const MAGIC_LIMIT = 2 ** 22;

const CLAMP_FLOAT = `    x = x > (float)lo ? x : (float)lo;
    x = x < (float)hi ? x : (float)hi;
    x += 12582912.0f; /* 1.5 * 2^23: the sum is rounded half to even */
    memcpy(&q, &x, 4);
    return q - 0x4b400000;`;
const VCVTR = `    __asm__("vcvtr.s32.f32 %0, %0" : "+t"(x));
    memcpy(&q, &x, 4);
    return q < lo ? lo : q > hi ? hi : q;`;

/** Whether some calls of a function have a text of their own. */
export const hasSpecialText = (fn: ScalarFn): boolean => fn === REQUANTIZE || fn === ROUND_CLAMP;

/** The text of a function on this target; null where its code is to be printed. */
export function scalarText(fn: ScalarFn, args: readonly Expr[], target: Target): string | null {
  if (!hasSpecialText(fn)) return null;
  const small = args.slice(-2).every((e) =>
    e.k === "imm" && Math.abs(Number(e.value)) <= MAGIC_LIMIT
  );
  if (!small) return null;
  const steps = has(target, "fpu") ? VCVTR : CLAMP_FLOAT;
  return fn === REQUANTIZE
    ? `/* acc * scale, rounded half to even, within [lo, hi] */
static inline int32_t requantize(int32_t acc, float scale, int32_t lo, int32_t hi)
{
    float x = (float)acc * scale;
    int32_t q;

${steps}
}`
    : `/* x rounded half to even, within [lo, hi] */
static inline int32_t round_clamp(float x, int32_t lo, int32_t hi)
{
    int32_t q;

${has(target, "fpu") ? "" : "    x = x == x ? x : 0.0f;\n"}${steps}
}`;
}
