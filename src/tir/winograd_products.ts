/** The products of Winograd's F(2×2, 3×3), combined along columns of positions while they are summed. */
import {
  add,
  cast,
  type Expr,
  floordiv,
  floormod,
  imm,
  mul,
  type Var,
  variable,
} from "../te/expr.ts";
import type { TensorIntrin } from "./intrinsics.ts";
import { type Access, seq, type Stmt } from "./stmt.ts";
import { OUTPUT, OUTPUTS, range, read, SIDE, STEPS, store, wide } from "./winograd.ts";

/** Columns of a block of products. */
export const WINOGRAD_COLS = 2;

/** Tiles that are computed, of as many as lie side by side in memory: one, the first of two, or two. */
export interface Tiles {
  readonly tiles: number;
  readonly apart: number;
}

/** As part of a name. */
export const tilesText = ({ tiles, apart }: Tiles): string =>
  tiles === apart ? `${tiles}` : `${tiles}of${apart}`;

/** Instructions for four channels: `tiles` by two columns. */
function group({ tiles, apart }: Tiles, first: boolean): string[] {
  const product = (acc: string, x: string, w: string, start: boolean): string =>
    start ? `smuad %[${acc}], %[${x}], ${w}` : `smlad %[${acc}], %[${x}], ${w}, %[${acc}]`;
  if (tiles === 1) {
    return [
      ...(apart === 1
        ? ["ldrd %[x0], %[x1], [%[v]], #8"]
        : ["ldr %[x0], [%[v]], #8", "ldr %[x1], [%[v]], #8"]),
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

/** How often the products at a step go into a row of h. */
export const stepCoefficient = (r: number, step: number): number => OUTPUT[r][STEPS[step]];

/**
 * One column of positions. Sums go on from what they are added to: the products at the rows 1 and 2 are
 * summed on their own, those at row 0 go into their sum, those at row 3 into their difference.
 */
function column(of: Tiles, k: number): string[] {
  const { tiles, apart } = of;
  const sums = tiles === 2 ? ["s00", "s01", "s10", "s11"] : ["s00", "s01"];
  const own = sums.map((s) => `%[${s}]`), other = sums.map((_, i) => `r${8 + i}`);
  const rowBytes = 4 * SIDE * apart * WINOGRAD_COLS, columnBytes = rowBytes / SIDE;
  /** Loads or stores all sums. */
  const move = (op: "ldrd" | "strd", regs: readonly string[], at: number): string[] =>
    range(regs.length / 2).map((i) =>
      `${op} ${regs[2 * i]}, ${regs[2 * i + 1]}, [%[h], #${at + 8 * i}]`
    );
  const block = (first: boolean): string[] =>
    range(k / 4).flatMap((g) => group(of, first && g === 0));
  return [
    ...block(true),
    ...move("strd", own, 0),
    ...block(true),
    ...move("ldrd", other, 0),
    ...other.map((r, i) => `sub ${r}, ${r}, ${own[i]}`),
    ...move("strd", other, rowBytes),
    ...other.map((r, i) => `add ${own[i]}, ${r}, ${own[i]}, lsl #1`),
    ...block(false),
    ...range(tiles).map((t) =>
      `strd ${own[2 * t]}, ${own[2 * t + 1]}, [%[h]], #${columnBytes / tiles}`
    ),
    ...move("ldrd", own, rowBytes - columnBytes),
    ...block(false),
    ...move("strd", own, rowBytes - columnBytes),
  ];
}

/**
 * h[r][j][t][c] = Σ step: ±Σ k: v[j][step][k][t]·u[j][step][k][c], for one tile t or two and two
 * columns c.
 *
 * Operands: h int32 [n, ty, r, j, t, c], v int16 [n, ty, j, step, k ÷ 2, t, 2], u int16
 * [column ÷ 2, j, step, k ÷ 2, 2, 2].
 */
export function winogradProducts(of: Tiles, k: number): TensorIntrin {
  const { tiles, apart } = of;
  const name = `winograd_${tilesText(of)}x${WINOGRAD_COLS}_k${k}`;
  const head =
    `/* h = A' m of m[p][t][c] = sum of v[p][k][t] u[p][k][c]: 4 columns of positions, ${tiles} tile${
      tiles > 1 ? "s" : ""
    },
 * 2 columns, ${k} channels. */
__attribute__((always_inline)) static inline void ${name}(int32_t *h, const int16_t *v, const int16_t *u)`;
  const sums = tiles === 2 ? ["s00", "s01", "s10", "s11"] : ["s00", "s01"];
  const lines = ["1:", ...column(of, k), "ldr %[x0], %[end]", "cmp %[h], %[x0]", "bne 1b"];
  const row = SIDE * apart * WINOGRAD_COLS;
  return {
    name,
    args: [
      { name: "h", dtype: "int32", count: OUTPUTS * row, mode: "write" },
      { name: "v", dtype: "int16", count: SIDE * SIDE * apart * k, mode: "read" },
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
        instructions: SIDE * (lines.length - 1) + 5,
        text: `${head}
{
    const int32_t *const end = h + ${row};
    uint32_t x0, x1, ${sums.join(", ")};

    __asm__ volatile(
${lines.map((l) => `        "${l}\\n"`).join("\n")}
        : ${sums.map((s) => `[${s}] "=&r"(${s})`).join(", ")},
          [x0] "=&r"(x0), [x1] "=&r"(x1), [h] "+r"(h), [v] "+r"(v), [u] "+r"(u)
        : [end] "m"(end)
        : "r8", "r9", "r10", "r11", "cc", "memory");
}`,
      },
      { feature: null, needs: [], inMemory: true, text: `${head}\n${portable(of, k)}` },
    ],
  };
}

const portable = ({ tiles, apart }: Tiles, k: number): string =>
  `{
    for (int32_t j = 0; j < 4; j++) {
        for (int32_t t = 0; t < ${tiles}; t++) {
            for (int32_t c = 0; c < 2; c++) {
                int32_t m[4] = {0, 0, 0, 0};

                for (int32_t step = 0; step < 4; step++) {
                    for (int32_t k = 0; k < ${k}; k++) {
                        const int32_t at = ${k / 2} * (4 * j + step) + k / 2;

                        m[step] += v[at * ${2 * apart} + 2 * t + k % 2] * u[at * 4 + 2 * c + k % 2];
                    }
                }
                h[(j * ${apart} + t) * 2 + c] = ${combined(0)};
                h[(j * ${apart} + t) * 2 + c + ${SIDE * apart * WINOGRAD_COLS}] = ${combined(1)};
            }
        }
    }
}`;

/** A row of h from the sums at each step, in C. */
const combined = (r: number): string =>
  range(SIDE).map((step) => [stepCoefficient(r, step), `m[${step}]`] as const)
    .filter(([n]) => n !== 0)
    .map(([n, m], i) => i === 0 ? m : n < 0 ? ` - ${m}` : ` + ${m}`).join("");

function products([h, v, u]: readonly Access[], tiles: number, k: number): Stmt {
  const loop = (name: string, extent: number) => variable(name, "int32", [0, extent - 1]);
  const [j, t, c, ch] = [
    loop("j", SIDE),
    loop("t", tiles),
    loop("c", WINOGRAD_COLS),
    loop("k", k),
  ];
  const pair = floordiv(ch, 2), lane = floormod(ch, 2);
  const around = (of: Var, extent: number, body: Stmt): Stmt => ({
    k: "for",
    v: of,
    lo: imm(0),
    hi: imm(extent),
    body,
  });
  const sums = range(OUTPUTS).map((r) => {
    const at = { 2: r, 3: j, 4: t, 5: c };
    const term = range(SIDE).reduce<Expr>((sum, step) => {
      const n = stepCoefficient(r, step);
      const x = cast("int32", read(v, { 2: j, 3: step, 4: pair, 5: t, 6: lane }));
      const w = wide(read(u, { 1: j, 2: step, 3: pair, 4: c, 5: lane }));
      return n === 0 ? sum : add(sum, mul(mul(x, w), n));
    }, read(h, at));
    return seq(store(h, at, imm(0)), around(ch, k, store(h, at, term)));
  });
  return around(j, SIDE, around(t, tiles, around(c, WINOGRAD_COLS, seq(...sums))));
}
