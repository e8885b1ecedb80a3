/** Kernels that follow each other as one that passes rows on: what that takes, and the kernel. */
import { bytesOf } from "../util/dtype.ts";
import type { Graph, Value } from "../ir/graph.ts";
import { type Storage, storageBytes } from "../ir/storage.ts";
import type { Indexable } from "../te/expr.ts";
import type { Buffer, Kernel } from "../tir/stmt.ts";
import { hoistDivisions } from "../tir/hoist.ts";
import { verifyKernel } from "../tir/verify.ts";
import { rowAxis } from "../schedule/band.ts";
import { streamKernel } from "../schedule/row_stream.ts";
import {
  planStream,
  type StreamMemory,
  type StreamPart,
  type StreamPlan,
  type StreamUse,
} from "../schedule/row_stream_plan.ts";
import {
  isPaced,
  placeInRow,
  type SharedRow,
  sharedRows,
  withShared,
} from "../schedule/shared_rows.ts";
import { earlyParts } from "../schedule/early_parts.ts";
import { isRead, type PooledPlan, withPools } from "../schedule/row_pool.ts";
import {
  bytesOver,
  bytesUnder,
  isConsumed,
  type Pieces,
  piecesOf,
} from "../schedule/over_input.ts";
import type { ScheduledKernel } from "../compile.ts";
import { scratchOf } from "./lean.ts";
import { type BandKernel, type BandOptions, Bands, type BandSchedule } from "./bands.ts";

/** A stream that could be built, with estimates. */
export interface StreamChoice {
  readonly instructions: number;
  /** Bytes of rings and scratch when they are most. */
  readonly bytes: number;
  /** Values that it reads or writes as a whole. */
  readonly outer: readonly Value[];
  /**
   * For an output over an input: bytes from the begin of the output up to that of the input, if the
   * rows of the input are only overwritten after their last read.
   */
  distance(output: Value, input: Value): number;
  /** Bytes of rings that can lie over an input, as that is consumed. */
  over(input: Value): number;
  /** Bytes of rings that can lie over an output, where they are used no more when that is written. */
  under(output: Value): number;
  build(): ScheduledKernel;
}

/** The memory and the parts of a stream under construction. */
interface Draft {
  readonly members: readonly ScheduledKernel[];
  readonly bands: readonly BandKernel[];
  readonly parts: StreamPart[];
  readonly memories: StreamMemory[];
  readonly owners: Value[];
  readonly outer: Value[];
}

/** What streams are made of: the kernels of a model and where its values lie. */
export class Streams {
  readonly #bands: Bands;
  /** Kernels that touch the memory of each owner. */
  readonly #users = new Map<Value, Set<number>>();
  readonly #ports: ReadonlySet<Value>;

  constructor(
    readonly kernels: readonly ScheduledKernel[],
    readonly storage: ReadonlyMap<Value, Storage>,
    graph: Graph,
    readonly options: BandOptions,
  ) {
    this.#bands = new Bands(kernels, options);
    this.#ports = new Set([...graph.inputs, ...graph.outputs].map((v) => this.#owner(v)));
    kernels.forEach((k, i) =>
      k.values.forEach((v) => {
        const owner = this.#owner(v);
        this.#users.set(owner, (this.#users.get(owner) ?? new Set()).add(i));
      })
    );
  }

  #owner(v: Value): Value {
    return this.storage.get(v)!.owner;
  }

  /** Instructions of a kernel in bands, as estimated; null where it has none. */
  instructions(i: number, rows: number): number | null {
    return this.#bands.of(i, false, rows)?.instructions ?? null;
  }

  /**
   * Kernels `first` to `last` as one.
   *
   * @param rows of each kernel's output that are computed at a time, where that is possible
   * @returns the fastest, and others with less scratch memory; none where they cannot pass rows on
   */
  streams(first: number, last: number, rows: (i: number) => number): StreamChoice[] {
    const given = Array.from({ length: last - first + 1 }, (_, i) => first + i);
    const late = this.#late(given);
    const orders = late.every((i, n) => i === given[n]) ? [given] : [given, late];
    return orders.flatMap((order) => {
      const draft = this.#draft(first, last, rows, order);
      const plan = draft && planStream(draft.parts, draft.memories);
      if (!draft || !plan) return [];
      const ordered = [{ draft, plan }, ...earlyDraft(draft, plan)];
      const apart = ordered.flatMap((d) => [d, ...sharedDraft(d.draft, d.plan)]);
      // Slots are searched for where rings take the fewest bytes apart, and where no rows are shared.
      const least = apart.reduce((a, b) =>
        ringBytes(b.draft, b.plan) < ringBytes(a.draft, a.plan) ? b : a
      );
      const plans = this.options.lean
        ? [...apart, ...[...new Set([apart[0], least])].flatMap(pooledDraft)]
        : apart;
      return plans.flatMap((d) => leanDrafts(d.draft, d.plan).map((x) => this.#choice(x, d.plan)));
    });
  }

  /** Kernels in the order in which each stands directly before the first that reads from it. */
  #late(given: readonly number[]): number[] {
    const order: number[] = [];
    for (const i of given.toReversed()) {
      const { kernel, values } = this.kernels[i];
      const written = values.filter((_, j) => kernel.buffers[j].scope === "output")
        .map((v) => this.#owner(v));
      const at = order.findIndex((j) =>
        this.kernels[j].values.some((v) => written.includes(this.#owner(v)))
      );
      order.splice(at < 0 ? order.length : at, 0, i);
    }
    return order;
  }

  #choice(draft: Draft, plan: StreamPlan): StreamChoice {
    const { owners } = draft;
    return {
      instructions: draft.bands.reduce((sum, b) => sum + b.instructions, 0) +
        STEP * plan.steps * draft.parts.length,
      bytes: bytesOfPlan(draft, plan),
      outer: draft.outer,
      distance: (output, input) => {
        const [y, x] = [output, input].map((v) => owners.indexOf(this.#owner(v)));
        return distance(
          plan.firstWrite[y],
          plan.lastRead[x],
          rowBytes(draft, y),
          rowBytes(draft, x),
        );
      },
      over: (input) => {
        const { memories } = draft, x = owners.indexOf(this.#owner(input));
        if (x < 0 || !isConsumed(memories[x], plan.firstWrite[x])) return 0;
        const kept = keptPieces(draft, plan);
        return bytesOver(kept, plan.lastRead[x], rowBytes(draft, x));
      },
      under: (output) => {
        const y = owners.indexOf(this.#owner(output));
        if (y < 0) return 0;
        const bytes = rowBytes(draft, y);
        return Math.max(
          0,
          ...keptPieces(draft, plan).map((p) => bytesUnder(p, plan.firstWrite[y], bytes)),
        );
      },
      build: () => this.#build(draft, plan),
    };
  }

  #draft(
    first: number,
    last: number,
    rows: (i: number) => number,
    order: readonly number[],
  ): Draft | null {
    const members = order.map((i) => this.kernels[i]);
    const draft: Draft = { members, bands: [], parts: [], memories: [], owners: [], outer: [] };
    const bands: BandKernel[] = [];
    for (const [n, k] of members.entries()) {
      const made = this.#bands.of(order[n], n === members.length - 1, rows(order[n]));
      if (!made) return null;
      bands.push(made);
      const { band, kernel, finish } = made;
      const given = [...k.workload.buffers];
      const use = (i: number): StreamUse | null | undefined => {
        const [t, b] = given[i];
        const at = this.#use(draft, b, k.values[i], (owner) => {
          const users = [...this.#users.get(owner)!];
          return !this.#ports.has(owner) && users.every((u) => first <= u && u <= last);
        });
        const reach = band.reach.get(t as Indexable) ?? null;
        return at && { ...at, reach, writes: b.scope === "output" };
      };
      const uses = kernel.buffers.map((b, i) =>
        b.name === band.sums?.name || i >= k.values.length ? null : use(i)
      );
      const ends = (finish?.buffers ?? []).map((b) =>
        b.scope === "output" ? use(k.values.length - 1) : null
      );
      if ([...uses, ...ends].includes(undefined)) return null;
      draft.parts.push({
        kernel,
        block: band.block,
        blocks: band.blocks,
        rows: band.rows,
        uses: uses as (StreamUse | null)[],
        finish: finish && { kernel: finish, uses: ends as (StreamUse | null)[] },
        kept: new Set(band.sums ? [band.sums.name] : []),
      });
    }
    return { ...draft, bands };
  }

  /** Where a buffer lies in the memories of a stream; undefined where its rows are not theirs. */
  #use(
    { owners, memories, outer }: Draft,
    buffer: Buffer,
    v: Value,
    isInside: (owner: Value) => boolean,
  ): Pick<StreamUse, "memory" | "axis" | "buffer"> | undefined {
    const owner = this.#owner(v), of = rowAxis(buffer);
    const fits = of !== null && buffer.offset < of.stride && of.rows * of.stride === buffer.length;
    let memory = owners.indexOf(owner);
    if (memory < 0) {
      const inside = fits && isInside(owner);
      memory = owners.push(owner) - 1;
      memories.push({
        name: `${inside ? "ring" : "m"}${memory}`,
        inside,
        rows: fits ? of.rows : 1,
        stride: fits ? of.stride : buffer.length,
      });
      if (!inside) outer.push(v);
    }
    const m = memories[memory];
    if (m.inside && (!fits || of.stride !== m.stride || of.rows !== m.rows)) return undefined;
    return { memory, axis: of?.axis ?? 0, buffer };
  }

  #build(
    { members, bands, parts, memories, owners, outer }: Draft,
    plan: StreamPlan,
  ): ScheduledKernel {
    const kernel = hoistDivisions(streamKernel(parts, memories, plan));
    verifyKernel(kernel);
    const byName = new Map(
      outer.map((v) => [memories[owners.indexOf(this.#owner(v))].name, v]),
    );
    return {
      group: { ...members.at(-1)!.group, nodes: members.flatMap((k) => k.group.nodes) },
      workload: members.at(-1)!.workload,
      schedule: [],
      kernel,
      values: kernel.buffers.flatMap((b) => b.scope === "scratch" ? [] : [byName.get(b.name)!]),
      members: members.map((k, i) => ({ ...k, schedule: bands[i].schedule })),
    };
  }
}

/** Bytes of all rings. */
const ringBytes = (d: Draft, { rings }: StreamPlan): number =>
  d.memories.reduce((sum, m, i) => sum + (m.inside ? rings[i].rows * rowBytes(d, i) : 0), 0);

/** The draft with parts that come later than others first, if less has to be kept then. */
function earlyDraft(draft: Draft, plan: StreamPlan): { draft: Draft; plan: StreamPlan }[] {
  const order = earlyParts(draft.parts);
  if (order.every((k, n) => k === n)) return [];
  const early: Draft = {
    ...draft,
    members: order.map((k) => draft.members[k]),
    bands: order.map((k) => draft.bands[k]),
    parts: order.map((k) => draft.parts[k]),
  };
  const found = planStream(early.parts, early.memories);
  return found && ringBytes(early, found) < ringBytes(draft, plan)
    ? [{ draft: early, plan: found }]
    : [];
}

/**
 * The draft with rows in the memory of those that are made of them, wherever that is less for the
 * rings; none where it is nowhere.
 */
function sharedDraft(draft: Draft, plan: StreamPlan): { draft: Draft; plan: StreamPlan }[] {
  let best: { draft: Draft; plan: StreamPlan } | null = null;
  const taken: SharedRow[] = [];
  for (const row of sharedRows(draft.parts, draft.memories, plan)) {
    if (taken.some((t) => t.guest === row.guest)) continue;
    const { left, ...made } = withShared(draft.parts, draft.memories, [...taken, row]);
    const shared: Draft = { ...draft, ...made, owners: left.map((m) => draft.owners[m]) };
    const found = planStream(shared.parts, shared.memories);
    const old = best ?? { draft, plan };
    // What is read in time is so under the same paces alone.
    if (!found || !isPaced(found, plan)) continue;
    if (ringBytes(shared, found) >= ringBytes(old.draft, old.plan)) continue;
    if (phasesOf(shared, found).kept > phasesOf(old.draft, old.plan).kept) continue;
    best = { draft: shared, plan: found };
    taken.push(row);
  }
  if (!best) return [];
  // Other schedules have to read a row in the same order.
  const bands = draft.bands.map((b, k): BandKernel => {
    const part = draft.parts[k];
    const own = taken.filter((s) => part.uses.some((u) => u?.writes && u.memory === s.host));
    const isAlike = ({ kernel }: BandSchedule): boolean =>
      own.every((s) =>
        placeInRow(withKernel(draft, k, kernel), draft.memories, s.guest, s.host) === s.at
      );
    return { ...b, lean: b.lean.filter(isAlike) };
  });
  return [{ draft: { ...best.draft, bands }, plan: best.plan }];
}

/** The draft with rings in pools; none where that is no less. */
function pooledDraft({ draft, plan }: { draft: Draft; plan: StreamPlan }) {
  let best: PooledPlan | null = null, bytes = bytesOfPlan(draft, plan);
  for (const all of plan.rings.some((r) => r.within) ? [false, true] : [false]) {
    const made = withPools(draft.parts, draft.memories, plan, all);
    const needs = made ? bytesOfPlan(draft, made.plan) : bytes;
    if (needs < bytes) [best, bytes] = [made, needs];
  }
  if (!best) return [];
  const { follows } = best;
  // Other schedules have to read rows before they write over them too.
  const bands = draft.bands.map((b, k): BandKernel => {
    const own = follows.filter((f) => f.part === k);
    const isAlike = ({ kernel }: BandSchedule): boolean =>
      own.every((f) => isRead(withKernel(draft, k, kernel), draft.memories, f));
    return { ...b, lean: b.lean.filter(isAlike) };
  });
  return [{ draft: { ...draft, bands }, plan: best.plan }];
}

/** Share of a stream's memory that is worth a choice of its own. */
const WORTH = 0.99;

/** A draft with each of its parts as fast as less and less memory allows. */
function leanDrafts(draft: Draft, plan: StreamPlan): Draft[] {
  const drafts = [draft];
  const { rings } = phasesOf(draft, plan);
  const ways = draft.bands.map((b, k) =>
    [b, ...b.lean].map((way) => {
      const own = way.kernel.buffers.filter((x) => !draft.parts[k].kept.has(x.name));
      return { way, bytes: rings[k] + scratchOf({ buffers: own }) };
    })
  );
  const limits = [...new Set(ways.flat().map((w) => w.bytes))].sort((a, b) => b - a);
  let bytes = bytesOfPlan(draft, plan);
  for (const limit of limits) {
    const taken = ways.map((list) => list.find((w) => w.bytes <= limit)?.way);
    if (taken.includes(undefined)) break;
    const lean = withSchedules(draft, taken as BandSchedule[]);
    const needs = bytesOfPlan(lean, plan);
    if (needs > WORTH * bytes) continue;
    drafts.push(lean);
    bytes = needs;
  }
  return drafts;
}

/** The draft with other schedules of its bands. */
const withSchedules = (draft: Draft, ways: readonly BandSchedule[]): Draft => ({
  ...draft,
  bands: draft.bands.map((b, k) => ({ ...b, ...ways[k] })),
  parts: draft.parts.map((_, k) => withKernel(draft, k, ways[k].kernel)),
});

/** A part with another kernel, whose scratch memory is its own. */
function withKernel({ parts, members }: Draft, k: number, kernel: Kernel): StreamPart {
  const own = members[k].values.length, { uses } = parts[k];
  return { ...parts[k], kernel, uses: kernel.buffers.map((_, i) => i < own ? uses[i] : null) };
}

/** Bytes of a row of a memory. */
const rowBytes = ({ owners, memories }: Draft, m: number): number =>
  storageBytes(owners[m]) / memories[m].rows;

/** Whether a ring lies in no pool, or is the first of those in it. */
const isFirstOfPool = ({ rings }: StreamPlan, m: number): boolean =>
  !rings[m].pool || rings.findIndex((r) => r.pool?.pool === rings[m].pool?.pool) === m;

/** Bytes from one row of a ring, or of its pool, to the next. */
function slotBytes(draft: Draft, { rings }: StreamPlan, m: number): number {
  const { pool } = rings[m], own = rowBytes(draft, m);
  return pool ? own / draft.memories[m].stride * pool.stride : own;
}

/** The rings and pools that are kept throughout. */
const keptPieces = (draft: Draft, plan: StreamPlan): Pieces[] =>
  draft.memories.flatMap((m, i) =>
    m.inside && !plan.rings[i].within && isFirstOfPool(plan, i)
      ? [piecesOf(i, slotBytes(draft, plan, i), plan)]
      : []
  );

/** Instructions of a part in a step, beside its block: whether it has one, and where its rows lie. */
const STEP = 8;

/** Rings that are kept throughout, and the most of what is needed by one part and between parts. */
function bytesOfPlan(draft: Draft, plan: StreamPlan): number {
  const { kept, phases } = phasesOf(draft, plan);
  return kept + Math.max(...phases);
}

/** Bytes that are kept throughout; of each part and the kernel's end all others; rings alone of them. */
function phasesOf(draft: Draft, plan: StreamPlan) {
  const { rings } = plan;
  const { parts, memories } = draft;
  let kept = 0;
  const phases = new Array<number>(2 * parts.length).fill(0);
  const need = (bytes: number, within: readonly [number, number] | null): void => {
    if (!within) kept += bytes;
    else for (let i = within[0]; i <= within[1]; i++) phases[i] += bytes;
  };
  memories.forEach(({ inside }, m) => {
    if (!inside || !isFirstOfPool(plan, m)) return;
    const { rows, within, pool } = rings[m];
    const element = rowBytes(draft, m) / draft.memories[m].stride;
    need(pool ? pool.length * element : rows * rowBytes(draft, m), within);
  });
  const between = [...phases];
  parts.forEach((p, k) => {
    const sums = new Set<string>();
    p.kernel.buffers.forEach((b, i) => {
      const bytes = b.length * bytesOf(b.dtype);
      if (p.uses[i]) return;
      if (!p.kept.has(b.name)) need(bytes, [k, k]);
      else if (!sums.has(b.name)) need(bytes, null);
      sums.add(b.name);
    });
  });
  return { kept, phases, rings: between };
}

/** How far below an input its output begins, at least, if rows are written after the last read. */
function distance(
  writes: readonly number[],
  reads: readonly number[],
  writeBytes: number,
  readBytes: number,
): number {
  let far = -reads.length * readBytes;
  // The first row from which on all reads are over at a time.
  let waiting = 0;
  writes.forEach((time, r) => {
    if (time < 0) return;
    while (waiting < reads.length && reads[waiting] < time) waiting++;
    if (waiting < reads.length) far = Math.max(far, (r + 1) * writeBytes - waiting * readBytes);
  });
  return far;
}
