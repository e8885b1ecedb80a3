/**
 * Intrinsics of cores with the vector extension of Armv8.1-M (MVE, Helium): requantisation and window
 * products of some channels, copies of bytes.
 */
import { add, cast, type Expr, imm, mul, sub } from "../te/expr.ts";
import { requantize } from "../te/rounding.ts";
import { type DType, intRange } from "../util/dtype.ts";
import { read, type TensorIntrin, write } from "./intrinsics.ts";
import { seq } from "./stmt.ts";

const INLINE = "__attribute__((always_inline)) static inline void";
const lines = (list: readonly string[]): string => list.map((l) => `        "${l}\\n"`).join("\n");

/** Bytes of a vector. */
const VECTOR = 16;

/** Channels that {@link windowProduct} sums at once. */
export const WINDOW_CHANNELS = 8;

/** Offsets that VLDRB reaches, and adds to its base. */
const NEAR = 127;

/** Loads eight bytes as halfwords at an offset from where a pointer was moved to last. */
function loadAt(q: string, pointer: string, from: number, to: number): string[] {
  const by = to - from;
  if (by === 0) return [`vldrb.s16 ${q}, [%[${pointer}]]`];
  if (Math.abs(by) <= NEAR) return [`vldrb.s16 ${q}, [%[${pointer}], #${by}]!`];
  const op = by < 0 ? "sub" : "add", size = Math.abs(by);
  // ADDW and SUBW take twelve bits.
  const steps = size < 4096
    ? [`${op}w %[${pointer}], %[${pointer}], #${size}`]
    : [`movw r12, #${size}`, `${op} %[${pointer}], %[${pointer}], r12`];
  return [...steps, `vldrb.s16 ${q}, [%[${pointer}]]`];
}

/**
 * acc[c] += Σ taps: a[tap.a + c]·w[tap.w + c] for eight channels.
 * @param taps offsets in elements from the first operands, each below 65536
 */
export function windowProduct(taps: readonly { a: number; w: number }[]): TensorIntrin {
  const count = WINDOW_CHANNELS;
  const key = (of: "a" | "w") => taps.map((t) => t[of]).join("_");
  const hash = (text: string) =>
    [...text].reduce((h, c) => Math.imul(h ^ c.charCodeAt(0), 16777619) >>> 0, 2166136261);
  const name = `window${count}_${taps.length}_${hash(`${key("a")}|${key("w")}`).toString(16)}`;
  const list = (of: "a" | "w") => taps.map((t) => t[of]).join(", ");
  const head =
    `/* acc[c] += sum over ${taps.length} taps of a[tap + c] w[tap + c] for ${count} channels; taps of a at ${
      list("a")
    }, of w at ${list("w")} */
${INLINE} ${name}(int32_t *acc, const int8_t *a, const int8_t *w)`;
  const body = taps.flatMap((t, i) => {
    const last = taps[i - 1] ?? { a: 0, w: 0 };
    return [
      ...loadAt("q2", "a", last.a, t.a),
      ...loadAt("q3", "w", last.w, t.w),
      "vmullb.s16 q4, q2, q3",
      "vmullt.s16 q2, q2, q3",
      "vadd.i32 q0, q0, q4",
      "vadd.i32 q1, q1, q2",
    ];
  });
  const even = ["vld20.32 {q0, q1}, [%[acc]]", "vld21.32 {q0, q1}, [%[acc]]"];
  const back = ["vst20.32 {q0, q1}, [%[acc]]", "vst21.32 {q0, q1}, [%[acc]]"];
  const span = (of: "a" | "w") => Math.max(...taps.map((t) => t[of])) + count;
  return {
    name,
    args: [
      { name: "acc", dtype: "int32", count, mode: "update" },
      { name: "a", dtype: "int8", count: span("a"), mode: "read" },
      { name: "w", dtype: "int8", count: span("w"), mode: "read" },
    ],
    scalars: [],
    byValue: false,
    meaning: ([acc, a, w]) =>
      seq(...taps.flatMap((t) =>
        Array.from({ length: count }, (_, c) => {
          const product = mul(
            cast("int32", read(a, t.a + c)),
            cast("int32", read(w, t.w + c)),
          );
          return write(acc, c, add(read(acc, c), product));
        })
      )),
    c: [
      {
        feature: "mve",
        needs: [],
        instructions: even.length + body.length + back.length,
        inMemory: true,
        text: `${head}
{
    /* Even channels are summed in q0, odd ones in q1. */
    __asm__ volatile(
${lines([...even, ...body, ...back])}
        : [a] "+&l"(a), [w] "+&l"(w)
        : [acc] "r"(acc)
        : "q0", "q1", "q2", "q3", "q4", "r12", "memory");
}`,
      },
      {
        feature: null,
        needs: [],
        text: `${head}
{
    static const int32_t taps[${taps.length}][2] = { ${
          taps.map((t) => `{ ${t.a}, ${t.w} }`).join(", ")
        } };

    for (int32_t t = 0; t < ${taps.length}; t++) {
        for (int32_t c = 0; c < ${count}; c++) {
            acc[c] += a[taps[t][0] + c] * w[taps[t][1] + c];
        }
    }
}`,
      },
    ],
  };
}

/** dst[i] = src[i] − shift as int8 for `count` elements: shift 0 for int8, 128 for uint8. */
export const copy = (x: DType, count: number): TensorIntrin => {
  const flip = x === "uint8", type = flip ? "uint8_t" : "int8_t";
  const name = `copy${count}_${flip ? "u8" : "s8"}`;
  const head = `/* dst[i] = src[i]${flip ? " - 128" : ""} for ${count} elements */
${INLINE} ${name}(int8_t *dst, const ${type} *src)`;
  const vector = [
    "vldrb.8 q0, [%[src]]",
    ...(flip ? ["veor q0, q0, %q[high]"] : []),
    "vstrb.8 q0, [%[dst]]",
  ];
  return {
    name,
    args: [
      { name: "dst", dtype: "int8", count, mode: "write" },
      { name: "src", dtype: x, count, mode: "read" },
    ],
    scalars: [],
    byValue: false,
    meaning: ([dst, src]) =>
      seq(...Array.from({ length: count }, (_, i) =>
        write(
          dst,
          i,
          flip ? cast("int8", sub(cast("int32", read(src, i)), 128)) : read(src, i),
        ))),
    c: [
      ...(count < VECTOR
        ? [{
          feature: null,
          needs: ["load32", "store32"],
          instructions: (flip ? 3 : 2) * count / 4,
          text: `${head}
{
${
            Array.from({ length: count / 4 }, (_, i) => {
              const by = i === 0 ? "" : ` + ${4 * i}`;
              return `    store32(dst${by}, load32(src${by})${flip ? " ^ 0x80808080u" : ""});`;
            }).join("\n")
          }
}`,
        }]
        : [
          {
            feature: "mve" as const,
            needs: [],
            instructions: flip ? 4 : 2,
            text: `${head}
{
    __asm__ volatile(
${
              lines(
                flip
                  ? ["vmov.i8 q1, #0x80", ...vector.map((l) => l.replace("%q[high]", "q1"))]
                  : vector,
              )
            }
        :
        : [dst] "r"(dst), [src] "r"(src)
        : "q0", ${flip ? '"q1", ' : ""}"memory");
}`,
          },
          {
            feature: null,
            needs: [],
            text: `${head}
{
    for (int32_t i = 0; i < ${count}; i++) {
        dst[i] = ${flip ? "(int8_t)(src[i] - 128)" : "src[i]"};
    }
}`,
          },
        ]),
    ],
  };
};

/** Bytes that a {@link copy} moves at once of runs of so many. */
export const copyWidth = (run: number): number => run >= VECTOR ? VECTOR : run >= 8 ? 8 : 4;

/** dst[i] = value for as many bytes as a {@link copy} moves. */
export const fill = (count: number): TensorIntrin => {
  const name = `fill${count}`;
  const head = `/* dst[i] = value for ${count} elements */
${INLINE} ${name}(int8_t *dst, int32_t value)`;
  const portable = {
    feature: null,
    needs: [],
    text: `${head}
{
    memset(dst, value, ${count});
}`,
  };
  return {
    name,
    args: [{ name: "dst", dtype: "int8", count, mode: "write" }],
    scalars: ["value"],
    byValue: false,
    meaning: ([dst], [value]) =>
      seq(...Array.from({ length: count }, (_, i) => write(dst, i, imm(value, "int8")))),
    c: count !== VECTOR ? [portable] : [
      {
        feature: "mve",
        needs: [],
        instructions: 2,
        text: `${head}
{
    __asm__ volatile(
${lines(["vdup.8 q0, %[value]", "vstrb.8 q0, [%[dst]]"])}
        :
        : [dst] "r"(dst), [value] "r"(value)
        : "q0", "memory");
}`,
      },
      portable,
    ],
  };
};

/** The bits of a float32 as int32. */
export const bitsOf = (x: number): number => new Int32Array(Float32Array.of(x).buffer)[0];
/** The float32 of these bits. */
export const floatOf = (bits: number): number => new Float32Array(Int32Array.of(bits).buffer)[0];

/**
 * y[i] = requantize(acc[i], scale, zero, lo, hi) for four elements. The scale is the third operand,
 * one for each element, or where `shared` the scalar before the others, as the bits of a float32.
 * Where `bounded` lo and hi are scalars, else the type's own.
 */
export const requantize4 = (y: DType, shared: boolean, bounded: boolean): TensorIntrin => {
  const short = y === "int8" ? "s8" : "u8", type = `${y}_t`;
  const range = intRange(y);
  const name = `requantize4_${short}${shared ? "_shared" : ""}${bounded ? "_clamp" : ""}`;
  const scaleArg = shared ? "" : ", const float *scale";
  const scalars = [...(shared ? ["scale_bits"] : []), "zero", ...(bounded ? ["lo", "hi"] : [])];
  const head = `/* y[i] = acc[i] * scale${shared ? "" : "[i]"}, rounded half to even, + zero, ${
    bounded ? "in [lo, hi]" : "saturated"
  }, for four elements${shared ? "; scale_bits: the\n * scale as the bits of a float" : ""} */
${INLINE} ${name}(${type} *y, const int32_t *acc${scaleArg}, ${
    scalars.map((s) => `int32_t ${s}`).join(", ")
  })`;
  return {
    name,
    args: [
      { name: "y", dtype: y, count: 4, mode: "write" },
      { name: "acc", dtype: "int32", count: 4, mode: "read" },
      ...(shared ? [] : [{ name: "scale", dtype: "float32", count: 4, mode: "read" } as const]),
    ],
    scalars,
    byValue: false,
    meaning(args, values) {
      const [zero, lo = range.min, hi = range.max] = shared ? values.slice(1) : values;
      const scale = (i: number): Expr =>
        shared ? imm(floatOf(values[0]), "float32") : read(args[2], i);
      return seq(...[0, 1, 2, 3].map((i) =>
        write(
          args[0],
          i,
          cast(y, requantize(read(args[1], i), scale(i), imm(zero), imm(lo), imm(hi))),
        )
      ));
    },
    c: [
      {
        feature: "mve",
        needs: [],
        instructions: 5 + (shared ? 1 : 2) + (bounded ? 4 : 2),
        inMemory: true,
        text: `${head}
{
    __asm__ volatile(
${
          lines([
            "vldrw.32 q0, [%[acc]]",
            "vcvt.f32.s32 q0, q0",
            ...(shared
              ? ["vmul.f32 q0, q0, %[scale]"]
              : ["vldrw.32 q1, [%[scale]]", "vmul.f32 q0, q0, q1"]),
            "vcvtn.s32.f32 q0, q0",
            ...(bounded ? ["vdup.32 q1, %[lo]"] : []),
            "vqadd.s32 q0, q0, %[zero]",
            ...(bounded
              ? ["vmax.s32 q0, q0, q1", "vdup.32 q1, %[hi]", "vmin.s32 q0, q0, q1"]
              : y === "int8"
              ? ["vqmovnb.s32 q0, q0", "vqmovnb.s16 q0, q0"]
              : ["vqmovunb.s32 q0, q0", "vqmovnb.u16 q0, q0"]),
            "vstrb.32 q0, [%[y]]",
          ])
        }
        :
        : [y] "l"(y), [acc] "r"(acc), [scale] "r"(${
          shared ? "scale_bits" : "scale"
        }), [zero] "r"(zero)${bounded ? ', [lo] "r"(lo), [hi] "r"(hi)' : ""}
        : "q0", "q1", "memory");
}`,
      },
      {
        feature: null,
        needs: [],
        text: `${head}
{
${
          shared
            ? "    float scale;\n\n    memcpy(&scale, &scale_bits, 4);\n"
            : ""
        }    for (int32_t i = 0; i < 4; i++) {
        const float low = (float)(${bounded ? "lo" : range.min} - zero), high = (float)(${
          bounded ? "hi" : range.max
        } - zero);
        const float x = (float)acc[i] * scale${shared ? "" : "[i]"};
        const float bounded = x < low ? low : x > high ? high : x;

        /* Adding and subtracting 1.5 * 2^23 rounds half to even. */
        y[i] = (${type})((int32_t)(bounded + 12582912.0f - 12582912.0f) + zero);
    }
}`,
      },
    ],
  };
};

/** What schedules can name: not products, whose sizes are part of their text, nor what stands in for copies. */
export const MVE_INTRINSICS: readonly TensorIntrin[] = [
  ...(["int8", "uint8"] as const).flatMap((x) => [copy(x, VECTOR), copy(x, 8), copy(x, 4)]),
  ...(["int8", "uint8"] as const).flatMap((y) =>
    [false, true].flatMap((shared) => [false, true].map((b) => requantize4(y, shared, b)))
  ),
];
