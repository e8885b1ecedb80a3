/** Reductions within channels (depthwise), some outputs of a channel at a time (MVE). */
import { WORD } from "../../tir/mve_patch_tiles.ts";
import { patchLayout } from "../patches.ts";
import { COPIES, PATCHES } from "../tensorize.ts";
import type { Stage, State, Workload } from "../state.ts";
import type { Step } from "../steps.ts";
import { tensorize } from "./common.ts";
import type { Proposals } from "./form.ts";
import { type ChannelWindows, channelWindows, rowsAtOnce } from "./lanes.ts";

/** Most channels whose bytes are copied at a time where they are not all. */
const CHANNELS = 16;

/** Most bytes of the copy and of the words made of it: as many as are read, within these. */
const ROOM = { least: 2048, most: 6400 }, LITTLE = { least: 1024, most: 4096 };

/** Outputs along a row that a call takes at least. */
const FEW = 8;

/** Most parts of a row that are written out one by one. */
const MOST_PARTS = 8;

/** Most bytes of a channel's taps: loads reach them. */
const MOST_TAPS = 127;

/** Lanes between taps of each axis: one axis runs through words, the other one from run to run. */
function lanesOf(extents: readonly number[]): number[] | null {
  const used = extents.flatMap((n, i) => n > 1 ? [i] : []);
  if (used.length === 0 || used.length > 2) return null;
  const run = WORD * Math.ceil(extents[used[0]] / WORD);
  const lanes = extents.map((_, i) => i === used[0] ? 1 : i === used[1] ? run : 0);
  return patchLayout(extents, lanes).length <= MOST_TAPS ? lanes : null;
}

/** The steps, for rows of an output whose channels are innermost: all of them at a time, or some. */
export function patchesSchedule(w: Workload, s: State, r: Stage, out: Stage): Proposals {
  const windows = channelWindows(w, s, r, out);
  const lanes = windows && lanesOf(windows.taps.map((a) => a.extent));
  if (!windows || !lanes) return [];
  const channels = windows.extent(windows.c), parts = Math.ceil(channels / CHANNELS);
  const widths = { all: channels, ...(parts > 1 && { some: Math.ceil(channels / parts) }) };
  return Object.entries(widths).flatMap(([name, width]): Proposals => {
    const steps = stepsFor(r, out, windows, lanes, width, ROOM);
    const few = stepsFor(r, out, windows, lanes, width, LITTLE);
    const same = JSON.stringify(few) === JSON.stringify(steps);
    return [[name, steps], ...(same ? [] : [[`${name}, little room`, few] as const])];
  });
}

/** Outputs along both axes that a call takes. */
function tileOf(
  { oh, ow, c, extent, reach, step }: ChannelWindows,
  width: number,
  { least, most }: typeof ROOM,
): { rows: number; cols: number } {
  const read = extent(oh) * step(oh) * extent(ow) * step(ow) * extent(c);
  const room = Math.min(most, Math.max(least, read));
  const span = (axis: string, n: number) => reach(axis) + (n - 1) * step(axis);
  const bytes = (rows: number, cols: number) =>
    (span(oh, rows) + 2 * rows) * span(ow, cols) * width;
  const few = Math.min(2, extent(oh));
  const cols = bytes(few, extent(ow)) <= room
    ? extent(ow)
    : Math.max(FEW, rowsAtOnce(extent(ow), room, (n) => bytes(few, n)));
  return { rows: rowsAtOnce(extent(oh), room, (n) => bytes(n, cols)), cols };
}

/** How far words of a single axis of taps reach behind the last of them. */
function overrun(windows: ChannelWindows, cols: number, width: number): number {
  const { taps, oh, ow, reach, extent, step } = windows;
  const used = taps.filter((a) => a.extent > 1);
  if (used.length !== 1) return 0;
  const axis = reach(oh) > 1 ? oh : ow;
  const dilation = (reach(axis) - 1) / (used[0].extent - 1);
  const row = reach(ow) + (Math.min(cols, extent(ow)) - 1) * step(ow);
  return 3 * dilation * width * (axis === oh ? row : 1);
}

function stepsFor(
  r: Stage,
  out: Stage,
  windows: ChannelWindows,
  lanes: readonly number[],
  width: number,
  room: typeof ROOM,
): Step[] {
  const { taps, order, oh, ow, c, copyOrder, extent } = windows;
  const { rows, cols } = tileOf(windows, width, room);
  const dense = width === extent(c), whole = cols >= extent(ow);
  const copied = `${r.name}_x`, names = copyOrder.map((d) => `d${d}`);
  const inner = dense ? c : `${c}_i`, along = whole ? ow : `${ow}_i`;
  // The borders of each part of a row are its own, so that what is copied is known.
  const isWritten = !whole && Math.ceil(extent(ow) / cols) <= MOST_PARTS;
  const written: Step = { do: "unroll", stage: out.name, loop: `${ow}_o` };
  const outer = [`${oh}_o`, ...(whole ? [] : [`${ow}_o`]), ...(dense ? [] : [`${c}_o`])];
  const copies = dense ? names : ["block", ...names];
  const split = (loop: string, factor: number): Step => ({
    do: "split",
    stage: out.name,
    loop,
    factor,
    tail: "cut",
  });
  return [
    {
      do: "pad",
      stage: r.name,
      order: copyOrder,
      dtype: "int8",
      behind: CHANNELS + overrun(windows, cols, width),
      ...(dense ? {} : { lanes: width }),
    },
    { do: "patches", stage: r.name, lanes },
    { do: "reorder", stage: out.name, loops: order },
    split(oh, rows),
    ...(whole ? [] : [split(ow, cols)]),
    ...(dense ? [] : [split(c, width)]),
    {
      do: "reorder",
      stage: out.name,
      loops: [...order.slice(0, -3), ...outer, `${oh}_i`, along, inner],
    },
    { do: "computeAt", stage: r.name, at: out.name, loop: inner },
    { do: "computeAt", stage: copied, at: out.name, loop: outer.at(-1)! },
    ...(isWritten ? [written] : []),
    {
      do: "reorder",
      stage: r.name,
      loops: [...r.compute.axes.map((v) => v.name), ...taps.map((a) => a.v.name)],
    },
    tensorize(out.name, `${oh}_i`, PATCHES),
    tensorize(out.name, along, PATCHES),
    ...copies.slice(-3).map((loop) => tensorize(copied, loop, COPIES)),
  ];
}
