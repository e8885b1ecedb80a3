/** What a kernel can be beside the schedule that its goal chooses: less scratch for more instructions. */
import { bytesOf } from "../util/dtype.ts";
import { estimate } from "../tir/estimate.ts";
import type { Target } from "../target/target.ts";
import type { Option } from "../schedule/choose.ts";
import { explore } from "../schedule/choose.ts";
import { candidates } from "../schedule/rules/mod.ts";
import { verifyKernel } from "../tir/verify.ts";
import type { Kernel } from "../tir/stmt.ts";
import type { ScheduledKernel } from "../compile.ts";

/** Bytes of scratch memory of a kernel. */
export const scratchOf = (k: Pick<Kernel, "buffers">): number =>
  k.buffers.reduce((sum, b) => sum + (b.scope === "scratch" ? b.length * bytesOf(b.dtype) : 0), 0);

/**
 * The options with less scratch than a chosen one of which none is better in both, the most scratch
 * first.
 *
 * @param scarce whether none may have more constants either
 */
export function leaner<O extends Option>(
  chosen: Option,
  options: readonly O[],
  scarce: boolean,
): O[] {
  const found: O[] = [];
  const cheapest = options.toSorted((a, b) => a.takes.instructions - b.takes.instructions);
  let least = scratchOf(chosen.kernel);
  for (const o of cheapest) {
    const bytes = scratchOf(o.kernel);
    const more = o.takes.constantBytes > chosen.takes.constantBytes;
    if (bytes >= least || (scarce && more)) continue;
    found.push(o);
    least = bytes;
  }
  return found;
}

/** The leaner kernels of each kernel, as far as their workloads tell how they are made. */
export function leanKernels(
  kernels: readonly ScheduledKernel[],
  target: Target,
  level: number,
  scarce: boolean,
): readonly (readonly ScheduledKernel[])[] {
  return kernels.map((k) => {
    const { workload, kernel } = k;
    if (workload.computes.length === 0 || scratchOf(kernel) === 0) return [];
    const small = candidates(workload, target, level).filter((c) => !c.large);
    // What is stored in fewer bits stays so.
    const compact = k.schedule.some((step) => step.do === "compact");
    const options = explore(workload, target, small).filter((o) => !compact || o.compact);
    const chosen = options.find((o) => o.schedule === k.schedule);
    const own = { ...(chosen ?? options[0]), kernel, takes: estimate(kernel, target) };
    return leaner(own, options, scarce).map((o): ScheduledKernel => {
      verifyKernel(o.kernel);
      return { ...k, schedule: o.schedule, kernel: o.kernel };
    });
  });
}
