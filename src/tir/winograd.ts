/**
 * Winograd's F(2×2, 3×3) in integers: a tile of two by two outputs from four by four inputs with 16
 * products a channel in place of 36. Weights are transformed while compiling, times four, so that they
 * stay whole; the outputs' sums are four times as large as they should be and divided exactly.
 *
 *     v = Bᵀ·x·B      h = Aᵀ·m of m = Σ channels: v·u, at 16 positions      y = (h·A + 4·start) ÷ 4
 */
import { add, cast, type Expr, load, sub } from "../te/expr.ts";
import { type Access, type Buffer, seq, type Stmt } from "./stmt.ts";
import type { TensorIntrin } from "./intrinsics.ts";

/** Positions along each side of a tile of inputs; outputs along each side. */
export const SIDE = 4, OUTPUTS = 2;

/** Rows of Bᵀ: the first term, the second, and whether that is taken away. */
const INPUT: readonly (readonly [first: number, second: number, minus: boolean])[] = [
  [0, 2, true],
  [1, 2, false],
  [2, 1, true],
  [1, 3, true],
];

/** Twice the rows of G; the last one is taken away, so that products of it are added. */
const WEIGHTS = [[2, 0, 0], [1, 1, 1], [1, -1, 1], [0, 0, -2]];

/** Rows of Aᵀ. */
export const OUTPUT = [[1, 1, 1, 0], [0, 1, -1, 1]];

/** The rows of positions in the order in which products come: what both sums of a column need first. */
export const STEPS = [1, 2, 0, 3];

/** Four times a window's weights [3][3] transformed: [4][4]. */
export const transformed = (w: (a: number, b: number) => number): number[][] =>
  WEIGHTS.map((row) =>
    WEIGHTS.map((col) => {
      let sum = 0;
      row.forEach((x, a) => col.forEach((y, b) => void (sum += x * y * w(a, b))));
      return sum;
    })
  );

/** How many times the largest input a transformed one can be. */
export const GROWTH = 4;

const term = (x: Expr, y: Expr, minus: boolean): Expr => minus ? sub(x, y) : add(x, y);

/** One transformed input; `x(a, b)` is the input as int32. */
export function inputTransform(i: number, j: number, x: (a: number, b: number) => Expr): Expr {
  const [a, c, down] = INPUT[i], [b, d, right] = INPUT[j];
  return term(term(x(a, b), x(c, b), down), term(x(a, d), x(c, d), down), right);
}

/** Four times one output, but for its start, from half transformed products `h(j)` of its row. */
export function outputSum(q: number, h: (j: number) => Expr): Expr {
  const terms = OUTPUT[q].flatMap((c, j) => c === 0 ? [] : [[c, h(j)] as const]);
  const [[, first], ...rest] = terms;
  return rest.reduce((e, [c, y]) => c < 0 ? sub(e, y) : add(e, y), first);
}

export const wide = (e: Expr): Expr => cast("int32", e);

/** The index of an access with some axes moved on. */
export const moved = (a: Access, by: Readonly<Record<number, number | Expr>>): Expr[] =>
  a.idx.map((e, d) => by[d] === undefined ? e : add(e, by[d]));

export const store = (
  a: Access,
  by: Readonly<Record<number, number | Expr>>,
  value: Expr,
): Stmt => ({
  k: "store",
  buf: a.buf,
  idx: moved(a, by),
  value,
});
export const read = (a: Access, by: Readonly<Record<number, number | Expr>>): Expr =>
  load(a.buf as Buffer, moved(a, by));

export const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

/** Strides of the input transform in elements: rows and columns of x, positions of v. */
export interface InputStrides {
  readonly row: number;
  readonly col: number;
  readonly position: number;
}

/**
 * v = Bᵀ·x·B of two neighbouring channels, column after column of positions, rows in the order of
 * {@link STEPS}.
 *
 * Operands: v int16 [n, ty, j, step, c, tx, 2], x int16 [n, h, w, channel].
 */
export function winogradInput({ row, col, position }: InputStrides): TensorIntrin {
  const name = `winograd_in_r${row}_c${col}_p${position}`;
  const head =
    `/* v = B' x B of 4x4 inputs of two channels: rows ${row} apart, columns ${col}. Positions of v
 * are ${position} apart: column after column, rows ${STEPS.join(", ")}. */
static inline void ${name}(int16_t *v, const int16_t *x)`;
  const x = (a: number, b: number): string => `load32(x + ${a * row + b * col})`;
  const at = (i: number, j: number): string => `v + ${(SIDE * j + STEPS.indexOf(i)) * position}`;
  const sum = (p: string, q: string, minus: boolean): string =>
    `${minus ? "ssub16" : "sadd16"}(${p}, ${q})`;
  const lines = [[0], [1, 2], [3]].flatMap((is) => [
    ...range(SIDE).flatMap((b) =>
      is.map((i) => {
        const [a, c, minus] = INPUT[i];
        return `t${i}${b} = ${sum(x(a, b), x(c, b), minus)};`;
      })
    ),
    ...is.flatMap((i) =>
      INPUT.map(([b, d, minus], j) =>
        `store32(${at(i, j)}, ${sum(`t${i}${b}`, `t${i}${d}`, minus)});`
      )
    ),
  ]);
  const variables = range(SIDE).map((i) => range(SIDE).map((b) => `t${i}${b}`).join(", "));
  return {
    name,
    args: [
      { name: "v", dtype: "int16", count: 2, mode: "write" },
      { name: "x", dtype: "int16", count: 2, mode: "read" },
    ],
    scalars: [],
    byValue: false,
    meaning: ([v, xs]) =>
      seq(
        ...range(SIDE * SIDE * 2).map((n) => {
          const lane = n % 2, step = (n >> 1) % SIDE, j = n >> 3;
          const x = (a: number, b: number) => wide(read(xs, { 1: a, 2: b, 3: lane }));
          const value = inputTransform(STEPS[step], j, x);
          return store(v, { 2: j, 3: step, 6: lane }, cast("int16", value));
        }),
      ),
    c: [
      {
        feature: "dsp",
        needs: ["load32", "store32", "sadd16", "ssub16"],
        instructions: 74,
        text: `${head}
{
    uint32_t ${variables.join(",\n             ")};

${lines.map((l) => `    ${l}`).join("\n")}
}`,
      },
      {
        feature: null,
        needs: [],
        text: `${head}
{
    for (int32_t c = 0; c < 2; c++) {
        int16_t t[4][4];

        for (int32_t b = 0; b < 4; b++) {
            const int16_t *d = x + b * ${col} + c;

            t[0][b] = (int16_t)(d[0] - d[${2 * row}]);
            t[1][b] = (int16_t)(d[${row}] + d[${2 * row}]);
            t[2][b] = (int16_t)(d[${2 * row}] - d[${row}]);
            t[3][b] = (int16_t)(d[${row}] - d[${3 * row}]);
        }
        for (int32_t step = 0; step < 4; step++) {
            const int16_t *const from = t[step < 3 ? (step + 1) % 3 : 3];
            int16_t *to = v + step * ${position} + c;

            to[0] = (int16_t)(from[0] - from[2]);
            to[${4 * position}] = (int16_t)(from[1] + from[2]);
            to[${8 * position}] = (int16_t)(from[2] - from[1]);
            to[${12 * position}] = (int16_t)(from[1] - from[3]);
        }
    }
}`,
      },
    ],
  };
}
