/** Whole maps of one channel after another, each computed from a copy of its plane. */
import { loads, variables } from "../../te/analyze.ts";
import type { Expr, Load, Var } from "../../te/expr.ts";
import { coefficient, linear } from "../../te/linear.ts";
import { REQUANTIZE } from "../../te/rounding.ts";
import { sizeOf } from "../../util/tensor.ts";
import { canPair } from "../pack.ts";
import { canPad } from "../pad.ts";
import { canShift, productOf, rawShift } from "../product.ts";
import { GATHER, MAP } from "../tensorize.ts";
import type { Stage, State, Workload } from "../state.ts";
import type { Step } from "../steps.ts";
import { canTakeWords } from "../words.ts";
import { memoryOf, memoryOrder, tensorize } from "./common.ts";

/** Bytes of a copy at most, or the part of the operand that it may be: larger planes are copied in parts. */
const COPY_BYTES = 1536, COPY_PART = 1 / 24;

/** The same where all channels read the copy. */
const SHARED_BYTES = 3072;

/** The part of operand and output together that a copy may be where there are other ways, or its bytes. */
const MEMORY_PART = 1 / 4, LITTLE = 1024;

/** Strides of columns that words of two neighbours can serve, and taps that fit a row's text. */
const COLUMN_STRIDES = [1, 2, 3, 4], MOST_TAPS = 121;

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
  if (!constant || !canPair(constant.src) || !source) return null;
  const order = memoryOrder(w, out);
  const axis = (name: string) => r.compute.axes[out.compute.axes.findIndex((v) => v.name === name)];
  const extent = (of: string) => r.compute.out.shape[r.compute.axes.indexOf(axis(of))];
  const position = (l: Load, v: Var) => l.idx.findIndex((e) => variables(e).has(v));
  const all = f.reduce.axes.filter((a) => a.extent > 1);
  const channels = order.filter((name) => position(constant, axis(name)) === 0);
  if (channels.length !== 1) return null;
  const [c] = channels, at = (name: string) => position(source, axis(name));
  /** The axis of the output that moves the same index of the operand as a tap does. */
  const moving = (tap: Var) => {
    const d = position(source, tap);
    return order.filter((name) => position(source, axis(name)) === d);
  };
  // What no axis of the map moves goes through planes: channels of the operand.
  const through = all.filter((t) => moving(t.v).every((n) => n === c));
  const taps = all.filter((t) => !through.includes(t)), spatial = taps.map((t) => moving(t.v));
  if (taps.length < 1 || taps.length > 2 || spatial.some((x) => x.length !== 1)) return null;
  if (through.length > 1 || new Set(spatial.flat()).size !== taps.length) return null;
  const cols = spatial.at(-1)![0];
  // A window in one axis has the rows that another axis of the output makes.
  const rows = taps.length === 2
    ? spatial[0][0]
    : order.findLast((name) => name !== c && name !== cols && at(name) >= 0 && extent(name) > 1) ??
      null;
  const planes = through.length > 0 ? through[0].extent : 1;
  const channel = through.length > 0 ? position(source, through[0].v) : at(c);
  const map = [...(rows ? [rows] : []), cols].map(at);
  const indices = [...(channel < 0 ? [] : [channel]), ...map];
  const step = (name: string) => coefficient(linear(source.idx[at(name)]), axis(name)) ?? 0;
  // Channels of the output that read one of the operand follow each other.
  const multiplier = at(c) < 0
    ? extent(c)
    : multiplierOf(source.idx[at(c)], axis(c), through.at(0)?.v ?? null);
  const colTap = coefficient(linear(source.idx[at(cols)]), taps.at(-1)!.v) ?? 0;
  // Where both go on by so many, the copy leaves out what is between.
  const fits = !indices.includes(-1) && new Set(indices).size === indices.length &&
    !map.includes(at(c)) && colTap > 0 &&
    COLUMN_STRIDES.includes(step(cols) / colTap) &&
    sizeOf(all.map((t) => t.extent)) <= MOST_TAPS && multiplier !== null &&
    (rows === null || step(rows) > 0);
  if (!fits) return null;
  // Columns of the window are neighbours in pairs of constants.
  const dims = constant.idx.map((_, d) => d), last = position(constant, taps.at(-1)!.v);
  const rest = source.idx.map((_, d) => d).filter((d) => !indices.includes(d));
  const name = `${r.name}_x`;
  /** Elements of the copy along an axis, and from one output to the next. */
  const along = (of: string, { v, extent: length }: { v: Var; extent: number }) => {
    const apart = coefficient(linear(source.idx[at(of)]), v) ?? 0, unit = gcd(step(of), apart);
    const reach = (extent(of) - 1) * step(of) + (length - 1) * apart;
    return { span: reach / unit + 1, stride: step(of) / unit };
  };
  const rowBytes = 2 * 2 * Math.ceil(along(cols, taps.at(-1)!).span / 2);
  const down = rows ? along(rows, taps[0]) : { span: 1, stride: 1 };
  const { shape } = w.buffers.get(source.src)!;
  // Others than windows within channels are products too, which take less memory.
  const within = planes === 1 && at(c) >= 0;
  const most = within
    ? Infinity
    : Math.max(LITTLE, MEMORY_PART * (sizeOf(shape) + sizeOf(memoryOf(w, out).shape)));
  const bytes = within ? COPY_BYTES : SHARED_BYTES;
  const room = Math.min(most, Math.max(bytes, COPY_PART * sizeOf(shape))) / planes;
  const others = order.filter((x) => x !== c && x !== rows && x !== cols);
  const part = rows && down.span * rowBytes > room
    ? partOf(extent(rows), down.stride, down.span, Math.floor(room / rowBytes))
    : null;
  const copied = part ? down.span - (extent(rows!) - part) * down.stride : down.span;
  if (!within && copied * rowBytes > room) return null;
  const inner = part ? `${rows}_i` : rows;
  const several = multiplier !== 1, outer = several ? `${c}_o` : c;
  return [
    ...(canTakeWords(s, out) ? [{ do: "words", stage: out.name }] as Step[] : []),
    {
      do: "pack",
      stage: r.name,
      tensor: constant.src.name,
      perm: [...dims.filter((d) => d !== last), last],
      pairs: true,
    },
    {
      do: "pad",
      stage: r.name,
      order: [...rest, ...indices],
      dtype: "int16",
      spacing: 2,
      raw: true,
      sparse: true,
      once: !part,
    },
    ...(part
      ? [{ do: "split", stage: out.name, loop: rows!, factor: part, tail: "cut" }] as Step[]
      : []),
    ...(several
      ? [{ do: "split", stage: out.name, loop: c, factor: multiplier, tail: "exact" }] as Step[]
      : []),
    {
      do: "reorder",
      stage: out.name,
      loops: [
        ...others,
        ...(part ? [`${rows}_o`] : []),
        ...(several ? [outer, `${c}_i`] : [c]),
        ...(inner ? [inner] : []),
        cols,
      ],
    },
    { do: "computeAt", stage: r.name, at: out.name, loop: cols },
    { do: "computeAt", stage: name, at: out.name, loop: outer },
    tensorize(out.name, inner ?? cols, MAP),
    { do: "reorder", stage: name, loops: [...rest, ...indices].map((d) => `d${d}`) },
    ...map.map((d) => tensorize(name, `d${d}`, GATHER)),
  ];
}

const gcd = (a: number, b: number): number => b === 0 ? a : gcd(b, a % b);

/**
 * How many values of a variable an index is the same for, one after the other; null: another index.
 *
 * @param through what else the index goes on by
 */
function multiplierOf(index: Expr, v: Var, through: Var | null): number | null {
  const terms = [...linear(index).terms.values()].filter((t) => t.atom !== through);
  if (terms.length !== 1) return null;
  const [{ atom: e, coeff }] = terms;
  if (e === v) return through === null && coeff === 1 ? 1 : null;
  return e.k === "bin" && e.op === "floordiv" && e.a === v && e.b.k === "imm"
    ? Number(e.b.value)
    : null;
}

/**
 * Rows of output that are computed from one copy: an even number that leaves none over if one does, else
 * one that leaves few.
 */
function partOf(height: number, step: number, span: number, room: number): number {
  const window = span - (height - 1) * step;
  const most = Math.max(2, Math.floor((room - window) / step) + 1);
  for (let rows = most; rows >= Math.max(2, most / 2); rows--) {
    if (height % rows === 0 && rows % 2 === 0) return rows;
  }
  const even = 2 * Math.ceil(height / Math.ceil(height / most) / 2);
  return Math.max(2, Math.min(even, most - most % 2));
}
