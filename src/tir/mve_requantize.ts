/** Requantisation of four sums in a vector: exact, as `requantize` of te/rounding.ts means it. */
import { type DType, intRange } from "../util/dtype.ts";

/** To which type, around which zero point and within which bounds results are brought. */
export interface Bounds {
  readonly dtype: "int8" | "uint8";
  readonly zero: number;
  readonly lo: number;
  readonly hi: number;
}

export const isByte = (d: DType): d is "int8" | "uint8" => d === "int8" || d === "uint8";

/** Whether the bounds are narrower than the type's own. */
export function isClamped({ dtype, lo, hi }: Bounds): boolean {
  const own = intRange(dtype);
  return lo > own.min || hi < own.max;
}

/** Halfwords of a vector within bounds that saturation does not give, by a free vector and register. */
export const clampHalves = (
  b: Bounds,
  q: string,
  free: { readonly vector: string; readonly register: string },
): string[] =>
  isClamped(b)
    ? [["max", b.lo], ["min", b.hi]].flatMap(([op, value]) => [
      `mov ${free.register}, #${value}`,
      `vdup.16 ${free.vector}, ${free.register}`,
      `v${op}.s16 ${q}, ${q}, ${free.vector}`,
    ])
    : [];

/** A short text that is equal for equal bounds, for names of functions. */
export const boundsKey = (b: Bounds): string => {
  const number = (n: number) => n < 0 ? `m${-n}` : `${n}`;
  const clamp = isClamped(b) ? `_${number(b.lo)}to${number(b.hi)}` : "";
  return `${b.dtype === "int8" ? "s8" : "u8"}_z${number(b.zero)}${clamp}`;
};

/** What the bounds are, for a comment. */
export const boundsText = (b: Bounds): string =>
  `+ ${b.zero}, ${isClamped(b) ? `in [${b.lo}, ${b.hi}]` : "saturated"}`;

/** A literal of a zero point or a bound in a register. */
const literal = (register: string, value: number): string => `mov ${register}, #${value}`;

/**
 * Turns sums of int32 into bytes: the lowest byte of each lane is the result.
 *
 * @param sums registers of the sums
 * @param starts what is added to each before, or null
 * @param free a core register that is overwritten
 * @param spare two vectors that are overwritten where there are bounds
 */
export function requantizeLines(
  sums: readonly string[],
  starts: string | null,
  scales: string,
  b: Bounds,
  free: string,
  spare: readonly [string, string],
): string[] {
  const each = (f: (q: string) => string[]): string[] => sums.flatMap(f);
  const scaled = each((q) => [
    ...(starts === null ? [] : [`vadd.i32 ${q}, ${q}, ${starts}`]),
    `vcvt.f32.s32 ${q}, ${q}`,
    `vmul.f32 ${q}, ${q}, ${scales}`,
    `vcvtn.s32.f32 ${q}, ${q}`,
  ]);
  const moved = b.zero === 0
    ? []
    : [literal(free, b.zero), ...each((q) => [`vqadd.s32 ${q}, ${q}, ${free}`])];
  if (isClamped(b)) {
    const [lo, hi] = spare;
    return [
      ...scaled,
      ...moved,
      literal(free, b.lo),
      `vdup.32 ${lo}, ${free}`,
      literal(free, b.hi),
      `vdup.32 ${hi}, ${free}`,
      ...each((q) => [`vmax.s32 ${q}, ${q}, ${lo}`, `vmin.s32 ${q}, ${q}, ${hi}`]),
    ];
  }
  const narrow = b.dtype === "int8"
    ? ["vqmovnb.s32", "vqmovnb.s16"]
    : ["vqmovunb.s32", "vqmovnb.u16"];
  return [...scaled, ...moved, ...each((q) => narrow.map((op) => `${op} ${q}, ${q}`))];
}

/** The same in portable C: y is a byte, from `sum` (int32_t) and `scale` (float). */
export function requantizeC(y: string, sum: string, scale: string, b: Bounds): string[] {
  const low = Math.max(b.lo, intRange(b.dtype).min) - b.zero;
  const high = Math.min(b.hi, intRange(b.dtype).max) - b.zero;
  const f = (n: number) => `${n}.0f`;
  return [
    `const float x = (float)${sum} * ${scale};`,
    `const float in = x < ${f(low)} ? ${f(low)} : x > ${f(high)} ? ${f(high)} : x;`,
    "",
    "/* Adding and subtracting 1.5 * 2^23 rounds half to even. */",
    `${y} = (${b.dtype}_t)((int32_t)(in + 12582912.0f - 12582912.0f) + ${b.zero});`,
  ];
}
