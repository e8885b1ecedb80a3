/**
 * Windows of three by three within one channel on cores with SMLAD: a tile of outputs from a plane of
 * int16 with filled borders. Each word of the plane holds two neighbours; the weights of a row of the
 * window are there twice, as w0 w1 and w1 w2, so that both outputs of a pair take whole words.
 */
import { add, cast, type Expr, load, mul } from "../te/expr.ts";
import type { TensorIntrin } from "./intrinsics.ts";
import { type Access, type Buffer, seq, type Stmt } from "./stmt.ts";

/** Rows and columns of the window. */
export const TAPS = 3;

/** Halfwords of the packed weights of one row of the window. */
const ROW_WEIGHTS = 2 * (TAPS - 1);

/** Accumulators of a row: a tile of one column leaves the second out. */
export const ACC_PITCH = 2;

/** A tile takes all registers: what the loops around it keep is stored before it and loaded behind it. */
const SPILLS = 8;

/** Byte offsets that LDRD reaches. */
const LDRD_REACH = 1020;

/** Whether rows of a plane so many elements apart are in reach of a tile's loads. */
export const planeFits = (rows: number, pitch: number): boolean =>
  pitch % 2 === 0 && 2 * pitch * (rows + TAPS - 2) <= LDRD_REACH;

/**
 * acc[i][j] += Σ kh, kw: a[i + kh][j + kw]·w[kh][kw] for `rows` × `cols` (1 or 2 each) outputs.
 *
 * Operands: acc int32, its rows `ACC_PITCH` apart, a int16 rows of `pitch` elements, at a word's address; w int16
 * [3][4] as above.
 */
export function planeTile(rows: number, cols: number, pitch: number): TensorIntrin {
  const name = `plane_${rows}x${cols}_p${pitch}`;
  const head =
    `/* acc[i][j] += sum of a[i + kh][j + kw] w[kh][kw]: ${rows} by ${cols} outputs, rows of a ${pitch} apart,
 * w[kh] as w0 w1 w1 w2 */
__attribute__((always_inline)) static inline void ${name}(int32_t *acc, const int16_t *a, const int16_t *w)`;
  return {
    name,
    args: [
      { name: "acc", dtype: "int32", count: (rows - 1) * ACC_PITCH + cols, mode: "update" },
      {
        name: "a",
        dtype: "int16",
        count: (rows + TAPS - 2) * pitch + cols + TAPS - 1,
        mode: "read",
      },
      { name: "w", dtype: "int16", count: TAPS * ROW_WEIGHTS, mode: "read" },
    ],
    scalars: [],
    byValue: false,
    meaning: (args) => meaning(args, rows, cols, pitch),
    c: [
      {
        feature: "dsp",
        needs: [],
        instructions: instructions(rows, cols, pitch).length + SPILLS,
        text: `${head}\n${assembly(rows, cols, pitch)}`,
      },
      { feature: null, needs: [], text: `${head}\n${portable(rows, cols, pitch)}` },
    ],
  };
}

function meaning([acc, a, w]: readonly Access[], rows: number, cols: number, pitch: number): Stmt {
  const behind = (x: Access, by: number): Expr[] => [...x.idx.slice(0, -1), add(x.idx.at(-1)!, by)];
  const body: Stmt[] = [];
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < cols; j++) {
      const at = behind(acc, i * ACC_PITCH + j);
      for (let t = 0; t < TAPS * TAPS; t++) {
        const [kh, kw] = [Math.floor(t / TAPS), t % TAPS];
        const x = cast("int32", load(a.buf, behind(a, (i + kh) * pitch + j + kw)));
        const y = cast("int32", load(w.buf, behind(w, kh * ROW_WEIGHTS + Math.max(0, 2 * kw - 1))));
        const value = add(load(acc.buf as Buffer, at), mul(x, y));
        body.push({ k: "store", buf: acc.buf, idx: at, value });
      }
    }
  }
  return seq(...body);
}

/** The instructions that one row of the plane adds to one row of outputs. */
function row(i: number, kh: number, cols: number): string[] {
  const [w01, w12] = [`%[w${2 * kh}]`, `%[w${2 * kh + 1}]`];
  const acc = (j: number) => `%[s${i}${j}]`;
  return [
    `smlad ${acc(0)}, %[x0], ${w01}, ${acc(0)}`,
    `smlabt ${acc(0)}, %[x1], ${w12}, ${acc(0)}`,
    ...(cols > 1
      ? [
        `smlatb ${acc(1)}, %[x0], ${w01}, ${acc(1)}`,
        `smlad ${acc(1)}, %[x1], ${w12}, ${acc(1)}`,
      ]
      : []),
  ];
}

/** The weights, then the plane row by row, each into all outputs that it is a part of. */
function instructions(rows: number, cols: number, pitch: number): string[] {
  const body = Array.from({ length: rows + TAPS - 1 }, (_, r) => [
    `ldrd %[x0], %[x1], [%[a], #${2 * pitch * r}]`,
    ...Array.from({ length: rows }, (_, i) => i)
      .filter((i) => r - i >= 0 && r - i < TAPS)
      .flatMap((i) => row(i, r - i, cols)),
  ]).flat();
  const loads = Array.from(
    { length: TAPS },
    (_, kh) => `ldrd %[w${2 * kh}], %[w${2 * kh + 1}], [%[w], #${8 * kh}]`,
  );
  return [...loads, ...body];
}

function assembly(rows: number, cols: number, pitch: number): string {
  const outputs = Array.from({ length: rows * cols }, (_, n) => [Math.floor(n / cols), n % cols]);
  const weights = Array.from({ length: 2 * TAPS }, (_, n) => n);
  return `{
    uint32_t x0, x1, ${weights.map((n) => `w${n}`).join(", ")};

    __asm__ volatile(
${instructions(rows, cols, pitch).map((l) => `        "${l}\\n"`).join("\n")}
        : ${outputs.map(([i, j]) => `[s${i}${j}] "+&r"(acc[${i * ACC_PITCH + j}])`).join(", ")},
          [x0] "=&r"(x0), [x1] "=&r"(x1),
          ${weights.map((n) => `[w${n}] "=&r"(w${n})`).join(", ")}
        : [a] "r"(a), [w] "r"(w)
        : "memory");
}`;
}

/** Written out, as compilers for small cores keep loops of two. */
function portable(rows: number, cols: number, pitch: number): string {
  const lines = [];
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < cols; j++) {
      const terms = [];
      for (let t = 0; t < TAPS * TAPS; t++) {
        const [kh, kw] = [Math.floor(t / TAPS), t % TAPS];
        terms.push(
          `a[${(i + kh) * pitch + j + kw}] * w[${kh * ROW_WEIGHTS + Math.max(0, 2 * kw - 1)}]`,
        );
      }
      lines.push(`    acc[${i * ACC_PITCH + j}] += ${terms.join(" + ")};`);
    }
  }
  return `{\n${lines.join("\n")}\n}`;
}
