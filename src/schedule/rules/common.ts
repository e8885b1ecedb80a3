/** What several rules have in common. */
import type { Indexable } from "../../te/expr.ts";
import type { Stage, Workload } from "../state.ts";
import type { Step } from "../steps.ts";

/** Names of the output's axes, the one that runs slowest through its memory first. */
export function memoryOrder(w: Workload, out: Stage): string[] {
  const strides = w.buffers.get(out.compute.out as Indexable)!.strides;
  return out.compute.axes.map((v, i) => ({ name: v.name, stride: strides[i], i }))
    .sort((a, b) => b.stride - a.stride || a.i - b.i).map((a) => a.name);
}

export const tensorize = (stage: string, loop: string, intrinsic: string): Step => ({
  do: "tensorize",
  stage,
  loop,
  intrinsic,
});
