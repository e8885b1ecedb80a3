/** What several rules have in common. */
import { rowMajor } from "../../util/tensor.ts";
import type { Indexable } from "../../te/expr.ts";
import { BurinError } from "../../util/errors.ts";
import type { Stage, State, Workload } from "../state.ts";
import { applySteps, type Step } from "../steps.ts";

/** How a stage lies in memory: an output as it is placed, another without gaps. */
export function memoryOf(w: Workload, { compute: { out } }: Stage) {
  const { strides, shape } = w.buffers.get(out as Indexable) ??
    { shape: out.shape, strides: rowMajor(out.shape) };
  return { strides, shape };
}

/**
 * Names of the output's axes, the one that runs slowest through its memory first; of those with one
 * stride, those that do not run come before the one that does.
 */
export function memoryOrder(w: Workload, out: Stage): string[] {
  const { strides, shape } = memoryOf(w, out);
  const runs = (i: number): number => shape[i] > 1 ? 1 : 0;
  return out.compute.axes.map((v, i) => ({ name: v.name, stride: strides[i], i }))
    .sort((a, b) => b.stride - a.stride || runs(a.i) - runs(b.i) || a.i - b.i).map((a) => a.name);
}

/** The state behind a step; null where the step does not fit. */
export function applied(s: State, step: Step): State | null {
  try {
    return applySteps(s, [step]);
  } catch (e) {
    if (e instanceof BurinError && e.code === "model/schedule-step") return null;
    throw e;
  }
}

export const tensorize = (stage: string, loop: string, intrinsic: string): Step => ({
  do: "tensorize",
  stage,
  loop,
  intrinsic,
});
