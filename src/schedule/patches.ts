/** Constants of a reduction within channels, a channel after another (MVE). */
import { sizeOf, tensor } from "../util/tensor.ts";
import { placeholder } from "../te/compute.ts";
import { add, bits, cast, type Expr, imm, load, mul } from "../te/expr.ts";
import type { PackedTensor } from "./gemm.ts";
import { channelAxis, whyNoLanes } from "./lanes.ts";
import { byteShift, columnStarts, constantMatrix, moved, productOf } from "./product.ts";
import { refuse, replaceStage, stageOf, type State } from "./state.ts";
import { requantizer, scalesOf } from "./stream.ts";

/**
 *     acc[c, …] = b[c] + Σ taps: x[c, …]·w[c, taps]
 *     y[…, c] = requantize(acc[c, …], scale[c], …)
 *   →
 *     acc[c, …] = p[c, 0] + Σ taps: x[c, …]·w′[c, lead + lane of the tap]
 *     y[…, c] = requantize(acc[c, …], p[c, 1] as a float, …)
 */
export interface PatchesStep {
  readonly do: "patches";
  readonly stage: string;
  /** Lanes between neighbouring taps of each axis of the reduction. */
  readonly lanes: readonly number[];
}

/** Lanes of a vector. */
const LANES = 16;

/** Zeros before a channel's first tap, and its bytes: taps can be moved as far as vectors hold them. */
export function patchLayout(extents: readonly number[], lanes: readonly number[]) {
  const last = extents.reduce((n, e, i) => n + (e - 1) * lanes[i], 0);
  const all = LANES * Math.ceil((last + 1) / LANES), lead = all - 1 - last;
  return { lead, length: Math.ceil((lead + all) / 4) * 4 };
}

export function patches(s: State, step: PatchesStep): State {
  const st = stageOf(s, step.stage);
  const why = whyNoLanes(s, st), f = productOf(s, st), r = requantizer(s, st);
  if (why !== null || typeof f === "string" || !r) {
    refuse(`take ${step.stage} in patches`, why ?? "it is no product", "keep its loops");
  }
  const { reduce } = f, { axes, out: acc } = st.compute, channel = channelAxis(s, st)!;
  const count = acc.shape[channel], extents = reduce.axes.map((a) => a.extent);
  const { lead, length } = patchLayout(extents, step.lanes);
  if (reduce.where.length > 0 || step.lanes.length !== extents.length) {
    refuse(
      `take ${step.stage} in patches`,
      "it has borders, or other axes than lanes are given for",
      "pad first; give lanes for each axis",
    );
  }
  const taps = sizeOf(extents);
  const matrix = constantMatrix(s, st, f), shift = byteShift(f)!;
  const starts = columnStarts("start", s, st, f, shift)[1].data as Int32Array;
  const own = r.acc.idx[channel] as Expr & { k: "var" };
  const scales = new Int32Array(Float32Array.from(scalesOf(s, r.scale, own, count)).buffer);
  const w = new Int32Array(count * length), p = new Int32Array(count * 2);
  /** The lane of a tap, from the last axis outwards. */
  const laneOf = (tap: number): number => {
    let left = tap, lane = lead;
    for (let i = extents.length - 1; i >= 0; i--) {
      lane += left % extents[i] * step.lanes[i];
      left = Math.floor(left / extents[i]);
    }
    return lane;
  };
  for (let c = 0; c < count; c++) {
    for (let t = 0; t < taps; t++) w[c * length + laneOf(t)] = matrix[c * taps + t];
    p[2 * c] = starts[c];
    p[2 * c + 1] = scales[c];
  }
  const weights: PackedTensor = {
    name: `${st.name}_w`,
    dtype: "int8",
    shape: [count, length],
    order: "patches",
  };
  const params = placeholder(`${r.out.name}_p`, "int32", [count, 2]);
  const lane = reduce.axes.reduce<Expr>((e, a, i) => add(e, mul(a.v, step.lanes[i])), imm(lead));
  const c = axes[channel];
  const body = {
    ...reduce,
    init: load(params, [c, imm(0)]),
    body: mul(
      cast("int32", moved(f.activation, shift, "int8")),
      cast("int32", load(weights, [c, lane])),
    ),
  };
  const scale = bits("float32", load(params, [own, imm(1)]));
  const scaled = cast(r.out.compute.out.dtype, {
    ...r.call,
    args: r.call.args.map((a) => a === r.scale ? scale : a),
  });
  const next = replaceStage(s, st.name, { ...st, compute: { ...st.compute, body } });
  return {
    ...replaceStage(next, r.out.name, {
      ...r.out,
      compute: { ...r.out.compute, body: scaled },
    }),
    consts: new Map([
      ...s.consts,
      [weights, tensor("int8", weights.shape, w)],
      [params, tensor("int32", params.shape, p)],
    ]),
  };
}
