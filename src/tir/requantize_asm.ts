/**
 * Requantisation of accumulators in core registers by the FPU of Armv7E-M and Armv8-M: what a
 * micro-kernel's assembly ends with.
 */
import type { DType } from "../util/dtype.ts";
import { saturationOf } from "./scalar_c.ts";

/** How accumulators become bytes. */
export interface Epilogue {
  readonly y: DType;
  /**
   * `halfwords`: adding 1.5·2^23 and an even zero point rounds half to even and leaves the result in the low
   * halfword; for |acc·scale| + |zero| below 2^15. `words` takes every value.
   */
  readonly rounding: "halfwords" | "words";
  /** Results are kept within bounds at run time, not only saturated; `words` alone. */
  readonly bounded: boolean;
  /** What results are saturated to by one instruction, where they are not bounded. */
  readonly limits: readonly [lo: number, hi: number];
}

/**
 * By fixed point: `s2` holds minus the multiplier, `s3` the offset; products have `shift` bits behind
 * the point. They come in the two registers that are given, or are there if `held`.
 */
export function fixedEpilogue(
  { limits }: Epilogue,
  shift: number,
  accs: readonly string[],
  [minus, offset]: readonly string[],
  held = false,
): string[] {
  const { instruction, bits } = saturationOf(...limits)!;
  return [
    ...(held ? [] : [`vmov ${minus}, ${offset}, ${SCALE}, ${ZERO}`]),
    ...accs.map((r) => `smmls ${r}, ${r}, ${minus}, ${offset}`),
    ...accs.map((r) => `${instruction} ${r}, #${bits}, ${r}, asr #${shift}`),
  ];
}

/** Magnitude below which halfwords hold results with their zero point. */
export const HALFWORD_LIMIT = 2 ** 15;

/** FPU registers that hold what all outputs of a channel share, and those that work. */
export const SCALE = "s2", ZERO = "s3", BOUNDS = ["s10", "s11"] as const;
const FIRST = 4;
/** Accumulators that one epilogue takes. */
export const EPILOGUE_MOST = 4;

/**
 * The instructions that turn the accumulators into bytes in the same registers. `s2` holds the
 * scale, `s3` 1.5·2^23 + zero as a float, or for words the zero point as an integer; `s10` and `s11`
 * the bounds. s4 to s7 and the free registers are changed.
 */
export function epilogue(e: Epilogue, accs: readonly string[], free: readonly string[]): string[] {
  const f = accs.map((_, i) => `s${FIRST + i}`);
  const across = (there: boolean): string[] =>
    accs.flatMap((_, i) => {
      if (i % 2 === 1) return [];
      const n = Math.min(2, accs.length - i);
      const fs = f.slice(i, i + n).join(", "), rs = accs.slice(i, i + n).join(", ");
      return [there ? `vmov ${fs}, ${rs}` : `vmov ${rs}, ${fs}`];
    });
  const each = (text: (x: string) => string): string[] => f.map(text);
  const head = [
    ...across(true),
    ...each((x) => `vcvt.f32.s32 ${x}, ${x}`),
    ...each((x) => `vmul.f32 ${x}, ${x}, ${SCALE}`),
  ];
  const { instruction: saturate, bits } = saturationOf(...e.limits)!;
  if (e.rounding === "halfwords") {
    return [
      ...head,
      ...each((x) => `vadd.f32 ${x}, ${x}, ${ZERO}`),
      ...across(false),
      ...accs.map((r) => `${saturate}16 ${r}, #${bits}, ${r}`),
    ];
  }
  const [lo, hi] = free;
  const clamp = (r: string): string[] =>
    e.bounded
      ? [
        `cmp ${r}, ${lo}`,
        "it lt",
        `movlt ${r}, ${lo}`,
        `cmp ${r}, ${hi}`,
        "it gt",
        `movgt ${r}, ${hi}`,
      ]
      : [`${saturate} ${r}, #${bits}, ${r}`];
  return [
    ...head,
    ...each((x) => `vcvtr.s32.f32 ${x}, ${x}`),
    ...across(false),
    `vmov ${lo}, ${ZERO}`,
    ...accs.map((r) => `qadd ${r}, ${r}, ${lo}`),
    ...(e.bounded ? [`vmov ${lo}, ${hi}, ${BOUNDS.join(", ")}`] : []),
    ...accs.flatMap(clamp),
  ];
}

/** Whether `halfwords` is exact for these values. */
export const fitsHalfwords = (largest: number, zero: number, lo: number, hi: number): boolean =>
  zero % 2 === 0 && saturationOf(lo, hi) !== null && largest + Math.abs(zero) < HALFWORD_LIMIT - 1;
