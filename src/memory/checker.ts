/**
 * Proves a memory plan. It shares no code with the planners and believes nothing that they computed:
 * it looks at every moment at which a buffer comes to life and compares what is alive byte by byte.
 */
import { BurinError } from "../util/errors.ts";
import type { Placed, Plan, Region, Request } from "./plan.ts";

const fail = (message: string): never => {
  throw new BurinError("internal/memory-plan", message, "please report this with the model");
};

const span = (p: Placed): string =>
  `${p.request.name} (${p.region} ${p.offset} to ${p.offset + p.request.bytes - 1}, steps ` +
  `${p.request.first} to ${p.request.last})`;

function checkComplete(requests: readonly Request[], plan: Plan): void {
  const places = new Map<string, number>();
  for (const p of plan.placed) {
    places.set(p.request.name, (places.get(p.request.name) ?? 0) + 1);
  }
  const byName = new Map(requests.map((r) => [r.name, r]));
  if (byName.size !== requests.length) fail("Cannot check a plan as two requests share a name");
  for (const r of requests) {
    const times = places.get(r.name) ?? 0;
    if (times !== 1) fail(`Cannot accept the plan as ${r.name} is placed ${times} times`);
  }
  for (const { request: p } of plan.placed) {
    const r = byName.get(p.name) ?? fail(`Cannot accept the plan as nobody asked for ${p.name}`);
    const same = r.bytes === p.bytes && r.align === p.align && r.first === p.first &&
      r.last === p.last && r.within?.join() === p.within?.join();
    if (!same) fail(`Cannot accept the plan as it places another ${p.name} than requested`);
  }
}

function checkPlace(p: Placed, wanted: readonly string[], region: Region | undefined): void {
  if (region === undefined) return fail(`Cannot place ${span(p)} as there is no such region`);
  if (!wanted.includes(p.region)) {
    fail(`Cannot place ${span(p)} as it may only be in ${wanted.join(", ")}`);
  }
  if (!Number.isSafeInteger(p.offset) || p.offset < 0) {
    fail(`Cannot place ${span(p)} as its offset is no address`);
  }
  if (p.offset % p.request.align !== 0) {
    fail(`Cannot place ${span(p)} as it needs an alignment of ${p.request.align}`);
  }
  if (region.bytes !== null && p.offset + p.request.bytes > region.bytes) {
    fail(`Cannot place ${span(p)} as the region has ${region.bytes} bytes`);
  }
}

function checkUsed(plan: Plan, regions: readonly Region[]): void {
  for (const { name } of regions) {
    const ends = plan.placed.flatMap((p) =>
      p.region === name && p.request.bytes > 0 ? [p.offset + p.request.bytes] : []
    );
    const end = Math.max(0, ...ends);
    const used = plan.used.get(name);
    if (used !== end) {
      fail(`Cannot accept the plan as it counts ${used} bytes of ${name} where ${end} are used`);
    }
  }
}

/** Whether the later of two requests may lie over the earlier one as it does. */
function mayShare(a: Placed, b: Placed): boolean {
  const leave = (x: Placed, y: Placed): boolean =>
    x.request.first === y.request.last && x.request.shares !== undefined &&
    x.request.shares.some((s) =>
      s.with === y.request.name && s.shifts.includes(x.offset - y.offset)
    );
  return leave(a, b) || leave(b, a);
}

/** Whether two requests of one step hold something in different parts of it. */
const apart = (a: Request, b: Request): boolean =>
  a.within !== undefined && b.within !== undefined &&
  [a, b].every((r) => r.first === r.last && r.first === a.first) &&
  (a.within[1] < b.within[0] || a.within[0] > b.within[1]);

function checkOverlap(placed: readonly Placed[]): void {
  const filled = placed.filter((p) => p.request.bytes > 0);
  // Two buffers that are ever alive together are so when the later one begins.
  for (const now of new Set(filled.map((p) => p.request.first))) {
    const alive = filled.filter((p) => p.request.first <= now && now <= p.request.last)
      .sort((a, b) => a.offset - b.offset);
    alive.forEach((p, i) => {
      for (const q of alive.slice(i + 1)) {
        if (q.offset >= p.offset + p.request.bytes) break;
        if (q.region !== p.region || mayShare(p, q) || apart(p.request, q.request)) continue;
        fail(`Cannot place ${span(q)} as it overlaps ${span(p)} at step ${now}`);
      }
    });
  }
}

/**
 * Checks that every request is placed once, where it may be, aligned and inside its region, that no
 * two buffers that are live at the same step share a byte, and that `used` tells the truth.
 * @throws BurinError `internal/memory-plan` that names the buffers
 */
export function checkPlan(
  requests: readonly Request[],
  regions: readonly Region[],
  plan: Plan,
): void {
  const byName = new Map(regions.map((r) => [r.name, r]));
  const wanted = new Map(requests.map((r) => [r.name, r.regions]));
  checkComplete(requests, plan);
  for (const p of plan.placed) checkPlace(p, wanted.get(p.request.name)!, byName.get(p.region));
  checkUsed(plan, regions);
  checkOverlap(plan.placed);
}
