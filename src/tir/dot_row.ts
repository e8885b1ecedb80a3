/**
 * The product of one row of int16 by four columns of int8 on cores with SMLAD: two pairs of columns,
 * each unpacked once as in dot_block.ts, so that the row is loaded once for four columns.
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
import type { TensorIntrin } from "./intrinsics.ts";
import { type Access, type Buffer, seq, type Stmt } from "./stmt.ts";

/** Columns of a block. */
export const ROW_COLS = 4;

/** Instructions for four elements of the row. */
const GROUP: readonly string[] = [
  "ldrd %[a0], %[a1], [%[a]], #8",
  "ldmia %[w]!, {r8-r11}",
  "smlad %[t0], %[a0], r8, %[t0]",
  "smlad %[t1], %[a0], r9, %[t1]",
  "sxtb16 r8, r8",
  "sxtb16 r9, r9",
  "smlad %[t0], %[a1], r10, %[t0]",
  "smlad %[t1], %[a1], r11, %[t1]",
  "sxtb16 r10, r10",
  "sxtb16 r11, r11",
  "smlad %[u0], %[a0], r8, %[u0]",
  "smlad %[u1], %[a0], r9, %[u1]",
  "smlad %[u0], %[a1], r10, %[u0]",
  "smlad %[u1], %[a1], r11, %[u1]",
];

/** Groups in a turn of the loop. */
const unrolled = (groups: number): number => [8, 4, 2, 1].find((n) => groups % n === 0)!;

/**
 * acc[c] += Σ k: a[k]·w[k][c] for a row of `k` elements, a multiple of four.
 *
 * Operands: acc int32 [1][4], a int16, w int8 in words of two k by two columns, encoded as
 * `encodeOdd` says: columns 0 and 1, then columns 2 and 3, of the first two k, then of the next.
 */
export function dotRow(k: number): TensorIntrin {
  const name = `dot_1x4_k${k}`;
  const head = `/* acc[c] += sum of a[k] w[k][c]: a row of ${k} by 4 columns. The halfwords of w are
 * w[k][c] + 256 w[k][c + 1], so t sums two columns and u the first: the second is (t - u) / 256. */
__attribute__((always_inline)) static inline void ${name}(int32_t *acc, const int16_t *a, const int8_t *w)`;
  const groups = k / 4, times = unrolled(groups), loop = groups > times;
  const body = Array.from({ length: times }, () => GROUP).flat();
  const lines = loop ? ["1:", ...body, "cmp %[a], %[end]", "bne 1b"] : body;
  return {
    name,
    args: [
      { name: "acc", dtype: "int32", count: ROW_COLS, mode: "update" },
      { name: "a", dtype: "int16", count: k, mode: "read" },
      { name: "w", dtype: "int8", count: k * ROW_COLS, mode: "read" },
    ],
    scalars: [],
    byValue: false,
    meaning: (args) => meaning(args, k),
    c: [
      {
        feature: "dsp",
        needs: [],
        instructions: groups * GROUP.length + (loop ? 2 * groups / times : 0) + 12,
        text: `${head}
{
${
          loop
            ? `    const int16_t *const end = a + ${k};\n`
            : ""
        }    uint32_t t0 = (uint32_t)acc[0], u0 = t0, t1 = (uint32_t)acc[2], u1 = t1;
    uint32_t a0, a1;

    __asm__ volatile(
${lines.map((l) => `        "${l}\\n"`).join("\n")}
        : [t0] "+&r"(t0), [u0] "+&r"(u0), [t1] "+&r"(t1), [u1] "+&r"(u1),
          [a] "+&r"(a), [w] "+&r"(w), [a0] "=&r"(a0), [a1] "=&r"(a1)
        : ${loop ? '[end] "r"(end)' : ""}
        : "r8", "r9", "r10", "r11", "cc", "memory");
    acc[0] = (int32_t)u0;
    acc[1] += (int32_t)(t0 - u0) >> 8;
    acc[2] = (int32_t)u1;
    acc[3] += (int32_t)(t1 - u1) >> 8;
}`,
      },
      {
        feature: null,
        needs: [],
        text: `${head}
{
    for (int32_t k = 0; k < ${k}; k++) {
        for (int32_t c = 0; c < 4; c += 2) {
            const int8_t *pair = w + 8 * (k / 2) + 2 * c + 2 * (k % 2);

            acc[c] += a[k] * pair[0];
            acc[c + 1] += a[k] * (pair[1] + (pair[0] < 0));
        }
    }
}`,
      },
    ],
  };
}

function meaning([acc, a, w]: readonly Access[], k: number): Stmt {
  const v = variable("k", "int32", [0, k - 1]);
  const weight = (c: number): Expr => {
    const at = [add(w.idx[1], floordiv(v, 2)), imm(c >> 1), floormod(v, 2), imm(c & 1)];
    return cast("int32", load(w.buf, [w.idx[0], ...at]));
  };
  const value = (c: number): Expr =>
    c % 2 === 0 ? weight(c) : add(weight(c), select(lt(weight(c - 1), 0), imm(1), imm(0)));
  const x = cast("int32", load(a.buf, [a.idx[0], add(a.idx[1], v)]));
  const body = Array.from({ length: ROW_COLS }, (_, c): Stmt => {
    const at = [acc.idx[0], add(acc.idx[1], c)];
    const sum = add(load(acc.buf as Buffer, at), mul(x, value(c)));
    return { k: "store", buf: acc.buf, idx: at, value: sum };
  });
  return { k: "for", v, lo: imm(0), hi: imm(k), body: seq(...body) };
}
