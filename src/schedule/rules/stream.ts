/** Products of whole rows by all columns in one call (MVE). */
import type { Expr, Var } from "../../te/expr.ts";
import { sizeOf } from "../../util/tensor.ts";
import { coefficient, linear } from "../../te/linear.ts";
import { loads, variables } from "../../te/analyze.ts";
import { copy, copyWidth } from "../../tir/mve.ts";
import { fewVectors } from "../../tir/mve_columns.ts";
import { type ColumnOrder, VECTOR } from "../../tir/mve_product_layout.ts";
import { canPad } from "../pad.ts";
import { factors } from "../gemm.ts";
import { productOf } from "../product.ts";
import { COPIES, PRODUCT } from "../tensorize.ts";
import type { Proposals } from "./form.ts";
import type { Stage, State, Workload } from "../state.ts";
import { requantizer, whyNoStream } from "../stream.ts";
import type { Step } from "../steps.ts";
import { memoryOf, memoryOrder, tensorize } from "./common.ts";
import { rowSteps } from "./tile.ts";

/** Rows whose elements are gathered before they meet the columns. */
const TILE = 3;

/** Ways to bring rows to the columns, where sums of products are requantised and nothing else becomes of them. */
export function streamSchedule(w: Workload, s: State, r: Stage, out: Stage): Proposals {
  const f = productOf(s, r);
  if (typeof f === "string" || whyNoStream(s, r) !== null) return [];
  const product = factors(s, r), sums = requantizer(s, r);
  if (typeof product === "string" || !sums || product.rowAxes.length === 0) return [];
  const order = memoryOrder(w, out);
  // A stage of its own has its axes in another order than the sums.
  const columns = product.colAxes.map((i) => sums.acc.idx[i])
    .flatMap((e) => e.k === "var" ? [e.name] : []);
  const axes = { rowAxes: order.filter((n) => !columns.includes(n)), colAxes: columns };
  const source = loads(f.activation).find((l) => !s.consts.has(l.src));
  if (columns.length !== 1 || !source) return [];
  const memory = w.buffers.get(source.src);
  const own = memoryOf(w, out);
  const column = out.compute.axes.findIndex((v) => v.name === axes.colAxes[0]);
  if (own.strides[column] !== 1 || !memory) return [];
  const { strides } = memory;
  const bytes = source.dtype === "int8" || source.dtype === "uint8";
  const extents = f.reduce.axes.map((a) => a.extent);
  /** Elements of memory between neighbours along an axis of the reduction. */
  const step = (v: Var, memory: readonly number[]): number =>
    source.idx.reduce((sum, e, i) => sum + (coefficient(linear(e), v) ?? NaN) * memory[i], 0);
  /** How many of the last axes run through neighbours. */
  const run = (memory: readonly number[]): number => {
    let length = 1, n = 0;
    for (const { v, extent } of [...f.reduce.axes].reverse()) {
      if (extent > 1 && step(v, memory) !== length) break;
      length *= extent;
      n++;
    }
    return n;
  };
  const all = [
    ...r.compute.axes.map((v, i) => ({ v, extent: r.compute.out.shape[i] })),
    ...f.reduce.axes,
  ].filter((a) => a.extent > 1);
  /** How far the positions that an index takes lie apart. */
  const between = (e: Expr): number =>
    all.reduce((n, a) => gcd(n, Math.abs(coefficient(linear(e), a.v) ?? NaN)), 0) || 1;
  /** Positions between the first and the last that an index takes, both counted. */
  const span = (e: Expr): number =>
    all.reduce((n, a) => n + Math.abs(coefficient(linear(e), a.v) ?? NaN) * (a.extent - 1), 1);
  const size = (n: number) => extents.slice(extents.length - n).reduce((a, b) => a * b, 1);
  const rowCount = sizeOf(own.shape) / own.shape[column];
  const layout = rowCount === 1 ? "fours" as const : "pairs" as const;
  const tail = (
    streamed: number,
    attach: string | null,
    layout: ColumnOrder,
  ): Step[] => [
    { do: "stream", stage: r.name, run: streamed, order: layout },
    { do: "reorder", stage: out.name, loops: order },
    { do: "computeAt", stage: r.name, at: out.name, loop: axes.colAxes[0] },
    {
      do: "reorder",
      stage: r.name,
      loops: [...r.compute.axes.map((v) => v.name), ...f.reduce.axes.map((a) => a.v.name)],
    },
    ...order.slice(attach === null ? 0 : order.indexOf(attach) + 1)
      .map((loop) => tensorize(out.name, loop, PRODUCT)),
  ];
  const found: (readonly [string, readonly Step[]])[] = [];
  const pieces = (n: number) => extents.slice(0, extents.length - n).filter((e) => e > 1).length;
  // Straight from the input.
  const direct = run(strides);
  const isDirect = source.dtype === "int8" && f.reduce.where.length === 0 && direct > 0 &&
    pieces(direct) <= 1;
  /** The orders of the constants, where so many of the last axes are one piece. */
  const orders = (n: number): (readonly [string, ColumnOrder])[] => {
    const pieces = extents.slice(0, extents.length - n).reduce((a, b) => a * b, 1);
    const each = rowCount > 1 && fewVectors(pieces, size(n));
    return [["", layout], ...(each ? [[", by columns", "each"] as const] : [])];
  };
  if (isDirect) {
    for (const [text, order] of orders(direct)) {
      found.push([`direct${text}`, tail(direct, null, order)]);
    }
  }
  // From a copy of the rows of input that a row of output reads.
  if (bytes && canPad(s, r) && order.length >= 3) {
    // What windows take as a whole, channels, lies innermost, wherever the operand has it.
    const moves = (d: number) => r.compute.axes.some((v) => variables(source.idx[d]).has(v));
    const whole = (d: number) => memory.shape[d] > 1 && !moves(d) ? 1 : 0;
    const copyOrder = strides.map((_, i) => i)
      .sort((a, b) => whole(a) - whole(b) || strides[b] - strides[a] || a - b);
    // What no window reads is left out where windows themselves leave it out.
    const sparse = source.idx.some((e) =>
      between(e) > 1 && f.reduce.axes.some((a) => a.extent > 1 && coefficient(linear(e), a.v))
    );
    const dense: number[] = [];
    copyOrder.reduceRight((size, d) => {
      const apart = sparse ? between(source.idx[d]) : 1;
      dense[d] = size / apart;
      return size * ((span(source.idx[d]) - 1) / apart + 1);
    }, 1);
    const n = run(dense), attach = order.at(-3)!, copied = `${r.name}_x`;
    const pad: Step = {
      do: "pad",
      stage: r.name,
      order: copyOrder,
      dtype: "int8",
      ...(sparse && { sparse }),
    };
    const copies = copyOrder.slice(-3).map((d) => tensorize(copied, `d${d}`, COPIES));
    const at: Step = { do: "computeAt", stage: copied, at: out.name, loop: attach };
    const extent = out.compute.out.shape[out.compute.axes.findIndex((v) => v.name === attach)];
    const hasRows = n > 0 && pieces(n) <= 1;
    const hasWindows = n > 0 && size(n) <= VECTOR && f.reduce.axes.length > n;
    // Column by column the way with the fewest vectors is best, and what saves a copy or makes fewer.
    const vectors = (n: number) => size(extents.length) / size(n) * Math.ceil(size(n) / VECTOR);
    const gathers = hasWindows && (!hasRows || vectors(extents.length) < vectors(n));
    for (const [text, by] of hasRows ? orders(n) : []) {
      const fits = by !== "each" || (!isDirect && !gathers);
      if (fits && (by !== "each" || extent <= TILE)) {
        found.push([`rows${text}`, [pad, ...tail(n, attach, by), at, ...copies]]);
      }
      if (fits && extent > TILE) {
        const split: Step = {
          do: "split",
          stage: out.name,
          loop: attach,
          factor: TILE,
          tail: "cut",
        };
        const [streamed, reordered, ...others] = tail(n, attach, by);
        found.push([`blocks${text}`, [
          pad,
          streamed,
          reordered,
          split,
          ...others,
          tensorize(out.name, `${attach}_i`, PRODUCT),
          { ...at, loop: `${attach}_o` },
          ...copies,
        ]]);
      }
    }
    if (hasWindows) {
      for (const [text, by] of orders(extents.length)) {
        if (by === "each" && !gathers) continue;
        found.push([
          `windows${text}`,
          [pad, ...windowSteps(r, out, order, axes, attach, by), at, ...copies],
        ]);
      }
    }
  }
  return [...found, ["gather", gatherSchedule(w, r, out, axes, layout)]];
}

/** What each output of a row reads, gathered from the copy of the rows of input. */
function windowSteps(
  r: Stage,
  out: Stage,
  order: readonly string[],
  { colAxes }: { colAxes: readonly string[] },
  attach: string,
  layout: ColumnOrder,
): Step[] {
  const rows = `${r.name}_rows`, { body } = r.compute;
  const taps = body.k === "reduce" ? body.axes.map((a) => a.v.name) : [];
  return [
    gemmStep(r),
    { do: "stream", stage: r.name, run: 1, order: layout },
    { do: "reorder", stage: out.name, loops: order },
    { do: "computeAt", stage: r.name, at: out.name, loop: colAxes[0] },
    { do: "computeAt", stage: rows, at: out.name, loop: attach },
    ...order.slice(order.indexOf(attach) + 1).map((loop) => tensorize(out.name, loop, PRODUCT)),
    ...["row", ...taps].map((loop) => tensorize(rows, loop, COPIES)),
  ];
}

const gcd = (a: number, b: number): number => b === 0 ? a : gcd(b, a % b);

const gemmStep = (r: Stage): Step => ({
  do: "gemm",
  stage: r.name,
  block: 1,
  group: 1,
  order: "columns",
  dtype: "int8",
  rows: "int8",
});

/** Rows are gathered a tile at a time. */
function gatherSchedule(
  w: Workload,
  r: Stage,
  out: Stage,
  { rowAxes, colAxes }: { rowAxes: readonly string[]; colAxes: readonly string[] },
  layout: "pairs" | "fours",
): Step[] {
  const rows = `${r.name}_rows`;
  return [
    gemmStep(r),
    { do: "stream", stage: r.name, run: 1, order: layout },
    { do: "reorder", stage: out.name, loops: [...rowAxes, ...colAxes] },
    { do: "fuse", stage: out.name, loops: rowAxes, into: "row" },
    { do: "split", stage: out.name, loop: "row", factor: TILE, tail: "cut" },
    { do: "computeAt", stage: r.name, at: out.name, loop: colAxes[0] },
    { do: "computeAt", stage: rows, at: out.name, loop: "row_o" },
    tensorize(out.name, "row_i", PRODUCT),
    tensorize(out.name, colAxes[0], PRODUCT),
    ...rowSteps(w, r, rows, (dtype, run) => copy(dtype, copyWidth(run)).name),
  ];
}
