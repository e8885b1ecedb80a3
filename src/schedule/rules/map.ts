/** Whole maps of one channel after another, each computed from a copy of its plane. */
import { loads, variables } from "../../te/analyze.ts";
import type { Load, Var } from "../../te/expr.ts";
import { coefficient, linear } from "../../te/linear.ts";
import { REQUANTIZE } from "../../te/rounding.ts";
import { sizeOf } from "../../util/tensor.ts";
import { canPad } from "../pad.ts";
import { canShift, productOf, rawShift } from "../product.ts";
import { GATHER, MAP } from "../tensorize.ts";
import type { Stage, State, Workload } from "../state.ts";
import type { Step } from "../steps.ts";
import { canTakeWords } from "../words.ts";
import { memoryOrder, tensorize } from "./common.ts";

/** Bytes of a copy at most, or the part of the operand that it may be: larger planes are copied in parts. */
const COPY_BYTES = 1536, COPY_PART = 1 / 24;

/** Strides of columns that words of two neighbours can serve, and taps that fit a row's text. */
const COLUMN_STRIDES = [1, 2], MOST_TAPS = 81;

/**
 * A reduction within each channel (depthwise) over a window in one or two axes, requantised: a
 * channel's bytes are copied to a plane of int16 with borders, and its outputs computed from there.
 */
export function mapSchedule(w: Workload, s: State, r: Stage, out: Stage): Step[] | null {
  const f = productOf(s, r), { body } = out.compute;
  if (typeof f === "string" || !canPad(s, r) || !canShift(s, r, rawShift)) return null;
  if (body.k !== "cast" || body.a.k !== "call" || body.a.fn !== REQUANTIZE) return null;
  const constant = loads(f.weights).find((l) => s.consts.has(l.src));
  const source = loads(f.activation).find((l) => w.buffers.has(l.src));
  if (!constant || constant.dtype !== "int8" || !source) return null;
  const order = memoryOrder(w, out);
  const axis = (name: string) => r.compute.axes[out.compute.axes.findIndex((v) => v.name === name)];
  const extent = (of: string) => r.compute.out.shape[r.compute.axes.indexOf(axis(of))];
  const position = (l: Load, v: Var) => l.idx.findIndex((e) => variables(e).has(v));
  const taps = f.reduce.axes.filter((a) => a.extent > 1);
  /** The axis of the output that moves the same index of the operand as a tap does. */
  const along = (tap: Var) => {
    const d = position(source, tap);
    return order.filter((name) => position(source, axis(name)) === d);
  };
  const spatial = taps.map((t) => along(t.v));
  if (taps.length < 1 || taps.length > 2 || spatial.some((x) => x.length !== 1)) return null;
  const channels = order.filter((name) => position(constant, axis(name)) === 0);
  if (channels.length !== 1 || new Set(spatial.flat()).size !== taps.length) return null;
  const [c] = channels, [rows, cols] = taps.length === 2 ? spatial.flat() : [null, spatial[0][0]];
  const at = (name: string) => position(source, axis(name));
  const indices = [c, ...spatial.flat()].map(at);
  const step = (name: string) => coefficient(linear(source.idx[at(name)]), axis(name)) ?? 0;
  const colTap = coefficient(linear(source.idx[at(cols)]), taps.at(-1)!.v);
  const fits = !indices.includes(-1) && new Set(indices).size === indices.length &&
    !indices.slice(1).includes(at(c)) && colTap === 1 && COLUMN_STRIDES.includes(step(cols)) &&
    sizeOf(taps.map((t) => t.extent)) <= MOST_TAPS && step(c) === 1;
  if (!fits) return null;
  const rest = source.idx.map((_, d) => d).filter((d) => !indices.includes(d));
  const name = `${r.name}_x`;
  const span = (of: string, tap: number) =>
    (extent(of) - 1) * step(of) +
    (taps[tap].extent - 1) * (coefficient(linear(source.idx[at(of)]), taps[tap].v) ?? 0) + 1;
  const rowBytes = 2 * 2 * Math.ceil(span(cols, taps.length - 1) / 2);
  const height = rows ? span(rows, 0) : 1;
  const { shape } = w.buffers.get(source.src)!;
  const room = Math.max(COPY_BYTES, COPY_PART * sizeOf(shape));
  const others = order.filter((x) => x !== c && x !== rows && x !== cols);
  const part = rows && height * rowBytes > room
    ? partOf(extent(rows), step(rows), height, Math.floor(room / rowBytes))
    : null;
  const inner = part ? `${rows}_i` : rows;
  return [
    ...(canTakeWords(s, out) ? [{ do: "words", stage: out.name }] as Step[] : []),
    {
      do: "pack",
      stage: r.name,
      tensor: constant.src.name,
      perm: constant.idx.map((_, d) => d),
      pairs: true,
    },
    {
      do: "pad",
      stage: r.name,
      order: [...rest, ...indices],
      dtype: "int16",
      spacing: 2,
      raw: true,
      once: !part,
    },
    ...(part
      ? [{ do: "split", stage: out.name, loop: rows!, factor: part, tail: "cut" }] as Step[]
      : []),
    {
      do: "reorder",
      stage: out.name,
      loops: [...others, ...(part ? [`${rows}_o`] : []), c, ...(inner ? [inner] : []), cols],
    },
    { do: "computeAt", stage: r.name, at: out.name, loop: cols },
    { do: "computeAt", stage: name, at: out.name, loop: c },
    tensorize(out.name, inner ?? cols, MAP),
    { do: "reorder", stage: name, loops: [...rest, ...indices].map((d) => `d${d}`) },
    ...indices.slice(1).map((d) => tensorize(name, `d${d}`, GATHER)),
  ];
}

/** Rows of output that are computed from one copy: an even number that leaves none over if one does. */
function partOf(height: number, step: number, span: number, room: number): number {
  const window = span - (height - 1) * step;
  const most = Math.max(2, Math.floor((room - window) / step) + 1);
  for (let rows = most; rows >= Math.max(2, most / 2); rows--) {
    if (height % rows === 0 && rows % 2 === 0) return rows;
  }
  return 2 * Math.max(1, Math.ceil(height / Math.ceil(height / most) / 2));
}
