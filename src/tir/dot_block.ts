/**
 * The register-blocked inner product of Cortex-M cores with SMLAD: rows of int16 by pairs of int8
 * columns, one unpacking for two columns.
 *
 * Two columns' weights share halfwords: low byte the even column's e, high byte the odd column's o,
 * minus one where e is negative, so that the halfword is e + 256·o. SMLAD on the raw word sums
 * T = E + 256·O; SXTB16 leaves the even bytes, and SMLAD sums U = E. Then O = (T − U) ÷ 256, exact
 * while |O| < 2^23, whatever wraps on the way.
 */
import {
  add,
  cast,
  type Expr,
  floordiv,
  floormod,
  imm,
  load,
  lt,
  mul,
  select,
  variable,
} from "../te/expr.ts";
import { type Access, type Buffer, seq, type Stmt } from "./stmt.ts";
import type { TensorIntrin } from "./intrinsics.ts";

/** Columns of a block. */
export const BLOCK_COLS = 2;
/** What |O| has to stay below. */
export const ODD_LIMIT = 2 ** 23;

/** The byte that stands for an odd column's weight beside its even neighbour's. */
export const encodeOdd = (even: number, odd: number): number => even < 0 ? odd - 1 : odd;

/** Byte offsets that LDRD and LDR can reach. */
const LDRD_REACH = 1020, LDR_REACH = 4095;

/**
 * acc[p][c] += Σ k: a[p][k]·w[k][c] for `rows` (1 or 2) rows of `k` elements, `pitch` apart.
 *
 * Operands: acc int32 [rows][2], a int16, w int8 as above, four bytes for each two k.
 */
export function dotBlock(rows: number, k: number, pitch: number): TensorIntrin {
  const name = `dot_${rows}x2_k${k}${rows > 1 && pitch !== k ? `_p${pitch}` : ""}`;
  const head = `/* acc[p][c] += sum of a[p][k] w[k][c]: ${rows} row${rows > 1 ? "s" : ""} of ${k}${
    rows > 1 ? `, ${pitch} apart` : ""
  }, by 2 columns. The halfwords of w
 * are w[k][0] + 256 w[k][1], so t sums both columns and u the first: the second is (t - u) / 256. */
__attribute__((always_inline)) static inline void ${name}(int32_t *acc, const int16_t *a, const int8_t *w)`;
  return {
    name,
    args: [
      { name: "acc", dtype: "int32", count: rows * BLOCK_COLS, mode: "update" },
      { name: "a", dtype: "int16", count: k, mode: "read" },
      { name: "w", dtype: "int8", count: k * BLOCK_COLS, mode: "read" },
    ],
    scalars: [],
    byValue: false,
    meaning: (args) => meaning(args, rows, k),
    c: [
      {
        feature: "dsp",
        needs: [],
        text: dsp(name, head, rows, k, pitch),
        instructions: instructionsOf(rows, k, pitch),
      },
      { feature: null, needs: [], text: `${head}\n${portable(rows, k, pitch)}` },
    ],
  };
}

function meaning([acc, a, w]: readonly Access[], rows: number, k: number): Stmt {
  const v = variable("k", "int32", [0, k - 1]);
  const weight = (c: number): Expr =>
    cast("int32", load(w.buf, [w.idx[0], floordiv(v, 2), floormod(v, 2), imm(c)]));
  const odd = add(weight(1), select(lt(weight(0), 0), imm(1), imm(0)));
  const term = (p: number, c: number): Stmt => {
    const at = [add(acc.idx[0], p), add(acc.idx[1], c)];
    const x = cast("int32", load(a.buf, [add(a.idx[0], p), add(a.idx[1], v)]));
    const value = add(load(acc.buf as Buffer, at), mul(x, c === 0 ? weight(0) : odd));
    return { k: "store", buf: acc.buf, idx: at, value };
  };
  const body = Array.from({ length: rows }, (_, p) => [term(p, 0), term(p, 1)]).flat();
  return { k: "for", v, lo: imm(0), hi: imm(k), body: seq(...body) };
}

/** Instructions of the text below: the groups, their loop, and around it what the results take. */
function instructionsOf(rows: number, k: number, pitch: number): number {
  if (rows === 2 && 2 * pitch + 4 > LDR_REACH) return 2 * instructionsOf(1, k, k);
  const groups = k / 4, turns = groups / unrolled(groups);
  const far = rows === 2 && 2 * pitch > LDRD_REACH;
  const group = 4 + (rows === 2 ? 9 : 4) + (far ? 1 : 0);
  return groups * group + (turns > 1 ? 2 * turns : 0) + (rows === 2 ? 16 : 6);
}

/** Both rows at once, or one after the other where no load reaches from one to the next. */
function dsp(name: string, head: string, rows: number, k: number, pitch: number): string {
  if (rows === 1 || 2 * pitch + 4 <= LDR_REACH) return `${head}\n${assembly(rows, k, pitch)}`;
  const one = head.replace(/\/\*[^]*?\*\/\n/, "").replace(name, `${name}_row`);
  return `${one}
${assembly(1, k, pitch)}

${head}
{
    ${name}_row(acc, a, w);
    ${name}_row(acc + ${BLOCK_COLS}, a + ${pitch}, w);
}`;
}

/** The largest of 4, 2, 1 that divides the groups of four. */
const unrolled = (groups: number): number => [4, 2, 1].find((n) => groups % n === 0)!;

function assembly(rows: number, k: number, pitch: number): string {
  const far = 2 * pitch > LDRD_REACH;
  const second = far
    ? [`ldr %[b0], [%[a], #${2 * pitch}]`, `ldr %[b1], [%[a], #${2 * pitch + 4}]`]
    : [`ldrd %[b0], %[b1], [%[a], #${2 * pitch}]`];
  const two = rows === 2;
  const group = [
    "ldrd %[w0], %[w1], [%[w]], #8",
    ...(two ? second : []),
    "ldrd %[a0], %[a1], [%[a]], #8",
    "smlad %[t0], %[a0], %[w0], %[t0]",
    ...(two ? ["smlad %[t1], %[b0], %[w0], %[t1]"] : []),
    "sxtb16 %[w0], %[w0]",
    "smlad %[t0], %[a1], %[w1], %[t0]",
    ...(two ? ["smlad %[t1], %[b1], %[w1], %[t1]"] : []),
    "sxtb16 %[w1], %[w1]",
    "smlad %[u0], %[a0], %[w0], %[u0]",
    ...(two ? ["smlad %[u1], %[b0], %[w0], %[u1]"] : []),
    "smlad %[u0], %[a1], %[w1], %[u0]",
    ...(two ? ["smlad %[u1], %[b1], %[w1], %[u1]"] : []),
  ];
  const times = unrolled(k / 4);
  const loop = k / 4 > times;
  const lines = [
    ...(loop ? ["1:"] : []),
    ...Array.from({ length: times }, () => group).flat(),
    ...(loop ? ["cmp %[a], %[end]", "bne 1b"] : []),
  ].map((l) => `        "${l}\\n"`);
  const pairs = two ? ["0", "1"] : ["0"];
  const out = [
    ...pairs.flatMap((p) => [`[t${p}] "+&r"(t${p})`, `[u${p}] "+&r"(u${p})`]),
    '[a] "+&r"(a)',
    '[w] "+&r"(w)',
    '[w0] "=&r"(w0)',
    '[w1] "=&r"(w1)',
    '[a0] "=&r"(a0)',
    '[a1] "=&r"(a1)',
    ...(two ? ['[b0] "=&r"(b0)', '[b1] "=&r"(b1)'] : []),
  ];
  const decl = two
    ? "    uint32_t t0 = (uint32_t)acc[0], u0 = t0, t1 = (uint32_t)acc[2], u1 = t1;\n    uint32_t w0, w1, a0, a1, b0, b1;"
    : "    uint32_t t0 = (uint32_t)acc[0], u0 = t0;\n    uint32_t w0, w1, a0, a1;";
  const results = pairs.map((p) =>
    `    acc[${2 * Number(p)}] = (int32_t)u${p};
    acc[${2 * Number(p) + 1}] += (int32_t)(t${p} - u${p}) >> 8;`
  );
  return `{
${loop ? `    const int16_t *const end = a + ${k};\n` : ""}${decl}

    __asm__ volatile(
${lines.join("\n")}
        : ${out.join(", ")}
        : ${loop ? '[end] "r"(end)' : ""}
        : "cc", "memory");
${results.join("\n")}
}`;
}

function portable(rows: number, k: number, pitch: number): string {
  const row = rows > 1 ? `p * ${pitch} + k` : "k";
  return `{
    for (int32_t p = 0; p < ${rows}; p++) {
        for (int32_t k = 0; k < ${k}; k++) {
            const int32_t first = w[2 * k], second = w[2 * k + 1] + (first < 0);

            acc[2 * p] += a[${row}] * first;
            acc[2 * p + 1] += a[${row}] * second;
        }
    }
}`;
}
