/** The assembly of `windowRow` (window_row.ts) for cores with SMLAxy and an FPU. */
import { WORD_SHIFT } from "../te/rounding.ts";
import { literal, REACH } from "./asm.ts";
import { saturationOf } from "./scalar_c.ts";
import { casesOf, columnOf, tapsAt, type WindowRow, wordsOf } from "./window_row.ts";

/** Byte offsets that LDRD reaches. */
const PAIR_REACH = 1020;

/** Rows of a window whose pointers the FPU's registers hold. */
const MOST_ROWS = 4;

/** The pointers to rows, the end of the stream, the results, the offset of products, r7. */
const ROWS = ["s8", "s9", "s10", "s11"], OFFSET = "s12", RESULT = "s13", END = "s14", KEPT = "s15";

/** Sums of two outputs, by channel. */
const SUMS = [["r3", "r4", "r5", "r6"], ["r8", "r9", "r10", "r11"]];

/** Registers in which the rows' pointers come. */
const COME = ["r1", "r3", "r4", "r5"];

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

/** Whether offsets and registers suffice. */
export const windowRowFits = (f: WindowRow): boolean =>
  f.taps[0] <= MOST_ROWS && 4 * wordsOf(f).all <= PAIR_REACH &&
  (f.width - 1) * f.steps[0] <= REACH && (f.outputs - 1) * f.steps[1] <= REACH &&
  saturationOf(...f.limits) !== null;

const two = (a: string, b: string, word: number): string => `ldrd ${a}, ${b}, [r2, #${4 * word}]`;

/** The sums of one output or two beside each other. */
function sums(f: WindowRow, outputs: readonly number[]): string[] {
  const { of } = casesOf(f), words = wordsOf(f);
  const out = outputs.flatMap((j, n) => {
    const [a, b, c, d] = SUMS[n];
    return [two(a, b, 4 * of[j]), two(c, d, 4 * of[j] + 2)];
  });
  const columns = [
    ...new Set(outputs.flatMap((j) => tapsAt(f, j).map((k) => columnOf(f, j, k)))),
  ].sort((a, b) => a - b);
  const extend = f.x === "int8" ? "sxtb16" : "uxtb16";
  for (const i of range(f.taps[0])) {
    out.push(`vmov r1, ${ROWS[i]}`);
    for (const at of columns) {
      out.push(
        `ldr r12, [r1, #${at * f.steps[0]}]`,
        `${extend} lr, r12, ror #8`,
        `${extend} r12, r12`,
      );
      outputs.forEach((j, n) => {
        for (const k of tapsAt(f, j)) {
          if (columnOf(f, j, k) !== at) continue;
          const [a, b, c, d] = SUMS[n];
          out.push(
            two("r0", "r7", words.weights + 2 * (i * f.taps[1] + k)),
            `smlabb ${a}, r12, r0, ${a}`,
            `smlabb ${b}, lr, r7, ${b}`,
            `smlatt ${c}, r12, r0, ${c}`,
            `smlatt ${d}, lr, r7, ${d}`,
          );
        }
      });
    }
  }
  return out;
}

/** Sums to bytes by the multipliers of four channels. */
function fixedResults(f: WindowRow, outputs: readonly number[]): string[] {
  const accs = outputs.flatMap((_, n) => SUMS[n]), by = ["r12", "lr", "r0", "r7"];
  const { instruction, bits } = saturationOf(...f.limits)!;
  return [
    `vmov r1, ${OFFSET}`,
    ...accs.map((r, n) => `smmls ${r}, ${r}, ${by[n % 4]}, r1`),
    ...accs.map((r) => `${instruction} ${r}, #${bits}, ${r}, asr #${WORD_SHIFT}`),
  ];
}

/** Sums to bytes by floats. */
function floatResults(f: WindowRow, outputs: readonly number[]): string[] {
  const { instruction, bits } = saturationOf(...f.limits)!;
  const head = ["vmov s0, s1, r12, lr", "vmov s2, s3, r0, r7"];
  if (f.zero !== 0) {
    head.push(
      ...(f.zero < 0 ? [`mvn r1, #${-f.zero - 1}`] : [`movw r1, #${f.zero}`]),
    );
  }
  return [
    ...head,
    ...outputs.flatMap((_, n) => {
      const accs = SUMS[n], each = (text: (i: number) => string) => range(4).map(text);
      return [
        `vmov s4, s5, ${accs[0]}, ${accs[1]}`,
        `vmov s6, s7, ${accs[2]}, ${accs[3]}`,
        ...each((i) => `vcvt.f32.s32 s${4 + i}, s${4 + i}`),
        ...each((i) => `vmul.f32 s${4 + i}, s${4 + i}, s${i}`),
        ...each((i) => `vcvtr.s32.f32 s${4 + i}, s${4 + i}`),
        `vmov ${accs[0]}, ${accs[1]}, s4, s5`,
        `vmov ${accs[2]}, ${accs[3]}, s6, s7`,
        ...(f.zero === 0 ? [] : accs.map((r) => `qadd ${r}, ${r}, r1`)),
        ...accs.map((r) => `${instruction} ${r}, #${bits}, ${r}`),
      ];
    }),
  ];
}

/** Four bytes each to their places. */
const stores = (f: WindowRow, outputs: readonly number[]): string[] => [
  `vmov r1, ${RESULT}`,
  ...outputs.flatMap((j, n) => {
    const [a, b, c, d] = SUMS[n];
    return [
      `bfi ${a}, ${b}, #8, #8`,
      `bfi ${a}, ${c}, #16, #8`,
      `bfi ${a}, ${d}, #24, #8`,
      `str ${a}, [r1, #${j * f.steps[1]}]`,
    ];
  }),
];

/** The outputs of each turn: two, and a last one where they are odd in number. */
const pairsOf = (f: WindowRow): number[][] =>
  range(Math.ceil(f.outputs / 2)).map((p) => [2 * p, 2 * p + 1].filter((j) => j < f.outputs));

const scalesOf = (f: WindowRow): string[] => {
  const { scales } = wordsOf(f);
  return [two("r12", "lr", scales), two("r0", "r7", scales + 2)];
};

/** Any literal in a register. */
const wide = (reg: string, value: number): string[] => {
  const bits = value >>> 0;
  return [`movw ${reg}, #${bits & 0xffff}`, `movt ${reg}, #${bits >>> 16}`];
};

interface Text {
  readonly before: readonly string[];
  /** Of a block by pair: sums and scales, results by either, stores. */
  readonly pairs: readonly {
    readonly sums: readonly string[];
    readonly fixed: readonly string[];
    readonly floats: readonly string[];
    readonly stores: readonly string[];
  }[];
  readonly next: readonly string[];
}

function textOf(f: WindowRow): Text {
  const bytes = 4 * wordsOf(f).all, [rows] = f.taps;
  const offset = f.zero * 2 ** WORD_SHIFT + 2 ** (WORD_SHIFT - 1);
  const on = (s: string): string[] => [`vmov r12, ${s}`, "add r12, r12, #4", `vmov ${s}, r12`];
  return {
    before: [
      `vmov ${KEPT}, r7`,
      `vmov ${RESULT}, r0`,
      ...range(rows).map((i) => `vmov ${ROWS[i]}, ${COME[i]}`),
      ...literal("r12", bytes * f.blocks),
      "add r12, r12, r2",
      `vmov ${END}, r12`,
      ...(f.fixed > 0 ? [...wide("r12", offset), `vmov ${OFFSET}, r12`] : []),
    ],
    pairs: pairsOf(f).map((outputs) => ({
      sums: [...sums(f, outputs), ...scalesOf(f)],
      fixed: fixedResults(f, outputs),
      floats: floatResults(f, outputs),
      stores: stores(f, outputs),
    })),
    next: [
      ...range(rows).flatMap((i) => on(ROWS[i])),
      ...on(RESULT),
      `add r2, r2, #${bytes}`,
      `vmov r12, ${END}`,
      "cmp r2, r12",
      "bne 1b",
    ],
  };
}

/** Instructions of a call, and the call itself. */
export function windowRowInstructions(f: WindowRow): number {
  const t = textOf(f), share = f.fixed, both = share > 0 && share < 1 ? 2 + share : 0;
  const block = t.pairs.reduce(
    (sum, p) =>
      sum + p.sums.length + share * p.fixed.length + (1 - share) * p.floats.length + both +
      p.stores.length,
    0,
  );
  return t.before.length + f.blocks * (block + t.next.length) + 12;
}

/** The lines of the text. */
function linesOf(f: WindowRow): string[] {
  const t = textOf(f), both = f.fixed > 0 && f.fixed < 1;
  return [
    ...t.before,
    "1:",
    ...t.pairs.flatMap((p, n) => {
      const [floats, end] = [10 + 2 * n, 11 + 2 * n];
      const results = both
        ? [
          "cmp r12, #0",
          `bge ${floats}f`,
          ...p.fixed,
          `b ${end}f`,
          `${floats}:`,
          ...p.floats,
          `${end}:`,
        ]
        : f.fixed === 1
        ? p.fixed
        : p.floats;
      return [...p.sums, ...results, ...p.stores];
    }),
    ...t.next,
    `vmov r7, ${KEPT}`,
  ];
}

/** Instructions that the text holds. */
export const windowRowLength = (f: WindowRow): number => linesOf(f).length;

/** The body of the C function. */
export function windowRowAssembly(f: WindowRow): string {
  const lines = linesOf(f);
  const come = COME.slice(0, f.taps[0]);
  const operands = ["result", "stream", ...come.map((_, i) => `row${i}`)];
  const changed = ["r3", "r4", "r5", "r6", "r8", "r9", "r10", "r11", "r12", "lr"]
    .filter((r) => !come.includes(r));
  const floats = range(16).map((i) => `s${i}`);
  return `{
    register ${f.y}_t *result __asm__("r0") = y;
    register const int32_t *stream __asm__("r2") = w;
${come.map((r, i) => `    register const ${f.x}_t *row${i} __asm__("${r}") = x${i};`).join("\n")}

    __asm__ volatile(
${lines.map((l) => `        "${l}\\n"`).join("\n")}
        : ${operands.map((o) => `"+r"(${o})`).join(", ")}
        :
        : ${
    [...changed, ...floats, "r1", "cc", "memory"].filter((r) => !come.includes(r)).map((c) =>
      `"${c}"`
    ).join(", ")
  });
}`;
}
