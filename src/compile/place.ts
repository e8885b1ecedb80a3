/** Where the memory of a compiled graph lies: live ranges of owners and scratch, placed by the planner. */
import { bytesOf } from "../util/dtype.ts";
import { invariant } from "../util/errors.ts";
import type { Graph, Value } from "../ir/graph.ts";
import { type Storage, storageBytes } from "../ir/storage.ts";
import { canOverwrite } from "../tir/in_place.ts";
import { countTraffic } from "../tir/traffic.ts";
import { reverseKernel } from "../tir/reverse.ts";
import type { Buffer, Kernel } from "../tir/stmt.ts";
import type { Region, Request, Sharing } from "../memory/plan.ts";
import { checkPlan } from "../memory/checker.ts";
import type { PlacedMemory } from "../memory/shadow.ts";
import type { Replay } from "../memory/replay.ts";
import { planMemory } from "../memory/planner.ts";
import { type Overlap, overlaps } from "./in_place.ts";
import type { Argument } from "../codegen/program.ts";
import type { ArenaRegion, PlannedBuffer } from "../codegen/artifact.ts";

/** A kernel and the values behind the first of its buffers; the rest are scratch. */
export interface Step {
  readonly kernel: Kernel;
  readonly values: readonly Value[];
}

export interface Placement {
  /** The memory of each buffer of each step's kernel. */
  readonly args: readonly (readonly Argument[])[];
  readonly buffers: readonly PlannedBuffer[];
  readonly regions: readonly ArenaRegion[];
  /** Which planner found the plan, and the bytes of all regions that no plan undercuts. */
  readonly plan: { readonly planner: string; readonly bound: number };
  /** The memory that the plan places, and which of it each step uses: what the checker replays. */
  readonly replay: Replay;
  /** The kernels of the steps; those whose outputs lie over their inputs may run backwards. */
  readonly kernels: readonly Kernel[];
  /** Offset in the arena of an owner that lies there. */
  offsetOf(owner: Value): { region: string; offset: number } | null;
}

/** The one region there is where none are named. */
const REGION = "arena";
const ALIGN = 16;

/** How memory is planned. */
export interface PlaceOptions {
  /** Graph inputs and outputs lie in the arena too. */
  readonly inArena: boolean;
  readonly level: 0 | 1 | 2 | 3;
  /** Regions that may be used, the best first; default one without a limit. */
  readonly regions?: readonly Region[];
}

/** Plans the memory of all steps. With `inArena`, graph inputs and outputs lie in the arena too. */
export function place(
  g: Graph,
  steps: readonly Step[],
  storage: ReadonlyMap<Value, Storage>,
  options: PlaceOptions,
): Placement {
  const regions: readonly Region[] = options.regions ?? [{ name: REGION, bytes: null }];
  const allowed = regions.map((r) => r.name);
  const traffic = regions.length > 1 ? trafficOf(steps, storage) : null;
  const owner = (v: Value): Value => storage.get(v)!.owner;
  const external = new Set(options.inArena ? [] : [...g.inputs, ...g.outputs]);
  const ranges = liveRanges(g, steps, owner);
  const merged = options.level >= 1 ? overwrite(g, steps, storage, ranges, external) : new Map();
  const root = (v: Value): Value => merged.has(v) ? root(merged.get(v)!) : v;
  const shared = options.level >= 2
    ? sharedMemory(g, steps, storage, ranges, { merged, external })
    : new Map<Value, Shared>();

  const requests: Request[] = [];
  const names = new Map<Value, string>();
  for (const [v, range] of ranges) {
    if (external.has(v) || root(v) !== v) continue;
    const joint = [...ranges].filter(([w]) => root(w) === v).map(([, r]) => r);
    const name = v.name;
    names.set(v, name);
    requests.push({
      name,
      bytes: storageBytes(v),
      align: Math.max(
        ...[...ranges.keys()].filter((w) => root(w) === v).map((w) => storage.get(w)!.align),
      ),
      first: Math.min(range.first, ...joint.map((r) => r.first)),
      last: Math.max(range.last, ...joint.map((r) => r.last)),
      regions: allowed,
      ...(traffic && {
        traffic: [...ranges.keys()].filter((w) => root(w) === v)
          .reduce((sum, w) => sum + (traffic.values.get(w) ?? 0), 0),
      }),
    });
  }
  for (const [i, r] of requests.entries()) {
    const s = [...shared].find(([v]) => names.get(v) === r.name)?.[1];
    if (!s) continue;
    const shares = s.overlaps.flatMap(({ owner, forward, reversed }) => {
      const other = requests.find((q) => q.name === names.get(root(owner)));
      const shifts = [...forward, ...reversed];
      return other?.last === r.first && shifts.length > 0 ? [{ with: other.name, shifts }] : [];
    });
    requests[i] = { ...r, shares };
  }
  // What lies over an input is written when nobody reads that any more, in this step or another;
  // an output over what is used no more when it is written, where nobody wrote it before.
  const indexOf = (s: Step, buffer: string): number =>
    requests.findIndex((q) =>
      q.name ===
        names.get(root(owner(s.values[s.kernel.buffers.findIndex((b) => b.name === buffer)])))
    );
  const scratchName = (i: number, b: Buffer): string => `step ${i}: ${b.name}`;
  const addScratch = (s: Step, i: number, b: Buffer): void => {
    const shares: Sharing[] = [];
    for (const { buffer, shifts } of options.level >= 2 ? b.over ?? [] : []) {
      const at = indexOf(s, buffer), x = requests[at];
      const isOutput = s.kernel.buffers.some((o) => o.name === buffer && o.scope === "output");
      if (x && isOutput && x.first === i) {
        const back = { with: scratchName(i, b), shifts: shifts.map((n) => -n) };
        requests[at] = { ...x, shares: [...(x.shares ?? []), back] };
      } else if (x && !isOutput && x.last === i && !kept.has(x.name)) {
        shares.push({ with: x.name, shifts });
      }
    }
    requests.push({
      name: scratchName(i, b),
      bytes: b.length * bytesOf(b.dtype),
      align: b.align,
      first: i,
      last: i,
      ...(b.within && { within: b.within }),
      ...(shares.length > 0 && { shares }),
      regions: allowed,
      ...(traffic && { traffic: traffic.scratch.get(b) ?? 0 }),
    });
  };
  const kept = new Set(g.outputs.map((y) => names.get(root(owner(y)))));
  steps.forEach((s, i) =>
    s.kernel.buffers.slice(s.values.length).forEach((b) => addScratch(s, i, b))
  );
  const plan = planMemory(requests, regions, { level: options.level });
  checkPlan(requests, regions, plan);
  const placed = new Map(plan.placed.map((p) => [p.request.name, p]));

  const offsetOf = (v: Value): { region: string; offset: number } | null => {
    const p = placed.get(names.get(root(v)) ?? "");
    return p && !external.has(v) ? { region: p.region, offset: p.offset } : null;
  };
  const argument = (i: number, v: Value | null, b: Buffer): Argument => {
    if (v && external.has(owner(v))) {
      const input = g.inputs.indexOf(owner(v));
      return input >= 0
        ? { k: "input", index: input }
        : { k: "output", index: g.outputs.indexOf(owner(v)) };
    }
    const p = v ? offsetOf(owner(v)) : placed.get(scratchName(i, b));
    invariant(p, `${v?.name ?? b.name} has no place`);
    return { k: "arena", region: p.region, offset: p.offset };
  };
  const args = steps.map((s, i) =>
    s.kernel.buffers.map((b, j) => argument(i, s.values[j] ?? null, b))
  );
  const directed = steps.map((s, i) =>
    [...shared].some(([v, x]) => x.step === i && runsBackwards(v, x, offsetOf))
      ? { ...s, kernel: reverseKernel(s.kernel) }
      : s
  );
  return {
    args,
    kernels: directed.map((x) => x.kernel),
    replay: replayOf(g, directed, owner, args, offsetOf),
    plan: { planner: plan.planner, bound: plan.bound },
    buffers: plannedBuffers(ranges, plan.placed, { external, names, root }),
    regions: [...plan.used].filter(([, bytes]) => bytes > 0)
      .map(([name, bytes]) => ({ name, bytes, align: ALIGN })),
    offsetOf,
  };
}

/** Bytes that a run reads and writes: of each owner's memory, and of each scratch buffer. */
function trafficOf(
  steps: readonly Step[],
  storage: ReadonlyMap<Value, Storage>,
): { values: Map<Value, number>; scratch: Map<Buffer, number> } {
  const values = new Map<Value, number>(), scratch = new Map<Buffer, number>();
  for (const { kernel, values: bound } of steps) {
    countTraffic(kernel).forEach((bytes, j) => {
      if (j >= bound.length) scratch.set(kernel.buffers[j], bytes);
      else {
        const { owner } = storage.get(bound[j])!;
        values.set(owner, (values.get(owner) ?? 0) + bytes);
      }
    });
  }
  return { values, scratch };
}

/** Numbers the memories of the arena: owners in the order of their first use, then scratch. */
function replayOf(
  g: Graph,
  steps: readonly Step[],
  owner: (v: Value) => Value,
  args: readonly (readonly Argument[])[],
  offsetOf: Placement["offsetOf"],
): Replay {
  const memories: PlacedMemory[] = [];
  const numbers = new Map<Value, number>();
  const ofValue = (v: Value): number => {
    const at = offsetOf(v);
    if (at === null) return -1;
    const known = numbers.get(v);
    if (known !== undefined) return known;
    const number = memories.push({ name: v.name, bytes: storageBytes(v), ...at }) - 1;
    numbers.set(v, number);
    return number;
  };
  const replaySteps = steps.map(({ kernel, values }, i) => ({
    kernel,
    memories: kernel.buffers.map((b, j) => {
      if (j < values.length) return ofValue(owner(values[j]));
      const at = args[i][j];
      if (at.k !== "arena") return -1;
      const bytes = b.length * bytesOf(b.dtype);
      return memories.push({ name: b.name, bytes, region: at.region, offset: at.offset }) - 1;
    }),
  }));
  const held = (values: readonly Value[]): number[] =>
    [...new Set(values.map((v) => ofValue(owner(v))))].filter((m) => m >= 0);
  return { memories, steps: replaySteps, filled: held(g.inputs), wanted: held(g.outputs) };
}

/** How the output of a step may lie over inputs that die there. */
interface Shared {
  readonly step: number;
  readonly overlaps: readonly (Overlap & { readonly owner: Value })[];
}

/** Whether an output lies over an input as only the reversed kernel allows. */
const runsBackwards = (v: Value, s: Shared, offsetOf: Placement["offsetOf"]): boolean =>
  s.overlaps.some(({ owner, reversed }) => {
    const at = offsetOf(v), over = offsetOf(owner);
    return at !== null && over !== null && at.region === over.region &&
      reversed.includes(at.offset - over.offset) &&
      at.offset < over.offset + storageBytes(owner) && over.offset < at.offset + storageBytes(v);
  });

/** Outputs with memory of their own that may lie over dying inputs. */
function sharedMemory(
  g: Graph,
  steps: readonly Step[],
  storage: ReadonlyMap<Value, Storage>,
  ranges: ReadonlyMap<Value, Range>,
  { merged, external }: { merged: ReadonlyMap<Value, Value>; external: ReadonlySet<Value> },
): Map<Value, Shared> {
  const shared = new Map<Value, Shared>();
  const owner = (v: Value): Value => storage.get(v)!.owner;
  steps.forEach(({ kernel, values }, step) => {
    const outs = kernel.buffers.flatMap((b, j) => b.scope === "output" ? [j] : []);
    if (outs.length !== 1 || kernel.ordered) return;
    const out = owner(values[outs[0]]);
    const taken = external.has(out) || merged.has(out) || g.inputs.includes(out);
    if (taken || ranges.get(out)!.first !== step) return;
    const inputs = values.flatMap((v, k) => {
      const o = owner(v);
      const dies = !external.has(o) && o !== out && ranges.get(o)!.last === step &&
        !g.outputs.includes(o) && values.filter((w) => owner(w) === o).length === 1;
      return kernel.buffers[k].scope === "input" && dies ? [k] : [];
    });
    const found = overlaps(kernel, outs[0], inputs, (b) => b.align);
    // What lies over a consumed input relies on the order of the steps.
    const forward = kernel.buffers.some((b) => b.over);
    const over = kernel.buffers[outs[0]].over ?? [];
    const list = found.map((o) => ({
      ...o,
      forward: [
        ...o.forward,
        ...over.flatMap((x) => x.buffer === kernel.buffers[o.input].name ? x.shifts : []),
      ],
      ...(forward && { reversed: [] }),
      owner: owner(values[o.input]),
    }));
    if (list.length > 0) shared.set(out, { step, overlaps: list });
  });
  return shared;
}

export interface Range {
  first: number;
  last: number;
}

/** From the first step that touches an owner's memory to the last; graph outputs stay to the end. */
export function liveRanges(
  g: Graph,
  steps: readonly Step[],
  owner: (v: Value) => Value,
): Map<Value, Range> {
  const end = Math.max(steps.length - 1, 0);
  const ranges = new Map<Value, Range>(g.inputs.map((v) => [v, { first: 0, last: 0 }]));
  steps.forEach((s, i) => {
    for (const v of s.values) {
      const r = ranges.get(owner(v));
      if (r) r.last = i;
      else ranges.set(owner(v), { first: i, last: i });
    }
  });
  for (const v of g.outputs) {
    const r = ranges.get(owner(v));
    if (r) r.last = end;
    else ranges.set(owner(v), { first: end, last: end });
  }
  return ranges;
}

/** Outputs that take over the memory of an input that dies in the same step. */
function overwrite(
  g: Graph,
  steps: readonly Step[],
  storage: ReadonlyMap<Value, Storage>,
  ranges: ReadonlyMap<Value, Range>,
  external: ReadonlySet<Value>,
): Map<Value, Value> {
  const merged = new Map<Value, Value>();
  const owner = (v: Value): Value => storage.get(v)!.owner;
  steps.forEach(({ kernel, values }, i) => {
    const outs = kernel.buffers.flatMap((b, j) => b.scope === "output" ? [j] : []);
    if (outs.length !== 1 || kernel.ordered) return;
    const out = owner(values[outs[0]]);
    if (external.has(out) || ranges.get(out)!.first !== i || g.inputs.includes(out)) return;
    const j = values.findIndex((v, k) => {
      const o = owner(v);
      return kernel.buffers[k].scope === "input" && !external.has(o) && o !== out &&
        ranges.get(o)!.last === i && !g.outputs.includes(o) &&
        storageBytes(o) === storageBytes(out) &&
        values.filter((w) => owner(w) === o).length === 1 &&
        canOverwrite(kernel, kernel.buffers[k], kernel.buffers[outs[0]]);
    });
    if (j >= 0) merged.set(out, owner(values[j]));
  });
  return merged;
}

function plannedBuffers(
  ranges: ReadonlyMap<Value, Range>,
  placed: readonly { request: Request; region: string; offset: number }[],
  names: {
    external: ReadonlySet<Value>;
    names: ReadonlyMap<Value, string>;
    root: (v: Value) => Value;
  },
): PlannedBuffer[] {
  const byName = new Map(placed.map((p) => [p.request.name, p]));
  const values = [...ranges].map(([v, r]): PlannedBuffer => {
    const caller = names.external.has(v);
    const p = caller ? null : byName.get(names.names.get(names.root(v))!)!;
    return {
      name: v.name,
      region: p?.region ?? "caller",
      offset: p?.offset ?? 0,
      bytes: storageBytes(v),
      firstStep: r.first,
      lastStep: r.last,
      owner: caller ? "caller" : names.root(v) === v ? "arena" : names.root(v).name,
    };
  });
  const scratch = placed.filter((p) => p.request.name.startsWith("step ")).map((
    p,
  ): PlannedBuffer => ({
    name: p.request.name,
    region: p.region,
    offset: p.offset,
    bytes: p.request.bytes,
    firstStep: p.request.first,
    lastStep: p.request.last,
    owner: "arena",
  }));
  return [...values, ...scratch];
}
