/** Channels side by side: windows within each, and floats. */
import { has, type Target } from "../../target/target.ts";
import { loads, variables } from "../../te/analyze.ts";
import { mla4 } from "../../tir/intrinsics.ts";
import { mlaFloats } from "../../tir/float_block.ts";
import { SUM } from "../tensorize.ts";
import type { Stage, State, Workload } from "../state.ts";
import type { Step } from "../steps.ts";
import { memoryOrder, tensorize } from "./common.ts";
import { vectorRequantize } from "./vector.ts";

/** Taps of a window up to which they are written out one by one. */
const UNROLL = 9;

/** Four channels at a time: reductions within each (depthwise), and floats, which share what they read. */
export function channelSchedule(
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
