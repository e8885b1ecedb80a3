/** Which intrinsic an innermost loop is: matching `store` statements against their meanings. */
import { intRange } from "../util/dtype.ts";
import { coefficient, linear, simplify } from "../te/linear.ts";
import { type Expr, imm, type Load, substitute, type Var } from "../te/expr.ts";
import {
  dot4,
  dotOrder,
  mla4,
  planes4,
  type TensorIntrin,
  widen,
  widen4,
} from "../tir/intrinsics.ts";
import { BLOCK_COLS, dotBlock } from "../tir/dot_block.ts";
import { dotRow, ROW_COLS } from "../tir/dot_row.ts";
import { MAC_COLS, macBlock } from "../tir/mac_block.ts";
import { mlaFloats, sumFloats } from "../tir/float_block.ts";
import {
  bitsOf,
  fill,
  MVE_INTRINSICS,
  requantize4,
  WINDOW_CHANNELS,
  windowProduct,
} from "../tir/mve.ts";
import { dotColumns } from "../tir/mve_dot.ts";
import { REQUANTIZE } from "../te/rounding.ts";
import type { Access, Buffer, Intrin, Stmt, Store } from "../tir/stmt.ts";
import { accessAt, stepOf } from "./access.ts";
import { tensorizeSpread, tensorizeTile } from "./match_tile.ts";
import { matchCopy } from "./match_copy.ts";
import { matchMap } from "./match_map.ts";
import { matchLanes } from "./match_lanes.ts";
import { matchPatches } from "./match_patches.ts";
import { tensorizePlaces } from "./tensorize_places.ts";
import { matchProduct } from "./match_product.ts";
import { matchWinograd } from "./match_winograd.ts";
import { ACC_PITCH, planeFits, planeTile, TAPS } from "../tir/plane.ts";
import type { PackedTensor } from "./gemm.ts";
import type { BlockName } from "./state.ts";
import { tensorizePool } from "./tensorize_pool.ts";

/** The intrinsics that schedules can name. */
export const INTRINSICS: ReadonlyMap<string, TensorIntrin> = new Map(
  [
    ...[dot4("int8"), dot4("int16"), mla4("int8"), mla4("uint8"), widen4("int8"), widen4("uint8")],
    ...[widen("int8", 16), widen("uint8", 16), planes4("int8"), planes4("uint8")],
    ...[mlaFloats(4), mlaFloats(8)],
    ...MVE_INTRINSICS,
  ].map((i) => [i.name, i]),
);

/** Intrinsics that take a whole nest; see {@link tensorizeNest}. */
export const DOT_BLOCK = "dot_block", WINDOW = "window", PLANE = "plane", SUM = "sum";
/** The runs that go to one of several interleaved rows. */
export const SPREAD = "spread";
/** Blocks that also take the stage computed inside of them; see {@link matchWhole}. */
export const PRODUCT = "product", LANE_WINDOW = "lanes", COPIES = "copies", BYTES = "bytes";
export const WINOGRAD = "winograd", PATCHES = "patches";
/** Intrinsics that take a nest of several statements; see lower_blocks.ts. */
export const MAP = "map", GATHER = "gather";
/** Windows of bytes in four channels; see tensorize_pool.ts. */
export const POOL = "pool";
const WHOLE = {
  product: matchProduct,
  lanes: matchLanes,
  patches: matchPatches,
  copies: matchCopy,
  bytes: matchMap,
  winograd: matchWinograd,
} as const satisfies Partial<Record<BlockName, (nest: Stmt) => Intrin | null>>;
export const BLOCKS: readonly BlockName[] = [
  DOT_BLOCK,
  WINDOW,
  PLANE,
  SUM,
  PRODUCT,
  WINOGRAD,
  MAP,
  GATHER,
  POOL,
  SPREAD,
  LANE_WINDOW,
  PATCHES,
  COPIES,
  BYTES,
];

/** Iterations that a loop must have to become one call. */
export const widthOf = (i: TensorIntrin): number => Math.max(...i.args.map((a) => a.count));

/** The access whose elements run with `v`, one by one; null where they do not. */
export function running(l: Load | Store, v: Var): Access | null {
  const buf = (l.k === "load" ? l.src : l.buf) as Buffer;
  const steps = l.idx.map((e) => coefficient(linear(e), v));
  const axis = steps.findIndex((c) => c !== 0);
  if (axis < 0 || steps[axis] !== 1 || buf.strides[axis] !== 1) return null;
  if (steps.some((c, i) => i !== axis && c !== 0)) return null;
  return { buf, idx: l.idx, axis };
}

/** The access whose elements lie a constant number of elements apart along `v`. */
function apart(s: Store, v: Var): { access: Access; stride: number } | null {
  const steps = s.idx.map((e) => coefficient(linear(e), v));
  const axis = steps.findIndex((c) => c !== 0);
  if (axis < 0 || steps[axis] !== 1 || steps.some((c, i) => i !== axis && c !== 0)) return null;
  return { access: { buf: s.buf, idx: s.idx, axis }, stride: s.buf.strides[axis] };
}

/** The access that `v` does not move. */
function still(l: Load | Store, v: Var): Access | null {
  const buf = (l.k === "load" ? l.src : l.buf) as Buffer;
  return l.idx.every((e) => coefficient(linear(e), v) === 0)
    ? { buf, idx: l.idx, axis: l.idx.length - 1 }
    : null;
}

export const widened = (e: Expr, dtype: string): Load | null =>
  e.k === "cast" && e.dtype === "int32" && e.a.k === "load" && e.a.dtype === dtype ? e.a : null;

/** `load − zero`, or a load alone. */
export function centred(e: Expr, dtype: string): { l: Load; zero: number } | null {
  if (e.k === "bin" && e.op === "sub" && e.b.k === "imm") {
    const l = widened(e.a, dtype);
    return l && { l, zero: Number(e.b.value) };
  }
  const l = widened(e, dtype);
  return l && { l, zero: 0 };
}

/** The two factors of `acc = acc + a·b`. */
export function product(s: Store): { a: Expr; b: Expr } | null {
  const v = s.value;
  if (v.k !== "bin" || v.op !== "add" || v.a.k !== "load" || v.a.src !== s.buf) return null;
  return v.b.k === "bin" && v.b.op === "mul" ? { a: v.b.a, b: v.b.b } : null;
}

type Found = { readonly args: readonly (Access | null)[]; readonly scalars: readonly number[] };

/** An integer that is known while compiling. */
const constant = (e: Expr): number | null => e.k === "imm" ? Number(e.value) : null;

/** `cast(requantize(acc, scale, zero, lo, hi))` with a scale an element, or one for all. */
function findRequantize(s: Store, v: Var, i: TensorIntrin): Found | null {
  const { value } = s;
  if (value.k !== "cast" || value.a.k !== "call" || value.a.fn !== REQUANTIZE) return null;
  const [acc, scale, ...bounds] = value.a.args;
  const values = bounds.map(constant);
  if (acc.k !== "load" || values.some((x) => x === null)) return null;
  const [zero, lo, hi] = values as number[];
  const own = intRange(value.dtype);
  const bounded = lo !== own.min || hi !== own.max;
  const shared = scale.k === "imm";
  if (i.name !== requantize4(value.dtype, shared, bounded).name) return null;
  const scalars = bounded ? [zero, lo, hi] : [zero];
  const args = [running(s, v), running(acc, v)];
  if (scale.k === "imm") return { args, scalars: [bitsOf(Number(scale.value)), ...scalars] };
  return scale.k === "load" ? { args: [...args, running(scale, v)], scalars } : null;
}

/** `acc + x·w`, all of floats that run with the loop. */
function findFloats(s: Store, v: Var): Found | null {
  const p = floatProduct(s);
  return p && { args: [running(s, v), running(p.x, v), running(p.w, v)], scalars: [] };
}

function find(s: Store, v: Var, i: TensorIntrin): Found | null {
  if (s.buf.dtype !== i.args[0].dtype) return null;
  if (i.args[0].dtype === "float32") return findFloats(s, v);
  if (i.args[1].dtype === "int32") return findRequantize(s, v, i);
  const p = product(s);
  if (i.byValue) {
    const dtype = i.args[2].dtype;
    const a = p && widened(p.a, "int16"), w = p && widened(p.b, dtype);
    if (!a || !w || String((w.src as PackedBuffer).order) !== String(dotOrder(dtype))) return null;
    return { args: [still(s, v), running(a, v), running(w, v)], scalars: [] };
  }
  const x = i.args[1].dtype;
  if (i.args.length === 3) {
    const a = p && centred(p.a, x), w = p && widened(p.b, "int8");
    return a && w && { args: [running(s, v), running(a.l, v), running(w, v)], scalars: [a.zero] };
  }
  const src = source(s.value, x);
  if (i.scalars.includes("stride")) {
    const dst = apart(s, v);
    if (!dst || !src) return null;
    return { args: [dst.access, running(src.l, v)], scalars: [src.zero, dst.stride] };
  }
  if (!src || (i.scalars.length === 0 && src.zero !== (x === "uint8" ? 128 : 0))) return null;
  const scalars = i.scalars.length === 0 ? [] : [src.zero];
  return { args: [running(s, v), running(src.l, v)], scalars };
}

/** A load less a zero point and made narrow, or a load alone. */
export const source = (e: Expr, dtype: string): { l: Load; zero: number } | null =>
  e.k === "load" && e.dtype === dtype
    ? { l: e, zero: 0 }
    : e.k === "cast"
    ? centred(e.a, dtype)
    : null;

/** A parameter buffer whose innermost groups are permuted. */
export interface PackedBuffer extends Buffer {
  readonly order?: PackedTensor["order"];
}

/**
 * The intrinsic call that does what a loop over `v` of this statement does.
 *
 * @param start gives an index expression at the loop's first iteration
 * @returns null where the statement does not have the intrinsic's form
 */
export function tensorize(
  s: Store,
  v: Var,
  intrinsic: TensorIntrin,
  start: (e: Expr) => Expr,
): Intrin | null {
  // What a copy leaves out at a border is a constant.
  if (s.value.k === "imm" && intrinsic.name.startsWith("copy") && s.buf.dtype === "int8") {
    const dst = running(s, v);
    if (!dst) return null;
    const args = [{ ...dst, idx: dst.idx.map(start) }];
    return { k: "intrin", op: fill(widthOf(intrinsic)), args, scalars: [Number(s.value.value)] };
  }
  const f = find(s, v, intrinsic);
  if (!f || f.args.some((a) => a === null)) return null;
  const args = f.args.map((a) => ({ ...a!, idx: a!.idx.map(start) }));
  return { k: "intrin", op: intrinsic, args, scalars: f.scalars };
}

/** The variables of a nest of rows × columns × k, and how far each goes. */
export interface BlockNest {
  readonly row: Var;
  readonly col: Var;
  readonly k: Var;
  readonly rows: number;
  readonly cols: number;
  readonly length: number;
}

/** One loop of a nest. */
export interface NestLoop {
  readonly v: Var;
  readonly extent: number;
}

/** The call of a block intrinsic in place of the whole nest that a loop was lowered to; null: none. */

export const matchWhole = (block: keyof typeof WHOLE, nest: Stmt): Intrin | null =>
  WHOLE[block](nest);

/** Whether a block is matched against the lowered nest. */
export const isWhole = (block: BlockName): block is keyof typeof WHOLE => block in WHOLE;

/** Gives an expression where all loops of a nest begin. */
export function startOf(loops: readonly { readonly v: Var; readonly lo?: number }[]) {
  const first = new Map(loops.map(({ v, lo }) => [v, imm(lo ?? 0)] as const));
  return (e: Expr): Expr => simplify(substitute(e, first));
}

/** A weight that lies in pairs of int16 (`pack` with `pairs`). */
export const pairWeight = (e: Expr): Load | null => {
  const of = e.k === "cast" && e.a.k === "cast" ? { ...e, a: e.a.a } : e;
  const l = widened(of, "int16");
  return l && (l.src as PackedBuffer).order === "pairs" ? l : null;
};

/** The call of a block intrinsic that does what a nest around this statement does; null: none. */
export function tensorizeNest(
  block: BlockName,
  s: Store,
  loops: readonly NestLoop[],
  start: (e: Expr) => Expr,
): Intrin | null {
  switch (block) {
    case "product":
    case "winograd":
    case "lanes":
    case "patches":
    case "copies":
    case "bytes":
      return null;
    case "pool":
      return tensorizePool(s, loops.slice(0, -1), loops.at(-1)!, start);
    case "window":
      return tensorizeWindow(s, loops.slice(0, -1), loops.at(-1)!, start) ??
        tensorizePlaces(s, loops.slice(0, -1), loops.at(-1)!, start);
    case "sum":
      return tensorizeSum(s, loops.slice(0, -1), loops.at(-1)!, start);
    case "map":
    case "gather":
      return null;
    case "plane":
      return loops.length === 4 ? tensorizePlane(s, loops, start) : null;
    case "spread":
      return tensorizeSpread(s, loops, start);
    case "dot_block": {
      if (loops.length !== 3) return null;
      const [k, row, col] = loops;
      const nest = { k: k.v, row: row.v, col: col.v };
      const extents = { length: k.extent, rows: row.extent, cols: col.extent };
      return tensorizeBlock(s, { ...nest, ...extents }, start);
    }
  }
}

/** Whether columns from a place in their block on lie in that one block. */
const isBlockOf = (place: Expr, cols: number): boolean =>
  place.k === "imm" && Number(place.value) + cols <= MAC_COLS;

/** The call of a product that does what the nest around this statement does; null: none. */
function tensorizeBlock(s: Store, n: BlockNest, start: (e: Expr) => Expr): Intrin | null {
  const p = product(s);
  const w = p && widened(p.b, "int8");
  const order = w && (w.src as PackedBuffer).order;
  const constant = w ?? (p && widened(p.b, "int16"));
  if (constant && (constant.src as PackedBuffer).order === "tiles") {
    return tensorizeTile(s, n, start);
  }
  const columns = order === "columns";
  const a = p && widened(p.a, columns ? "int8" : "int16");
  const plain = Array.isArray(order) && order.length === 1;
  if (!a || !w || (!columns && !plain && order !== "paired")) return null;
  const rows = a.src as Buffer;
  const moves = (e: Expr, v: Var): number | null => coefficient(linear(e), v);
  // The index of a single row or column is a constant.
  const by = (e: Expr, v: Var, extent: number): boolean => extent === 1 || moves(e, v) === 1;
  const fits = s.idx.length === 2 && by(s.idx[0], n.row, n.rows) && by(s.idx[1], n.col, n.cols) &&
    by(a.idx[0], n.row, n.rows) && by(a.idx[1], n.k, n.length) && rows.strides[1] === 1 &&
    (n.rows === 1 || s.buf.strides[0] === n.cols) && s.buf.strides[1] === 1;
  if (!fits) return null;
  const fourColumns = (w.src as Buffer).shape.length === 5;
  const whole = columns
    ? by(w.idx[0], n.col, n.cols) && by(w.idx[1], n.k, n.length) &&
      (w.src as Buffer).strides[0] === n.length
    : plain
    ? n.rows <= 2 && n.length % 2 === 0 && by(w.idx[1], n.k, n.length) &&
      isBlockOf(start(w.idx[2]), n.cols)
    : n.length % 4 === 0 &&
      (fourColumns ? n.cols === ROW_COLS && n.rows === 1 : n.cols === BLOCK_COLS && n.rows <= 2);
  if (!whole) return null;
  return {
    k: "intrin",
    op: columns
      ? dotColumns(n.rows, n.cols, n.length, rows.strides[0])
      : plain
      ? macBlock(n, n.length, rows.strides[0])
      : fourColumns
      ? dotRow(n.length)
      : dotBlock(n.rows, n.length, rows.strides[0]),
    args: [
      accessAt(s.buf, s.idx, start),
      accessAt(rows, a.idx, start),
      accessAt(w.src as Buffer, w.idx, start),
    ],
    scalars: [],
  };
}

/** Elements of memory that an access moves by when a variable goes on by one. */
export const stride = (l: Load, v: Var): number | null => stepOf(l.src as Buffer, l.idx, v);

/**
 * The call that sums a window's products in several channels: taps are the loops outside of the
 * channels' loop, which runs through neighbours in memory; null where the nest has another form.
 *
 * @param taps variables of the taps, outermost first, with their extents
 */
function tensorizeWindow(
  s: Store,
  taps: readonly NestLoop[],
  channel: NestLoop,
  start: (e: Expr) => Expr,
): Intrin | null {
  const p = product(s);
  const a = p && widened(p.a, "int8"), w = p && widened(p.b, "int8");
  if (!a || !w || channel.extent !== WINDOW_CHANNELS) return null;
  const args = [running(s, channel.v), running(a, channel.v), running(w, channel.v)];
  if (args.some((x) => x === null)) return null;
  let offsets = [{ a: 0, w: 0 }];
  for (const { v, extent } of taps) {
    const [da, dw] = [stride(a, v), stride(w, v)];
    if (da === null || dw === null || coefficient(linear(s.idx[0]), v) === null) return null;
    offsets = offsets.flatMap((o) =>
      Array.from({ length: extent }, (_, i) => ({ a: o.a + i * da, w: o.w + i * dw }))
    );
  }
  return {
    k: "intrin",
    op: windowProduct(offsets),
    args: args.map((x) => ({ ...x!, idx: x!.idx.map(start) })),
    scalars: [],
  };
}

/**
 * The call that computes a tile of one channel's outputs from a plane: loops over the window's
 * taps and over its rows and columns; null where the nest has another form.
 */
function tensorizePlane(
  s: Store,
  [kh, kw, row, col]: readonly NestLoop[],
  start: (e: Expr) => Expr,
): Intrin | null {
  const p = product(s);
  const a = p && widened(p.a, "int16");
  const w = p && pairWeight(p.b);
  if (!a || !w) return null;
  if (kh.extent !== TAPS || kw.extent !== TAPS || row.extent > 2 || col.extent > 2) return null;
  const plane = a.src as Buffer, acc = s.buf, weights = w.src as Buffer;
  const [h, x] = a.idx.slice(-2).map((e) => linear(e));
  const moves = (l: typeof h, v: Var, extent: number) => extent === 1 || coefficient(l, v) === 1;
  const pitch = plane.strides.at(-2)!;
  const accStep = (v: Var) =>
    s.idx.reduce((sum, e, i) => sum + (coefficient(linear(e), v) ?? NaN) * acc.strides[i], 0);
  const fits = moves(h, row.v, row.extent) && moves(h, kh.v, TAPS) &&
    moves(x, col.v, col.extent) && moves(x, kw.v, TAPS) && plane.strides.at(-1) === 1 &&
    planeFits(row.extent, pitch) && (row.extent === 1 || accStep(row.v) === ACC_PITCH) &&
    (col.extent === 1 || accStep(col.v) === 1) &&
    weights.strides.at(-1) === 1 && coefficient(linear(w.idx.at(-2)!), kh.v) === 1;
  // The tile begins at a word: LDRD takes no halfword's address.
  const first = linear(start(a.idx.at(-1)!));
  const even = first.constant % 2 === 0 &&
    [...first.terms.values()].every((t) => t.coeff % 2 === 0);
  const strides = plane.strides.slice(0, -1);
  if (!fits || !even || strides.some((n, i) => plane.shape[i] > 1 && n % 2 !== 0)) return null;
  return {
    k: "intrin",
    op: planeTile(row.extent, col.extent, pitch),
    args: [
      accessAt(acc, s.idx, start),
      accessAt(plane, a.idx, start),
      accessAt(weights, w.idx, start),
    ],
    scalars: [],
  };
}

/** A float and a constant that are multiplied and added to the accumulator, whichever comes first. */
function floatProduct(s: Store): { x: Load; w: Load } | null {
  const p = product(s);
  if (!p || p.a.k !== "load" || p.b.k !== "load" || p.a.dtype !== "float32") return null;
  const isConst = (l: Load) => (l.src as Buffer).scope === "param";
  return isConst(p.b) ? { x: p.a, w: p.b } : isConst(p.a) ? { x: p.b, w: p.a } : null;
}

/** The call that adds the products of a run of floats in several channels; null: another form. */
function tensorizeSum(
  s: Store,
  run: readonly NestLoop[],
  channel: NestLoop,
  start: (e: Expr) => Expr,
): Intrin | null {
  const p = floatProduct(s);
  if (!p || run.length === 0 || ![4, 8].includes(channel.extent)) return null;
  const step = stride(p.w, run.at(-1)!.v);
  let length = 1;
  for (const { v, extent } of [...run].reverse()) {
    if (extent > 1 && (stride(p.x, v) !== length || stride(p.w, v) !== length * (step ?? NaN))) {
      return null;
    }
    length *= extent;
  }
  const acc = running(s, channel.v), w = running(p.w, channel.v);
  if (!acc || !w || stride(p.x, channel.v) !== 0) return null;
  const x: Access = { buf: p.x.src as Buffer, idx: p.x.idx, axis: innermost(p.x) };
  return {
    k: "intrin",
    op: sumFloats(length, channel.extent, length === 1 ? channel.extent : step!),
    args: [acc, x, w].map((a) => ({ ...a, idx: a.idx.map(start) })),
    scalars: [],
  };
}

/** The axis of a buffer along which its elements are neighbours. */
const innermost = (l: Load): number => {
  const { strides } = l.src as Buffer;
  const axis = strides.indexOf(1);
  return axis < 0 ? strides.length - 1 : axis;
};
