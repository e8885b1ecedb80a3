/**
 * Windows within one channel on cores with SMLAD and an FPU: the whole map of outputs of a channel
 * from a plane of int16 with filled borders, requantised and stored, in one piece of assembly. Each
 * word of the plane holds two neighbours; the weights of a row of the window stand in words w0 w1,
 * w1 w2, …, so that outputs at odd columns take whole words too. Tiles are two rows by two columns;
 * where rows are odd in number the last pair overlaps the one before. A single row, or rows of windows
 * of one row, have tiles of four columns.
 */
import { add, call, cast, type Expr, imm, load, mul, variable } from "../te/expr.ts";
import { REQUANTIZE, REQUANTIZE_WORD, WORD_SHIFT } from "../te/rounding.ts";
import { intRange } from "../util/dtype.ts";
import { executed, quoted } from "./asm.ts";
import { flat } from "./gather.ts";
import type { TensorIntrin } from "./intrinsics.ts";
import { floatOf } from "./mve.ts";
import { MapText, type PlaneMap, range, temporariesOf } from "./plane_map_asm.ts";
import { type Access, type Buffer, seq, type Stmt } from "./stmt.ts";

const ownLimits = ({ y }: PlaneMap): string => `${intRange(y).min},${intRange(y).max}`;

const nameOf = (m: PlaneMap): string =>
  [
    `map_${m.taps.join("x")}`,
    m.stride.some((s) => s > 1) ? `s${m.stride.join("x")}` : "",
    m.dilation > 1 ? `d${m.dilation}` : "",
    m.shape.join("x"),
    `p${m.pitch}`,
    m.planes > 1 ? `of${m.planes}_${m.apart}` : "",
    m.steps.join("_"),
    m.y === "int8" ? "s8" : "u8",
    m.shared ? "shared" : "",
    m.rounding === "halfwords" ? "" : "w",
    m.words === null ? "" : m.words < 1 ? "q" : "q1",
    m.bounded ? "clamp" : m.limits.join() === ownLimits(m) ? "" : m.limits.join("_"),
  ].filter((x) => x !== "").join("_");

/** Instructions around the assembly: call, operands, return. */
const AROUND = 16;

/**
 * y[i][j] = requantize(start + Σ kh, kw: a[i·sh + kh·d][j·sw + kw]·w[kh][kw], scale, zero) for one
 * channel. Operands: y bytes, a int16 at a word's address, w int16 [taps][2·(taps − 1)] in pairs, start int32,
 * scale float32 (or its bits as the first scalar); scalars: zero, and bounds.
 */
export function planeMap(m: PlaneMap): TensorIntrin {
  const name = nameOf(m);
  const scalars = [
    ...(m.shared ? [m.words === null ? "scale_bits" : "word"] : []),
    "zero",
    ...(m.bounded ? ["lo", "hi"] : []),
  ];
  const type = m.y === "int8" ? "int8_t" : "uint8_t";
  const [kh, kw] = m.taps, [sh, sw] = m.stride;
  const at = (i: string, by: number, k: string, d: number) =>
    `${by > 1 ? `${by} * ${i}` : i} + ${d > 1 ? `${d} * ${k}` : k}`;
  const head = `/* y[i][j] = start + sum of a[${at("i", sh, "kh", m.dilation)}][${
    at("j", sw, "kw", 1)
  }] w[kh][kw], requantised: ${m.shape.join(" by ")} outputs,
 * windows of ${kh} by ${kw}${
    m.planes > 1 ? ` through ${m.planes} planes, ${m.apart} apart` : ""
  }, rows of a ${m.pitch} apart, weights in pairs w0 w1, w1 w2, ... */
__attribute__((noinline)) static void ${name}(${type} *y, const int16_t *a, const int16_t *w, const int32_t *start, ${
    m.shared ? "" : m.words === null ? "const float *scale, " : "const int32_t *scale, "
  }${scalars.map((s) => `int32_t ${s}`).join(", ")})`;
  const scale = m.words === null ? "float32" : "int32";
  const texts = [false, true].map((fixed) => new MapText(m, fixed));
  const [floats, fixed] = texts.map((t) => executed(t.code()) + t.kept.length + AROUND);
  const share = m.words ?? 0;
  const both = share > 0 && share < 1;
  return {
    name,
    args: [
      { name: "y", dtype: m.y, count: 1, mode: "write" },
      { name: "a", dtype: "int16", count: 1, mode: "read" },
      { name: "w", dtype: "int16", count: 2 * m.planes * kh * (kw - 1), mode: "read" },
      { name: "start", dtype: "int32", count: 1, mode: "read" },
      ...(m.shared ? [] : [{ name: "scale", dtype: scale, count: 1, mode: "read" } as const]),
    ],
    scalars,
    byValue: false,
    meaning: (args, values) => meaning(m, args, values),
    c: [
      {
        feature: "dsp",
        also: "fpu",
        needs: [],
        instructions: share * fixed + (1 - share) * floats + (both ? 2 : 0),
        text: `${head}\n${body(m, texts)}`,
      },
      { feature: null, needs: [], text: `${head}\n${portable(m)}` },
    ],
  };
}

function meaning(m: PlaneMap, args: readonly Access[], values: readonly number[]): Stmt {
  const [y, a, w, start] = args.slice(0, 4).map(flat);
  const scale: Expr = !m.shared
    ? ((s) => load(s.buf, [s.at]))(flat(args[4]))
    : m.words === null
    ? imm(floatOf(values[0]), "float32")
    : imm(values[0]);
  const [zero, lo = m.limits[0], hi = m.limits[1]] = m.shared ? values.slice(1) : values;
  const [height, width] = m.shape;
  const i = variable("i", "int32", [0, height - 1]), j = variable("j", "int32", [0, width - 1]);
  const wide = (b: Buffer, at: Expr): Expr => cast("int32", load(b, [at]));
  let sum: Expr = load(start.buf, [start.at]);
  for (const q of range(m.planes)) {
    for (const kh of range(m.taps[0])) {
      for (const kw of range(m.taps[1])) {
        const row = add(mul(i, m.stride[0]), kh * m.dilation), col = add(mul(j, m.stride[1]), kw);
        const at = add(add(mul(row, m.pitch), col), q * m.apart);
        const x = wide(a.buf, add(a.at, at));
        const k = 2 * (q * m.taps[0] + kh) * (m.taps[1] - 1) + Math.max(0, 2 * kw - 1);
        sum = add(sum, mul(x, wide(w.buf, add(w.at, k))));
      }
    }
  }
  const bounds = [imm(zero), imm(lo), imm(hi)];
  const result = call(m.words === null ? REQUANTIZE : REQUANTIZE_WORD, sum, scale, ...bounds);
  const value = cast(m.y, result);
  const idx = [add(y.at, add(mul(i, m.steps[0]), mul(j, m.steps[1])))];
  const store: Stmt = { k: "store", buf: y.buf, idx, value };
  const inner: Stmt = { k: "for", v: j, lo: imm(0), hi: imm(width), body: seq(store) };
  return { k: "for", v: i, lo: imm(0), hi: imm(height), body: inner };
}

/** Declares the scale, or the word, where it is not at hand. */
function scaleOf(m: PlaneMap, indent: string): string {
  if (!m.shared || m.words !== null) return "";
  return `${indent}float scale;\n\n${indent}memcpy(&scale, &scale_bits, 4);\n`;
}
const wordOf = (m: PlaneMap): string => m.shared ? "word" : "*scale";

/** The function's body: one text, or one for each kind of scale. */
function body(m: PlaneMap, [floats, fixed]: readonly MapText[]): string {
  const one = (t: MapText, indent: string): string => assembly(m, t, indent);
  if (m.words === null || m.words === 0) return `{\n${one(floats, "    ")}\n}`;
  if (m.words === 1) return `{\n${one(fixed, "    ")}\n}`;
  return `{
    if (${wordOf(m)} < 0) {
${one(fixed, "        ")}
    } else {
${one(floats, "        ")}
    }
}`;
}

/** A word of two halfwords of the weights. */
const wordOfHalves = ([low, high]: readonly [number, number]): string => {
  if (low % 2 === 0 && high === low + 1) {
    return `((const uint32_t *)(const void *)w)[${low / 2}]`;
  }
  const half = (k: number) => `(uint32_t)(uint16_t)w[${k}]`;
  return low === high ? half(low) : `${half(low)} | ${half(high)} << 16`;
};

function assembly(m: PlaneMap, text: MapText, indent: string): string {
  const byWords = m.rounding === "words", { kept, fixed, held } = text;
  const weights = kept.length > 0
    ? kept.map((k, i) => `[w${i}] "r"(${wordOfHalves(k)})`)
    : ['[w] "r"(w)'];
  const temporaries = kept.length > 0 ? [] : range(temporariesOf(m)).map((i) => `w${i}`);
  const accs = ["s0", "s1", "s2", "s3"];
  const offset = `zero * ${2 ** WORD_SHIFT} + ${2 ** (WORD_SHIFT - 1)}`;
  const first = held.start ? "0" : "*start";
  const starts = fixed
    ? [first, ...(held.scale ? ["0", "0"] : [wordOf(m), offset]), "0"]
    : [first, byWords ? "zero" : "0", ...(m.bounded ? ["lo", "hi"] : ["0", "0"])];
  const bits = m.words !== null && !fixed;
  const scale = bits || m.shared ? "scale_value" : "*scale";
  const from = bits ? m.shared ? "&word" : "scale" : "&scale_bits";
  const value = fixed || scale === "*scale" ? "" : `    float scale_value;\n`;
  const copy = value === "" ? "" : `    memcpy(&scale_value, ${from}, 4);\n`;
  const changed = ["x0", "x1", ...temporaries, ...(held.end ? ["end"] : [])];
  const inputs = [
    ...weights,
    ...(held.start ? ['[start] "r"(*start)'] : []),
    ...(held.scale ? [`[minus] "r"(${wordOf(m)})`, `[offset] "r"(${offset})`] : []),
    ...(fixed ? [] : [`[scale] "t"(${scale})`]),
    ...(byWords || fixed ? [] : ['[magic] "t"(12582912.0f + (float)zero)']),
  ];
  const c = `    int32_t ${accs.map((s, i) => `${s} = ${starts[i]}`).join(", ")};
    uint32_t ${changed.join(", ")};
${value}
${copy}    __asm__ volatile(
${quoted(text.code())}
        : [y] "+&r"(y), [a] "+&r"(a), ${accs.map((s) => `[${s}] "+&r"(${s})`).join(", ")},
          ${changed.map((x) => `[${x}] "=&r"(${x})`).join(", ")}
        : ${inputs.join(",\n          ")}
        : "s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "cc", "memory");`;
  return c.split("\n").map((l) => l === "" ? l : indent.slice(4) + l).join("\n");
}

function portable(m: PlaneMap): string {
  const [least, most] = m.limits;
  const type = m.y === "int8" ? "int8_t" : "uint8_t";
  const [lo, hi] = m.bounded ? ["lo", "hi"] : m.limits;
  const [kh, kw] = m.taps;
  return `{
${scaleOf(m, "    ")}${
    m.words === null ? "" : "    float scale_value;\n"
  }    const float low = (float)(${lo} - zero), high = (float)(${hi} - zero);

    for (int32_t i = 0; i < ${m.shape[0]}; i++) {
        for (int32_t j = 0; j < ${m.shape[1]}; j++) {
            int32_t acc = *start;

            for (int32_t kh = 0; kh < ${m.planes * kh}; kh++) {
                for (int32_t kw = 0; kw < ${kw}; kw++) {
                    acc += a[${m.planes > 1 ? `${m.apart} * (kh / ${kh}) + ` : ""}(${
    m.stride[0]
  } * i + ${m.dilation} * ${m.planes > 1 ? `(kh % ${kh})` : "kh"}) * ${m.pitch} + ${
    m.stride[1]
  } * j + kw] * w[${2 * (kw - 1)} * kh + (kw > 0 ? 2 * kw - 1 : 0)];
                }
            }
${
    m.words === null ? "" : `            if (${wordOf(m)} < 0) {
                const int64_t sum = (int64_t)(zero * ${2 ** WORD_SHIFT} + ${
      2 ** (WORD_SHIFT - 1)
    }) * 4294967296 - (int64_t)acc * ${wordOf(m)};
                const int32_t q = (int32_t)(sum >> ${32 + WORD_SHIFT});

                y[i * ${m.steps[0]} + j * ${
      m.steps[1]
    }] = (${type})(q < ${least} ? ${least} : q > ${most} ? ${most} : q);
                continue;
            }
            memcpy(&scale_value, ${m.shared ? "&word" : "scale"}, 4);
`
  }            const float x = (float)acc * ${
    m.words !== null ? "scale_value" : m.shared ? "scale" : "*scale"
  };
            const float bounded = x < low ? low : x > high ? high : x;

            /* Adding and subtracting 1.5 * 2^23 rounds half to even. */
            y[i * ${m.steps[0]} + j * ${
    m.steps[1]
  }] = (${type})((int32_t)(bounded + 12582912.0f - 12582912.0f) + zero);
        }
    }
}`;
}
