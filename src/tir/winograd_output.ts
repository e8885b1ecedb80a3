/** What follows the products of Winograd's F(2×2, 3×3): sums along rows of positions, and bytes. */
import { add, call, cast, type Expr, floordiv, imm } from "../te/expr.ts";
import { REQUANTIZE_WORD, WORD_SHIFT } from "../te/rounding.ts";
import { type Code, executed, literal, quoted } from "./asm.ts";
import type { TensorIntrin } from "./intrinsics.ts";
import { saturationOf } from "./scalar_c.ts";
import { type Access, seq, type Stmt } from "./stmt.ts";
import { OUTPUTS, outputSum, range, read, SIDE, store } from "./winograd.ts";
import { type Tiles, tilesText, WINOGRAD_COLS } from "./winograd_products.ts";

/** One output as an accumulator; `h(j)` are the half transformed products of its row. */
export const winogradAccumulator = (q: number, h: (j: number) => Expr, start: Expr): Expr =>
  floordiv(add(outputSum(q, h), start), 4);

/**
 * y[r][q] = (h·A + start) ÷ 4 of one tile and column; columns of h lie `position` apart.
 *
 * Operands: y int32 [n, ty, tx, c, r, q], h int32 [n, ty, r, j, t, c], start int32 [c].
 */
export function winogradOutput(position: number): TensorIntrin {
  const name = `winograd_out_p${position}`;
  const head =
    `/* y[r][q] = (h A + start) / 4; the division leaves nothing over. Columns of h lie ${position} apart. */
static inline void ${name}(int32_t *y, const int32_t *h, const int32_t *start)`;
  const at = (r: number, j: number): string => `(uint32_t)h[${(SIDE * r + j) * position}]`;
  return {
    name,
    args: [
      { name: "y", dtype: "int32", count: OUTPUTS * OUTPUTS, mode: "write" },
      { name: "h", dtype: "int32", count: 1, mode: "read" },
      { name: "start", dtype: "int32", count: 1, mode: "read" },
    ],
    scalars: [],
    byValue: false,
    meaning: ([y, h, start]) =>
      seq(
        ...range(OUTPUTS * OUTPUTS).map((n) => {
          const [r, q] = [n >> 1, n & 1];
          const own = (j: number) => read(h, { 2: r, 3: j });
          return store(y, { 4: r, 5: q }, winogradAccumulator(q, own, read(start, {})));
        }),
      ),
    c: [{
      feature: null,
      needs: [],
      instructions: 31,
      text: `${head}
{
${
        range(OUTPUTS).map((r) =>
          `    const uint32_t p${r} = ${at(r, 1)} + (uint32_t)*start, q${r} = ${at(r, 2)};`
        ).join("\n")
      }

${
        range(OUTPUTS).map((r) =>
          `    y[${2 * r}] = (int32_t)(${at(r, 0)} + p${r} + q${r}) >> 2;
    y[${2 * r + 1}] = (int32_t)(p${r} - q${r} + ${at(r, 3)}) >> 2;`
        ).join("\n")
      }
}`,
    }],
  };
}

/** What the text of bytes depends on. */
export interface WinogradBytes extends Tiles {
  readonly y: "int8" | "uint8";
  readonly zero: number;
  readonly limits: readonly [lo: number, hi: number];
  /** Share of the pairs of columns whose words are multipliers, from 0 to 1. */
  readonly fixed: number;
}

/** Instructions around the assembly, and those of one output through floats without an FPU. */
const AROUND = 16, FLOAT = 60;

/** Bits behind the point of products of four times an accumulator. */
const SHIFT = WORD_SHIFT + 2;

/**
 * y[t][c][r][q] = requantize_word((h·A + start) ÷ 4, word) of one tile or two and two columns, whose
 * words are both multipliers or both scales.
 *
 * Operands: y bytes [n, ty, t, c, r, q], h int32 [n, ty, r, j, t, c], start int32 [c], words int32 [c].
 */
export function winogradBytes(b: WinogradBytes): TensorIntrin {
  const { tiles, y: type, zero, limits, fixed } = b;
  const short = type === "int8" ? "s8" : "u8", side = zero < 0 ? `m${-zero}` : `${zero}`;
  const own = limits[0] === 0 ? 0 : -limits[1] - 1;
  const bounds = limits[1] === (type === "int8" ? 127 : 255) && own === limits[0]
    ? ""
    : `_${limits.join("_").replace("-", "m")}`;
  const name = `winograd_bytes_${tilesText(b)}x${WINOGRAD_COLS}_${short}_z${side}${bounds}${
    fixed < 1 ? "_q" : "_q1"
  }`;
  const head = `/* y[t][c][r][q] = (h A + start) / 4, requantised by words, of ${tiles} tile${
    tiles > 1 ? "s" : ""
  } and 2 columns. */
__attribute__((noinline)) static void ${name}(${type}_t *y, const int32_t *h, const int32_t *start, const int32_t *words)`;
  const outputs = tiles * WINOGRAD_COLS * OUTPUTS * OUTPUTS;
  const [byWords, byScales] = [true, false].map((words) => assembly(b, words));
  const body = (scales: string): string =>
    fixed < 1
      ? `{
    if (words[0] < 0) {
${statement(byWords, true, "        ")}
    } else {
${scales}
    }
}`
      : `{\n${statement(byWords, true, "    ")}\n}`;
  const times = (scales: number): number =>
    AROUND + fixed * executed(byWords) + (1 - fixed) * scales;
  return {
    name,
    args: [
      { name: "y", dtype: type, count: outputs, mode: "write" },
      { name: "h", dtype: "int32", count: OUTPUTS * SIDE * b.apart * WINOGRAD_COLS, mode: "read" },
      { name: "start", dtype: "int32", count: WINOGRAD_COLS, mode: "read" },
      { name: "words", dtype: "int32", count: WINOGRAD_COLS, mode: "read" },
    ],
    scalars: [],
    byValue: false,
    meaning: (args) => meaning(b, args),
    c: [
      {
        feature: "dsp",
        also: "fpu",
        needs: [],
        inMemory: true,
        instructions: times(executed(byScales)),
        text: `${head}\n${body(statement(byScales, false, "        "))}`,
      },
      {
        feature: "dsp",
        needs: [],
        inMemory: true,
        instructions: times(FLOAT * outputs),
        text: `${head}\n${body(floats(b, "        "))}`,
      },
      {
        feature: null,
        needs: [],
        inMemory: true,
        text: `${head}\n{\n${floats(b, "    ", true)}\n}`,
      },
    ],
  };
}

function meaning(b: WinogradBytes, [y, h, start, words]: readonly Access[]): Stmt {
  const bounds = [b.zero, ...b.limits].map((n) => imm(n));
  return seq(
    ...range(b.tiles * WINOGRAD_COLS * OUTPUTS * OUTPUTS).map((n) => {
      const [t, c, r, q] = [n >> 3, (n >> 2) & 1, (n >> 1) & 1, n & 1];
      const own = (j: number) => read(h, { 2: r, 3: j, 4: t, 5: c });
      const acc = winogradAccumulator(q, own, read(start, { 0: c }));
      const result = call(REQUANTIZE_WORD, acc, read(words, { 0: c }), ...bounds);
      return store(y, { 2: t, 3: c, 4: r, 5: q }, cast(b.y, result));
    }),
  );
}

/** The assembly with its operands: words that are multipliers, or scales for the FPU. */
function statement(code: Code, words: boolean, indent: string): string {
  const registers = ["a0", "b0", "a1", "b1", "a2", "b2", "zero"];
  const own = words ? `w0 = words[0], w1 = words[1], ` : "";
  const factors = words ? `[w0] "r"(w0), [w1] "r"(w1)` : `[w0] "t"(scale[0]), [w1] "t"(scale[1])`;
  const scale = words ? "" : `
    float scale[2];

    memcpy(scale, words, sizeof scale);
    scale[0] *= 0.25f;
    scale[1] *= 0.25f;`;
  return `    const int32_t ${own}s0 = start[0], s1 = start[1];
    int32_t ${registers.join(", ")};${scale}

    __asm__ volatile(
${quoted(code)}
        : ${registers.map((x) => `[${x}] "=&r"(${x})`).join(", ")}
        : [y] "r"(y), [h] "r"(h), ${factors}, [s0] "r"(s0), [s1] "r"(s1)
        : ${words ? "" : '"s4", "s5", "s6", "s7", '}"memory");`
    .split("\n").map((l) => l === "" ? l : indent.slice(4) + l).join("\n");
}

/** Sums and bytes: two columns of a row of a tile at a time. */
function assembly({ tiles, apart, zero, limits }: WinogradBytes, words: boolean): string[] {
  const { instruction, bits } = saturationOf(...limits)!;
  const offset = words ? zero * 2 ** SHIFT + 2 ** (SHIFT - 1) : zero;
  const out = literal("%[zero]", offset < 0 ? offset + 2 ** 32 : offset);
  const values = ["a0", "b0", "a1", "b1"].map((x) => `%[${x}]`);
  const floats = values.map((_, i) => `s${4 + i}`), factor = (i: number) => `%[w${i % 2}]`;
  const requantized = words
    ? [
      ...values.map((x, i) => `smmls ${x}, ${x}, ${factor(i)}, %[zero]`),
      ...values.map((x) => `${instruction} ${x}, #${bits}, ${x}, asr #${SHIFT}`),
    ]
    : [
      ...["s4, s5, %[a0], %[b0]", "s6, s7, %[a1], %[b1]"].map((x) => `vmov ${x}`),
      ...floats.map((x) => `vcvt.f32.s32 ${x}, ${x}`),
      ...floats.map((x, i) => `vmul.f32 ${x}, ${x}, ${factor(i)}`),
      ...floats.map((x) => `vcvtr.s32.f32 ${x}, ${x}`),
      ...["%[a0], %[b0], s4, s5", "%[a1], %[b1], s6, s7"].map((x) => `vmov ${x}`),
      ...(zero === 0 ? [] : values.map((x) => `qadd ${x}, ${x}, %[zero]`)),
      ...values.map((x) => `${instruction} ${x}, #${bits}, ${x}`),
    ];
  for (const t of range(tiles)) {
    for (const r of range(OUTPUTS)) {
      const load = (n: number, j: number): string => {
        const at = 4 * ((SIDE * r + j) * apart + t) * WINOGRAD_COLS;
        return `ldrd %[a${n}], %[b${n}], [%[h], #${at}]`;
      };
      const both = (op: string, to: number, from: number): string[] =>
        ["a", "b"].map((x) => `${op} %[${x}${to}], %[${x}${to}], %[${x}${from}]`);
      const at = OUTPUTS * OUTPUTS * WINOGRAD_COLS * t + OUTPUTS * r;
      out.push(
        load(1, 1),
        "add %[a1], %[a1], %[s0]",
        "add %[b1], %[b1], %[s1]",
        load(2, 2),
        load(0, 0),
        ...both("add", 0, 1),
        ...both("add", 0, 2),
        ...both("sub", 1, 2),
        load(2, 3),
        ...both("add", 1, 2),
        ...requantized,
        ...[at, at + 4, at + 1, at + 5].map((by, i) => `strb ${values[i]}, [%[y], #${by}]`),
      );
    }
  }
  return out;
}

/** The same in C by scales, or by whatever the words are. */
function floats(b: WinogradBytes, indent: string, any = false) {
  const { tiles, apart, y, zero, limits: [lo, hi] } = b;
  const step = apart * WINOGRAD_COLS;
  const fixed = any
    ? `
        if (words[c] < 0) {
            for (int32_t q = 0; q < 2; q++) {
                const int64_t sum = INT64_C(${
      zero * 4 + 2
    }) * 4294967296 - (int64_t)acc[q] * words[c];
                const int32_t v = (int32_t)(sum >> 34);

                y[2 * n + q] = (${y}_t)(v < ${lo} ? ${lo} : v > ${hi} ? ${hi} : v);
            }
            continue;
        }`
    : "";
  return `for (int32_t n = 0; n < ${OUTPUTS * WINOGRAD_COLS * tiles}; n++) {
    const int32_t t = n / 4, c = n / 2 % 2, r = n % 2;
    const int32_t *const from = h + ${SIDE * step} * r + 2 * t + c;
    const uint32_t p = (uint32_t)from[${step}] + (uint32_t)start[c];
    const int32_t acc[2] = {
        (int32_t)((uint32_t)from[0] + p + (uint32_t)from[${2 * step}]) >> 2,
        (int32_t)(p - (uint32_t)from[${2 * step}] + (uint32_t)from[${3 * step}]) >> 2
    };
    float scale;
${fixed}
    memcpy(&scale, &words[c], 4);
    for (int32_t q = 0; q < 2; q++) {
        const float x = (float)acc[q] * scale;
        const float low = x < ${lo - zero}.0f ? ${lo - zero}.0f : x;
        const float bounded = low > ${hi - zero}.0f ? ${hi - zero}.0f : low;

        /* Adding and subtracting 1.5 * 2^23 rounds half to even. */
        y[2 * n + q] = (${y}_t)((int32_t)(bounded + 12582912.0f - 12582912.0f) + ${zero});
    }
}`.split("\n").map((l) => l === "" ? l : indent + l).join("\n");
}
