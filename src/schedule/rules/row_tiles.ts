/** Tiles of rows × columns from a copy of the input's rows with their borders filled in. */
import { rowMajor, sizeOf } from "../../util/tensor.ts";
import { loads, valueRange, variables } from "../../te/analyze.ts";
import { coefficient, linear } from "../../te/linear.ts";
import { intRange } from "../../util/dtype.ts";
import type { Load } from "../../te/expr.ts";
import type { Buffer } from "../../tir/stmt.ts";
import { GROUP } from "../../tir/tile.ts";
import { has } from "../../target/target.ts";
import { canTile } from "../gemm.ts";
import { canPad } from "../pad.ts";
import { canShift, type Product, productOf } from "../product.ts";
import type { Stage, State, Workload } from "../state.ts";
import { COPIES } from "../tensorize.ts";
import type { Step } from "../steps.ts";
import { applied, memoryOf, tensorize } from "./common.ts";
import type { Form } from "./form.ts";
import { pairedProduct, rowRun, tileAxes } from "./tile.ts";
import { canFill, COLS, fillSteps, isRequantised, ROWS, tilesSchedule } from "./tiles.ts";

/** Bytes of the copy of some rows at most, or the part of the operand that it may be. */
const COPY_BYTES = 1536, COPY_PART = 1 / 24;

/** The same where the copy brings channels together that lie apart: without it each is looked for. */
const ACROSS_BYTES = 4096, ACROSS_PART = 1 / 6;

/** Bytes that a copy of the whole operand has at most. */
const WHOLE_BYTES = 2048;

/** The part of operand and output together that any copy may be: more memory is not worth its time. */
const MEMORY_PART = 1 / 3;

/** A product that reads a copy of its operand, with the copy's borders filled in. */
interface Padded {
  readonly pad: Step;
  readonly f: Product;
  readonly source: Load;
  readonly state: State;
  readonly product: Stage;
  /** Axes of the operand in the order of the copy, and the copy's extents. */
  readonly order: readonly number[];
  readonly extents: readonly number[];
  /** Whether the copy has its axes in another order than the operand in memory. */
  readonly across: boolean;
  /** The workload with the copy among its memory. */
  readonly memory: Workload;
  readonly copies: readonly Step[];
  /** Bytes that the memory of operand and output allows. */
  readonly room: number;
}

/**
 * The product with its operand copied; null where the core lacks the instructions, where it is none of
 * bytes, or where the copy would be what its operand is: that meets no borders and has the axes that
 * windows take as a whole, channels, innermost.
 */
function paddedOf({ w, s, r, out, target }: Form): Padded | null {
  if (!has(target, "dsp") || !has(target, "fpu") || !isRequantised(out, r)) return null;
  const f = productOf(s, r);
  if (typeof f === "string" || !canPad(s, r) || !canShift(s, r)) return null;
  const source = loads(f.activation).find((l) => w.buffers.has(l.src));
  if (source?.dtype !== "int8" && source?.dtype !== "uint8") return null;
  const { strides, shape } = w.buffers.get(source.src)!;
  const moves = (d: number) => r.compute.axes.some((v) => variables(source.idx[d]).has(v));
  const whole = (d: number) => shape[d] > 1 && !moves(d) ? 1 : 0;
  const inMemory = strides.map((_, i) => i).sort((a, b) => strides[b] - strides[a] || a - b);
  const order = inMemory.toSorted((a, b) => whole(a) - whole(b));
  const across = order.join() !== inMemory.join();
  if (f.reduce.where.length === 0 && !across) return null;
  const pad: Step = { do: "pad", stage: r.name, order, dtype: "int8" };
  const state = applied(s, pad), name = `${r.name}_x`;
  if (!state) return null;
  const product = state.stages.find((x) => x.name === r.name)!;
  const { out: copy } = state.stages.find((x) => x.name === name)!.compute;
  const memory: Buffer = {
    name,
    dtype: "int8",
    shape: copy.shape,
    strides: rowMajor(copy.shape),
    offset: 0,
    scope: "scratch",
    length: sizeOf(copy.shape),
    align: 4,
  };
  return {
    pad,
    f,
    source,
    state,
    product,
    order,
    extents: copy.shape,
    across,
    memory: { ...w, buffers: new Map([...w.buffers, [copy, memory]]) },
    room: MEMORY_PART * (sizeOf(w.buffers.get(source.src)!.shape) + sizeOf(memoryOf(w, out).shape)),
    copies: order.map((d) => tensorize(name, `d${d}`, COPIES)),
  };
}

/**
 * The whole operand is copied where it is small, so that windows meet no border and read runs as long
 * as they can be; otherwise as `tilesSchedule`.
 *
 * @param text whether the code is for this product alone, or shared with others
 */
export function mapTilesSchedule(form: Form, text: "own" | "shared"): Step[] | null {
  const padded = paddedOf(form);
  if (!padded || sizeOf(padded.extents) > Math.min(WHOLE_BYTES, padded.room)) return null;
  const { memory: w, state: s, product: r } = padded;
  const inner = { ...form, w, s, r };
  const tiles = tilesSchedule(inner, text, false, "runs") ?? tilesSchedule(inner, text);
  return tiles && [padded.pad, ...tiles, ...padded.copies];
}

/**
 * For some rows of the output, or each part of its only one, what they read of the input is copied, so
 * that windows meet no border and read runs as long as they can be; null also where such a copy is large.
 * Rows that tiles do not divide come by as many as they do.
 *
 * @param text whether the code is for this product alone, or shared with others
 */
export function rowTilesSchedule(form: Form, text: "own" | "shared"): Step[] | null {
  const all = paddedOf(form);
  if (!all) return null;
  const { w, r, out } = form, { f, source, pad, state: padded, product, order, extents } = all;
  const { shape } = w.buffers.get(source.src)!;
  const axes = tileAxes(w, padded, product, out);
  if (!axes || axes.rowAxes.length < 2) return null;
  const [lo, hi] = valueRange(axes.weights) ?? [-Infinity, Infinity], i16 = intRange("int16");
  if (lo < i16.min || hi > i16.max) return null;
  const last = axes.rowAxes.at(-1)!, before = axes.rowAxes.at(-2)!;
  const axisOf = (name: string) => out.compute.axes.findIndex((v) => v.name === name);
  const width = out.compute.out.shape[axisOf(last)];
  if (width < ROWS) return null;
  const movedBy = (name: string) =>
    source.idx.findIndex((e) => variables(e).has(r.compute.axes[axisOf(name)]));
  /** Bytes of the copy for so many outputs along an axis; null where no index moves with it. */
  const bytesOf = (name: string, outputs: number): number | null => {
    const d = movedBy(name);
    if (d < 0) return null;
    const index = linear(source.idx[d]);
    const reach = f.reduce.axes.reduce(
      (n, { v, extent }) => n + (extent - 1) * (coefficient(index, v) ?? 0),
      (outputs - 1) * (coefficient(index, r.compute.axes[axisOf(name)]) ?? 1) + 1,
    );
    return extents.reduce((n, e, i) => n * (order[i] === d ? reach : e), 1);
  };
  const [bytes, share] = all.across ? [ACROSS_BYTES, ACROSS_PART] : [COPY_BYTES, COPY_PART];
  const room = Math.min(all.room, Math.max(bytes, share * sizeOf(shape)));
  const single = out.compute.out.shape[axisOf(before)] === 1;
  const part = single
    ? partOf(width, (n) => (bytesOf(last, n) ?? Infinity) <= room)
    : (bytesOf(before, 1) ?? Infinity) <= room
    ? width
    : null;
  if (part === null) return null;
  const several = !single && width % ROWS !== 0 &&
    out.compute.out.shape[axisOf(before)] >= ROWS && (bytesOf(before, ROWS) ?? Infinity) <= room;
  const line = single ? `${last}_o` : several ? `${before}_o` : before;
  const at = single ? `${last}_i` : several ? "row" : last;
  const run = rowRun(all.memory, product);
  const filled = canFill(product, run);
  if (run === null || run.length < GROUP) return null;
  const rows = `${r.name}_rows`;
  const gemm: Step = {
    do: "gemm",
    stage: r.name,
    block: COLS,
    group: GROUP,
    order: "tiles",
    dtype: canTile(padded, product) ? "int8" : "int16",
    tile: ROWS,
    ...(run.length % GROUP === 0 ? {} : { run: run.length }),
    ...(filled ? { filled: true } : {}),
  };
  const outer = [...axes.rowAxes.slice(0, several ? -2 : -1), ...(single || several ? [line] : [])];
  const inner = [`${at}_o`, "col_o", `${at}_i`, "col_i"];
  return [
    pad,
    gemm,
    { do: "reorder", stage: out.name, loops: [...axes.rowAxes, ...axes.colAxes] },
    { do: "fuse", stage: out.name, loops: axes.colAxes, into: "col" },
    ...(single
      ? [{ do: "split", stage: out.name, loop: last, factor: part, tail: "cut" }] as Step[]
      : []),
    ...(several
      ? [
        { do: "split", stage: out.name, loop: before, factor: ROWS, tail: "cut" },
        { do: "fuse", stage: out.name, loops: [`${before}_i`, last], into: at },
      ] as Step[]
      : []),
    { do: "split", stage: out.name, loop: at, factor: ROWS, tail: "cut" },
    { do: "split", stage: out.name, loop: "col", factor: COLS, tail: "cut" },
    { do: "reorder", stage: out.name, loops: [...outer, ...inner] },
    { do: "unroll", stage: out.name, loop: `${at}_i` },
    { do: "unroll", stage: out.name, loop: "col_i" },
    { do: "computeAt", stage: r.name, at: out.name, loop: "col_o" },
    { do: "computeAt", stage: rows, at: out.name, loop: `${at}_o` },
    { do: "computeAt", stage: `${r.name}_x`, at: out.name, loop: line },
    { do: "columns", stage: out.name, loop: "col_o", text },
    { do: "unroll", stage: r.name, loop: "row" },
    { do: "unroll", stage: r.name, loop: "col" },
    ...pairedProduct(r.name),
    ...fillSteps(product, rows, run, ROWS, filled),
    ...all.copies,
  ];
}

/**
 * Outputs of a part of a row: as many tiles as the copy has room for, in parts of one size where that
 * costs little; null where a tile has no room, or all of them do.
 */
function partOf(width: number, fits: (outputs: number) => boolean): number | null {
  let most = 0;
  while (most + ROWS < width && fits(most + ROWS)) most += ROWS;
  if (most === 0) return null;
  for (let n = most; 2 * n > most; n -= ROWS) if (width % n === 0) return n;
  return most;
}
