/** Which schedule a kernel gets. A rule looks at the form of the stages, never at operator names. */
import { intRange } from "../util/dtype.ts";
import { has, type Target } from "../target/target.ts";
import type { Expr, Indexable, Load, Var } from "../te/expr.ts";
import { coefficient, linear } from "../te/linear.ts";
import { isPointwise, loads, valueRange, variables } from "../te/analyze.ts";
import { dot4, dotOrder, mla4, planes4, widen } from "../tir/intrinsics.ts";
import { ROW_COLS } from "../tir/dot_row.ts";
import { mlaFloats } from "../tir/float_block.ts";
import { copy, copyWidth, requantize4, WINDOW_CHANNELS } from "../tir/mve.ts";
import { TAPS } from "../tir/plane.ts";
import { REQUANTIZE } from "../te/rounding.ts";
import { canPair, factors } from "./gemm.ts";
import { canShift, productOf } from "./product.ts";
import { canPad } from "./pad.ts";
import { planeRows } from "./plane_rows.ts";
import { DOT_BLOCK, INTRINSICS, PLANE, SUM, widthOf, WINDOW } from "./tensorize.ts";
import { initialState, type Stage, type State, type Workload } from "./state.ts";
import { applySteps, type Schedule, type Step } from "./steps.ts";

/** Tile of the blocked product: pixels × channels in registers. */
const TILE = { rows: 2, cols: 2 };

/** The same where whole rows and columns meet as vectors: four channels are requantised at once. */
const VECTOR_TILE = { rows: 2, cols: 4 };

/** Taps of a window up to which they are written out one by one. */
const UNROLL = 9;

/** The steps for a workload; at level 0 and 1 loops stay as the definitions give them. */
export function chooseSchedule(w: Workload, target: Target, level: number): Schedule {
  const inlined = inlineSteps(w);
  const s = applySteps(initialState(w), inlined);
  const out = s.stages.at(-1)!;
  const reduction = s.stages.length === 2 && s.stages[0].compute.body.k === "reduce" &&
      readOnce(out, s.stages[0])
    ? s.stages[0]
    : null;
  const rest = level >= 2 && reduction
    ? (has(target, "mve") ? vectorSchedule(w, s, reduction, out) : null) ??
      gemmSchedule(w, s, reduction, out, target) ??
      (has(target, "dsp") ? planeSchedule(w, s, reduction, out) : null) ??
      channelSchedule(w, s, reduction, out, target) ??
      scalarSchedule(w, reduction, out)
    : reduction
    ? scalarSchedule(w, reduction, out)
    : elementwise(w, s, level);
  return [...inlined, ...rest];
}

/**
 * Element-wise stages are computed where they are read, unless several stages or a reduction would
 * compute an expensive one again and again.
 */
function inlineSteps(w: Workload): Step[] {
  const bodies = w.computes.map((c) => c.body);
  return w.computes.slice(0, -1).flatMap((c): Step[] => {
    if (c.body.k === "reduce") return [];
    const readers = bodies.filter((b) => loads(b).some((l) => l.src === c.out));
    const repeated = readers.length > 1 || readers.some((b) => b.k === "reduce");
    const cheap = loads(c.body).length <= 1 && !hasCall(c.body);
    return repeated && !cheap ? [] : [{ do: "inline", stage: c.out.name }];
  });
}

function hasCall(e: Expr): boolean {
  let found = false;
  const walk = (x: Expr): void => {
    if (x.k === "call") found = true;
    if (x.k === "bin") [x.a, x.b].forEach(walk);
    else if (x.k === "un" || x.k === "cast" || x.k === "bits") walk(x.a);
    else if (x.k === "select") [x.cond, x.a, x.b].forEach(walk);
  };
  walk(e);
  return found;
}

/** Whether a stage reads another at the position that it computes itself, axis by axis. */
function readOnce(out: Stage, of: Stage): boolean {
  const ls = loads(out.compute.body).filter((l) => l.src === of.compute.out);
  return ls.length > 0 && ls.every((l) => isPointwise(l, out.compute));
}

/** Names of the output's axes, the one that runs slowest through its memory first. */
function memoryOrder(w: Workload, out: Stage): string[] {
  const strides = w.buffers.get(out.compute.out as Indexable)!.strides;
  return out.compute.axes.map((v, i) => ({ name: v.name, stride: strides[i], i }))
    .sort((a, b) => b.stride - a.stride || a.i - b.i).map((a) => a.name);
}

/** One accumulator at a time, the output written in the order of its memory. */
function scalarSchedule(w: Workload, r: Stage, out: Stage): Step[] {
  const order = memoryOrder(w, out);
  if (order.length === 0) return [];
  return [
    { do: "reorder", stage: out.name, loops: order },
    { do: "computeAt", stage: r.name, at: out.name, loop: order.at(-1)! },
  ];
}

/** Axes of the output by the factor that they come from, each in the order of the output's memory. */
function tileAxes(w: Workload, s: State, r: Stage, out: Stage) {
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

/** A tile of rows × columns: the product inside the loop over columns, its rows outside of it. */
const tileSteps = (
  r: Stage,
  out: Stage,
  { rowAxes, colAxes }: { rowAxes: readonly string[]; colAxes: readonly string[] },
  tile: { rows: number; cols: number },
): Step[] => [
  { do: "reorder", stage: out.name, loops: [...rowAxes, ...colAxes] },
  { do: "fuse", stage: out.name, loops: rowAxes, into: "row" },
  { do: "fuse", stage: out.name, loops: colAxes, into: "col" },
  { do: "split", stage: out.name, loop: "row", factor: tile.rows, tail: "cut" },
  { do: "split", stage: out.name, loop: "col", factor: tile.cols, tail: "cut" },
  { do: "reorder", stage: out.name, loops: ["row_o", "col_o", "row_i", "col_i"] },
  { do: "unroll", stage: out.name, loop: "row_i" },
  { do: "unroll", stage: out.name, loop: "col_i" },
  { do: "computeAt", stage: r.name, at: out.name, loop: "col_o" },
  { do: "computeAt", stage: `${r.name}_rows`, at: out.name, loop: "row_o" },
];

/** Products of bytes as vectors: of rows and columns, or within channels. */
const vectorSchedule = (w: Workload, s: State, r: Stage, out: Stage): Step[] | null =>
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

/**
 * A reduction within each channel (depthwise) over windows of three by three, stride 1: four channels
 * of some rows are copied to planes of int16 whose borders are filled in, and each plane gives tiles
 * of two by two outputs.
 */
function planeSchedule(w: Workload, s: State, r: Stage, out: Stage): Step[] | null {
  const f = productOf(s, r);
  if (typeof f === "string" || !canPad(s, r)) return null;
  const constant = loads(f.weights).find((l) => s.consts.has(l.src));
  const source = loads(f.activation).find((l) => w.buffers.has(l.src));
  const order = memoryOrder(w, out);
  if (!constant || constant.dtype !== "int8" || !source || order.length !== 4) return null;
  const bytes = source.dtype === "int8" || source.dtype === "uint8";
  const [n, oh, ow, c] = order;
  const axis = (name: string) => r.compute.axes[out.compute.axes.findIndex((v) => v.name === name)];
  const position = (l: Load, v: Var) => l.idx.findIndex((e) => variables(e).has(v));
  const [sc, sh, sw] = [c, oh, ow].map((name) => position(source, axis(name)));
  const wc = position(constant, axis(c));
  const taps = f.reduce.axes.map((a) => a.extent);
  const one = (d: number, name: string) => coefficient(linear(source.idx[d]), axis(name)) === 1;
  const fits = bytes && wc === 0 && [sc, sh, sw].every((d) => d >= 0) && one(sh, oh) &&
    one(sw, ow) && taps.filter((e) => e > 1).join() === `${TAPS},${TAPS}` &&
    w.buffers.get(source.src)!.strides[sc] === 1;
  if (!fits) return null;
  const [kh, kw] = f.reduce.axes.filter((a) => a.extent > 1).map((a) => a.v.name);
  const rest = source.idx.map((_, d) => d).filter((d) => ![sc, sh, sw].includes(d));
  const name = `${r.name}_x`;
  const tail = "cut";
  const extent = (of: string) => r.compute.out.shape[r.compute.axes.indexOf(axis(of))];
  const rows = planeRows(extent(oh), extent(ow));
  const others = [
    ...r.compute.axes.filter((v) => v !== axis(oh) && v !== axis(ow)).map((v) => v.name),
    ...f.reduce.axes.filter((a) => a.extent === 1).map((a) => a.v.name),
  ];
  return [
    {
      do: "pack",
      stage: r.name,
      tensor: constant.src.name,
      perm: constant.idx.map((_, d) => d),
      pairs: true,
    },
    { do: "pad", stage: r.name, order: [...rest, sc, sh, sw], dtype: "int16", spacing: 2 },
    { do: "reorder", stage: out.name, loops: [n, oh, ow, c] },
    { do: "split", stage: out.name, loop: oh, factor: rows, tail },
    { do: "split", stage: out.name, loop: `${oh}_i`, factor: 2, tail },
    { do: "split", stage: out.name, loop: ow, factor: 2, tail },
    { do: "split", stage: out.name, loop: c, factor: 4, tail },
    {
      do: "reorder",
      stage: out.name,
      loops: [n, `${oh}_o`, `${c}_o`, `${c}_i`, `${oh}_i_o`, `${ow}_o`, `${oh}_i_i`, `${ow}_i`],
    },
    { do: "unroll", stage: out.name, loop: `${oh}_i_i` },
    { do: "unroll", stage: out.name, loop: `${ow}_i` },
    { do: "computeAt", stage: r.name, at: out.name, loop: `${ow}_o` },
    { do: "computeAt", stage: name, at: out.name, loop: `${c}_o` },
    {
      do: "reorder",
      stage: r.name,
      loops: [...others, kh, kw, axis(oh).name, axis(ow).name],
    },
    { do: "unroll", stage: r.name, loop: axis(oh).name },
    { do: "unroll", stage: r.name, loop: axis(ow).name },
    tensorize(r.name, kh, PLANE),
    {
      do: "reorder",
      stage: name,
      loops: [...rest, sh, sw, sc].map((d) => `d${d}`),
    },
    { do: "unroll", stage: name, loop: `d${sc}` },
    tensorize(name, `d${sc}`, planes4(source.dtype).name),
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
function vectorRequantize({ compute: { body, out } }: Stage): string | null {
  if (body.k !== "cast" || body.a.k !== "call" || body.a.fn !== REQUANTIZE) return null;
  if (out.dtype !== "int8" && out.dtype !== "uint8") return null;
  const [, scale, , lo, hi] = body.a.args, own = intRange(out.dtype);
  if (lo.k !== "imm" || hi.k !== "imm") return null;
  const bounded = Number(lo.value) !== own.min || Number(hi.value) !== own.max;
  return requantize4(out.dtype, scale.k === "imm", bounded).name;
}

/** Rows × columns with a register-blocked inner product. */
function gemmSchedule(
  w: Workload,
  s: State,
  r: Stage,
  out: Stage,
  target: Target,
): Step[] | null {
  const axes = tileAxes(w, s, r, out);
  if (!axes) return null;
  const [lo, hi] = valueRange(axes.weights) ?? [-Infinity, Infinity], i8 = intRange("int8");
  const dtype = lo >= i8.min && hi <= i8.max ? "int8" : "int16";
  const dot = dot4(dtype), order = dotOrder(dtype);
  const paired = has(target, "dsp") && canPair(s, r);
  const extent = (of: readonly string[]) =>
    of.reduce(
      (p, n) => p * out.compute.out.shape[out.compute.axes.findIndex((v) => v.name === n)],
      1,
    );
  const single = paired && extent(axes.rowAxes) === 1 && extent(axes.colAxes) % ROW_COLS === 0;
  const tile = single ? { rows: 1, cols: ROW_COLS } : TILE;
  const packing: Step = paired
    ? { do: "gemm", stage: r.name, block: tile.cols, group: 2, order: "paired", dtype: "int8" }
    : { do: "gemm", stage: r.name, block: TILE.cols, group: 4, order, dtype };
  return [
    packing,
    ...tileSteps(r, out, axes, tile),
    { do: "unroll", stage: r.name, loop: "row" },
    { do: "unroll", stage: r.name, loop: "col" },
    ...(paired ? pairedProduct(r.name) : groupedProduct(r.name, dot.name)),
    ...rowSteps(w, r, `${r.name}_rows`, (dtype, run) => widen(dtype, run % 16 === 0 ? 16 : 4).name),
  ];
}

/**
 * Rows are filled in runs of elements that follow each other in memory, several at a time, and
 * without tests where the window meets no border.
 *
 * @param move the intrinsic that moves part of a run of so many elements
 */
function rowSteps(
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
  const source = loads(body.body).find((l) => w.buffers.has(l.src));
  if (!source || (source.dtype !== "int8" && source.dtype !== "uint8")) return border;
  const { strides } = w.buffers.get(source.src)!;
  /** Elements of memory between neighbours along a reduction axis. */
  const step = (v: Var): number =>
    source.idx.reduce((sum, e, i) => sum + (coefficient(linear(e), v) ?? NaN) * strides[i], 0);
  const run: string[] = [];
  let length = 1;
  for (const { v, extent } of [...body.axes].reverse()) {
    // Runs of whole fours stay apart: at a border they are tested as a whole.
    if (step(v) !== length || (run.length > 0 && length % 4 === 0)) break;
    run.unshift(v.name);
    length *= extent;
  }
  if (run.length === 0) return border;
  const name = run.length > 1 ? "run" : run[0];
  const intrinsic = move(source.dtype, length);
  return [
    ...(run.length > 1 ? [{ do: "fuse", stage, loops: run, into: name }] as Step[] : []),
    { do: "split", stage, loop: name, factor: widthOf(INTRINSICS.get(intrinsic)!), tail: "cut" },
    { do: "tensorize", stage, loop: `${name}_i`, intrinsic },
    ...border,
  ];
}

/** The product as one call for the whole tile. */
const pairedProduct = (stage: string): Step[] => [
  { do: "reorder", stage, loops: ["k", "row", "col"] },
  { do: "tensorize", stage, loop: "k", intrinsic: DOT_BLOCK },
];

/** The product in groups of four, one call an accumulator. */
const groupedProduct = (stage: string, intrinsic: string): Step[] => [
  { do: "split", stage, loop: "k", factor: 4, tail: "exact" },
  { do: "reorder", stage, loops: ["k_o", "row", "col", "k_i"] },
  { do: "tensorize", stage, loop: "k_i", intrinsic },
];

/** Four channels at a time: reductions within each (depthwise), and floats, which share what they read. */
function channelSchedule(
  w: Workload,
  s: State,
  r: Stage,
  out: Stage,
  target: Target,
): Step[] | null {
  const { body } = r.compute;
  if (body.k !== "reduce" || body.op !== "sum") return null;
  if (body.body.k !== "bin" || body.body.op !== "mul") return null;
  const constant = loads(body.body).find((l) => s.consts.has(l.src));
  const source = loads(body.body).find((l) => !s.consts.has(l.src));
  if (!constant || !source) return null;
  const bytes = constant.dtype === "int8" && (source.dtype === "int8" || source.dtype === "uint8");
  if (body.dtype !== "float32" && !(body.dtype === "int32" && bytes)) return null;
  const order = memoryOrder(w, out), last = order.at(-1)!;
  const inner = out.compute.axes.findIndex((v) => v.name === last);
  const channelVar = r.compute.axes[inner];
  const dim = constant.idx.findIndex((e) => variables(e).has(channelVar));
  if (dim < 0) return null;
  const dims = constant.idx.map((_, i) => i);
  const reduceLoops = body.axes.map((a) => a.v.name);
  const requantize = has(target, "mve") ? vectorRequantize(out) : null;
  const vectors = body.dtype === "float32" && has(target, "fpu");
  const width = vectors && out.compute.out.shape[inner] >= 8 ? 8 : 4;
  const within = loads(source).length > 0 && variables(source).has(channelVar);
  const products = bytes
    ? [tensorize(r.name, channelVar.name, mla4(source.dtype).name)]
    : !vectors
    ? []
    : within
    ? [tensorize(r.name, channelVar.name, mlaFloats(width).name)]
    : reduceLoops.map((loop) => tensorize(r.name, loop, SUM));
  const few = body.axes.reduce((p, a) => p * a.extent, 1) <= UNROLL && (!vectors || within);
  return [
    {
      do: "pack",
      stage: r.name,
      tensor: constant.src.name,
      perm: [...dims.filter((i) => i !== dim), dim],
    },
    { do: "reorder", stage: out.name, loops: order },
    { do: "split", stage: out.name, loop: last, factor: width, tail: "cut" },
    { do: "unroll", stage: out.name, loop: `${last}_i` },
    ...(requantize === null ? [] : [tensorize(out.name, `${last}_i`, requantize)]),
    { do: "computeAt", stage: r.name, at: out.name, loop: `${last}_o` },
    {
      do: "reorder",
      stage: r.name,
      loops: [
        ...r.compute.axes.map((v) => v.name).filter((n) => n !== channelVar.name),
        ...reduceLoops,
        channelVar.name,
      ],
    },
    ...products,
    { do: "unroll", stage: r.name, loop: channelVar.name },
    ...(few ? reduceLoops.map((loop): Step => ({ do: "unroll", stage: r.name, loop })) : []),
    ...(order.length > 1
      ? [{ do: "specialize", stage: out.name, loop: order.at(-2)!, for: r.name }] as Step[]
      : []),
  ];
}

const tensorize = (stage: string, loop: string, intrinsic: string): Step => ({
  do: "tensorize",
  stage,
  loop,
  intrinsic,
});

/** Loops in the order of the output's memory; reductions in between stand on their own. */
function elementwise(w: Workload, s: State, level: number): Step[] {
  const out = s.stages.at(-1)!;
  const order = memoryOrder(w, out);
  if (order.length < 2) return [];
  const steps: Step[] = [{ do: "reorder", stage: out.name, loops: order }];
  if (level >= 1 && s.stages.length === 1 && contiguous(w, out)) {
    steps.push({ do: "fuse", stage: out.name, loops: order, into: "i" });
  }
  return steps;
}

/** Whether one running index reaches every element of all operands alike. */
function contiguous(w: Workload, out: Stage): boolean {
  const { axes } = out.compute;
  const strides = w.buffers.get(out.compute.out as Indexable)!.strides;
  return loads(out.compute.body).every((l) => {
    const b = w.buffers.get(l.src);
    if (l.idx.length !== axes.length) return l.idx.every((e) => variables(e).size === 0);
    return b !== undefined && isPointwise(l, out.compute) &&
      b.strides.every((x, i) => x === strides[i] || b.shape[i] === 1);
  });
}
