/** Windows of bytes within each channel that are summed or compared: four channels at a time. */
import { loads, variables } from "../../te/analyze.ts";
import { POOL_CHANNELS } from "../../tir/pool_block.ts";
import { POOL } from "../tensorize.ts";
import type { Stage, Workload } from "../state.ts";
import type { Step } from "../steps.ts";
import { memoryOrder, tensorize } from "./common.ts";

/** The steps; null where the reduction is none of bytes in the order of their memory. */
export function poolSchedule(w: Workload, r: Stage, out: Stage): Step[] | null {
  const { body, axes } = r.compute;
  if (body.k !== "reduce" || (body.op !== "sum" && body.op !== "max")) return null;
  const found = loads(body.body).filter((l) => w.buffers.has(l.src));
  if (found.length !== 1 || loads(body.body).length !== 1) return null;
  const [source] = found;
  if (source.dtype !== "int8" && source.dtype !== "uint8") return null;
  const order = memoryOrder(w, out), last = order.at(-1);
  if (last === undefined) return null;
  const channel = axes[out.compute.axes.findIndex((v) => v.name === last)];
  const d = source.idx.findIndex((e) => variables(e).has(channel));
  if (d < 0 || w.buffers.get(source.src)!.strides[d] !== 1) return null;
  const taps = body.axes.map((a) => a.v.name);
  return [
    { do: "reorder", stage: out.name, loops: order },
    { do: "split", stage: out.name, loop: last, factor: POOL_CHANNELS, tail: "cut" },
    { do: "unroll", stage: out.name, loop: `${last}_i` },
    { do: "computeAt", stage: r.name, at: out.name, loop: `${last}_o` },
    {
      do: "reorder",
      stage: r.name,
      loops: [...axes.map((v) => v.name).filter((n) => n !== channel.name), ...taps, channel.name],
    },
    { do: "unroll", stage: r.name, loop: channel.name },
    tensorize(r.name, taps[0], POOL),
    ...(body.where.length > 0 && order.length > 1
      ? [{ do: "specialize", stage: out.name, loop: order.at(-2)!, for: r.name }] as Step[]
      : []),
  ];
}
