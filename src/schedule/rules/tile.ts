/** Tiles of rows × columns, and the rows that they read. */
import type { Var } from "../../te/expr.ts";
import { coefficient, linear } from "../../te/linear.ts";
import { loads } from "../../te/analyze.ts";
import { factors } from "../gemm.ts";
import { DOT_BLOCK, INTRINSICS, widthOf } from "../tensorize.ts";
import type { Stage, State, Workload } from "../state.ts";
import type { Step } from "../steps.ts";
import { memoryOrder } from "./common.ts";

/** Axes of the output by the factor that they come from, each in the order of the output's memory. */
export function tileAxes(w: Workload, s: State, r: Stage, out: Stage) {
  const f = factors(s, r);
  if (typeof f === "string" || f.colAxes.length === 0 || f.rowAxes.length === 0) return null;
  const name = (i: number): string => out.compute.axes[i].name;
  const axes = memoryOrder(w, out);
  return {
    weights: f.weights,
    rowAxes: axes.filter((n) => f.rowAxes.map(name).includes(n)),
    colAxes: axes.filter((n) => f.colAxes.map(name).includes(n)),
  };
}

/** Rows and columns of a tile, and how many blocks of columns are taken at a time. */
export interface TileSize {
  readonly rows: number;
  readonly cols: number;
  /** Null: all of them for each tile of rows. */
  readonly groups?: number | null;
  /** One tile has all rows. */
  readonly once?: boolean;
}

/** A tile of rows × columns: the product inside the loop over columns, its rows outside of it. */
export function tileSteps(
  r: Stage,
  out: Stage,
  { rowAxes, colAxes }: { rowAxes: readonly string[]; colAxes: readonly string[] },
  { rows, cols, groups = null, once }: TileSize,
): Step[] {
  const stage = out.name, inner = groups === null ? "col_o" : "col_o_i";
  const outer = groups === null ? ["row_o"] : once ? ["row_o", "col_o_o"] : ["col_o_o", "row_o"];
  return [
    { do: "reorder", stage, loops: [...rowAxes, ...colAxes] },
    { do: "fuse", stage, loops: rowAxes, into: "row" },
    { do: "fuse", stage, loops: colAxes, into: "col" },
    { do: "split", stage, loop: "row", factor: rows, tail: "cut" },
    { do: "split", stage, loop: "col", factor: cols, tail: "cut" },
    ...(groups === null
      ? []
      : [{ do: "split", stage, loop: "col_o", factor: groups, tail: "exact" } as const]),
    { do: "reorder", stage, loops: [...outer, inner, "row_i", "col_i"] },
    { do: "unroll", stage, loop: "row_i" },
    { do: "unroll", stage, loop: "col_i" },
    { do: "computeAt", stage: r.name, at: stage, loop: inner },
    { do: "computeAt", stage: `${r.name}_rows`, at: stage, loop: "row_o" },
  ];
}

/**
 * Rows are filled in runs of elements that follow each other in memory, several at a time, and
 * without tests where the window meets no border.
 *
 * @param move the intrinsic that moves part of a run of so many elements
 */
export function rowSteps(
  w: Workload,
  r: Stage,
  stage: string,
  move: (dtype: "int8" | "uint8", run: number) => string,
): Step[] {
  const { body } = r.compute;
  if (body.k !== "reduce") return [];
  const border: Step[] = body.where.length
    ? [{ do: "specialize", stage, loop: "row", for: stage }]
    : [];
  const found = rowRun(w, r);
  if (!found) return border;
  const { loops: run, length, dtype } = found;
  const name = run.length > 1 ? "run" : run[0];
  const intrinsic = move(dtype, length);
  return [
    ...(run.length > 1 ? [{ do: "fuse", stage, loops: run, into: name }] as Step[] : []),
    { do: "split", stage, loop: name, factor: widthOf(INTRINSICS.get(intrinsic)!), tail: "cut" },
    { do: "tensorize", stage, loop: `${name}_i`, intrinsic },
    ...border,
  ];
}

/** Loops of the reduction that run through neighbours in memory. */
export interface Run {
  readonly loops: readonly string[];
  readonly length: number;
  readonly dtype: "int8" | "uint8";
}

/**
 * The run in which a product reads its activation; null where it reads no bytes, or no neighbours.
 *
 * @param most loops that make the run at most
 */
export function rowRun(w: Workload, r: Stage, most = Infinity): Run | null {
  const { body } = r.compute;
  if (body.k !== "reduce") return null;
  const source = loads(body.body).find((l) => w.buffers.has(l.src));
  if (!source || (source.dtype !== "int8" && source.dtype !== "uint8")) return null;
  const { strides } = w.buffers.get(source.src)!;
  /** Elements of memory between neighbours along a reduction axis. */
  const step = (v: Var): number =>
    source.idx.reduce((sum, e, i) => sum + (coefficient(linear(e), v) ?? NaN) * strides[i], 0);
  const loops: string[] = [];
  let length = 1;
  for (const { v, extent } of [...body.axes].reverse()) {
    // Runs of whole fours stay apart: at a border they are tested as a whole.
    if (step(v) !== length || (loops.length > 0 && length % 4 === 0)) break;
    if (loops.length >= most && length > 1) break;
    loops.unshift(v.name);
    length *= extent;
  }
  return loops.length === 0 ? null : { loops, length, dtype: source.dtype };
}

/** The axes of a product's reduction along which its activation lies in rows of unknown distance. */
export function acrossRows(w: Workload, r: Stage): readonly string[] {
  const { body } = r.compute;
  if (body.k !== "reduce") return [];
  const source = loads(body.body).find((l) => w.buffers.has(l.src));
  const { strides, rowsApart } = source ? w.buffers.get(source.src)! : {};
  if (!source || rowsApart === undefined) return [];
  const moves = (v: Var): boolean =>
    source.idx.some((e, i) => strides![i] >= rowsApart && coefficient(linear(e), v) !== 0);
  return body.axes.filter((a) => moves(a.v)).map((a) => a.v.name);
}

/** The product as one call for the whole tile. */
export const pairedProduct = (stage: string): Step[] => [
  { do: "reorder", stage, loops: ["k", "row", "col"] },
  { do: "tensorize", stage, loop: "k", intrinsic: DOT_BLOCK },
];
