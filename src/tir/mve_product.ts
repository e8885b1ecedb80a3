/**
 * Products of rows of bytes by all columns of a constant, requantised (MVE): tiles of up to three rows
 * by two columns of accumulators in core registers, each vector of a row met by each of a column.
 *
 * A row is what one output reads: `runs` pieces of `run` bytes. The constant lies in the order in which
 * it is read, in groups of four columns, so that one pointer goes through it; what a vector of four
 * columns needs besides, starts and scales, lies together too.
 */
import { add, min, mul } from "../te/expr.ts";
import { advance, asmCount, type AsmItem, asmText } from "./mve_asm.ts";
import { boundsText, requantizeC, requantizeLines } from "./mve_requantize.ts";
import type { TensorIntrin } from "./intrinsics.ts";
import {
  type ColumnOrder,
  GROUP,
  groupBytes,
  isCut,
  isMirrored,
  lanesOf,
  leftOf,
  NEAR_VECTORS,
  STRAIGHT,
  VECTOR,
  vectorBytes,
  vectorsOf,
} from "./mve_product_layout.ts";
import { tileRows } from "./mve_product_tiles.ts";
import {
  loopOf,
  outputOf,
  rowArgs,
  type RowsByColumns,
  shapeKey,
  turnOf,
} from "./mve_product_shape.ts";
import type { Access, Stmt } from "./stmt.ts";

export interface ProductShape extends RowsByColumns {
  readonly order: Exclude<ColumnOrder, "each">;
}

/** Whether one tile's registers and literals can hold the shape. */
export const productFits = (s: ProductShape): boolean =>
  s.rowStep * 3 < 65536 && s.placeStep < 65536 && s.outPlace < 65536 && s.outStep * 3 < 65536 &&
  s.runStep * s.runs < 65536 && s.run < 65536 &&
  s.runs * vectorsOf(s.run) * VECTOR < 65536;

/**
 * The registers of a tile; R7 stays the frame pointer's. Sums have to be even ones, and VSTRB.32 and
 * VLDRB.S32 want one of the first eight.
 */
const POINTERS = ["r1", "r9", "r12"], SUMS = ["r0", "r2", "r4", "r6", "r8", "r10"];
const WEIGHTS = "r3", PARAMS = "r11", OUT = "r5";
const pointer = (p: number): string => POINTERS[p];
const sum = (i: number): string => SUMS[i];
/** Where turns are counted while LR counts others. */
const COUNTER = "s16";
const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

/** One vector of the rows by one of each column of the part. */
function vector(
  s: ProductShape,
  rows: number,
  active: number,
  at: number | null,
  first: boolean,
  last: boolean,
): string[] {
  const cut = last && isCut(s.run);
  const op = first ? "vmladav" : "vmladava";
  const load = (p: number) =>
    `vldrb${cut ? "t" : ""}.8 q${p}, [${pointer(p)}${at === null ? "], #16" : `, #${at}]`}`;
  const columns = s.order === "pairs" ? 2 : GROUP;
  // Q4 holds the counter of an outer loop.
  const weight = (c: number) => `q${loops(s) ? 3 : 3 + c % 2}`;
  const loads = range(rows).map(load);
  const predicate = cut ? [`vpst${"t".repeat(rows - 1)}`] : [];
  return [
    ...predicate,
    ...loads,
    ...range(active).flatMap((c) => [
      // What lies behind the last column is passed over.
      `vldrb.8 ${weight(c)}, [${WEIGHTS}], #${c < active - 1 ? VECTOR : VECTOR * (columns - c)}`,
      ...range(rows).map((p) => `${op}.s8 ${sum(p * columns + c)}, q${p}, ${weight(c)}`),
    ]),
  ];
}

/** The sums of a part's columns over whole rows. */
function dot(s: ProductShape, rows: number, half: number, active: number): AsmItem[] {
  if (active === 0) return [];
  const vectors = vectorsOf(s.run), total = vectors * s.runs;
  const columns = s.order === "pairs" ? 2 : GROUP;
  const move = (by: number) => range(rows).flatMap((p) => advance(pointer(p), by));
  if (s.runs === 1 && vectors <= NEAR_VECTORS) {
    return range(vectors).flatMap((i) =>
      vector(s, rows, active, VECTOR * i, i === 0, i === vectors - 1)
    );
  }
  if (isMirrored(s.runs, s.run, s.order)) {
    return range(s.runs).flatMap((r) => [
      ...(r === 0 ? [] : move(half === 0 ? s.runStep : -s.runStep)),
      ...range(vectors).flatMap((i) =>
        vector(s, rows, active, VECTOR * i, r === 0 && i === 0, i === vectors - 1)
      ),
    ]);
  }
  const between = s.runStep - vectors * VECTOR;
  const back = move(-(s.runs - 1) * s.runStep - vectors * VECTOR);
  const piece = (start: boolean): string[] =>
    range(vectors).flatMap((i) =>
      vector(s, rows, active, null, start && i === 0, i === vectors - 1)
    );
  if (total <= STRAIGHT) {
    const pieces = range(s.runs).flatMap((r) => [
      ...(r === 0 ? [] : move(between)),
      ...piece(r === 0),
    ]);
    return [...pieces, ...back];
  }
  const zero = range(rows * columns).map((i) => `mov ${sum(i)}, #0`);
  if (s.runs > 1 && vectors <= STRAIGHT) {
    const turn = [...piece(false), ...move(between)];
    return [
      ...zero,
      { turns: s.runs, counter: "lr", body: turn },
      ...move(-s.runs * s.runStep),
    ];
  }
  // A last vector that is cut stands behind the loop.
  const whole = isCut(s.run) ? vectors - 1 : vectors;
  const unroll = [8, 7, 6, 5, 4].find((u) => whole % u === 0) ?? 4;
  const plain = vector(s, rows, active, null, false, false);
  const times = (n: number) => range(n).flatMap(() => plain);
  const long = (): AsmItem[] => [
    { turns: Math.floor(whole / unroll), counter: "lr", body: times(unroll) },
    ...times(whole % unroll),
    ...(whole < vectors ? vector(s, rows, active, null, false, true) : []),
  ];
  const pieces = range(s.runs).flatMap((r) => [...(r === 0 ? [] : move(between)), ...long()]);
  return [...zero, ...pieces, ...back];
}

/** Offsets that LDRSB takes. */
const NEAR_BYTES = 4095;

/** What the vectors of a group's columns leave of each piece, added to the sums of each row. */
function leftOver(s: ProductShape, rows: number, count: number): string[] {
  const left = leftOf(s.run);
  if (left === 0) return [];
  const value = (p: number, at: number): string[] =>
    at <= NEAR_BYTES
      ? [`ldrsb ${sum(0)}, [${pointer(p)}, #${at}]`]
      : [`movw ${sum(0)}, #${at}`, `ldrsb ${sum(0)}, [${pointer(p)}, ${sum(0)}]`];
  const each = range(s.runs * left).flatMap((i) => {
    const at = Math.floor(i / left) * s.runStep + s.run - left + i % left;
    return [
      `vldrb.s32 q0, [${WEIGHTS}], #${GROUP}`,
      ...range(rows).flatMap((p) => [...value(p, at), `vmla.s32 q${5 + p}, q0, ${sum(0)}`]),
    ];
  });
  if (s.order === "fours" || count > 1) return each;
  // There was no second half: nothing went over its constants, or back to the first piece.
  const back = isMirrored(s.runs, s.run, s.order) ? -(s.runs - 1) * s.runStep : 0;
  return [
    ...advance(WEIGHTS, vectorBytes(s) / 2),
    ...range(rows).flatMap((p) => advance(pointer(p), back)),
    ...each,
  ];
}

/** Whether the dot product itself counts its turns in LR. */
const loops = (s: ProductShape): boolean => s.runs * vectorsOf(s.run) > STRAIGHT;

/** Offsets that VSTRB takes. */
const STORE_REACH = 127;

/** The results of a tile to memory, the last columns' fewer under a predicate; OUT stands behind them then. */
function stores(s: ProductShape, rows: number, count: number): string[] {
  const full = count === GROUP;
  const place = (p: number): { before: string[]; at: string } => {
    const by = p * s.outStep;
    if (p === 0) return { before: [], at: full ? `[${OUT}], #${count}` : `[${OUT}]` };
    if (by <= STORE_REACH) return { before: [], at: `[${OUT}, #${by}]` };
    const [first, ...rest] = advance(sum(p), by);
    // From OUT at first.
    return {
      before: [first.replace(`${sum(p)}, ${sum(p)}`, `${sum(p)}, ${OUT}`), ...rest],
      at: `[${sum(p)}]`,
    };
  };
  const places = range(rows).map(place);
  const predicate = full
    ? []
    : [`mov ${sum(0)}, #${count}`, `vctp.32 ${sum(0)}`, `vpst${"t".repeat(rows - 1)}`];
  const store = (p: number) => `vstrb${full ? "" : "t"}.32 q${5 + p}, ${places[p].at}`;
  return [
    ...places.flatMap((x) => x.before),
    ...predicate,
    // The first goes last: it moves OUT on.
    ...range(rows).reverse().map(store),
  ];
}

/** Whether columns that are none take so much of a tile that the last group has a text of its own. */
const isWorthItsText = (groups: number, rest: number): boolean =>
  LEAST_SAVED * (GROUP - rest) >= GROUP * groups;

/** One part in so many. */
const LEAST_SAVED = 32;

/** All columns of one tile of rows. */
function tile(s: ProductShape, rows: number): AsmItem[] {
  const groups = Math.ceil(s.cols / GROUP), rest = s.cols % GROUP;
  const outs = range(rows).map((p) => `q${5 + p}`);
  /** The sums of a group, of which so many columns are any. */
  const sums = (count: number): AsmItem[] =>
    s.order === "pairs"
      ? range(2).flatMap((half): AsmItem[] => [
        ...dot(s, rows, half, Math.ceil((count - half) / 2)),
        ...outs.map((q, p) =>
          `vmov ${q}[${2 + half}], ${q}[${half}], ${sum(2 * p)}, ${sum(2 * p + 1)}`
        ),
      ])
      : [
        ...dot(s, rows, 0, count),
        `vmov q5[2], q5[0], ${sum(0)}, ${sum(2)}`,
        `vmov q5[3], q5[1], ${sum(1)}, ${sum(3)}`,
      ];
  const body = (count: number): AsmItem[] => [
    ...sums(count),
    ...leftOver(s, rows, count),
    `vldrw.32 q0, [${PARAMS}], #16`,
    `vldrw.32 q1, [${PARAMS}], #16`,
    ...requantizeLines(outs, "q0", "q1", s.bounds, sum(0), ["q2", "q3"]),
  ];
  const counter = loops(s) ? { in: COUNTER, free: sum(0) } : "lr" as const;
  const cut = !isCut(s.run) ? [] : [`mov ${sum(0)}, #${s.run % VECTOR}`, `vctp.8 ${sum(0)}`];
  const full = stores(s, rows, GROUP);
  if (rest === 0) return [...cut, { turns: groups, counter, body: [...body(GROUP), ...full] }];
  const last = stores(s, rows, rest);
  if (groups === 1) return [...cut, ...body(rest), ...last];
  if (isWorthItsText(groups, rest)) {
    const loop: AsmItem = { turns: groups - 1, counter, body: [...body(GROUP), ...full] };
    return [...cut, loop, ...body(rest), ...last];
  }
  const left = loops(s) ? [`vmov ${sum(0)}, ${COUNTER}`, `cmp ${sum(0)}, #1`] : ["cmp lr, #1"];
  return [
    ...cut,
    { turns: groups, counter, body: [...body(GROUP), ...left, "beq 9f", ...full] },
    "9:",
    ...last,
  ];
}

const DOC = (s: ProductShape, back: boolean): string =>
  `/* y[r][c] = (start[c] + sum of a[r][k] w[c][k]) * scale[c], rounded half to even, ${
    boundsText(s.bounds)
  }:
 * ${s.rows} rows ${s.rowStep} apart${s.rows > 1 ? `, ${s.outStep} in y` : ""}${
    s.places > 1 ? `, at ${s.places} places ${s.placeStep} apart, ${s.outPlace} in y` : ""
  }, ${s.cols} columns, ${
    s.runs > 1 ? `${s.runs} pieces of ${s.run} elements ${s.runStep} apart` : `${s.run} elements`
  }${back ? ", the last rows first" : ""} */`;

/**
 * y[r][c] = requantize(start[c] + Σ k: a[r][k]·w[c][k], scale[c]).
 *
 * Operands: y bytes, a int8, w int8 as {@link packedShape} says, p int32 [groups][2][4].
 *
 * @param back whether tiles go from the last rows to the first
 */
export function productColumns(s: ProductShape, back = false): TensorIntrin {
  const groups = Math.ceil(s.cols / GROUP);
  const name = `product${s.order === "fours" ? "4" : ""}_${shapeKey(s)}${back ? "_back" : ""}`;
  const head = `${DOC(s, back)}
__attribute__((noinline)) static void ${name}(${s.bounds.dtype}_t *y, const int8_t *a, const int8_t *w, const int32_t *p)`;
  return {
    name,
    args: [
      ...rowArgs(s),
      { name: "w", dtype: "int8", count: groups * groupBytes(s), mode: "read" },
      { name: "p", dtype: "int32", count: groups * 2 * GROUP, mode: "read" },
    ],
    scalars: [],
    byValue: false,
    inTurns: true,
    reversed: () => productColumns(s, !back),
    meaning: (args) => meaning(args, s, back),
    c: [
      {
        feature: "mve",
        needs: [],
        instructions: instructions(s),
        text: `${head}\n${vectorText(s, back)}`,
      },
      { feature: null, needs: ["float_of"], text: `${head}\n${portableText(s, back)}` },
    ],
  };
}

/** Calling, saving registers, and going from tile to tile. */
const AROUND = 40, TILE = 20;

function instructions(s: ProductShape): number {
  const rows = tileRows(s.rows), tiles = Math.ceil(s.rows / rows) * s.places;
  return AROUND + tiles * (asmCount(tile(s, rows)) + (tiles > 1 ? TILE : 0));
}

function vectorText(s: ProductShape, back: boolean): string {
  const rows = tileRows(s.rows), tiles = Math.ceil(s.rows / rows), last = s.rows - rows;
  const many = tiles > 1 && s.places > 1;
  const pad = many ? "            " : tiles > 1 || s.places > 1 ? "        " : "    ";
  const at = (base: string, step: number, p: number, place: number) =>
    [
      base,
      ...(s.places > 1 ? [`${place} * place`] : []),
      ...(tiles > 1 ? [`${step} * row`] : []),
      ...(p > 0 ? [`${p * step}`] : []),
    ].join(" + ");
  const pointers = range(rows).map(pointer);
  const given = range(rows).map((p) => at("a", s.rowStep, p, s.placeStep));
  // LDM takes them in the order of their numbers.
  const order = [
    ...pointers.map((r, p) => [r, given[p]]),
    [WEIGHTS, "w"],
    [PARAMS, "p"],
    [OUT, at("y", s.outStep, 0, s.outPlace)],
  ].sort(([a], [b]) => Number(a.slice(1)) - Number(b.slice(1)));
  const registers = order.map(([r]) => r);
  const sums = SUMS.slice(1, s.order === "pairs" ? 2 * rows : GROUP);
  const clobbers = [...registers, ...sums, "lr", ...range(8).map((q) => `q${q}`), "cc", "memory"];
  const inner = `${pad}const void *given[${order.length}] = { ${
    order.map(([, v]) => v).join(", ")
  } };
${pad}register const void **r0 __asm__("r0") = given;

${pad}__asm__ volatile(
${asmText([`ldm r0, {${registers.join(", ")}}`, ...tile(s, rows)], `${pad}    `)}
${pad}    : "+r"(r0)
${pad}    :
${pad}    : ${clobbers.map((c) => `"${c}"`).join(", ")});`;
  const each = back
    ? `for (int32_t place = ${s.places - 1}; place >= 0; place--) {`
    : `for (int32_t place = 0; place < ${s.places}; place++) {`;
  const next = s.rows % rows === 0
    ? `row += ${rows}`
    // The last tile computes some rows again.
    : `row = row + ${rows} < ${last} || row == ${last} ? row + ${rows} : ${last}`;
  const before = s.rows % rows === 0
    ? `row -= ${rows}`
    : `row = row == ${last} ? ${(tiles - 2) * rows} : row - ${rows}`;
  const tileLoop = back
    ? `for (int32_t row = ${last}; row >= 0; ${before}) {`
    : `for (int32_t row = 0; row <= ${last}; ${next}) {`;
  const loops = [
    ...(s.places > 1 ? [each] : []),
    ...(tiles > 1 ? [tileLoop] : []),
  ];
  const indent = (i: number) => "    ".repeat(i + 1);
  return [
    "{",
    ...loops.map((l, i) => `${indent(i)}${l}`),
    inner,
    ...loops.map((_, i) => `${indent(loops.length - 1 - i)}}`),
    "}",
  ].join("\n");
}

function portableText(s: ProductShape, back: boolean): string {
  const vectors = vectorsOf(s.run), cols = lanesOf(s.order), left = leftOf(s.run);
  const lane = s.order === "pairs" ? "c % 4 / 2" : "c % 4";
  const part = s.order === "pairs" ? ` + c % 2 * ${vectorBytes(s) / 2}` : "";
  const place = isMirrored(s.runs, s.run, s.order)
    ? `(c % 2 == 0 ? piece : ${s.runs - 1} - piece)`
    : "piece";
  const at = (row: number, place: number) =>
    s.places > 1 ? `${row} * (r % ${s.rows}) + ${place} * (r / ${s.rows})` : `${row} * r`;
  const row = `a[${at(s.rowStep, s.placeStep)} + ${s.runStep} * piece + `;
  const behind = `
                for (int32_t k = 0; k < ${left}; k++) {
                    sum += ${row}k + ${s.run - left}]
                        * w[c / 4 * ${groupBytes(s)} + (${left} * piece + k) * 4 + c % 4 + ${
    vectorBytes(s)
  }];
                }`;
  const turns = back
    ? `int32_t r = ${s.rows * s.places - 1}; r >= 0; r--`
    : `int32_t r = 0; r < ${s.rows * s.places}; r++`;
  return `{
    for (${turns}) {
        for (int32_t c = 0; c < ${s.cols}; c++) {
            const int8_t *v = w + c / 4 * ${groupBytes(s)}${part} + ${lane} * ${VECTOR};
            const int32_t *params = p + c / 4 * 8 + c % 4;
            int32_t sum = params[0];

            for (int32_t piece = 0; piece < ${s.runs}; piece++) {
                for (int32_t k = 0; k < ${s.run - left}; k++) {
                    sum += ${row}k]
                        * v[(${place} * ${vectors} + k / ${VECTOR}) * ${
    cols * VECTOR
  } + k % ${VECTOR}];
                }${left > 0 ? behind : ""}
            }
            {
${
    requantizeC(`y[${at(s.outStep, s.outPlace)} + c]`, "sum", "float_of(params[4])", s.bounds).map((
      l,
    ) => l === "" ? "" : `                ${l}`).join("\n")
  }
            }
        }
    }
}`;
}

function meaning(args: readonly Access[], s: ProductShape, back: boolean): Stmt {
  const rows = tileRows(s.rows), tiles = Math.ceil(s.rows / rows);
  const tile = turnOf("tile", tiles), inTile = turnOf("r", rows), col = turnOf("c", s.cols);
  const place = turnOf("place", s.places);
  // The last tile computes some rows again.
  const row = add(min(mul(tile, rows), s.rows - rows), inTile);
  const rowsOfTile = loopOf(
    inTile,
    rows,
    loopOf(col, s.cols, outputOf(args, s, { row, col, place })),
  );
  const all = loopOf(tile, tiles, rowsOfTile, back);
  return s.places === 1 ? all : loopOf(place, s.places, all, back);
}
