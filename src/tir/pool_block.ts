/** Sums and maxima of windows of bytes, four channels at a time, on cores with DSP instructions. */
import { add, bin, cast, type Expr, imm, load, mul, sub, variable } from "../te/expr.ts";
import { read, type TensorIntrin, write } from "./intrinsics.ts";
import { seq, type Stmt } from "./stmt.ts";

/** Channels of a block: the bytes of a word. */
export const POOL_CHANNELS = 4;

/** A window of bytes. */
export interface Pool {
  readonly op: "sum" | "max";
  readonly x: "int8" | "uint8";
  readonly rows: number;
  readonly cols: number;
  /** Elements of memory between rows and between columns of the window. */
  readonly steps: readonly [row: number, col: number];
}

/** Elements whose sum halfwords hold. */
const MOST = 256;

/** Elements of a window that are written out, and those of a turn of a loop. */
const WRITTEN = 9, TURN = 8;

/** Whether halfwords hold the sums of some whole rows. */
export const poolFits = ({ op, cols }: Pool): boolean => op === "max" || cols <= MOST;

/** The largest number up to `most` that divides n. */
function divisor(n: number, most: number): number {
  for (let d = Math.min(n, most); d > 1; d--) if (n % d === 0) return d;
  return 1;
}

/** Loops around the elements, outermost first, and those that are written out inside. */
function shapeOf({ rows, cols, steps: [row, col] }: Pool, whole: number) {
  const loops: (readonly [turns: number, step: number])[] = [];
  const flat = row === cols * col || rows === 1;
  const n = flat ? whole * cols : cols;
  if (!flat && whole * cols <= WRITTEN) {
    const at = Array.from(
      { length: whole * cols },
      (_, i) => Math.floor(i / cols) * row + (i % cols) * col,
    );
    return { loops, at };
  }
  if (!flat) loops.push([whole, row]);
  const inner = n <= WRITTEN ? n : divisor(n, TURN);
  if (inner < n) loops.push([n / inner, inner * col]);
  return { loops, at: Array.from({ length: inner }, (_, i) => i * col) };
}

/** acc[c] = op(acc[c], every x[i][j][c]) for four channels; sums are of x less the scalar `zero`. */
export function poolBlock(p: Pool): TensorIntrin {
  const { op, x, rows, cols, steps } = p;
  const short = x === "int8" ? "s8" : "u8", s = x === "int8" ? "s" : "u";
  const name = `${op}4_${short}_${rows}x${cols}_${steps.join("_")}`;
  const isSum = op === "sum";
  const acc = isSum ? "int32" : x;
  const what = isSum ? "sum of x[i][j][c] - zero" : "largest of itself and x[i][j][c]";
  const head = `/* acc[c] ${isSum ? "+= " : "= "}${what}: ${rows} by ${cols} elements ${
    steps.join(" and ")
  } apart, four channels */
__attribute__((always_inline)) static inline void ${name}(${acc}_t *acc, const ${x}_t *x${
    isSum ? ", int32_t zero" : ""
  })`;
  // Sums of more elements than halfwords hold are taken in parts of some rows.
  const whole = isSum ? divisor(rows, Math.max(1, Math.floor(MOST / cols))) : rows;
  const parts = rows / whole;
  const { loops, at } = shapeOf(p, whole);
  const names = ["i", "j"];
  const offset = (by: number) =>
    [
      "x",
      ...loops.map(([, step], n) => `${names[n]} * ${step}`),
      ...(by > 0 ? [`${by}`] : []),
    ].join(" + ");
  const pad = (depth: number) => "    ".repeat(depth);
  const depth = (parts > 1 ? 2 : 1) + loops.length;
  const each = at.map((by) =>
    isSum
      ? `${pad(depth)}v = load32(${offset(by)});
${pad(depth)}s02 = ${s}xtab16(s02, v);
${pad(depth)}s13 = ${s}xtab16_ror8(s13, v);`
      : `${pad(depth)}m = max4_${short}(m, load32(${offset(by)}));`
  ).join("\n");
  const around = loops.reduceRight((body, [turns], n) => {
    const d = pad(depth - loops.length + n);
    return `${d}for (int32_t ${names[n]} = 0; ${names[n]} < ${turns}; ${names[n]}++) {
${body}
${d}}`;
  }, each);
  const half = (word: string, high: boolean): string =>
    x === "int8"
      ? high ? `((int32_t)${word} >> 16)` : `(int16_t)${word}`
      : `(int32_t)(${word} ${high ? ">> 16" : "& 0xffffu"})`;
  const count = whole * cols;
  const d = pad(parts > 1 ? 2 : 1);
  const sums = `${d}uint32_t s02 = 0, s13 = 0, v;

${around}
${
    ["s02", "s13", "s02", "s13"].map((w, c) =>
      `${d}acc[${c}] += ${half(w, c > 1)} - ${count} * zero;`
    )
      .join("\n")
  }`;
  const dsp = isSum
    ? parts > 1
      ? `    for (int32_t part = 0; part < ${parts}; part++) {
${sums}
        x += ${whole * steps[0]};
    }`
      : sums
    : `    uint32_t m = load32(acc);

${around}
    store32(acc, m);`;
  const turns = loops.reduce((n, [t]) => n * t, 1);
  const rounds = loops.length > 1 ? loops[0][0] : 0;
  const perPart = 3 * turns * at.length + (loops.length > 0 ? 3 * turns + 2 : 0) + 3 * rounds;
  const ends = isSum ? 14 : 4;
  return {
    name,
    args: [
      { name: "acc", dtype: acc, count: POOL_CHANNELS, mode: "update" },
      { name: "x", dtype: x, count: POOL_CHANNELS, mode: "read" },
    ],
    scalars: isSum ? ["zero"] : [],
    byValue: false,
    meaning([to, from], [zero = 0]) {
      const i = variable("i", "int32", [0, rows - 1]), j = variable("j", "int32", [0, cols - 1]);
      const base = from.idx.reduce<Expr>(
        (e, at, n) => add(e, mul(at, from.buf.strides[n])),
        imm(from.buf.offset),
      );
      const buf = { ...from.buf, shape: [from.buf.length], strides: [1], offset: 0 };
      const body = Array.from({ length: POOL_CHANNELS }, (_, c): Stmt => {
        const v = load(buf, [add(add(base, c), add(mul(i, steps[0]), mul(j, steps[1])))]);
        const old = read(to, c);
        return write(
          to,
          c,
          isSum ? add(old, sub(cast("int32", v), zero)) : bin("max", old, v),
        );
      });
      const inner: Stmt = { k: "for", v: j, lo: imm(0), hi: imm(cols), body: seq(...body) };
      return { k: "for", v: i, lo: imm(0), hi: imm(rows), body: inner };
    },
    c: [
      {
        feature: "dsp",
        needs: isSum
          ? ["load32", `${s}xtab16`, `${s}xtab16_ror8`]
          : ["load32", "store32", `max4_${short}`],
        instructions: parts * (perPart + ends),
        length: 3 * at.length + ends + 6,
        inMemory: !isSum,
        text: `${head}\n{\n${dsp}\n}`,
      },
      {
        feature: null,
        needs: [],
        text: `${head}
{
    for (int32_t i = 0; i < ${rows}; i++) {
        for (int32_t j = 0; j < ${cols}; j++) {
            for (int32_t c = 0; c < 4; c++) {
                const ${isSum ? "int32" : x}_t v = x[i * ${steps[0]} + j * ${steps[1]} + c];

                ${isSum ? "acc[c] += v - zero;" : "acc[c] = v > acc[c] ? v : acc[c];"}
            }
        }
    }
}`,
      },
    ],
  };
}
