/**
 * Windows within one channel on cores with SMLAD and an FPU: the whole map of outputs of a channel
 * from a plane of int16 with filled borders, requantised and stored, in one piece of assembly. Each
 * word of the plane holds two neighbours; the weights of a row of the window stand in words w0 w1,
 * w1 w2, …, so that outputs at odd columns take whole words too. Tiles are two rows by two columns;
 * where rows are odd in number the last pair overlaps the one before.
 */
import { add, call, cast, type Expr, imm, load, mul, variable } from "../te/expr.ts";
import { REQUANTIZE, REQUANTIZE_WORD, WORD_SHIFT } from "../te/rounding.ts";
import { intRange } from "../util/dtype.ts";
import { addLiteral, type Code, executed, literal, quoted, REACH } from "./asm.ts";
import { flat } from "./gather.ts";
import type { TensorIntrin } from "./intrinsics.ts";
import { floatOf } from "./mve.ts";
import { BOUNDS, type Epilogue, epilogue, fixedEpilogue, SCALE, ZERO } from "./requantize_asm.ts";
import { type Access, type Buffer, seq, type Stmt } from "./stmt.ts";

/** What the text of one map depends on. */
export interface PlaneMap extends Epilogue {
  /** Rows and columns of the window. */
  readonly taps: readonly [rows: number, cols: number];
  /** Rows and columns of the plane from one output to the next. */
  readonly stride: readonly [rows: number, cols: number];
  /** Rows of the plane from one row of the window to the next. */
  readonly dilation: number;
  /** Rows and columns of outputs. */
  readonly shape: readonly [rows: number, cols: number];
  /** Elements from one row of the plane to the next. */
  readonly pitch: number;
  /** Elements of memory between rows and between columns of outputs. */
  readonly steps: readonly [row: number, col: number];
  /** One scale for all channels: a scalar. */
  readonly shared: boolean;
  /** Scales are words of `REQUANTIZE_WORD`; so many of them, from 0 to 1, are multipliers. Null: floats. */
  readonly words: number | null;
}

/** Words of packed weights that stay in registers. */
const KEPT = 6;
/** Byte offsets that LDRD and post-indexed accesses reach. */
const LDRD_REACH = 1020, POST_REACH = 255;
/** Tiles of a row up to which they are written out. */
const WRITTEN = 2;

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

/** Rows of the plane that one tile reads. */
const planeRowsOf = (m: PlaneMap, rows: number): number =>
  (rows - 1) * m.stride[0] + (m.taps[0] - 1) * m.dilation + 1;

/** Words of a row of the plane that a tile of so many columns reads. */
const wordsOf = (m: PlaneMap, cols: number): number =>
  Math.ceil(((cols - 1) * m.stride[1] + m.taps[1]) / 2);

/** Elements of a row of the plane that the map reads: whole words. */
export function planeWidth(m: PlaneMap): number {
  const cols = m.shape[1], pairs = Math.floor(cols / 2);
  const even = pairs > 0 ? (2 * pairs - 2) * m.stride[1] + 2 * wordsOf(m, 2) : 0;
  const odd = cols % 2 === 1 ? (cols - 1) * m.stride[1] + 2 * wordsOf(m, 1) : 0;
  return Math.max(even, odd);
}

/** Whether registers and offsets suffice. */
export function mapFits(m: PlaneMap): boolean {
  const rows = Math.min(2, m.shape[0]);
  return m.taps[1] >= 2 && m.stride[1] <= 2 && m.pitch % 2 === 0 && planeWidth(m) <= m.pitch &&
    2 * m.pitch * planeRowsOf(m, rows) <= REACH && 4 * m.taps[0] * (m.taps[1] - 1) <= REACH;
}

/** What a tap pair of a word of the plane meets: the pair of weights, and the halves that count. */
interface Product {
  readonly pair: number;
  readonly op: "smlad" | "smlabt" | "smlatb";
}

/** The product of word p of a row of the plane into column j of the tile; null: it is outside of the window. */
function productOf(m: PlaneMap, p: number, j: number): Product | null {
  const taps = m.taps[1], first = 2 * p - m.stride[1] * j;
  const [a, b] = [first, first + 1].map((t) => t >= 0 && t < taps);
  if (a && b) return { pair: first, op: "smlad" };
  if (a) return { pair: first - 1, op: "smlabt" };
  return b ? { pair: 0, op: "smlatb" } : null;
}

/** Writes the instructions of a map. */
class MapText {
  readonly #kept: readonly string[];

  /** @param fixed whether the scale is a multiplier */
  constructor(readonly m: PlaneMap, readonly fixed: boolean) {
    const used = new Set<string>();
    for (const cols of [1, 2]) {
      for (const p of range(wordsOf(m, cols))) {
        for (const j of range(cols)) {
          const x = productOf(m, p, j);
          if (x) range(m.taps[0]).forEach((kh) => used.add(`${kh},${x.pair}`));
        }
      }
    }
    this.#kept = used.size <= KEPT ? [...used].sort() : [];
  }

  /** Words of the weights that registers hold throughout, as offsets in words. */
  get kept(): readonly number[] {
    return this.#kept.map((k) => {
      const [kh, pair] = k.split(",").map(Number);
      return kh * (this.m.taps[1] - 1) + pair;
    });
  }

  /** The weights of a product in registers, loaded where they are not kept. */
  #weights(kh: number, pairs: readonly number[], at: (string | null)[]): [string[], string[]] {
    if (this.#kept.length > 0) {
      return [[], pairs.map((p) => `%[w${this.#kept.indexOf(`${kh},${p}`)}]`)];
    }
    const out: string[] = [];
    const regs = pairs.map((p) => {
      const key = `${kh},${p}`, known = at.indexOf(key);
      if (known >= 0) return `%[w${known}]`;
      const wanted = pairs.map((q) => `${kh},${q}`);
      const free = at.findIndex((x) => x === null || !wanted.includes(x));
      at[free] = key;
      out.push(`ldr %[w${free}], [%[w], #${4 * (kh * (this.m.taps[1] - 1) + p)}]`);
      return `%[w${free}]`;
    });
    return [out, regs];
  }

  /** One tile of outputs; `on` moves the pointers to the next. */
  tile(rows: number, cols: number, on: boolean): string[] {
    const { m } = this;
    const acc = (i: number, j: number) => `%[s${2 * i + j}]`;
    const step = on ? 2 * cols * m.stride[1] : 0;
    const out: string[] = [];
    // The second column starts from the first one's register before that changes.
    const through = cols === 2 && m.stride[1] === 1;
    const starts = range(cols).flatMap((j) =>
      through && j > 0 ? [] : range(rows).map((i) => acc(i, j))
    );
    for (let i = 0; i < starts.length; i += 2) {
      const two = starts.slice(i, i + 2);
      out.push(`vmov ${two.join(", ")}, ${two.length > 1 ? "s0, s1" : "s0"}`);
    }
    const begun = new Set<string>();
    let moved = 0;
    const loaded: (string | null)[] = [null, null];
    for (const r of range(planeRowsOf(m, rows))) {
      const kernelRows = range(rows).map((i) => (r - i * m.stride[0]) / m.dilation);
      const inside = range(rows).filter((i) =>
        Number.isInteger(kernelRows[i]) && kernelRows[i] >= 0 && kernelRows[i] < m.taps[0]
      );
      if (inside.length === 0) continue;
      const words = wordsOf(m, cols);
      for (const p of range(words)) {
        if (p % 2 === 0) {
          const at = 2 * r * m.pitch + 4 * p - moved;
          const pair = p + 1 < words;
          const post = step > 0 && moved === 0 && at === 0;
          if (pair && at <= LDRD_REACH && at >= -LDRD_REACH) {
            out.push(`ldrd %[x0], %[x1], ${post ? `[%[a]], #${step}` : `[%[a], #${at}]`}`);
          } else {
            out.push(`ldr %[x0], ${post ? `[%[a]], #${step}` : `[%[a], #${at}]`}`);
            if (pair) out.push(`ldr %[x1], [%[a], #${at + 4 - (post ? step : 0)}]`);
          }
          if (post) moved = step;
        }
        const x = `%[x${p % 2}]`;
        for (const i of inside) {
          const products = range(cols).map((j) => productOf(m, p, j));
          const pairs = [...new Set(products.flatMap((q) => q ? [q.pair] : []))];
          const [loads, regs] = this.#weights(kernelRows[i], pairs, loaded);
          out.push(...loads);
          for (const j of range(cols).reverse()) {
            const q = products[j];
            if (!q) continue;
            const from = through && j > 0 && !begun.has(acc(i, j)) ? acc(i, 0) : acc(i, j);
            begun.add(acc(i, j));
            out.push(`${q.op} ${acc(i, j)}, ${x}, ${regs[pairs.indexOf(q.pair)]}, ${from}`);
          }
        }
      }
    }
    const accs = range(rows).flatMap((i) => range(cols).map((j) => acc(i, j)));
    const free = ["%[x0]", "%[x1]"];
    out.push(
      ...(this.fixed ? fixedEpilogue(m, WORD_SHIFT, accs, free) : epilogue(m, accs, free)),
      ...this.#stores(rows, cols, on),
    );
    return out;
  }

  /** Bytes to memory, row by row where the pointer goes on by itself. */
  #stores(rows: number, cols: number, on: boolean): string[] {
    const [row, col] = this.m.steps;
    const out: string[] = [];
    const far = rows > 1 && row + (cols - 1) * col > REACH;
    if (far) out.push(...literal("%[x1]", row));
    const second = far ? "[%[y], %[x1]]" : `[%[y], #${row}]`;
    const post = col <= POST_REACH;
    for (const j of range(cols)) {
      const last = j === cols - 1, go = (on || !last) && (post || far);
      const at = post || far ? "" : `, #${j * col}`;
      if (rows > 1) {
        const own = post || far ? second : `[%[y], #${row + j * col}]`;
        out.push(`strb %[s${2 + j}], ${own}`);
      }
      out.push(`strb %[s${j}], [%[y]${go && post ? `], #${col}` : `${at}]`}`);
      if (go && !post) out.push(...addLiteral("%[y]", col, "%[x0]"));
    }
    if (on && !post && !far) out.push(...addLiteral("%[y]", cols * col, "%[x0]"));
    return out;
  }

  /** The whole map; pointers begin at its first tile. */
  code(): Code {
    const { m } = this;
    const [height, width] = m.shape;
    const rows = Math.min(2, height), tiles = Math.floor(width / 2), odd = width % 2 === 1;
    const tile = tiles > 0 ? this.tile(rows, 2, true) : [];
    const across = tiles * 2 * m.stride[1] * 2;
    const row: (string | Code[number])[] = tiles <= WRITTEN ? range(tiles).flatMap(() => tile) : [
      ...addLiteralTo("%[x0]", "%[a]", across),
      "vmov s9, %[x0]",
      {
        label: 1,
        times: tiles,
        body: [...tile, "vmov %[x0], s9", "cmp %[a], %[x0]", "bne 1b"],
      },
    ];
    if (odd) row.push(...this.tile(rows, 1, false));
    const turns = Math.ceil(height / rows);
    const [down, ydown] = [2 * m.stride[0] * m.pitch, m.steps[0]];
    const back = [-across, -2 * tiles * m.steps[1]];
    if (turns === 1) return [...this.#setUp(), ...row];
    const next = [
      ...addLiteral("%[a]", rows * down + back[0], "%[x0]"),
      ...addLiteral("%[y]", rows * ydown + back[1], "%[x0]"),
    ];
    const count = ["vmov %[x0], s8", "subs %[x0], %[x0], #1", "vmov s8, %[x0]"];
    const start = [`mov %[x0], #${turns}`, "vmov s8, %[x0]"];
    if (turns > 255) start.splice(0, 1, ...literal("%[x0]", turns));
    const even = height % rows === 0;
    const overlap = [
      "beq 3f",
      "cmp %[x0], #1",
      "bne 2b",
      ...addLiteral("%[a]", -down, "%[x0]"),
      ...addLiteral("%[y]", -ydown, "%[x0]"),
      "b 2b",
    ];
    // What overlaps is counted once: it is executed in one turn only.
    return [
      ...this.#setUp(),
      ...start,
      {
        label: 2,
        times: turns,
        body: [
          ...row,
          ...next,
          ...count,
          ...(even ? ["bne 2b"] : overlap.slice(0, 3)),
        ],
      },
      ...(even ? [] : [...overlap.slice(3), "3:"]),
    ];
  }

  #setUp(): string[] {
    const words = this.m.rounding === "words";
    const start = ["vmov s0, %[s0]", "vmov s1, %[s0]"];
    if (this.fixed) return [...start, `vmov ${SCALE}, ${ZERO}, %[s1], %[s2]`];
    return [
      ...start,
      `vmov.f32 ${SCALE}, %[scale]`,
      words ? `vmov ${ZERO}, %[s1]` : `vmov.f32 ${ZERO}, %[magic]`,
      ...(this.m.bounded ? [`vmov ${BOUNDS.join(", ")}, %[s2], %[s3]`] : []),
    ];
  }
}

/** to = from + value. */
function addLiteralTo(to: string, from: string, value: number): string[] {
  return value <= REACH
    ? [`add ${to}, ${from}, #${value}`]
    : [...literal(to, value), `add ${to}, ${to}, ${from}`];
}

const ownLimits = ({ y }: PlaneMap): string => `${intRange(y).min},${intRange(y).max}`;

const nameOf = (m: PlaneMap): string =>
  [
    `map_${m.taps.join("x")}`,
    m.stride.some((s) => s > 1) ? `s${m.stride.join("x")}` : "",
    m.dilation > 1 ? `d${m.dilation}` : "",
    m.shape.join("x"),
    `p${m.pitch}`,
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
 * windows of ${kh} by ${kw}, rows of a ${m.pitch} apart, weights in pairs w0 w1, w1 w2, ... */
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
      { name: "w", dtype: "int16", count: 2 * kh * (kw - 1), mode: "read" },
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
  for (const kh of range(m.taps[0])) {
    for (const kw of range(m.taps[1])) {
      const row = add(mul(i, m.stride[0]), kh * m.dilation), col = add(mul(j, m.stride[1]), kw);
      const x = wide(a.buf, add(a.at, add(mul(row, m.pitch), col)));
      const k = 2 * kh * (m.taps[1] - 1) + Math.max(0, 2 * kw - 1);
      sum = add(sum, mul(x, wide(w.buf, add(w.at, k))));
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

function assembly(m: PlaneMap, text: MapText, indent: string): string {
  const byWords = m.rounding === "words", { kept, fixed } = text;
  const weights = kept.length > 0
    ? kept.map((k, i) => `[w${i}] "r"(((const uint32_t *)(const void *)w)[${k}])`)
    : ['[w] "r"(w)'];
  const temporaries = kept.length > 0 ? [] : ["w0", "w1"];
  const accs = ["s0", "s1", "s2", "s3"];
  const offset = `zero * ${2 ** WORD_SHIFT} + ${2 ** (WORD_SHIFT - 1)}`;
  const starts = fixed
    ? ["*start", wordOf(m), offset, "0"]
    : ["*start", byWords ? "zero" : "0", ...(m.bounded ? ["lo", "hi"] : ["0", "0"])];
  const bits = m.words !== null && !fixed;
  const scale = bits || m.shared ? "scale_value" : "*scale";
  const from = bits ? m.shared ? "&word" : "scale" : "&scale_bits";
  const value = fixed || scale === "*scale" ? "" : `    float scale_value;\n`;
  const copy = value === "" ? "" : `    memcpy(&scale_value, ${from}, 4);\n`;
  const inputs = [
    ...weights,
    ...(fixed ? [] : [`[scale] "t"(${scale})`]),
    ...(byWords || fixed ? [] : ['[magic] "t"(12582912.0f + (float)zero)']),
  ];
  const c = `    int32_t ${accs.map((s, i) => `${s} = ${starts[i]}`).join(", ")};
    uint32_t x0, x1${temporaries.map((t) => `, ${t}`).join("")};
${value}
${copy}    __asm__ volatile(
${quoted(text.code())}
        : [y] "+r"(y), [a] "+r"(a), ${accs.map((s) => `[${s}] "+r"(${s})`).join(", ")},
          ${["x0", "x1", ...temporaries].map((x) => `[${x}] "=&r"(${x})`).join(", ")}
        : ${inputs.join(", ")}
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

            for (int32_t kh = 0; kh < ${kh}; kh++) {
                for (int32_t kw = 0; kw < ${kw}; kw++) {
                    acc += a[(${m.stride[0]} * i + ${m.dilation} * kh) * ${m.pitch} + ${
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
