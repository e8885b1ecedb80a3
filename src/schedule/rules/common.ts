/** What several rules have in common. */
import { rowMajor } from "../../util/tensor.ts";
import type { Indexable } from "../../te/expr.ts";
import type { Stage, Workload } from "../state.ts";
import type { Step } from "../steps.ts";

/** How a stage lies in memory: an output as it is placed, another without gaps. */
export function memoryOf(w: Workload, { compute: { out } }: Stage) {
  const { strides, shape } = w.buffers.get(out as Indexable) ??
    { shape: out.shape, strides: rowMajor(out.shape) };
  return { strides, shape };
}

/** Names of the output's axes, the one that runs slowest through its memory first. */
export function memoryOrder(w: Workload, out: Stage): string[] {
  const { strides } = memoryOf(w, out);
  return out.compute.axes.map((v, i) => ({ name: v.name, stride: strides[i], i }))
    .sort((a, b) => b.stride - a.stride || a.i - b.i).map((a) => a.name);
}

export const tensorize = (stage: string, loop: string, intrinsic: string): Step => ({
  do: "tensorize",
  stage,
  loop,
  intrinsic,
});
