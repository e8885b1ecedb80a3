/** The kernels of a model: every group's definitions under a schedule. */
import type { Group } from "../passes/fuse.ts";
import type { Layout } from "../passes/layout.ts";
import { choose, explore, GOALS, lowered } from "../schedule/choose.ts";
import { candidates } from "../schedule/rules/mod.ts";
import { verifyKernel } from "../tir/verify.ts";
import type { CompileOptions, ScheduledKernel } from "../compile.ts";
import { groupWorkload } from "./workload.ts";

/** The kernels of all groups, each under the schedule that the goal chooses among its candidates. */
export function scheduleGroups(
  groups: readonly Group[],
  { storage }: Layout,
  { board: { target }, optLevel: level, optimize, schedule: other }: CompileOptions,
): ScheduledKernel[] {
  const parts = groups.map((group) => ({ group, ...groupWorkload(group, storage) }));
  const options = parts.map(({ workload }) =>
    explore(workload, target, candidates(workload, target, level))
  );
  const chosen = choose(options, GOALS[optimize]);
  return parts.map(({ group, workload, values }, i): ScheduledKernel => {
    const schedule = other?.(workload, chosen[i].schedule, options[i]) ?? chosen[i].schedule;
    const kernel = schedule === chosen[i].schedule
      ? chosen[i].kernel
      : lowered(workload, { schedule });
    verifyKernel(kernel);
    return { group, workload, schedule, kernel, values };
  });
}
