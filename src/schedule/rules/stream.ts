/** Products of whole rows by all columns in one call (MVE). */
import type { Var } from "../../te/expr.ts";
import { coefficient, linear } from "../../te/linear.ts";
import { loads } from "../../te/analyze.ts";
import { copy, copyWidth } from "../../tir/mve.ts";
import { VECTOR } from "../../tir/mve_product.ts";
import { canPad } from "../pad.ts";
import { productOf } from "../product.ts";
import { PRODUCT } from "../tensorize.ts";
import type { Stage, State, Workload } from "../state.ts";
import { whyNoStream } from "../stream.ts";
import type { Step } from "../steps.ts";
import { memoryOrder, tensorize } from "./common.ts";
import { rowSteps, tileAxes } from "./tile.ts";

/** Rows whose elements are gathered before they meet the columns. */
const TILE = 3;

/** Most bytes of zeros that vectors of a piece may hold, of those that they have. */
const WASTE = 0.2;

/** The steps, where sums of products are requantised and nothing else becomes of them. */
export function streamSchedule(w: Workload, s: State, r: Stage, out: Stage): Step[] | null {
  const f = productOf(s, r);
  if (typeof f === "string" || whyNoStream(s, r) !== null) return null;
  const axes = tileAxes(w, s, r, out);
  const source = loads(f.activation).find((l) => !s.consts.has(l.src));
  if (!axes || axes.colAxes.length !== 1 || !source) return null;
  const memory = w.buffers.get(source.src);
  const own = w.buffers.get(out.compute.out)!;
  const column = out.compute.axes.findIndex((v) => v.name === axes.colAxes[0]);
  if (own.strides[column] !== 1 || !memory) return null;
  const { strides } = memory;
  const order = memoryOrder(w, out);
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
  const size = (n: number) => extents.slice(extents.length - n).reduce((a, b) => a * b, 1);
  const waste = (n: number) => Math.ceil(size(n) / VECTOR) * VECTOR / size(n) - 1;
  const rowCount = own.length / own.shape[column];
  const layout = rowCount === 1 ? "fours" as const : "pairs" as const;
  const tail = (streamed: number, attach: string | null): Step[] => [
    { do: "stream", stage: r.name, run: streamed, order: layout },
    { do: "reorder", stage: out.name, loops: order },
    { do: "computeAt", stage: r.name, at: out.name, loop: axes.colAxes[0] },
    {
      do: "reorder",
      stage: r.name,
      loops: [...r.compute.axes.map((v) => v.name), ...f.reduce.axes.map((a) => a.v.name)],
    },
    ...(attach === null ? [] : [
      { do: "computeAt", stage: `${r.name}_x`, at: out.name, loop: attach } as const,
    ]),
    ...order.slice(attach === null ? 0 : order.indexOf(attach) + 1)
      .map((loop) => tensorize(out.name, loop, PRODUCT)),
  ];
  // Straight from the input.
  const direct = run(strides);
  if (
    source.dtype === "int8" && f.reduce.where.length === 0 && direct > 0 &&
    waste(direct) <= WASTE &&
    extents.length - direct <= 1
  ) return tail(direct, null);
  // From a copy of the rows of input that a row of output reads.
  if (bytes && canPad(s, r) && order.length >= 3) {
    const copyOrder = strides.map((_, i) => i).sort((a, b) => strides[b] - strides[a] || a - b);
    const padded = copyOrder.reduceRight<{ strides: number[]; size: number }>((m, d) => {
      m.strides[d] = m.size;
      return { strides: m.strides, size: m.size * memory.shape[d] };
    }, { strides: [], size: 1 });
    const n = run(padded.strides);
    if (n > 0 && waste(n) <= WASTE && extents.length - n <= 1) {
      const inner = copyOrder.at(-1)!, width = copyWidth(memory.shape[inner]);
      const move = copy(source.dtype, width).name, loop = `d${inner}`;
      return [
        { do: "pad", stage: r.name, order: copyOrder, dtype: "int8" },
        ...tail(n, order.at(-3)!),
        { do: "split", stage: `${r.name}_x`, loop, factor: width, tail: "cut" },
        tensorize(`${r.name}_x`, `${loop}_i`, move),
      ];
    }
  }
  return gatherSchedule(w, r, out, axes, layout);
}

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
    {
      do: "gemm",
      stage: r.name,
      block: 1,
      group: 1,
      order: "columns",
      dtype: "int8",
      rows: "int8",
    },
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
