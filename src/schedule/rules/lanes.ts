/** Reductions within channels (depthwise), sixteen lanes at a time (MVE). */
import { coefficient, linear } from "../../te/linear.ts";
import { loads, variables } from "../../te/analyze.ts";
import type { ReduceAxis } from "../../te/expr.ts";
import { LANES } from "../../tir/mve_window.ts";
import { channelAxis, whyNoLanes } from "../lanes.ts";
import { canPad } from "../pad.ts";
import { productOf } from "../product.ts";
import { COPIES, LANE_WINDOW } from "../tensorize.ts";
import type { Stage, State, Workload } from "../state.ts";
import type { Step } from "../steps.ts";
import { memoryOrder, tensorize } from "./common.ts";

/** Most bytes of the copy that some rows of output read, where more than one row fits. */
const COPY_BYTES = 2560;

/** A reduction within channels of bytes, whose output has its channels innermost. */
export interface ChannelWindows {
  readonly taps: readonly ReduceAxis[];
  /** Axes of the output as it lies in memory, and the last three of them. */
  readonly order: readonly string[];
  readonly oh: string;
  readonly ow: string;
  readonly c: string;
  /** Axes of the operand as it lies in memory. */
  readonly copyOrder: readonly number[];
  /** Outputs along an axis, what an output's window spans, and how far its neighbour's lies on. */
  readonly extent: (axis: string) => number;
  readonly reach: (axis: string) => number;
  readonly step: (axis: string) => number;
}

/** What the rules for such reductions look at; null for any other. */
export function channelWindows(
  w: Workload,
  s: State,
  r: Stage,
  out: Stage,
): ChannelWindows | null {
  const f = productOf(s, r);
  if (typeof f === "string" || whyNoLanes(s, r) !== null || !canPad(s, r)) return null;
  const source = loads(f.activation).find((l) => w.buffers.has(l.src));
  if (!source || (source.dtype !== "int8" && source.dtype !== "uint8")) return null;
  const order = memoryOrder(w, out), c = order.at(-1)!;
  const axisOf = (name: string) =>
    r.compute.axes[out.compute.axes.findIndex((v) => v.name === name)];
  if (order.length < 3 || axisOf(c) !== r.compute.axes[channelAxis(s, r)!]) return null;
  if (
    w.buffers.get(out.compute.out)!.strides[out.compute.axes.findIndex((v) => v.name === c)] !== 1
  ) {
    return null;
  }
  const dim = (name: string) => source.idx.findIndex((e) => variables(e).has(axisOf(name)));
  const { strides } = w.buffers.get(source.src)!;
  const last = dim(c);
  if (last < 0 || strides[last] !== 1 || coefficient(linear(source.idx[last]), axisOf(c)) !== 1) {
    return null;
  }
  const copyOrder = strides.map((_, i) => i).sort((a, b) => strides[b] - strides[a] || a - b);
  if (copyOrder.at(-1) !== last) return null;
  const [oh, ow] = order.slice(-3, -1);
  const extent = (name: string) => r.compute.out.shape[r.compute.axes.indexOf(axisOf(name))];
  const step = (name: string) =>
    dim(name) < 0 ? 1 : coefficient(linear(source.idx[dim(name)]), axisOf(name)) ?? 1;
  const reach = (name: string) =>
    f.reduce.axes.reduce(
      (n, a) =>
        n +
        (a.extent - 1) * (dim(name) < 0 ? 0 : coefficient(linear(source.idx[dim(name)]), a.v) ?? 0),
      1,
    );
  return { taps: f.reduce.axes, order, oh, ow, c, copyOrder, extent, reach, step };
}

/** The steps, for rows of an output whose channels are innermost. */
export function lanesSchedule(w: Workload, s: State, r: Stage, out: Stage): Step[] | null {
  const windows = channelWindows(w, s, r, out);
  if (!windows) return null;
  const { order, oh, ow, c, copyOrder, extent, reach, step } = windows;
  const channels = extent(c), pixels = step(ow) === 1 ? LANES / channels : 1;
  const shared = Number.isInteger(pixels) && pixels > 1 && extent(ow) % pixels === 0;
  const rowBytes = (reach(ow) + (extent(ow) - 1) * step(ow)) * (shared ? channels : LANES);
  const rows = rowsAtOnce(
    extent(oh),
    COPY_BYTES,
    (n) => (reach(oh) + (n - 1) * step(oh)) * rowBytes,
  );
  const copied = `${r.name}_x`, names = copyOrder.map((d) => `d${d}`);
  const places = shared ? [`${oh}_i`, `${ow}_o`] : [`${oh}_i`, ow];
  const lanes = shared ? [`${ow}_i`, c] : [`${c}_i`];
  const others = order.slice(0, -3), blocks = shared ? [] : [`${c}_o`];
  const copies = shared ? names : ["block", ...names];
  return [
    {
      do: "pad",
      stage: r.name,
      order: copyOrder,
      dtype: "int8",
      ...(shared ? {} : { lanes: LANES, spacing: LANES }),
    },
    { do: "lanes", stage: r.name, axis: ow, pixels: shared ? pixels : 1 },
    { do: "reorder", stage: out.name, loops: order },
    { do: "split", stage: out.name, loop: oh, factor: rows, tail: "cut" },
    shared
      ? { do: "split", stage: out.name, loop: ow, factor: pixels, tail: "cut" }
      : { do: "split", stage: out.name, loop: c, factor: LANES, tail: "cut" },
    {
      do: "reorder",
      stage: out.name,
      loops: [...others, `${oh}_o`, ...blocks, ...places, ...lanes],
    },
    { do: "computeAt", stage: r.name, at: out.name, loop: lanes.at(-1)! },
    {
      do: "computeAt",
      stage: copied,
      at: out.name,
      loop: blocks[0] ?? `${oh}_o`,
    },
    {
      do: "reorder",
      stage: r.name,
      loops: [...r.compute.axes.map((v) => v.name), ...windows.taps.map((a) => a.v.name)],
    },
    tensorize(out.name, places[0], LANE_WINDOW),
    tensorize(out.name, places[1], LANE_WINDOW),
    ...copies.slice(-3).map((loop) => tensorize(copied, loop, COPIES)),
  ];
}

/** Rows of output at a time: as many as the copy may hold, in parts of one size where that costs little. */
export function rowsAtOnce(rows: number, room: number, bytes: (rows: number) => number): number {
  let most = 1;
  while (most < rows && bytes(most + 1) <= room) most++;
  for (let n = most; 3 * n >= 2 * most; n--) if (rows % n === 0) return n;
  return Math.ceil(rows / Math.ceil(rows / most));
}
