/**
 * Products of rows of a few vectors by columns of a constant, requantised (MVE): a column after another,
 * whose bytes stay in registers while eight rows at a time meet them.
 */
import { advance, asmCount, type AsmItem, asmText } from "./mve_asm.ts";
import type { TensorIntrin } from "./intrinsics.ts";
import { VECTOR } from "./mve_product_layout.ts";
import {
  loopOf,
  outputOf,
  rowArgs,
  type RowsByColumns,
  shapeKey,
  turnOf,
} from "./mve_product_shape.ts";
import { boundsText, clampHalves, requantizeC } from "./mve_requantize.ts";
import type { Access, Stmt } from "./stmt.ts";

/** Vectors of a column that stay in registers. */
const MOST_VECTORS = 3;

/** Rows whose sums are requantised at once. */
const AT_ONCE = 8;

/** Offsets that VLDRB takes. */
const NEAR = 127;

const perRun = (s: RowsByColumns): number => Math.ceil(s.run / VECTOR);
const vectorsOf = (s: RowsByColumns): number => s.runs * perRun(s);
const isCut = (s: RowsByColumns): boolean => s.run % VECTOR !== 0;
const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

/** Vectors of a column of so many pieces of so many bytes suit the registers. */
export const fewVectors = (runs: number, run: number): boolean =>
  runs * Math.ceil(run / VECTOR) <= MOST_VECTORS;

/** Whether registers and literals suffice. */
export const columnsFit = (s: RowsByColumns): boolean =>
  fewVectors(s.runs, s.run) && AT_ONCE * s.outStep < 65536 && s.rows * s.rowStep < 2 ** 20 &&
  s.rows * s.outStep < 2 ** 20 && s.cols < 65536 && s.rows < 65536;

/** What rows of a column cost, about: their number and what a column and a shorter turn take. */
export const columnRowsCost = (rows: number): number => rows + (rows % AT_ONCE === 0 ? 3 : 6);

/** The registers; R7 stays the frame pointer's, and sums have to be even ones. */
const SUMS = ["r0", "r2", "r4", "r6"], ROWS = ["r1", "r3", "r5"], TABLE = "r2";
const START = "r8", SCALE = "r9", PARAMS = "r10", WEIGHTS = "r11", OUT = "r12", FREE = "r0";
const OFFSETS = "q7", DATA = "q4";

/** How the rows divide: turns of eight, and a last one of up to as many. */
interface Turns {
  readonly whole: number;
  /** Rows of the last turn, 0 for none. */
  readonly last: number;
  /** Whether vectors that are cut have to be so in the turns before the last. */
  readonly careful: boolean;
}

function turnsOf(s: RowsByColumns): Turns {
  // What lies behind a row is not read where it could be nobody's.
  const whole = Math.floor((isCut(s) ? s.rows - 1 : s.rows) / AT_ONCE);
  const last = s.rows - AT_ONCE * whole;
  return { whole, last, careful: isCut(s) && last * s.rowStep < perRun(s) * VECTOR - s.run };
}

/** Whether the last turn's lanes go elsewhere than those of the others. */
const hasOwnOffsets = ({ whole, last }: Turns): boolean => whole > 0 && last > 0 && last < AT_ONCE;

/** The sum of a row; pointers go on to the next one. */
function row(s: RowsByColumns, sum: string, careful: boolean): string[] {
  const near = s.rowStep <= NEAR, n = perRun(s);
  return range(s.runs).flatMap((k) => [
    ...range(n).flatMap((i) => {
      const cut = careful && isCut(s) && i === n - 1;
      const at = !near
        ? `[${ROWS[k]}, #${VECTOR * i}]`
        : i === 0
        ? `[${ROWS[k]}]${s.rowStep > 0 ? `, #${s.rowStep}` : ""}`
        : `[${ROWS[k]}, #${VECTOR * i - s.rowStep}]`;
      const v = k * n + i;
      return [
        ...(cut ? ["vpst"] : []),
        `vldrb${cut ? "t" : ""}.8 ${DATA}, ${at}`,
        `vmladav${v > 0 ? "a" : ""}.s8 ${sum}, ${DATA}, q${v}`,
      ];
    }),
    ...(near ? [] : advance(ROWS[k], s.rowStep)),
  ]);
}

/**
 * The registers that hold what all columns need beside their own: the columns left, where the offsets of
 * lanes are, the zero point.
 */
const countIn = (s: RowsByColumns): string => vectorsOf(s) < MOST_VECTORS ? "s8" : "s12";
const tableIn = (s: RowsByColumns): string => vectorsOf(s) < MOST_VECTORS ? "s9" : "s13";
const zeroIn = (s: RowsByColumns): string | null => vectorsOf(s) < MOST_VECTORS ? "q3" : null;

/** Some rows of a column, up to eight. */
function turn(s: RowsByColumns, rows: number, careful: boolean): string[] {
  const { dtype, zero } = s.bounds, signed = dtype === "int8";
  const fours = rows > 4 ? ["q5", "q6"] : ["q5"];
  const sums = fours.flatMap((q, f) => {
    const count = Math.min(4, rows - 4 * f);
    // What fills a four is its last row again.
    const at = (i: number) => SUMS[Math.min(i, count - 1)];
    return [
      ...range(count).flatMap((i) => row(s, SUMS[i], careful)),
      `vmov ${q}[2], ${q}[0], ${at(0)}, ${at(2)}`,
      `vmov ${q}[3], ${q}[1], ${at(1)}, ${at(3)}`,
    ];
  });
  const each = (f: (q: string) => string) => fours.map(f);
  const own = zeroIn(s);
  const moved = zero === 0
    ? []
    : own
    ? [`vqadd.s16 q5, q5, ${own}`]
    : [`mov ${FREE}, #${zero}`, `vqadd.s16 q5, q5, ${FREE}`];
  const clamp = clampHalves(s.bounds, "q5", { vector: "q6", register: FREE });
  return [
    ...sums,
    ...each((q) => `vadd.i32 ${q}, ${q}, ${START}`),
    ...each((q) => `vcvt.f32.s32 ${q}, ${q}`),
    ...each((q) => `vmul.f32 ${q}, ${q}, ${SCALE}`),
    ...each((q) => `vcvtn.s32.f32 ${q}, ${q}`),
    "vqmovnb.s32 q5, q5",
    `vqmovnt.s32 q5, ${fours.at(-1)}`,
    ...moved,
    ...clamp,
    `${signed ? "vqmovnb" : "vqmovunb"}.s16 q5, q5`,
    `vstrb.16 q5, [${OUT}, ${OFFSETS}]`,
  ];
}

/** Where the lanes of a turn go: two fours, lane by lane. */
const laneOffsets = (s: RowsByColumns, rows: number): number[] =>
  range(AT_ONCE).map((lane) => {
    const row = rows > 4 ? lane % 2 * 4 + (lane >> 1) : lane >> 1;
    return Math.min(row, rows - 1) * s.outStep;
  });

/** Of the turns of eight, and of the last one where it is another. */
function offsets(s: RowsByColumns): number[] {
  const t = turnsOf(s), first = laneOffsets(s, t.whole > 0 ? AT_ONCE : t.last);
  return hasOwnOffsets(t) ? [...first, ...laneOffsets(s, t.last)] : first;
}

/** All columns at one place. */
function code(s: RowsByColumns): AsmItem[] {
  const turns = turnsOf(s), { whole, last, careful } = turns;
  const own = hasOwnOffsets(turns);
  const back = ROWS.slice(0, s.runs).flatMap((p) => advance(p, -s.rows * s.rowStep));
  const out = (by: number): string[] => by === 0 ? [] : advance(OUT, by);
  const reload = (at: number): string[] =>
    own ? [`vmov ${FREE}, ${tableIn(s)}`, `vldrh.u16 ${OFFSETS}, [${FREE}, #${at}]`] : [];
  const column: AsmItem[] = [
    ...range(vectorsOf(s)).map((v) => `vldrb.8 q${v}, [${WEIGHTS}], #${VECTOR}`),
    `ldrd ${START}, ${SCALE}, [${PARAMS}], #8`,
    ...(whole > 0
      ? [
        ...reload(0),
        {
          turns: whole,
          counter: "lr" as const,
          body: [...turn(s, AT_ONCE, careful), ...out(AT_ONCE * s.outStep)],
        },
      ]
      : []),
    ...(last > 0 ? [...reload(2 * AT_ONCE), ...turn(s, last, isCut(s))] : []),
    ...back,
    ...out(1 - AT_ONCE * whole * s.outStep),
  ];
  const zero = zeroIn(s);
  return [
    ...(own ? [`vmov ${tableIn(s)}, ${TABLE}`] : [`vldrh.u16 ${OFFSETS}, [${TABLE}]`]),
    ...(zero && s.bounds.zero !== 0
      ? [`mov ${FREE}, #${s.bounds.zero}`, `vdup.16 ${zero}, ${FREE}`]
      : []),
    ...(isCut(s) ? [`mov ${FREE}, #${s.run % VECTOR}`, `vctp.8 ${FREE}`] : []),
    { turns: s.cols, counter: { in: countIn(s), free: FREE }, body: column },
  ];
}

/** Calling and saving registers; what a place takes around its code. */
const AROUND = 30, PLACE = 14;

const instructions = (s: RowsByColumns): number =>
  AROUND + s.places * (PLACE + s.runs + asmCount(code(s)));

const DOC = (s: RowsByColumns): string =>
  `/* y[r][c] = (start[c] + sum of a[r][k] w[c][k]) * scale[c], rounded half to even, ${
    boundsText(s.bounds)
  }:
 * ${s.rows} rows ${s.rowStep} apart${s.rows > 1 ? `, ${s.outStep} in y` : ""}${
    s.places > 1 ? `, at ${s.places} places ${s.placeStep} apart, ${s.outPlace} in y` : ""
  }, ${s.cols} columns, ${
    s.runs > 1 ? `${s.runs} pieces of ${s.run} elements ${s.runStep} apart` : `${s.run} elements`
  }; a column stays in registers while rows meet it. */`;

/**
 * y[r][c] = requantize(start[c] + Σ k: a[r][k]·w[c][k], scale[c]).
 *
 * Operands: y bytes, a int8, w int8 [cols][vectors][16], p int32 [cols][2]: starts and bits of scales.
 */
export function productByColumns(s: RowsByColumns): TensorIntrin {
  const name = `columns_${shapeKey(s)}`;
  const head = `${DOC(s)}
__attribute__((noinline)) static void ${name}(${s.bounds.dtype}_t *y, const int8_t *a, const int8_t *w, const int32_t *p)`;
  return {
    name,
    args: [
      ...rowArgs(s),
      { name: "w", dtype: "int8", count: s.cols * vectorsOf(s) * VECTOR, mode: "read" },
      { name: "p", dtype: "int32", count: s.cols * 2, mode: "read" },
    ],
    scalars: [],
    byValue: false,
    meaning: (args) => meaning(args, s),
    c: [
      {
        feature: "mve",
        needs: [],
        instructions: instructions(s),
        text: `${head}\n${vectorText(s)}`,
      },
      { feature: null, needs: ["float_of"], text: `${head}\n${portableText(s)}` },
    ],
  };
}

function vectorText(s: RowsByColumns): string {
  const many = s.places > 1, pad = many ? "        " : "    ";
  const at = (step: number) => many && step !== 0 ? ` + ${step} * place` : "";
  const start = (k: number) =>
    `a${at(s.placeStep)}${k > 0 && s.runStep > 0 ? ` + ${k * s.runStep}` : ""}`;
  const given: [string, string][] = [
    ...range(s.runs).map((k): [string, string] => [ROWS[k], start(k)]),
    [TABLE, "offsets"],
    [PARAMS, "p"],
    [WEIGHTS, "w"],
    [OUT, `y${at(s.outPlace)}`],
  ];
  const number = (r: string) => Number(r.slice(1));
  given.sort((x, y) => number(x[0]) - number(y[0]));
  const registers = given.map(([r]) => r);
  const clobbers = [
    ...new Set([...SUMS.slice(1), ...ROWS.slice(0, s.runs), START, SCALE, ...registers]),
    "lr",
    ...range(8).map((q) => `q${q}`),
    "cc",
    "memory",
  ];
  const inner = `${pad}const void *given[${given.length}] = { ${
    given.map(([, value]) => value).join(", ")
  } };
${pad}register const void **r0 __asm__("r0") = given;

${pad}__asm__ volatile(
${asmText([`ldm r0, {${registers.join(", ")}}`, ...code(s)], `${pad}    `)}
${pad}    : "+r"(r0)
${pad}    :
${pad}    : ${clobbers.map((c) => `"${c}"`).join(", ")});`;
  return `{
    /* Where the rows of a turn go. */
    static const uint16_t offsets[${offsets(s).length}] = { ${offsets(s).join(", ")} };
${many ? `\n    for (int32_t place = 0; place < ${s.places}; place++) {\n${inner}\n    }` : inner}
}`;
}

function portableText(s: RowsByColumns): string {
  const at = (row: number, place: number) =>
    s.places > 1 ? `${row} * (r % ${s.rows}) + ${place} * (r / ${s.rows})` : `${row} * r`;
  return `{
    for (int32_t r = 0; r < ${s.rows * s.places}; r++) {
        for (int32_t c = 0; c < ${s.cols}; c++) {
            const int8_t *v = w + c * ${vectorsOf(s) * VECTOR};
            int32_t sum = p[2 * c];

            for (int32_t piece = 0; piece < ${s.runs}; piece++) {
                for (int32_t k = 0; k < ${s.run}; k++) {
                    sum += a[${at(s.rowStep, s.placeStep)} + ${s.runStep} * piece + k]
                        * v[piece * ${perRun(s) * VECTOR} + k];
                }
            }
            {
${
    requantizeC(`y[${at(s.outStep, s.outPlace)} + c]`, "sum", "float_of(p[2 * c + 1])", s.bounds)
      .map((l) => l === "" ? "" : `                ${l}`).join("\n")
  }
            }
        }
    }
}`;
}

function meaning(args: readonly Access[], s: RowsByColumns): Stmt {
  const row = turnOf("r", s.rows), col = turnOf("c", s.cols), place = turnOf("place", s.places);
  const output = outputOf(args, { ...s, order: "each" }, { row, col, place });
  return loopOf(place, s.places, loopOf(row, s.rows, loopOf(col, s.cols, output)));
}
