/** Rows × columns on cores with SMLAD and an FPU: tiles of interleaved rows by a stream of columns. */
import { intRange } from "../../util/dtype.ts";
import { loads, valueRange } from "../../te/analyze.ts";
import { REQUANTIZE } from "../../te/rounding.ts";
import { GROUP } from "../../tir/tile.ts";
import { canTile } from "../gemm.ts";
import { narrowable } from "../narrow.ts";
import { has } from "../../target/target.ts";
import type { Stage } from "../state.ts";
import type { Form } from "./form.ts";
import type { Step } from "../steps.ts";
import { SPREAD } from "../tensorize.ts";
import { acrossRows, pairedProduct, rowRun, type Run, tileAxes, tileSteps } from "./tile.ts";

/** Rows and columns in registers; a single row takes two pairs of columns. */
export const ROWS = 3, COLS = 2;
const SINGLE_ROW_COLS = 4;

/** Elements of an output that are written out after each other. */
const EACH = 4;

/** Elements of a run up to which they are written out at a border. */
const SHORT_RUN = 12;

/** Elements of all runs up to which their loops are written out. */
const SHORT = 32;

/** Whether an output is a byte that is requantised from the product alone. */
export function isRequantised({ compute: { body, out } }: Stage, r: Stage): boolean {
  if (body.k !== "cast" || body.a.k !== "call" || body.a.fn !== REQUANTIZE) return false;
  const [sum, scale, ...bounds] = body.a.args;
  return (out.dtype === "int8" || out.dtype === "uint8") && bounds.every((b) => b.k === "imm") &&
    sum.k === "load" && sum.src === r.compute.out &&
    loads(scale).every((l) => l.src !== r.compute.out);
}

/**
 * Rows are filled run by run, all rows of a tile at once where their windows meet no border, or one
 * without tests where its own meets none.
 *
 * @param across axes of the reduction that lead to places that lie anywhere: all rows of a tile are
 *   filled from one of them before the next
 */
export function fillSteps(
  r: Stage,
  stage: string,
  run: Run | null,
  rows: number,
  filled: boolean,
  across: readonly string[] = [],
): Step[] {
  const { body } = r.compute;
  if (body.k !== "reduce") return [];
  const axes = body.axes.map((a) => a.v.name);
  const inTile = (...loops: string[]): string[] => [
    ...across,
    ...loops.filter((n) => !across.includes(n)),
  ];
  const spreads = (loops: readonly string[]): Step[] =>
    loops.map((loop) => ({ do: "tensorize", stage, loop, intrinsic: SPREAD }));
  const border: Step[] = body.where.length
    ? ["row_o", "row_i"].map((loop) => ({ do: "specialize", stage, loop, for: stage }))
    : [];
  const tile: Step = { do: "split", stage, loop: "row", factor: rows, tail: "cut" };
  if (run === null || run.length < GROUP) return [tile, ...border];
  // What a border leaves of a short run is copied element by element.
  const short = run.length <= SHORT_RUN && body.where.length > 0;
  const unrolled = (loop: string): Step[] => short ? [{ do: "unroll", stage, loop }] : [];
  if (run.length % GROUP === 0) {
    const only = run.loops.length === 1 ? unrolled(run.loops[0]) : [];
    const loops = inTile("row_i", ...axes);
    const order: Step[] = across.length > 0
      ? [{ do: "reorder", stage, loops: ["row_o", ...loops] }]
      : [];
    return [tile, ...order, ...spreads(loops), ...only, ...border];
  }
  const length = body.axes.reduce((n, a) => n * a.extent, 1);
  const single = run.length === length;
  if (filled && !single) {
    const outer = axes.filter((n) => !run.loops.includes(n));
    const inner = inTile("row_i", ...outer, "k_i");
    return [
      tile,
      { do: "split", stage, loop: "k", factor: run.length - run.length % GROUP, tail: "cut" },
      { do: "reorder", stage, loops: ["row_o", "k_o", ...inner] },
      ...spreads(inner),
      ...border,
    ];
  }
  const name = single ? "k" : run.loops.length > 1 ? "run" : run.loops[0];
  const fused: Step[] = !single && run.loops.length > 1
    ? [{ do: "fuse", stage, loops: run.loops, into: name }]
    : [];
  const factor = run.length - run.length % GROUP;
  const others = length <= SHORT && !single ? axes.filter((n) => !run.loops.includes(n)) : [];
  return [
    tile,
    ...fused,
    { do: "split", stage, loop: name, factor, tail: "cut" },
    ...(single
      ? [{ do: "reorder", stage, loops: [`${name}_o`, "row_i", `${name}_i`] } as Step]
      : []),
    ...spreads([...(single ? ["row_i"] : []), `${name}_i`]),
    ...unrolled(`${name}_i`),
    ...others.map((loop): Step => ({ do: "unroll", stage, loop })),
    ...border,
  ];
}

/** The rows of an output by so many, all their columns inside. */
const rowsOfOutput = (
  out: Stage,
  { rowAxes, colAxes }: { rowAxes: readonly string[]; colAxes: readonly string[] },
  rows: number,
): Step[] => [
  { do: "reorder", stage: out.name, loops: [...rowAxes, ...colAxes] },
  { do: "fuse", stage: out.name, loops: rowAxes, into: "row" },
  { do: "fuse", stage: out.name, loops: colAxes, into: "col" },
  { do: "split", stage: out.name, loop: "row", factor: rows, tail: "cut" },
];

/** A stage by rows and columns, a tile of the product `r` after another, each as one call. */
const blocksOfTile = (r: Stage, stage: string, text: "own" | "shared"): Step[] => [
  { do: "reorder", stage, loops: ["row_o", "col_o", "row_i", "col_i"] },
  { do: "unroll", stage, loop: "row_i" },
  { do: "unroll", stage, loop: "col_i" },
  { do: "computeAt", stage: r.name, at: stage, loop: "col_o" },
  { do: "computeAt", stage: `${r.name}_rows`, at: stage, loop: "row_o" },
  { do: "columns", stage, loop: "col_o", text },
  { do: "unroll", stage: r.name, loop: "row" },
  { do: "unroll", stage: r.name, loop: "col" },
  ...pairedProduct(r.name),
];

/** Whether several runs leave something over that can fill fours. */
export function canFill({ compute: { body } }: Stage, run: Run | null): boolean {
  if (body.k !== "reduce" || run === null || run.length < GROUP) return false;
  const times = body.axes.reduce((n, a) => n * a.extent, 1) / run.length;
  return run.length % GROUP !== 0 && times > 1;
}

/** Elements along some axes of an output. */
const widthOf = ({ compute: { axes, out } }: Stage, names: readonly string[]): number =>
  names.reduce((p, n) => p * out.shape[axes.findIndex((v) => v.name === n)], 1);

/** The most blocks of columns that divide all, whose constants take so many bytes; null for one group. */
function groupSize(columns: number, cols: number, length: number, bytes: number): number | null {
  if (columns % cols !== 0) return null;
  const blocks = columns / cols;
  for (let n = blocks - 1; n > 0; n--) {
    if (blocks % n === 0 && n * cols * length <= bytes) return n;
  }
  return null;
}

/**
 * The steps; null where the product is none of small integers, or the core lacks the instructions.
 *
 * @param text whether the code is for this product alone, or shared with others
 * @param wide whether constants of bytes are kept as halfwords, so that nothing has to be unpacked
 * @param filled whether what is left of several runs fills fours, be they as long as they can, or one
 *   axis each; null where that gives nothing new
 * @param most rows of a tile; 0: a single one whose bytes are read where they lie
 * @param unpacked bytes of constants that are unpacked at a time: columns are taken in groups of so many
 */
export function tilesSchedule(
  { w, s, r, out, target }: Form,
  text: "own" | "shared",
  wide = false,
  filled?: "runs" | "axis",
  most = ROWS,
  unpacked = 0,
): Step[] | null {
  if (!has(target, "dsp") || !has(target, "fpu")) return null;
  const axes = tileAxes(w, s, r, out);
  if (!axes) return null;
  const [lo, hi] = valueRange(axes.weights) ?? [-Infinity, Infinity], i16 = intRange("int16");
  if (lo < i16.min || hi > i16.max) return null;
  const pixels = widthOf(out, axes.rowAxes), rows = Math.max(1, Math.min(pixels, most));
  // Fewer than there could be are for less memory, of which a single row takes the least.
  if (most > 0 && most < ROWS && rows >= Math.min(pixels, ROWS)) return null;
  const cols = Math.min(widthOf(out, axes.colAxes), rows === 1 ? SINGLE_ROW_COLS : COLS);
  const longest = rowRun(w, r), run = filled === "axis" ? rowRun(w, r, 1) : longest;
  if (filled && !canFill(r, run)) return null;
  if (filled === "axis" && run?.length === longest?.length) return null;
  const bytes = canTile(s, r);
  // Halfwords are what is proposed anyhow.
  if (wide && !bytes) return null;
  const stage = `${r.name}_rows`;
  const direct: Step[] = most === 0 ? [{ do: "direct", stage }] : [];
  const gemm: Step = {
    do: "gemm",
    stage: r.name,
    block: cols,
    group: GROUP,
    order: "tiles",
    dtype: bytes && !wide ? "int8" : "int16",
    tile: rows,
    ...(run === null || run.length % GROUP === 0 ? {} : { run: run.length }),
    ...(filled ? { filled: true } : {}),
  };
  const across = rows === ROWS ? acrossRows(w, r) : [];
  const fill = fillSteps(r, stage, run, rows, filled !== undefined, across);
  if (isRequantised(out, r)) {
    const length = r.compute.body.k === "reduce"
      ? r.compute.body.axes.reduce((n, a) => n * a.extent, 1)
      : 0;
    const groups = unpacked === 0
      ? null
      : groupSize(widthOf(out, axes.colAxes), cols, length, unpacked);
    if (unpacked > 0 && groups === null) return null;
    return [
      gemm,
      ...tileSteps(r, out, axes, { rows, cols, groups, once: pixels <= rows }),
      { do: "columns", stage: out.name, loop: groups ? "col_o_i" : "col_o", text },
      { do: "unroll", stage: r.name, loop: "row" },
      { do: "unroll", stage: r.name, loop: "col" },
      ...pairedProduct(r.name),
      ...fill,
      ...direct,
    ];
  }
  if (unpacked > 0) return null;
  if (rows > 1 && narrowable(out, r)) {
    // All columns of a few rows as bytes, then what is made of them.
    const q = `${r.name}_q`;
    return [
      gemm,
      { do: "narrow", stage: r.name },
      ...rowsOfOutput(out, axes, rows),
      { do: "split", stage: out.name, loop: "col", factor: EACH, tail: "cut" },
      { do: "unroll", stage: out.name, loop: "col_i" },
      { do: "computeAt", stage: q, at: out.name, loop: "row_o" },
      { do: "split", stage: q, loop: "row", factor: rows, tail: "cut" },
      { do: "split", stage: q, loop: "col", factor: cols, tail: "cut" },
      ...blocksOfTile(r, q, text),
      ...fill,
      ...direct,
    ];
  }
  // All sums of a few rows, then what is made of them.
  return [
    gemm,
    ...rowsOfOutput(out, axes, rows),
    { do: "computeAt", stage: r.name, at: out.name, loop: "row_o" },
    { do: "computeAt", stage, at: out.name, loop: "row_o" },
    { do: "split", stage: r.name, loop: "col", factor: cols, tail: "cut" },
    { do: "reorder", stage: r.name, loops: ["col_o", "k", "row", "col_i"] },
    { do: "unroll", stage: r.name, loop: "row" },
    { do: "unroll", stage: r.name, loop: "col_i" },
    { do: "tensorize", stage: r.name, loop: "k", intrinsic: "dot_block" },
    { do: "columns", stage: r.name, loop: "col_o", text },
    ...fill,
    ...direct,
  ];
}

/** As `tilesSchedule` with rows that are read where they lie, for a single block of columns. */
export function oneBlockSchedule(form: Form, text: "own" | "shared"): Step[] | null {
  const { w, s, r, out } = form, axes = tileAxes(w, s, r, out);
  if (!axes || widthOf(out, axes.colAxes) > SINGLE_ROW_COLS) return null;
  return tilesSchedule(form, text, false, undefined, 0);
}
