/** Constants of a reduction within channels, sixteen lanes side by side (MVE). */
import { sizeOf, tensor, type TensorData } from "../util/tensor.ts";
import { placeholder } from "../te/compute.ts";
import { add, bits, cast, type Expr, floordiv, floormod, imm, load, mul } from "../te/expr.ts";
import { valueRange, variables } from "../te/analyze.ts";
import { laneParam, LANES } from "../tir/mve_window.ts";
import type { PackedTensor } from "./gemm.ts";
import { byteShift, canShift, columnStarts, constantMatrix, moved, productOf } from "./product.ts";
import { refuse, replaceStage, type Stage, stageOf, type State } from "./state.ts";
import { requantizer, scalesOf } from "./stream.ts";

/**
 *     acc[c, …] = b[c] + Σ taps: x[c, …]·w[c, taps]
 *     y[…, c] = requantize(acc[c, …], scale[c], …)
 *   →
 *     acc[c, …] = p[c ÷ 16, 0, l mod 4, l ÷ 4] + Σ taps: x[c, …]·w′[c ÷ 16, taps, l]
 *     y[…, c] = requantize(acc[c, …], p[c ÷ 16, 1, l mod 4, l ÷ 4] as a float, …), l = c mod 16
 *
 * Where several pixels share a vector, l = (pixel mod pixels)·channels + c.
 */
export interface LanesStep {
  readonly do: "lanes";
  readonly stage: string;
  /** Neighbours along this axis of the output share a vector, as many as `pixels`. */
  readonly axis: string;
  readonly pixels: number;
}

/** The axis of the channels, which both factors have; null: there is none alone. */
export function channelAxis(s: State, st: Stage): number | null {
  const f = productOf(s, st);
  if (typeof f === "string") return null;
  const columns = variables(f.weights), read = variables(f.activation);
  const { axes } = st.compute;
  const found = axes.flatMap((v, i) => columns.has(v) ? [i] : []);
  return found.length === 1 && read.has(axes[found[0]]) ? found[0] : null;
}

/** Why the step would not fit, or null. */
export function whyNoLanes(s: State, st: Stage): string | null {
  const f = productOf(s, st), r = requantizer(s, st), channel = channelAxis(s, st);
  if (typeof f === "string") return f;
  if (!r) return "nothing requantises its sums";
  if (channel === null) return "it is no reduction within channels";
  if (!canShift(s, st)) return "its sums do not start at constants that int32 holds";
  const [lo, hi] = valueRange(f.weights) ?? [-Infinity, Infinity];
  if (lo < -128 || hi > 127) return "a constant exceeds a byte";
  const own = r.acc.idx[channel];
  if (own.k !== "var" || !r.out.compute.axes.includes(own)) {
    return "its channels are read otherwise";
  }
  const { scale } = r;
  if (scale.k === "load" && (!s.consts.has(scale.src) || scale.dtype !== "float32")) {
    return "its scale is no constant";
  }
  return scale.k === "load" && [...variables(scale)].some((v) => v !== own)
    ? "its scale changes along other axes"
    : null;
}

export function lanes(s: State, step: LanesStep): State {
  const st = stageOf(s, step.stage);
  const why = whyNoLanes(s, st), f = productOf(s, st), r = requantizer(s, st);
  if (why !== null || typeof f === "string" || !r) {
    refuse(`take ${step.stage} in lanes`, why ?? "it is no product", "keep its loops");
  }
  const { reduce } = f, { axes, out: acc } = st.compute, channel = channelAxis(s, st)!;
  const count = acc.shape[channel], { pixels } = step;
  if (reduce.where.length > 0 || (pixels > 1 && pixels * count !== LANES)) {
    refuse(
      `take ${step.stage} in lanes`,
      "it has borders, or its pixels do not fill a vector",
      "pad first; one pixel",
    );
  }
  const taps = sizeOf(reduce.axes.map((a) => a.extent)), blocks = Math.ceil(count / LANES);
  const matrix = constantMatrix(s, st, f), shift = byteShift(f)!;
  const starts = columnStarts("start", s, st, f, shift)[1].data as Int32Array;
  const own = r.acc.idx[channel] as Expr & { k: "var" };
  const scales = new Int32Array(Float32Array.from(scalesOf(s, r.scale, own, count)).buffer);
  const w = new Int32Array(blocks * taps * LANES), p = new Int32Array(blocks * 2 * LANES);
  for (let i = 0; i < count * pixels; i++) {
    const c = i % count, block = Math.floor(i / LANES), lane = i % LANES;
    for (let t = 0; t < taps; t++) w[(block * taps + t) * LANES + lane] = matrix[c * taps + t];
    p[block * 2 * LANES + laneParam(0, lane)] = starts[c];
    p[block * 2 * LANES + laneParam(1, lane)] = scales[c];
  }
  const weights: PackedTensor = {
    name: `${st.name}_w`,
    dtype: "int8",
    shape: [blocks, taps, LANES],
    order: "lanes",
  };
  const params = placeholder(`${r.out.name}_p`, "int32", [blocks, 2, 4, 4]);
  const data: [PackedTensor | typeof params, TensorData][] = [
    [weights, tensor("int8", weights.shape, w)],
    [params, tensor("int32", params.shape, p)],
  ];
  const pixelIn = (stage: Stage, name: string): Expr => {
    const v = stage.compute.axes.find((x) => x.name === name);
    return v ?? refuse(`take ${step.stage} in lanes`, `there is no axis ${name}`, "name one");
  };
  const lane = (c: Expr, pixel: Expr | null): Expr =>
    pixel === null ? floormod(c, LANES) : add(mul(floormod(pixel, pixels), count), c);
  const param = (c: Expr, pixel: Expr | null, which: number): Expr => {
    const l = lane(c, pixel);
    return load(params, [floordiv(c, LANES), which, floormod(l, 4), floordiv(l, 4)]);
  };
  const many = pixels > 1;
  // The axis of the reduction that the output's axis reads.
  const position = r.acc.idx.findIndex((e) => e.k === "var" && e.name === step.axis);
  const inner = many ? axes[position] : null;
  const outer = many ? pixelIn(r.out, step.axis) : null;
  const tap = reduce.axes.reduce<Expr>((e, a) => add(mul(e, a.extent), a.v), imm(0));
  const c = axes[channel];
  const body = {
    ...reduce,
    init: param(c, inner, 0),
    body: mul(
      cast("int32", moved(f.activation, shift, "int8")),
      cast("int32", load(weights, [floordiv(c, LANES), tap, lane(c, inner)])),
    ),
  };
  const scaled = cast(r.out.compute.out.dtype, {
    ...r.call,
    args: r.call.args.map((a) => a === r.scale ? bits("float32", param(own, outer, 1)) : a),
  });
  const next = replaceStage(s, st.name, { ...st, compute: { ...st.compute, body } });
  return {
    ...replaceStage(next, r.out.name, {
      ...r.out,
      compute: { ...r.out.compute, body: scaled },
    }),
    consts: new Map([...s.consts, ...data]),
  };
}
