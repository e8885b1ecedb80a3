/** Products of bytes as vectors. */
import { intRange } from "../../util/dtype.ts";
import { loads, valueRange, variables } from "../../te/analyze.ts";
import { copy, copyWidth, requantize4, WINDOW_CHANNELS } from "../../tir/mve.ts";
import { REQUANTIZE } from "../../te/rounding.ts";
import { canShift, productOf } from "../product.ts";
import { canPad } from "../pad.ts";
import { WINDOW } from "../tensorize.ts";
import type { Stage, State, Workload } from "../state.ts";
import type { Step } from "../steps.ts";
import { memoryOrder, tensorize } from "./common.ts";
import { pairedProduct, rowSteps, tileAxes, tileSteps } from "./tile.ts";

/** Tile where whole rows and columns meet as vectors, rows × channels: four channels are requantised at once. */
const VECTOR_TILE = { rows: 2, cols: 4 };

/** Products of bytes as vectors: of rows and columns, or within channels. */
export const vectorSchedule = (w: Workload, s: State, r: Stage, out: Stage): Step[] | null =>
  canShift(s, r) ? vectorGemmSchedule(w, s, r, out) ?? vectorWindowSchedule(w, s, r, out) : null;

/**
 * Eight channels at a time of a reduction within each of them (depthwise), on a copy of the rows of
 * input that a row of output reads, whose borders are filled in.
 */
function vectorWindowSchedule(w: Workload, s: State, r: Stage, out: Stage): Step[] | null {
  const f = productOf(s, r);
  if (typeof f === "string" || !canPad(s, r)) return null;
  const constant = loads(f.weights).find((l) => s.consts.has(l.src));
  const source = loads(f.activation).find((l) => w.buffers.has(l.src));
  if (!constant || !source || constant.dtype !== "int8") return null;
  const order = memoryOrder(w, out), last = order.at(-1)!;
  const channel = r.compute.axes[out.compute.axes.findIndex((v) => v.name === last)];
  const dim = constant.idx.findIndex((e) => variables(e).has(channel));
  const sourceDim = source.idx.findIndex((e) => variables(e).has(channel));
  const { strides } = w.buffers.get(source.src)!;
  if (dim < 0 || sourceDim < 0 || strides[sourceDim] !== 1 || order.length < 2) return null;
  const dims = constant.idx.map((_, i) => i);
  const copyOrder = strides.map((_, i) => i).sort((a, b) => strides[b] - strides[a] || a - b);
  const requantize = vectorRequantize(out);
  const name = `${r.name}_x`, run = `d${sourceDim}`;
  const width = copyWidth(r.compute.out.shape[r.compute.axes.indexOf(channel)]);
  const move = copy(source.dtype, width).name;
  const parts = `${last}_i`;
  return [
    {
      do: "pack",
      stage: r.name,
      tensor: constant.src.name,
      perm: [...dims.filter((i) => i !== dim), dim],
    },
    { do: "pad", stage: r.name, order: copyOrder, dtype: "int8" },
    { do: "reorder", stage: out.name, loops: order },
    { do: "split", stage: out.name, loop: last, factor: WINDOW_CHANNELS, tail: "cut" },
    { do: "computeAt", stage: r.name, at: out.name, loop: `${last}_o` },
    { do: "split", stage: out.name, loop: parts, factor: 4, tail: "cut" },
    { do: "unroll", stage: out.name, loop: `${parts}_o` },
    { do: "unroll", stage: out.name, loop: `${parts}_i` },
    ...(requantize === null ? [] : [tensorize(out.name, `${parts}_i`, requantize)]),
    { do: "computeAt", stage: name, at: out.name, loop: order.at(-3) ?? order.at(-2)! },
    {
      do: "reorder",
      stage: r.name,
      loops: [
        ...r.compute.axes.map((v) => v.name).filter((n) => n !== channel.name),
        ...f.reduce.axes.map((a) => a.v.name),
        channel.name,
      ],
    },
    { do: "unroll", stage: r.name, loop: channel.name },
    tensorize(r.name, f.reduce.axes[0].v.name, WINDOW),
    { do: "split", stage: name, loop: run, factor: width, tail: "cut" },
    tensorize(name, `${run}_i`, move),
  ];
}

/** Rows and columns of bytes as vectors: rows are copied as they are, zero points go into the start. */
function vectorGemmSchedule(w: Workload, s: State, r: Stage, out: Stage): Step[] | null {
  const axes = tileAxes(w, s, r, out);
  if (!axes) return null;
  const [lo, hi] = valueRange(axes.weights) ?? [-Infinity, Infinity], i8 = intRange("int8");
  if (lo < i8.min || hi > i8.max) return null;
  const requantize = vectorRequantize(out);
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
    ...tileSteps(r, out, axes, VECTOR_TILE),
    ...(requantize === null ? [] : [tensorize(out.name, "col_i", requantize)]),
    { do: "unroll", stage: r.name, loop: "row" },
    { do: "unroll", stage: r.name, loop: "col" },
    ...pairedProduct(r.name),
    ...rowSteps(w, r, `${r.name}_rows`, (dtype, run) => copy(dtype, copyWidth(run)).name),
  ];
}

/** The intrinsic that requantises four elements of an output at once; null where it does something else. */
export function vectorRequantize({ compute: { body, out } }: Stage): string | null {
  if (body.k !== "cast" || body.a.k !== "call" || body.a.fn !== REQUANTIZE) return null;
  if (out.dtype !== "int8" && out.dtype !== "uint8") return null;
  const [, scale, , lo, hi] = body.a.args, own = intRange(out.dtype);
  if (lo.k !== "imm" || hi.k !== "imm") return null;
  const bounded = Number(lo.value) !== own.min || Number(hi.value) !== own.max;
  return requantize4(out.dtype, scale.k === "imm", bounded).name;
}
