/**
 * Tensor intrinsics: what one call does to a few consecutive elements, as a loop program (its
 * meaning, which the interpreter runs) and as C for each kind of core. A test holds the two equal.
 */
import { type Feature, has, type Target } from "../target/target.ts";
import type { DType } from "../util/dtype.ts";
import { add, cast, type Expr, load, mul, sub } from "../te/expr.ts";
import { type Access, behind, seq, type Stmt } from "./stmt.ts";

/** One operand: `count` consecutive elements. */
export interface IntrinArg {
  readonly name: string;
  readonly dtype: DType;
  readonly count: number;
  readonly mode: "read" | "write" | "update";
}

/** C for cores with a feature; null is portable C and stands last. */
export interface CVariant {
  readonly feature: Feature | null;
  /** A second feature that the text takes. */
  readonly also?: Feature;
  readonly needs: readonly string[];
  readonly text: string;
  /** Instructions of one call, its operands' addresses in registers; absent: what it means costs. */
  readonly instructions?: number;
  /** Instructions that stand in the text, where it has loops; absent: its lines of assembly. */
  readonly length?: number;
  /** Its text is a function that stands once, whoever calls it. */
  readonly shared?: boolean;
  /** Its lines of assembly by how often a call executes them; absent: all alike. */
  readonly executed?: readonly { readonly lines: readonly string[]; readonly times: number }[];
  /** Its operands pass through memory: a local array that it takes lies there, not in registers. */
  readonly inMemory?: boolean;
  /** Instructions that bring each operand in, which calls with the same operand share. */
  readonly operands?: readonly number[];
}

export interface TensorIntrin {
  readonly name: string;
  readonly args: readonly IntrinArg[];
  /** Names of the compile-time integers. */
  readonly scalars: readonly string[];
  meaning(args: readonly Access[], scalars: readonly number[]): Stmt;
  /** The first operand is a scalar, passed and returned by value. */
  readonly byValue: boolean;
  /** On every core it reads all of its operands before it writes the first element. */
  readonly readsFirst?: boolean;
  /** Its meaning is a loop, and on every core each turn ends before the next one reads or writes. */
  readonly inTurns?: boolean;
  /** The same with its turns from the last to the first. */
  readonly reversed?: () => TensorIntrin;
  readonly c: readonly CVariant[];
}

/** The text of an intrinsic for a core. */
export const variantFor = (op: TensorIntrin, target: Target): CVariant =>
  op.c.find((v) =>
    (v.feature === null || has(target, v.feature)) && (!v.also || has(target, v.also))
  )!;

/** Element `j` of an access. */
export const read = (a: Access, j: number): Expr => load(a.buf, behind(a, j));
export const write = (a: Access, j: number, value: Expr): Stmt => ({
  k: "store",
  buf: a.buf,
  idx: behind(a, j),
  value,
});

/** Shared pieces of C, by name; each stands once in a file that needs it. */
export const C_HELPERS: Readonly<Record<string, string>> = {
  load32: `/* Four bytes at any address. */
static inline uint32_t load32(const void *p)
{
    uint32_t v;
    memcpy(&v, p, 4);
    return v;
}`,
  store32: `static inline void store32(void *p, uint32_t v)
{
    memcpy(p, &v, 4);
}`,
  float_of: `/* The float whose bits these are. */
static inline float float_of(int32_t bits)
{
    float v;
    memcpy(&v, &bits, 4);
    return v;
}`,
  smlad: `/* acc + x.lo * y.lo + x.hi * y.hi on signed halfwords. */
static inline int32_t smlad(uint32_t x, uint32_t y, int32_t acc)
{
    int32_t r;
    __asm__("smlad %0, %1, %2, %3" : "=r"(r) : "r"(x), "r"(y), "r"(acc));
    return r;
}`,
  sxtb16: `/* Bytes 0 and 2 as signed halfwords. */
static inline uint32_t sxtb16(uint32_t x)
{
    uint32_t r;
    __asm__("sxtb16 %0, %1" : "=r"(r) : "r"(x));
    return r;
}`,
  sxtb16_ror8: `/* Bytes 1 and 3 as signed halfwords. */
static inline uint32_t sxtb16_ror8(uint32_t x)
{
    uint32_t r;
    __asm__("sxtb16 %0, %1, ror #8" : "=r"(r) : "r"(x));
    return r;
}`,
  ...Object.fromEntries((["s", "u"] as const).flatMap((s) => [
    [
      `${s}xtab16`,
      `/* Bytes 0 and 2 of x as ${
        s === "s" ? "signed" : "unsigned"
      } halfwords, added to those of a. */
static inline uint32_t ${s}xtab16(uint32_t a, uint32_t x)
{
    uint32_t r;
    __asm__("${s}xtab16 %0, %1, %2" : "=r"(r) : "r"(a), "r"(x));
    return r;
}`,
    ],
    [
      `${s}xtab16_ror8`,
      `/* Bytes 1 and 3 of x as ${
        s === "s" ? "signed" : "unsigned"
      } halfwords, added to those of a. */
static inline uint32_t ${s}xtab16_ror8(uint32_t a, uint32_t x)
{
    uint32_t r;
    __asm__("${s}xtab16 %0, %1, %2, ror #8" : "=r"(r) : "r"(a), "r"(x));
    return r;
}`,
    ],
  ])),
  sadd16: `/* Sums of halfwords. */
static inline uint32_t sadd16(uint32_t x, uint32_t y)
{
    uint32_t r;
    __asm__("sadd16 %0, %1, %2" : "=r"(r) : "r"(x), "r"(y));
    return r;
}`,
  ssub16: `/* Differences of halfwords. */
static inline uint32_t ssub16(uint32_t x, uint32_t y)
{
    uint32_t r;
    __asm__("ssub16 %0, %1, %2" : "=r"(r) : "r"(x), "r"(y));
    return r;
}`,
  ...Object.fromEntries((["s8", "u8"] as const).map((s) => [
    `max4_${s}`,
    `/* The larger of each two bytes. */
static inline uint32_t max4_${s}(uint32_t x, uint32_t y)
{
    uint32_t r;
    __asm__("${s[0]}sub8 %0, %1, %2\\n\\tsel %0, %1, %2" : "=&r"(r) : "r"(x), "r"(y) : "cc");
    return r;
}`,
  ])),
  pkhbt: `/* Low halfword of x, low halfword of y above it. */
static inline uint32_t pkhbt(uint32_t x, uint32_t y)
{
    uint32_t r;
    __asm__("pkhbt %0, %1, %2, lsl #16" : "=r"(r) : "r"(x), "r"(y));
    return r;
}`,
  pkhtb: `/* High halfword of x below the high halfword of y. */
static inline uint32_t pkhtb(uint32_t y, uint32_t x)
{
    uint32_t r;
    __asm__("pkhtb %0, %1, %2, asr #16" : "=r"(r) : "r"(y), "r"(x));
    return r;
}`,
};

/** Order in which {@link dot4} expects the four weights of a group. */
export const dotOrder = (w: DType): readonly number[] => w === "int8" ? [0, 2, 1, 3] : [0, 1, 2, 3];

/**
 * acc += Σ a[i]·w[σ(i)], int16 × int8 or int16 in int32. Weights of int8 are stored in the order
 * 0, 2, 1, 3, so that SXTB16 of the word gives the pairs that meet a[0..1] and a[2..3].
 */
export const dot4 = (w: DType): TensorIntrin => {
  const order = dotOrder(w), name = w === "int8" ? "dot4" : "dot4_s16";
  const head = `/* acc + ${order.map((o, i) => `a[${o}] w[${i}]`).join(" + ")} */
static inline int32_t ${name}(int32_t acc, const int16_t *a, const ${w}_t *w)`;
  return {
    name,
    args: [
      { name: "acc", dtype: "int32", count: 1, mode: "update" },
      { name: "a", dtype: "int16", count: 4, mode: "read" },
      { name: "w", dtype: w, count: 4, mode: "read" },
    ],
    scalars: [],
    byValue: true,
    meaning([acc, a, b]) {
      const product = (i: number): Expr =>
        mul(cast("int32", read(a, order[i])), cast("int32", read(b, i)));
      return write(acc, 0, [0, 1, 2, 3].map(product).reduce((s, p) => add(s, p), read(acc, 0)));
    },
    c: [
      w === "int8"
        ? {
          feature: "dsp",
          needs: ["load32", "sxtb16", "sxtb16_ror8", "smlad"],
          instructions: 2,
          operands: [0, 2, 3],
          text: `${head}
{
    const uint32_t w0123 = load32(w);

    acc = smlad(load32(a), sxtb16(w0123), acc);
    return smlad(load32(a + 2), sxtb16_ror8(w0123), acc);
}`,
        }
        : {
          feature: "dsp",
          needs: ["load32", "smlad"],
          instructions: 2,
          operands: [0, 2, 2],
          text: `${head}
{
    acc = smlad(load32(a), load32(w), acc);
    return smlad(load32(a + 2), load32(w + 2), acc);
}`,
        },
      {
        feature: null,
        needs: [],
        text: `${head}
{
    return acc + ${order.map((o, i) => `a[${o}] * w[${i}]`).join(" + ")};
}`,
      },
    ],
  };
};

const short = (d: DType): string => d === "int8" ? "s8" : "u8";
const cType = (d: DType): string => d === "int8" ? "int8_t" : "uint8_t";
const letter = (d: DType): string => d === "int8" ? "s" : "u";

/** acc[i] += (x[i] − zero)·w[i] for four channels; x is int8 or uint8, w int8. */
export const mla4 = (x: DType): TensorIntrin => ({
  name: `mla4_${short(x)}`,
  args: [
    { name: "acc", dtype: "int32", count: 4, mode: "update" },
    { name: "x", dtype: x, count: 4, mode: "read" },
    { name: "w", dtype: "int8", count: 4, mode: "read" },
  ],
  scalars: ["zero"],
  byValue: false,
  meaning([acc, x, w], [zero]) {
    return seq(...[0, 1, 2, 3].map((i) =>
      write(
        acc,
        i,
        add(read(acc, i), mul(sub(cast("int32", read(x, i)), zero), cast("int32", read(w, i)))),
      )
    ));
  },
  c: [
    {
      feature: "mve",
      needs: [],
      instructions: 7,
      inMemory: true,
      text: `/* acc[i] += (x[i] - zero) w[i] for four channels */
__attribute__((always_inline)) static inline void mla4_${short(x)}(int32_t *acc, const ${
        cType(x)
      } *x, const int8_t *w, int32_t zero)
{
    __asm__ volatile(
        "vldrb.${letter(x)}32 q0, [%[x]]\\n"
        "vldrb.s32 q1, [%[w]]\\n"
        "vadd.i32 q0, q0, %[minus]\\n"
        "vldrw.32 q2, [%[acc]]\\n"
        "vmul.i32 q0, q0, q1\\n"
        "vadd.i32 q2, q2, q0\\n"
        "vstrw.32 q2, [%[acc]]\\n"
        :
        : [acc] "r"(acc), [x] "l"(x), [w] "l"(w), [minus] "r"(-zero)
        : "q0", "q1", "q2", "memory");
}`,
    },
    {
      feature: "dsp",
      needs: [],
      instructions: 10,
      // One piece of assembly: apart, the compiler loads all taps of a window first and spills them.
      text: `/* acc[i] += (x[i] - zero) w[i] for four channels */
__attribute__((always_inline)) static inline void mla4_${short(x)}(int32_t *acc, const ${
        cType(x)
      } *x, const int8_t *w, int32_t zero)
{
    const uint32_t minus = ((uint32_t)-zero & 0xffffu) | ((uint32_t)-zero << 16);
    uint32_t x02, x13, w02, w13;

    __asm__(
        "ldr %[x13], %[x]\\n"
        "ldr %[w13], %[w]\\n"
        "${letter(x)}xtab16 %[x02], %[minus], %[x13]\\n"
        "sxtb16 %[w02], %[w13]\\n"
        "${letter(x)}xtab16 %[x13], %[minus], %[x13], ror #8\\n"
        "sxtb16 %[w13], %[w13], ror #8\\n"
        "smlabb %[a0], %[x02], %[w02], %[a0]\\n"
        "smlabb %[a1], %[x13], %[w13], %[a1]\\n"
        "smlatt %[a2], %[x02], %[w02], %[a2]\\n"
        "smlatt %[a3], %[x13], %[w13], %[a3]\\n"
        : [a0] "+r"(acc[0]), [a1] "+r"(acc[1]), [a2] "+r"(acc[2]), [a3] "+r"(acc[3]),
          [x02] "=&r"(x02), [x13] "=&r"(x13), [w02] "=&r"(w02), [w13] "=&r"(w13)
        : [minus] "r"(minus), [x] "m"(*(const ${
        cType(x)
      }(*)[4])x), [w] "m"(*(const int8_t(*)[4])w));
}`,
    },
    {
      feature: null,
      needs: [],
      text: `/* acc[i] += (x[i] - zero) w[i] for four channels */
__attribute__((always_inline)) static inline void mla4_${short(x)}(int32_t *acc, const ${
        cType(x)
      } *x, const int8_t *w, int32_t zero)
{
    acc[0] += (x[0] - zero) * w[0];
    acc[1] += (x[1] - zero) * w[1];
    acc[2] += (x[2] - zero) * w[2];
    acc[3] += (x[3] - zero) * w[3];
}`,
    },
  ],
});

/** dst[i] = src[i] − zero for a multiple of four elements, int8 or uint8 to int16. */
export function widen(x: DType, count: number): TensorIntrin {
  // Long text is worth a call: it stands once.
  const kind = count > 4
    ? "__attribute__((noinline)) static"
    : "__attribute__((always_inline)) static inline";
  const head = `/* dst[i] = src[i] - zero for ${count === 4 ? "four" : count} elements */
${kind} void widen${count}_${short(x)}(int16_t *dst, const ${cType(x)} *src, int32_t zero)`;
  const four = (at: number): string => {
    const by = at === 0 ? "" : ` + ${at}`;
    const [b02, b13] = [`x02_${at}`, `x13_${at}`];
    return `    const uint32_t x_${at} = load32(src${by});
    const uint32_t ${b02} = ${letter(x)}xtab16(minus, x_${at}), ${b13} = ${
      letter(x)
    }xtab16_ror8(minus, x_${at});

    store32(dst${by}, pkhbt(${b02}, ${b13}));
    store32(dst + ${at + 2}, pkhtb(${b13}, ${b02}));`;
  };
  return {
    name: `widen${count}_${short(x)}`,
    args: [
      { name: "dst", dtype: "int16", count, mode: "write" },
      { name: "src", dtype: x, count, mode: "read" },
    ],
    scalars: ["zero"],
    byValue: false,
    meaning: ([dst, src], [zero]) =>
      seq(
        ...Array.from({ length: count }, (_, i) =>
          write(dst, i, cast("int16", sub(cast("int32", read(src, i)), zero)))),
      ),
    c: [
      {
        feature: "dsp",
        needs: [
          "load32",
          "store32",
          `${letter(x)}xtab16`,
          `${letter(x)}xtab16_ror8`,
          "pkhbt",
          "pkhtb",
        ],
        instructions: 1 + 7 * count / 4 + (count > 4 ? 8 : 0),
        text: `${head}
{
    const uint32_t minus = ((uint32_t)-zero & 0xffffu) | ((uint32_t)-zero << 16);
${Array.from({ length: count / 4 }, (_, i) => four(4 * i)).join("\n")}
}`,
      },
      {
        feature: null,
        needs: [],
        instructions: 5 + 3.5 * count,
        text: `${head}
{
    for (int32_t i = 0; i < ${count}; i += 4) {
        dst[i] = (int16_t)(src[i] - zero);
        dst[i + 1] = (int16_t)(src[i + 1] - zero);
        dst[i + 2] = (int16_t)(src[i + 2] - zero);
        dst[i + 3] = (int16_t)(src[i + 3] - zero);
    }
}`,
      },
    ],
  };
}

/** {@link widen} of four elements. */
export const widen4 = (x: DType): TensorIntrin => widen(x, 4);

/** dst[i·stride] = src[i] − zero for four channels, int8 or uint8 to planes of int16. */
export const planes4 = (x: DType): TensorIntrin => {
  const head = `/* dst[i * stride] = src[i] - zero for four elements */
__attribute__((always_inline)) static inline void planes4_${short(x)}(int16_t *dst, const ${
    cType(x)
  } *src, int32_t zero, int32_t stride)`;
  return {
    name: `planes4_${short(x)}`,
    args: [
      { name: "dst", dtype: "int16", count: 4, mode: "write" },
      { name: "src", dtype: x, count: 4, mode: "read" },
    ],
    scalars: ["zero", "stride"],
    byValue: false,
    meaning([dst, src], [zero]) {
      return seq(
        ...[0, 1, 2, 3].map((i) =>
          write(dst, i, cast("int16", sub(cast("int32", read(src, i)), zero)))
        ),
      );
    },
    c: [
      {
        feature: "dsp",
        instructions: 9,
        needs: ["load32", `${letter(x)}xtab16`, `${letter(x)}xtab16_ror8`],
        text: `${head}
{
    const uint32_t minus = ((uint32_t)-zero & 0xffffu) | ((uint32_t)-zero << 16);
    const uint32_t x0123 = load32(src);
    const uint32_t x02 = ${letter(x)}xtab16(minus, x0123), x13 = ${
          letter(x)
        }xtab16_ror8(minus, x0123);

    dst[0] = (int16_t)x02;
    dst[stride] = (int16_t)x13;
    dst[2 * stride] = (int16_t)(x02 >> 16);
    dst[3 * stride] = (int16_t)(x13 >> 16);
}`,
      },
      {
        feature: null,
        needs: [],
        text: `${head}
{
    dst[0] = (int16_t)(src[0] - zero);
    dst[stride] = (int16_t)(src[1] - zero);
    dst[2 * stride] = (int16_t)(src[2] - zero);
    dst[3 * stride] = (int16_t)(src[3] - zero);
}`,
      },
    ],
  };
};
