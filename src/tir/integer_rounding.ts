/**
 * C texts of the rounding functions for cores without an FPU: the bits of the float32 definition
 * (te/rounding.ts) from integer arithmetic.
 *
 * A product of two float32 significands, rounded to float32 and then to an integer, differs from the
 * product rounded to an integer at once only where it lies within float32's error of a tie: two
 * roundings, each of at most 2^-24 relative. So the short way computes the product in fixed point,
 * takes the fraction, and leaves to `scale_round_exact` the values whose fraction lies in a window
 * around one half that is wider than that error. The window also holds the exact ties.
 */
import { has, type Target } from "../target/target.ts";
import { WORD_SHIFT } from "../te/rounding.ts";

/** Largest |x| that has to be exact with the narrow window, and with the wide one. */
export const NARROW_REACH = 2 ** 13;
export const WIDE_REACH = 2 ** 17;

/**
 * Half the window in units of 2^-32. The error of x reaches |x|·2^-23, and 2^-10 more where the
 * product's lowest 16 bits are left out: together below 2^-8 (narrow) and 2^-5 (wide).
 */
const windowOf = (reach: number): number => reach <= NARROW_REACH ? 2 ** 24 : 2 ** 27;

const hex = (v: number): string => `0x${v.toString(16).padStart(8, "0")}u`;
const outsideWindow = (reach: number): string =>
  `fraction + ${hex(2 ** 31 + windowOf(reach))} >= ${hex(2 * windowOf(reach))}`;

const BIT_COUNT = `static inline int32_t bit_count(uint32_t x)
{
    return x == 0 ? 0 : 32 - __builtin_clz(x);
}`;

const SHIFT_EVEN = `/* x / 2^n rounded half to even, 0 < n < 64 */
static inline uint64_t shift_even(uint64_t x, int32_t n)
{
    return (x + (UINT64_C(1) << (n - 1)) - 1 + (x >> n & 1)) >> n;
}`;

/** Not inline: it is needed for about one value in a hundred. */
const EXACT =
  `/* acc * scale rounded as float32 does, then to an integer, at most 2^30; scale by its bits */
__attribute__((noinline)) static int32_t scale_round_exact(int32_t acc, uint32_t scale)
{
    const int32_t n = 150 - (int32_t)(scale >> 23);
    uint32_t a = acc < 0 ? 0u - (uint32_t)acc : (uint32_t)acc;
    int32_t excess = bit_count(a >> 24);
    uint64_t product;
    int32_t q = 0;

    if (excess > 0) {
        a = (uint32_t)(shift_even(a, excess) << excess);
    }
    product = (uint64_t)a * ((scale & 0x007fffffu) | 0x00800000u);
    excess = bit_count((uint32_t)(product >> 24));
    if (excess > 0) {
        product = shift_even(product, excess) << excess;
    }
    if (n <= 0) {
        q = a == 0 ? 0 : 1 << 30;
    } else if (n < 63) {
        product = shift_even(product, n);
        q = product > 1u << 30 ? 1 << 30 : (int32_t)product;
    }
    return acc < 0 ? -q : q;
}`;

/** With a product of 64 bits in one instruction. */
const longProduct = (reach: number): string =>
  `    const int32_t n = 125 - (int32_t)(s >> 23); /* scale = m / 2^(32 + n), m of 31 bits */

    if ((uint32_t)(n - 1) < 31u) {
        const int32_t m = (int32_t)((s << 7 & 0x3fffffffu) | 0x40000000u);
        const int64_t product = (int64_t)acc * m;
        const int32_t high = (int32_t)(product >> 32);
        const uint32_t fraction = (uint32_t)high << (32 - n) | (uint32_t)product >> n;

        if (${outsideWindow(reach)}) {
            return (high >> n) + (int32_t)(fraction >> 31);
        }
    }`;

/** With the product of magnitudes, 24 by 24 bits, from halfwords; its lowest 16 bits are left out. */
const shortProducts = (reach: number): string =>
  `    const uint32_t sign = (uint32_t)(acc >> 31), a = ((uint32_t)acc ^ sign) - sign;
    const int32_t n = 134 - (int32_t)(s >> 23); /* scale = m / 2^(16 + n), m of 24 bits */

    if (a < 1u << 24 && (uint32_t)(n - 10) < 22u) {
        const uint32_t a1 = a >> 16, a0 = a & 0xffffu;
        const uint32_t m1 = (s >> 16 & 0x7fu) | 0x80u, m0 = s & 0xffffu;
        const uint32_t product = (a1 * m1 << 16) + a1 * m0 + a0 * m1 + (a0 * m0 >> 16);
        const uint32_t fraction = product << (32 - n);

        if (${outsideWindow(reach)}) {
            return (int32_t)((((product >> n) + (fraction >> 31)) ^ sign) - sign);
        }
    }`;

/** A definition in C by its name. */
export type Helper = readonly [name: string, text: string];

const rounding = (target: Target, reach: number): string =>
  `${has(target, "umull") ? longProduct(reach) : shortProducts(reach)}
    return scale_round_exact(acc, s);`;

const OF_EXACT: readonly Helper[] = [
  ["bit_count", BIT_COUNT],
  ["shift_even", SHIFT_EVEN],
  ["scale_round_exact", EXACT],
];

/** `int32_t NAME(int32_t acc, float scale)`: rint(float32(acc) × scale), at most 2^30; last: NAME. */
export function scaleRound(target: Target, reach: number): readonly Helper[] {
  const name = `scale_round${reach <= NARROW_REACH ? "" : "16"}`;
  return [
    ...OF_EXACT,
    [
      name,
      `/* acc * scale rounded half to even, at most 2^30 */
static inline int32_t ${name}(int32_t acc, float scale)
{
    uint32_t s;
    memcpy(&s, &scale, 4);

${rounding(target, reach)}
}`,
    ],
  ];
}

const MULTIPLY_HIGH: Helper = [
  "multiply_high",
  `/* a * b / 2^32 rounded down, b >= 0 */
static inline int32_t multiply_high(int32_t a, int32_t b)
{
    const int32_t a1 = a >> 16, b1 = b >> 16;
    const uint32_t a0 = (uint32_t)a & 0xffffu, b0 = (uint32_t)b & 0xffffu;
    const int32_t middle = a1 * (int32_t)b0 + (int32_t)(a0 * b0 >> 16);

    return a1 * b1 + (middle >> 16) + (int32_t)((((uint32_t)middle & 0xffffu) + a0 * (uint32_t)b1) >> 16);
}`,
];

/**
 * `int32_t NAME(int32_t acc, int32_t word, int32_t zero)`: {@link REQUANTIZE_WORD} before it is
 * saturated; last: NAME.
 */
export function fixedRound(target: Target): readonly Helper[] {
  const long = has(target, "umull");
  const high = long ? "(int32_t)((int64_t)acc * -word >> 32)" : "multiply_high(acc, -word)";
  const name = "fixed_round";
  return [
    ...OF_EXACT,
    ...(long ? [] : [MULTIPLY_HIGH]),
    [
      "scale_round_apart",
      `/* acc * scale rounded half to even, at most 2^30; scale by its bits; not inline: few scales need it */
__attribute__((noinline)) static int32_t scale_round_apart(int32_t acc, uint32_t s)
{
${rounding(target, NARROW_REACH)}
}`,
    ],
    [
      name,
      `/* acc * scale rounded half to even, plus zero; word: -scale * 2^${
        32 + WORD_SHIFT
      } rounded, or the bits of
 * a scale for which that is not the same */
__attribute__((always_inline)) static inline int32_t ${name}(int32_t acc, int32_t word, int32_t zero)
{
    if (__builtin_expect(word < 0, 1)) {
        return (${high} + zero * ${2 ** WORD_SHIFT} + ${2 ** (WORD_SHIFT - 1)}) >> ${WORD_SHIFT};
    }
    return scale_round_apart(acc, (uint32_t)word) + zero;
}`,
    ],
  ];
}

/** `int32_t round_even(float x)`: rint(x) below 2^23, something larger of its sign above; NaN is 0. */
export const ROUND_EVEN: Helper = [
  "round_even",
  `/* x rounded half to even, at most 2^24; NaN is 0 */
static inline int32_t round_even(float x)
{
    uint32_t s, m;
    int32_t n;

    memcpy(&s, &x, 4);
    n = 150 - (int32_t)(s >> 23 & 0xffu);
    m = (s & 0x007fffffu) | 0x00800000u;
    if (n > 24 || s << 1 > 0xff000000u) {
        m = 0;
    } else if (n > 0) {
        m = (m + (1u << (n - 1)) - 1u + (m >> n & 1u)) >> n;
    }
    return s >> 31 ? -(int32_t)m : (int32_t)m;
}`,
];
