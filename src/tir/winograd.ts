/**
 * Winograd's F(2×2, 3×3) in integers: a tile of two by two outputs from four by four inputs with 16
 * products a channel in place of 36. Weights are transformed while compiling, times four, so that they
 * stay whole; the outputs' sums are four times as large as they should be and divided exactly.
 *
 *     v = Bᵀ·x·B      m = Σ channels: v·u, at 16 positions      y = (Aᵀ·m·A + 4·start) ÷ 4
 */
import {
  add,
  cast,
  type Expr,
  floordiv,
  floormod,
  imm,
  load,
  mul,
  sub,
  type Var,
  variable,
} from "../te/expr.ts";
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

/** Twice the rows of G. */
const WEIGHTS = [[2, 0, 0], [1, 1, 1], [1, -1, 1], [0, 0, 2]];

/** Rows of Aᵀ. */
const OUTPUT = [[1, 1, 1, 0], [0, 1, -1, -1]];

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

/** Four times one output, but for its start, from products `m(i, j)`. */
export function outputSum(r: number, q: number, m: (i: number, j: number) => Expr): Expr {
  return combined(OUTPUT[r], (i) => combined(OUTPUT[q], (j) => m(i, j)));
}

function combined(coefficients: readonly number[], x: (i: number) => Expr): Expr {
  const terms = coefficients.flatMap((c, i) => c === 0 ? [] : [[c, x(i)] as const]);
  const [[, first], ...rest] = terms;
  return rest.reduce((e, [c, y]) => c < 0 ? sub(e, y) : add(e, y), first);
}

const wide = (e: Expr): Expr => cast("int32", e);

/** The index of an access with some axes moved on. */
const moved = (a: Access, by: Readonly<Record<number, number | Expr>>): Expr[] =>
  a.idx.map((e, d) => by[d] === undefined ? e : add(e, by[d]));

const store = (a: Access, by: Readonly<Record<number, number | Expr>>, value: Expr): Stmt => ({
  k: "store",
  buf: a.buf,
  idx: moved(a, by),
  value,
});
const read = (a: Access, by: Readonly<Record<number, number | Expr>>): Expr =>
  load(a.buf as Buffer, moved(a, by));

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

/** Strides of the input transform in elements: rows and columns of x, positions of v. */
export interface InputStrides {
  readonly row: number;
  readonly col: number;
  readonly position: number;
}

/**
 * v[i][j] = Bᵀ·x·B of two neighbouring channels.
 *
 * Operands: v int16 [n, ty, i, j, c, tx, 2], x int16 [n, h, w, channel].
 */
export function winogradInput({ row, col, position }: InputStrides): TensorIntrin {
  const name = `winograd_in_r${row}_c${col}_p${position}`;
  const head =
    `/* v[i][j] = B' x B of 4x4 inputs of two channels: rows ${row} apart, columns ${col},
 * positions of v ${position}. */
static inline void ${name}(int16_t *v, const int16_t *x)`;
  const x = (a: number, b: number): string => `load32(x + ${a * row + b * col})`;
  const at = (i: number, j: number): string => `v + ${(SIDE * i + j) * position}`;
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
          const lane = n % 2, j = (n >> 1) % SIDE, i = n >> 3;
          const value = inputTransform(
            i,
            j,
            (a, b) => wide(read(xs, { 1: a, 2: b, 3: lane })),
          );
          return store(v, { 2: i, 3: j, 6: lane }, cast("int16", value));
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
        int32_t t[4][4];

        for (int32_t b = 0; b < 4; b++) {
            const int16_t *d = x + b * ${col} + c;

            t[0][b] = d[0] - d[${2 * row}];
            t[1][b] = d[${row}] + d[${2 * row}];
            t[2][b] = d[${2 * row}] - d[${row}];
            t[3][b] = d[${row}] - d[${3 * row}];
        }
        for (int32_t i = 0; i < 4; i++) {
            int16_t *to = v + 4 * i * ${position} + c;

            to[0] = (int16_t)(t[i][0] - t[i][2]);
            to[${position}] = (int16_t)(t[i][1] + t[i][2]);
            to[${2 * position}] = (int16_t)(t[i][2] - t[i][1]);
            to[${3 * position}] = (int16_t)(t[i][1] - t[i][3]);
        }
    }
}`,
      },
    ],
  };
}

/** Columns of a block of products. */
export const WINOGRAD_COLS = 2;

/** Instructions for four channels: `tiles` by two columns. */
function group(tiles: number, first: boolean): string[] {
  const product = (acc: string, x: string, w: string, start: boolean): string =>
    start ? `smuad %[${acc}], %[${x}], ${w}` : `smlad %[${acc}], %[${x}], ${w}, %[${acc}]`;
  if (tiles === 1) {
    return [
      "ldrd %[x0], %[x1], [%[v]], #8",
      "ldmia %[u]!, {r8-r11}",
      product("s00", "x0", "r8", first),
      product("s01", "x0", "r9", first),
      product("s00", "x1", "r10", false),
      product("s01", "x1", "r11", false),
    ];
  }
  const pair = (w0: string, w1: string, start: boolean): string[] => [
    "ldrd %[x0], %[x1], [%[v]], #8",
    product("s00", "x0", w0, start),
    product("s01", "x0", w1, start),
    product("s10", "x1", w0, start),
    product("s11", "x1", w1, start),
  ];
  return ["ldmia %[u]!, {r8-r11}", ...pair("r8", "r9", first), ...pair("r10", "r11", false)];
}

/**
 * m[p][t][c] = Σ k: v[p][k][t]·u[p][k][c] at 16 positions p, for one tile t or two and two columns c.
 *
 * Operands: m int32 [n, ty, i, j, t, c], v int16 [n, ty, i, j, k ÷ 2, t, 2], u int16
 * [column ÷ 2, i, j, k ÷ 2, 2, 2].
 */
export function winogradProducts(tiles: number, k: number): TensorIntrin {
  const name = `winograd_${tiles}x${WINOGRAD_COLS}_k${k}`;
  const head = `/* m[p][t][c] = sum of v[p][k][t] u[p][k][c]: 16 positions, ${tiles} tile${
    tiles > 1 ? "s" : ""
  }, 2 columns, ${k} channels. */
__attribute__((always_inline)) static inline void ${name}(int32_t *m, const int16_t *v, const int16_t *u)`;
  const sums = tiles === 2 ? ["s00", "s01", "s10", "s11"] : ["s00", "s01"];
  const body = range(k / 4).flatMap((g) => group(tiles, g === 0));
  const stores = tiles === 2
    ? ["strd %[s00], %[s01], [%[m]], #8", "strd %[s10], %[s11], [%[m]], #8"]
    : ["strd %[s00], %[s01], [%[m]], #8"];
  const lines = [
    "1:",
    ...body,
    ...stores,
    "ldr %[x0], %[end]",
    "cmp %[m], %[x0]",
    "bne 1b",
  ];
  const count = SIDE * SIDE * tiles * WINOGRAD_COLS;
  return {
    name,
    args: [
      { name: "m", dtype: "int32", count, mode: "write" },
      { name: "v", dtype: "int16", count: SIDE * SIDE * tiles * k, mode: "read" },
      { name: "u", dtype: "int16", count: SIDE * SIDE * WINOGRAD_COLS * k, mode: "read" },
    ],
    scalars: [],
    byValue: false,
    meaning: (args) => products(args, tiles, k),
    c: [
      {
        feature: "dsp",
        needs: [],
        inMemory: true,
        instructions: SIDE * SIDE * (lines.length - 1) + 5,
        text: `${head}
{
    const int32_t *const end = m + ${count};
    uint32_t x0, x1, ${sums.join(", ")};

    __asm__ volatile(
${lines.map((l) => `        "${l}\\n"`).join("\n")}
        : ${sums.map((s) => `[${s}] "=&r"(${s})`).join(", ")},
          [x0] "=&r"(x0), [x1] "=&r"(x1), [m] "+r"(m), [v] "+r"(v), [u] "+r"(u)
        : [end] "m"(end)
        : "r8", "r9", "r10", "r11", "cc", "memory");
}`,
      },
      {
        feature: null,
        needs: [],
        inMemory: true,
        text: `${head}
{
    for (int32_t p = 0; p < 16; p++) {
        for (int32_t t = 0; t < ${tiles}; t++) {
            for (int32_t c = 0; c < 2; c++) {
                int32_t sum = 0;

                for (int32_t k = 0; k < ${k}; k++) {
                    sum += v[(${k / 2} * p + k / 2) * ${2 * tiles} + 2 * t + k % 2]
                        * u[(${k / 2} * p + k / 2) * 4 + 2 * c + k % 2];
                }
                m[(p * ${tiles} + t) * 2 + c] = sum;
            }
        }
    }
}`,
      },
    ],
  };
}

function products([m, v, u]: readonly Access[], tiles: number, k: number): Stmt {
  const loop = (name: string, extent: number) => variable(name, "int32", [0, extent - 1]);
  const [i, j, t, c, ch] = [
    loop("i", SIDE),
    loop("j", SIDE),
    loop("t", tiles),
    loop("c", WINOGRAD_COLS),
    loop("k", k),
  ];
  const pair = floordiv(ch, 2), lane = floormod(ch, 2);
  const x = wide(read(v, { 2: i, 3: j, 4: pair, 5: t, 6: lane }));
  const w = wide(read(u, { 1: i, 2: j, 3: pair, 4: c, 5: lane }));
  const at = { 2: i, 3: j, 4: t, 5: c };
  const around = (of: Var, extent: number, body: Stmt): Stmt => ({
    k: "for",
    v: of,
    lo: imm(0),
    hi: imm(extent),
    body,
  });
  const sum = around(ch, k, store(m, at, add(read(m, at), mul(x, w))));
  const inner = around(c, WINOGRAD_COLS, seq(store(m, at, imm(0)), sum));
  return around(i, SIDE, around(j, SIDE, around(t, tiles, inner)));
}

/**
 * y[r][q] = (Aᵀ·m·A + start) ÷ 4 of one tile and column; positions of m lie `position` apart.
 *
 * Operands: y int32 [n, ty, tx, c, r, q], m int32 [n, ty, i, j, t, c], start int32 [c].
 */
export function winogradOutput(position: number): TensorIntrin {
  const name = `winograd_out_p${position}`;
  const head =
    `/* y[r][q] = (A' m A + start) / 4; the division leaves nothing over. Positions of m lie
 * ${position} apart. */
static inline void ${name}(int32_t *y, const int32_t *m, const int32_t *start)`;
  const at = (i: number, j: number): string => `(uint32_t)m[${(SIDE * i + j) * position}]`;
  return {
    name,
    args: [
      { name: "y", dtype: "int32", count: OUTPUTS * OUTPUTS, mode: "write" },
      { name: "m", dtype: "int32", count: 1, mode: "read" },
      { name: "start", dtype: "int32", count: 1, mode: "read" },
    ],
    scalars: [],
    byValue: false,
    meaning: ([y, m, start]) =>
      seq(
        ...range(OUTPUTS * OUTPUTS).map((n) => {
          const [r, q] = [n >> 1, n & 1];
          const sum = outputSum(r, q, (i, j) => read(m, { 2: i, 3: j }));
          return store(y, { 4: r, 5: q }, floordiv(add(sum, read(start, {})), 4));
        }),
      ),
    c: [{
      feature: null,
      needs: [],
      instructions: 49,
      text: `${head}
{
${
        range(SIDE).map((j) =>
          `    const uint32_t p${j} = ${at(0, j)} + ${at(1, j)} + ${at(2, j)};
    const uint32_t q${j} = ${at(1, j)} - ${at(2, j)} - ${at(3, j)};`
        ).join("\n")
      }
    const uint32_t s = (uint32_t)*start;

    y[0] = (int32_t)(p0 + p1 + p2 + s) >> 2;
    y[1] = (int32_t)(p1 - p2 - p3 + s) >> 2;
    y[2] = (int32_t)(q0 + q1 + q2 + s) >> 2;
    y[3] = (int32_t)(q1 - q2 - q3 + s) >> 2;
}`,
    }],
  };
}
