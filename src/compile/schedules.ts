/** The kernels of a model: every group's definitions under a schedule. */
import type { Group } from "../passes/fuse.ts";
import type { Layout } from "../passes/layout.ts";
import { choose, explore, goalOf, lowered, type Option, withRoom } from "../schedule/choose.ts";
import { flashOf } from "../target/target.ts";
import { candidates } from "../schedule/rules/mod.ts";
import { flashBytes } from "../tir/estimate.ts";
import { verifyKernel } from "../tir/verify.ts";
import type { CompileOptions, ScheduledKernel } from "../compile.ts";
import type { Workload } from "../schedule/state.ts";
import type { Kernel } from "../tir/stmt.ts";
import { leaner } from "./lean.ts";
import { groupKernel, groupWorkload } from "./workload.ts";

/** How many times a kernel's instructions are about as many. */
const NEAR = 1.07;

/** Bytes of flash that are about as many. */
const NEAR_FLASH = 32;

/** The kernels of all groups, each under the schedule that the goal chooses among its candidates. */
export function scheduleGroups(
  groups: readonly Group[],
  { storage }: Layout,
  { board, optLevel: level, optimize, flashBudget, schedule: other }: CompileOptions,
): ScheduledKernel[] {
  const { target } = board;
  const goal = goalOf(optimize, flashBudget, flashOf(board));
  const own = groups.map((group) => groupKernel(group, storage));
  const parts = groups.filter((_, i) => !own[i])
    .map((group) => ({ group, ...groupWorkload(group, storage) }));
  const options = parts.map(({ workload }) =>
    explore(
      workload,
      target,
      candidates(workload, target, level).filter((c) =>
        !c.lean && (goal.budget !== null || !c.large)
      ),
    )
  );
  const taken = withRoom(options, goal), chosen = choose(taken, goal);
  const scheduled = parts.map(({ group, workload, values }, i): ScheduledKernel => {
    const schedule = other?.(workload, chosen[i].schedule, options[i]) ?? chosen[i].schedule;
    const kernel = schedule === chosen[i].schedule
      ? chosen[i].kernel
      : lowered(workload, { schedule });
    verifyKernel(kernel);
    const own = { group, workload, schedule, kernel, values };
    return other ? own : { ...own, near: near(own, chosen[i], taken[i]) };
  });
  const rest = scheduled.values();
  return groups.map((group, i): ScheduledKernel => {
    const mine = own[i];
    if (!mine) return rest.next().value!;
    verifyKernel(mine.kernel);
    return { group, workload: withoutStages(mine.kernel), schedule: [], ...mine };
  });
}

/** A kernel under the options that take less scratch memory than the chosen one and hardly more instructions. */
const near = (own: ScheduledKernel, chosen: Option, options: readonly Option[]) =>
  leaner(chosen, options, true)
    .filter((o) => o.takes.instructions <= NEAR * chosen.takes.instructions)
    .filter((o) => flashBytes(o.takes) <= NEAR_FLASH + flashBytes(chosen.takes))
    .map((o): ScheduledKernel => {
      verifyKernel(o.kernel);
      return { ...own, schedule: o.schedule, kernel: o.kernel };
    });

/** What there is to say of a kernel that was not made from definitions. */
const withoutStages = ({ name, origin, ops, macs }: Kernel): Workload => ({
  name,
  computes: [],
  buffers: new Map(),
  consts: new Map(),
  origin,
  ops,
  macs,
});
