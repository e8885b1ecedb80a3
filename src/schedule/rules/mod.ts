/** Which schedule a kernel gets. A rule looks at the form of the stages, never at operator names. */
import { has, type Target } from "../../target/target.ts";
import { isPointwise, loads } from "../../te/analyze.ts";
import { initialState, type Stage, type Workload } from "../state.ts";
import { applySteps, type Schedule } from "../steps.ts";
import { channelSchedule } from "./channels.ts";
import { gemmSchedule } from "./gemm.ts";
import { inlineSteps } from "./inline.ts";
import { planeSchedule } from "./plane.ts";
import { elementwise, scalarSchedule } from "./scalar.ts";
import { vectorSchedule } from "./vector.ts";

/** The steps for a workload; at level 0 and 1 loops stay as the definitions give them. */
export function chooseSchedule(w: Workload, target: Target, level: number): Schedule {
  const inlined = inlineSteps(w);
  const s = applySteps(initialState(w), inlined);
  const out = s.stages.at(-1)!;
  const reduction = s.stages.length === 2 && s.stages[0].compute.body.k === "reduce" &&
      readOnce(out, s.stages[0])
    ? s.stages[0]
    : null;
  const rest = level >= 2 && reduction
    ? (has(target, "mve") ? vectorSchedule(w, s, reduction, out) : null) ??
      gemmSchedule(w, s, reduction, out, target) ??
      (has(target, "dsp") ? planeSchedule(w, s, reduction, out) : null) ??
      channelSchedule(w, s, reduction, out, target) ??
      scalarSchedule(w, reduction, out)
    : reduction
    ? scalarSchedule(w, reduction, out)
    : elementwise(w, s, level);
  return [...inlined, ...rest];
}

/** Whether a stage reads another at the position that it computes itself, axis by axis. */
function readOnce(out: Stage, of: Stage): boolean {
  const ls = loads(out.compute.body).filter((l) => l.src === of.compute.out);
  return ls.length > 0 && ls.every((l) => isPointwise(l, out.compute));
}
