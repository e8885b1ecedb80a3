/** Which intrinsic a channel's map of outputs or its copy is. */
import { intRange } from "../util/dtype.ts";
import { numbers } from "../util/tensor.ts";
import { coefficient, linear } from "../te/linear.ts";
import type { Expr, Interval, Load, Var } from "../te/expr.ts";
import { REQUANTIZE, REQUANTIZE_WORD } from "../te/rounding.ts";
import { gather } from "../tir/gather.ts";
import { bitsOf, floatOf } from "../tir/mve.ts";
import { planeMap } from "../tir/plane_map.ts";
import { mapFits, type PlaneMap } from "../tir/plane_map_asm.ts";
import { fitsHalfwords } from "../tir/requantize_asm.ts";
import { saturationOf } from "../tir/scalar_c.ts";
import type { Access, Buffer, Intrin, Store } from "../tir/stmt.ts";
import { accessAt, stepOf } from "./access.ts";
import {
  type NestLoop,
  type PackedBuffer,
  pairWeight,
  product,
  startOf,
  widened,
} from "./tensorize.ts";

/** The statements of a map: what is stored, what its sum starts with and what is added to it. */
export interface MapNest {
  readonly out: Store;
  readonly start: Expr;
  readonly product: Store;
  /** Rows and columns of the output, or columns alone. */
  readonly outputs: readonly NestLoop[];
  readonly taps: readonly NestLoop[];
  /** Smallest and largest element of a copy. */
  range(b: Buffer): Interval | null;
}

/** How many halfwords an address is behind a word's; null: that depends on something. */
function behindWord({ strides, offset }: Buffer, idx: readonly Expr[]): 0 | 1 | null {
  let behind = offset;
  for (const [i, e] of idx.entries()) {
    if (strides[i] % 2 === 0) continue;
    const l = linear(e);
    if ([...l.terms.values()].some((t) => t.coeff % 2 !== 0)) return null;
    behind += l.constant;
  }
  return behind % 2 === 0 ? 0 : 1;
}

const literal = (e: Expr): number | null => e.k === "imm" ? Number(e.value) : null;

/**
 * Which taps are the columns, rows and planes of the window: columns are neighbours in the plane, rows
 * move the axis in front of theirs.
 */
function tapsOf(plane: Load, taps: readonly NestLoop[]) {
  const buf = plane.src as Buffer, row = plane.idx.at(-2);
  const real = taps.filter((t) => t.extent > 1);
  const cols = real.find((t) => stepOf(buf, plane.idx, t.v) === 1);
  const others = real.filter((t) => t !== cols);
  const rows = others.find((t) => row && coefficient(linear(row), t.v) !== 0) ?? null;
  const planes = others.filter((t) => t !== rows);
  return cols && planes.length <= 1 ? { cols, rows, planes: planes.at(0) ?? null } : null;
}

/** The call that computes what the nest does; null where it has another form. */
export function tensorizeMap(n: MapNest): Intrin | null {
  const { value } = n.out;
  if (value.k !== "cast" || value.a.k !== "call") return null;
  const byWords = value.a.fn === REQUANTIZE_WORD;
  if (value.a.fn !== REQUANTIZE && !byWords) return null;
  if (value.dtype !== "int8" && value.dtype !== "uint8") return null;
  const [acc, scale, ...rest] = value.a.args, bounds = rest.map(literal);
  if (acc.k !== "load" || acc.src !== n.product.buf || bounds.some((b) => b === null)) return null;
  const [zero, lo, hi] = bounds as number[];
  const p = product(n.product), a = p && widened(p.a, "int16"), w = p && pairWeight(p.b);
  if (!a || !w || n.start.k !== "load" || n.start.dtype !== "int32") return null;
  if (scale.k !== "imm" && scale.k !== "load") return null;
  const plane = a.src as Buffer, weights = w.src as PackedBuffer, taps = tapsOf(a, n.taps);
  if (!taps || plane.shape.length < 2) return null;
  const cols = n.outputs.at(-1)!, rows = n.outputs.at(-2) ?? null, pitch = plane.strides.at(-2)!;
  const steps = (b: Buffer, idx: readonly Expr[], loop: NestLoop | null) =>
    loop && loop.extent > 1 ? stepOf(b, idx, loop.v) : 0;
  const sw = steps(plane, a.idx, cols), sh = steps(plane, a.idx, rows);
  const down = steps(plane, a.idx, taps.rows);
  const [row, col] = [steps(n.out.buf, n.out.idx, rows), steps(n.out.buf, n.out.idx, cols)];
  if (sw === null || sh === null || down === null || row === null || col === null) return null;
  if (sh % pitch !== 0 || down % pitch !== 0 || row < 0 || col < 0) return null;
  const width = 2 * (taps.cols.extent - 1), height = taps.rows?.extent ?? 1;
  const inWeights = (tap: NestLoop | null, none: number) =>
    tap ? stepOf(weights, w.idx.slice(0, -1), tap.v) : none;
  const inRows = inWeights(taps.rows, width), inPlanes = inWeights(taps.planes, width * height);
  if (weights.shape.at(-1) !== width || inRows !== width || inPlanes !== width * height) {
    return null;
  }
  const apart = steps(plane, a.idx, taps.planes);
  if (apart === null || apart < 0) return null;
  const bounded = saturationOf(lo, hi) === null;
  const shared = scale.k === "imm", scales = scalesOf(scale);
  if (byWords && (!scales || bounded)) return null;
  const largest = largestResult(n, weights, byWords ? floatsOf(scales) : scales, plane);
  const halfwords = fitsHalfwords(largest, zero, lo, hi);
  const m: PlaneMap = {
    taps: [height, taps.cols.extent],
    planes: taps.planes?.extent ?? 1,
    apart,
    stride: [sh === 0 ? 1 : sh / pitch, sw === 0 ? 1 : sw],
    dilation: taps.rows ? down / pitch : 1,
    shape: [rows?.extent ?? 1, cols.extent],
    pitch,
    steps: [row, col],
    y: value.dtype,
    shared,
    bounded,
    limits: bounded ? [intRange(value.dtype).min, intRange(value.dtype).max] : [lo, hi],
    rounding: halfwords ? "halfwords" : "words",
    words: byWords ? scales!.filter((x) => x < 0).length / scales!.length : null,
  };
  const start = startOf([...n.outputs, ...n.taps]);
  if (!mapFits(m) || behindWord(plane, a.idx.map(start)) !== 0) return null;
  const read = (l: Load): Access => accessAt(l.src as Buffer, l.idx, start);
  return {
    k: "intrin",
    op: planeMap(m),
    args: [
      accessAt(n.out.buf, n.out.idx, start),
      read(a),
      read(w),
      read(n.start),
      ...(scale.k === "load" ? [read(scale)] : []),
    ],
    scalars: [
      ...(scale.k === "imm" ? [byWords ? Number(scale.value) : bitsOf(Number(scale.value))] : []),
      zero,
      ...(bounded ? [lo, hi] : []),
    ],
  };
}

/** The scales of all channels, or words; null where they are no constants. */
function scalesOf(e: Expr): readonly number[] | null {
  if (e.k === "imm") return [Number(e.value)];
  const data = e.k === "load" ? (e.src as Buffer).data : undefined;
  return data ? numbers(data) : null;
}

/** The scales that are taken as floats; multipliers stand as 0. */
const floatsOf = (words: readonly number[] | null): readonly number[] | null =>
  words && words.map((w) => w < 0 ? 0 : floatOf(w));

/** The largest magnitude that an accumulator times its scale can have; Infinity where it is not known. */
function largestResult(
  n: MapNest,
  w: PackedBuffer,
  scales: readonly number[] | null,
  plane: Buffer,
): number {
  const starts = n.start.k === "load" ? (n.start.src as Buffer).data : undefined;
  const range = n.range(plane);
  if (!starts || !w.data || !range || !scales) return Infinity;
  const channels = w.shape[0], each = w.length / channels, most = Math.max(-range[0], range[1]);
  const ws = numbers(w.data), ss = numbers(starts);
  if (ss.length !== channels || (scales.length !== channels && scales.length !== 1)) {
    return Infinity;
  }
  let largest = 0;
  for (let c = 0; c < channels; c++) {
    let sum = Math.abs(Number(ss[c]));
    // Pairs overlap: what they hold twice makes the bound larger, not smaller.
    for (let k = 0; k < each; k++) sum += Math.abs(Number(ws[c * each + k])) * most;
    largest = Math.max(largest, sum * scales[c % scales.length]);
  }
  return largest;
}

/** A run of a nest: from where, and how far. */
export interface NestPart {
  readonly v: Var;
  readonly lo: number;
  readonly extent: number;
}

/** The call that copies bytes that lie apart; null where the nest does something else. */
export function tensorizeGather(
  s: Store,
  loops: readonly NestPart[],
  start: (e: Expr) => Expr,
): Intrin | null {
  const { value } = s;
  if (s.buf.dtype !== "int16" || value.k !== "cast") return null;
  const x = value.a.k === "cast" ? value.a.a : value.a;
  if (x.k !== "load" || (x.dtype !== "int8" && x.dtype !== "uint8")) return null;
  const src = x.src as Buffer, [cols, rows, ...more] = loops.toReversed();
  if (more.some((p) => p.extent > 1)) return null;
  if (stepOf(s.buf, s.idx, cols.v) !== 1) return null;
  const step = (b: Buffer, idx: readonly Expr[], p?: NestPart) => p ? stepOf(b, idx, p.v) : 0;
  const [pitch, row, col] = [
    step(s.buf, s.idx, rows),
    step(src, x.idx, rows),
    step(src, x.idx, cols),
  ];
  if (pitch === null || row === null || col === null || row < 0 || col < 0) return null;
  return {
    k: "intrin",
    op: gather({
      x: x.dtype,
      rows: rows?.extent ?? 1,
      cols: cols.extent,
      pitch,
      steps: [row, col],
      lead: behindWord(s.buf, s.idx.map(start)),
    }),
    args: [accessAt(s.buf, s.idx, start), accessAt(src, x.idx, start)],
    scalars: [],
  };
}
