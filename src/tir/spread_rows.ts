/** Runs of bytes of three rows at once into interleaved rows of int16, as tile.ts says. */
import { add, cast, type Expr, imm, load, mul, sub, variable } from "../te/expr.ts";
import { simplify } from "../te/linear.ts";
import type { DType } from "../util/dtype.ts";
import type { TensorIntrin } from "./intrinsics.ts";
import type { Runs } from "./spread.ts";
import { type Access, seq, type Stmt } from "./stmt.ts";
import { GROUP, placeOf } from "./tile.ts";

/** Rows that are taken at once: all that are interleaved. */
export const SPREAD_ROWS = 3;

/** Elements up to which runs are written out where they are called. */
const WRITTEN_OUT = 16;

/** Elements of a turn of the loop. */
const TURN = 16;

/** Four elements of each row: two words a row, those of the first two bytes apart first. */
const four = (extend: string): string[] => [
  "ldr r4, [%[x0]], #4",
  "ldr r5, [%[x1]], #4",
  "ldr r6, [%[x2]], #4",
  `${extend} r8, %[minus], r4, ror #8`,
  `${extend} r9, %[minus], r5, ror #8`,
  `${extend} r10, %[minus], r6, ror #8`,
  `${extend} r4, %[minus], r4`,
  `${extend} r5, %[minus], r5`,
  `${extend} r6, %[minus], r6`,
  "stmia %[dst]!, {r4, r5, r6, r8, r9, r10}",
];

/**
 * dst = x[i] − zero, element by element, of three rows.
 *
 * Operands: dst int16 [row, group, half, word]; bytes of the rows.
 */
export function spreadRows(x: DType, { count, times, stride }: Runs): TensorIntrin {
  const type = x === "uint8" ? "u8" : "s8", from = `${x === "uint8" ? "u" : ""}int8_t`;
  const once = times === 1 && count <= WRITTEN_OUT;
  const name = once
    ? `spread${count}_rows_${type}`
    : `spread_rows${times > 1 ? "_runs" : ""}_${type}`;
  const extend = `${x === "uint8" ? "u" : "s"}xtab16`;
  const scalars = ["zero", ...(once ? [] : ["count", ...(times > 1 ? ["times", "stride"] : [])])];
  const rows = Array.from({ length: SPREAD_ROWS }, (_, p) => `x${p}`);
  const head = `/* dst = x[i] - zero for ${
    times > 1 ? "times runs of count" : once ? count : "count"
  } elements of three rows, interleaved as k0 k2 of each, k1 k3 of each */
${
    once
      ? "__attribute__((always_inline)) static inline"
      : "__attribute__((noinline)) static"
  } void ${name}(int16_t *dst, ${rows.map((r) => `const ${from} *${r}`).join(", ")}, ${
    scalars.map((s) => `int32_t ${s}`).join(", ")
  })`;
  const assembly = (groups: number, pad: string): string =>
    `${pad}__asm__ volatile(
${
      Array.from({ length: groups }, () => four(extend)).flat()
        .map((l) => `${pad}    "${l}\\n"`).join("\n")
    }
${pad}    : [dst] "+&r"(dst), [x0] "+&r"(x0), [x1] "+&r"(x1), [x2] "+&r"(x2)
${pad}    : [minus] "r"(minus)
${pad}    : "r4", "r5", "r6", "r8", "r9", "r10", "memory");`;
  const loops = (pad: string): string =>
    `${pad}int32_t i = count;

${pad}for (; i >= ${TURN}; i -= ${TURN}) {
${assembly(TURN / GROUP, `${pad}    `)}
${pad}}
${pad}for (; i > 0; i -= ${GROUP}) {
${assembly(1, `${pad}    `)}
${pad}}`;
  const own = "    const uint32_t minus = ((uint32_t)-zero & 0xffffu) | ((uint32_t)-zero << 16);\n";
  const next = rows.map((r) => `        ${r} += stride - count;`).join("\n");
  const dsp = once
    ? `${own}\n${assembly(count / GROUP, "    ")}`
    : times === 1
    ? `${own}${loops("    ")}`
    : `${own}
    for (; times > 0; times--) {
${loops("        ")}
${next}
    }`;
  const at = `${GROUP * SPREAD_ROWS} * (i / 4) + ${2 * SPREAD_ROWS} * (i % 2) + i % 4 / 2`;
  const plain = (pad: string): string =>
    `${pad}for (int32_t i = 0; i < ${once ? count : "count"}; i++) {
${
      rows.map((r, p) =>
        `${pad}    dst[${at}${p > 0 ? ` + ${2 * p}` : ""}] = (int16_t)(${r}[i] - zero);`
      ).join("\n")
    }
${pad}}`;
  const turns = Math.floor(count / TURN), rest = count % TURN / GROUP;
  const each = turns * (TURN / GROUP * 10 + 2) + rest * 12;
  return {
    name,
    args: [
      { name: "dst", dtype: "int16", count: count * times * SPREAD_ROWS, mode: "write" },
      ...rows.map((r) => ({
        name: r,
        dtype: x,
        count: (times - 1) * stride + count,
        mode: "read" as const,
      })),
    ],
    scalars,
    byValue: false,
    meaning: ([dst, ...sources], [zero]) => {
      const run = variable("run", "int32", [0, times - 1]);
      const i = variable("i", "int32", [0, count - 1]);
      const [row, ...place] = dst.idx;
      const to = placeOf(simplify(add(i, mul(run, count))))
        .map((e, d) => simplify(add(place[d], simplify(e))));
      const from: Expr = add(i, mul(run, stride));
      const store = (source: Access, p: number): Stmt => ({
        k: "store",
        buf: dst.buf,
        idx: [add(row, p), ...to],
        value: cast(
          "int16",
          sub(
            cast(
              "int32",
              load(source.buf, source.idx.map((e, d) => d === source.axis ? add(e, from) : e)),
            ),
            zero,
          ),
        ),
      });
      const body = seq(...sources.map(store));
      const inner: Stmt = { k: "for", v: i, lo: imm(0), hi: imm(count), body };
      return { k: "for", v: run, lo: imm(0), hi: imm(times), body: inner };
    },
    c: [
      {
        feature: "dsp",
        needs: [],
        instructions: once
          ? 3 + 10 * count / GROUP
          : times === 1
          ? 24 + each
          : 34 + times * (each + 12),
        ...(once ? {} : { length: 90, shared: true }),
        text: `${head}\n{\n${dsp}\n}`,
      },
      {
        feature: null,
        needs: [],
        text: `${head}
{
${
          times > 1
            ? `    for (; times > 0; times--) {
${plain("        ")}
        dst += ${SPREAD_ROWS} * count;
${rows.map((r) => `        ${r} += stride;`).join("\n")}
    }`
            : plain("    ")
        }
}`,
      },
    ],
  };
}
