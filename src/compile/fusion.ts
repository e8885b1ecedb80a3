/** Which kernels pass rows on to each other: working memory against instructions. */
import { bytesOf } from "../util/dtype.ts";
import type { Target } from "../target/target.ts";
import type { Graph, Value } from "../ir/graph.ts";
import { type Storage, storageBytes } from "../ir/storage.ts";
import { estimate } from "../tir/estimate.ts";
import { goalOf } from "../schedule/choose.ts";
import type { CompileOptions, ScheduledKernel } from "../compile.ts";
import { overlaps } from "./in_place.ts";
import { liveRanges } from "./place.ts";
import { type StreamChoice, Streams } from "./row_stream.ts";

/** What a way to run the model takes, as estimated. */
export interface FrontierPoint {
  readonly bytes: number;
  readonly instructions: number;
}

/** The kernels that are to run, some of them as one. */
export interface Fusion {
  readonly kernels: readonly ScheduledKernel[];
  /** What could be had: fewer bytes for more instructions, both rising or falling. */
  readonly frontier: readonly FrontierPoint[];
}

/** A kernel as it is, or several that pass rows on. */
interface Edge extends FrontierPoint {
  readonly first: number;
  readonly last: number;
  /** Null: the kernel as it is. */
  readonly stream: StreamChoice | null;
}

/** How many times the instructions of separate kernels may be taken. */
const SHARE = { balanced: 1.015, ram: 1.2 } as const;

/** Elements of a buffer beyond which no board has memory for a stream of it. */
const LARGEST = 2 ** 20;

/** Share of the memory of separate kernels that is little enough to fuse them. */
const WORTH = 0.9;

/** Streams that are looked at, and the most kernels in one. */
const STREAMS = 3000, LONGEST = 40;

/** Rows that a kernel computes at a time, where that is so many times cheaper than one by one. */
const ROWS = [1, 2, 4], CHEAPER = 0.97;

/** Chooses what to fuse for a goal: the least memory within the instructions that it allows. */
export function fuseKernels(
  graph: Graph,
  kernels: readonly ScheduledKernel[],
  storage: ReadonlyMap<Value, Storage>,
  { board: { target }, optLevel: level, optimize, flashBudget, io }: CompileOptions,
): Fusion {
  const share = optimize === "ram" || optimize === "balanced" ? SHARE[optimize] : null;
  const large = kernels.some((k) => k.kernel.buffers.some((b) => b.length > LARGEST));
  if (level < 2 || share === null || kernels.length === 0 || large) {
    return { kernels, frontier: [] };
  }
  const streams = new Streams(kernels, storage, graph, {
    target,
    level,
    goal: goalOf(optimize, flashBudget, null),
  });
  const live = new Liveness(graph, kernels, storage, io === "arena");
  const edges = kernels.map((_, first) => edgesFrom(first, kernels, streams, live, target));
  const frontier = frontierOf(edges);
  const most = share * edges.reduce((sum, list) => sum + list[0].instructions, 0);
  const separate = Math.max(...edges.map((list) => list[0].bytes));
  const worth = (p: FrontierPoint) => p.instructions <= most && p.bytes <= WORTH * separate;
  for (const point of frontier.filter(worth)) {
    const way = path(edges, point.bytes)!;
    const built = way.map(({ stream, first }) => stream ? stream.build() : kernels[first]);
    // What a whole stream takes is known better than what its parts do.
    const takes = built.reduce((sum, k) => sum + estimate(k.kernel, target).instructions, 0);
    if (takes <= most) return { kernels: built, frontier };
  }
  return { kernels, frontier };
}

/** The ways to run on from a kernel; the first one is the kernel as it is. */
function edgesFrom(
  first: number,
  kernels: readonly ScheduledKernel[],
  streams: Streams,
  live: Liveness,
  target: Target,
): Edge[] {
  const edges: Edge[] = [{
    first,
    last: first,
    stream: null,
    instructions: estimate(kernels[first].kernel, target).instructions,
    bytes: live.ofKernel(first),
  }];
  const longest = Math.min(
    LONGEST,
    Math.max(2, Math.floor(STREAMS / kernels.length / ROWS.length)),
  );
  const end = Math.min(kernels.length, first + longest);
  // A single kernel in bands has smaller scratch memory, and nothing between kernels to save.
  for (let last = first + 1; last < end; last++) {
    for (const most of ROWS) {
      const rows = (i: number): number => {
        const one = streams.instructions(i, 1), more = streams.instructions(i, most);
        return one !== null && more !== null && more < CHEAPER * one ? most : 1;
      };
      if (most > 1 && !range(first, last).some((i) => rows(i) > 1)) continue;
      const stream = streams.stream(first, last, rows);
      if (!stream) continue;
      edges.push({
        first,
        last,
        stream,
        instructions: stream.instructions,
        bytes: live.ofStream(first, last, stream),
      });
    }
    if (streams.instructions(last, 1) === null) break;
  }
  return edges;
}

const range = (first: number, last: number): number[] =>
  Array.from({ length: last - first + 1 }, (_, i) => first + i);

/** The cheapest way through the model with no more than so many bytes at any time. */
function path(edges: readonly (readonly Edge[])[], bytes: number): Edge[] | null {
  const best: { instructions: number; edge: Edge | null }[] = Array.from(
    { length: edges.length + 1 },
    () => ({ instructions: Infinity, edge: null }),
  );
  best[0].instructions = 0;
  edges.forEach((list, i) => {
    for (const edge of list) {
      const instructions = best[i].instructions + edge.instructions;
      if (edge.bytes > bytes || instructions >= best[edge.last + 1].instructions) continue;
      best[edge.last + 1] = { instructions, edge };
    }
  });
  const way: Edge[] = [];
  for (let i = edges.length; i > 0;) {
    const { edge } = best[i];
    if (!edge) return null;
    way.unshift(edge);
    i = edge.first;
  }
  return way;
}

/** All that cannot be improved in both, the least memory first. */
function frontierOf(edges: readonly (readonly Edge[])[]): FrontierPoint[] {
  const limits = [...new Set(edges.flat().map((e) => e.bytes))].sort((a, b) => b - a);
  const points: FrontierPoint[] = [];
  for (const limit of limits) {
    const way = path(edges, limit);
    if (!way) break;
    const instructions = way.reduce((sum, e) => sum + e.instructions, 0);
    const bytes = Math.max(...way.map((e) => e.bytes));
    while (points.length > 0 && points[0].instructions >= instructions) points.shift();
    if (points[0]?.bytes !== bytes) points.unshift({ bytes, instructions });
  }
  return points;
}

/** What lies in the arena while a kernel or a stream runs. */
class Liveness {
  readonly #ranges: ReadonlyMap<Value, { first: number; last: number }>;
  readonly #external: ReadonlySet<Value>;
  readonly #kept: ReadonlySet<Value>;

  constructor(
    graph: Graph,
    readonly kernels: readonly ScheduledKernel[],
    readonly storage: ReadonlyMap<Value, Storage>,
    inArena: boolean,
  ) {
    this.#ranges = liveRanges(graph, kernels, (v) => this.#owner(v));
    const ports = [...graph.inputs, ...graph.outputs].map((v) => this.#owner(v));
    this.#external = new Set(inArena ? [] : ports);
    this.#kept = new Set(graph.outputs.map((v) => this.#owner(v)));
  }

  #owner(v: Value): Value {
    return this.storage.get(v)!.owner;
  }

  /** Bytes of all values that are live at some time from one kernel to another. */
  #between(first: number, last: number, inside: (owner: Value) => boolean): number {
    let bytes = 0;
    for (const [v, r] of this.#ranges) {
      if (r.first <= last && first <= r.last && !this.#external.has(v) && !inside(v)) {
        bytes += storageBytes(v);
      }
    }
    return bytes;
  }

  #isBorn(v: Value, first: number): boolean {
    return !this.#external.has(v) && this.#ranges.get(v)!.first >= first;
  }

  #dies(v: Value, last: number): boolean {
    return !this.#external.has(v) && !this.#kept.has(v) && this.#ranges.get(v)!.last <= last;
  }

  ofKernel(i: number): number {
    const { kernel, values } = this.kernels[i];
    const scratch = kernel.buffers.slice(values.length)
      .reduce((sum, b) => sum + b.length * bytesOf(b.dtype), 0);
    const outs = kernel.buffers.flatMap((b, j) => b.scope === "output" ? [j] : []);
    let saved = 0;
    if (outs.length === 1 && this.#isBorn(this.#owner(values[outs[0]]), i)) {
      const inputs = values.flatMap((v, j) =>
        kernel.buffers[j].scope === "input" && this.#dies(this.#owner(v), i) &&
          values.filter((w) => this.#owner(w) === this.#owner(v)).length === 1
          ? [j]
          : []
      );
      const y = storageBytes(this.#owner(values[outs[0]]));
      for (
        const { input, forward, reversed } of overlaps(kernel, outs[0], inputs, (b) => b.align)
      ) {
        const x = storageBytes(this.#owner(values[input]));
        for (const d of [...forward, ...reversed]) saved = Math.max(saved, savedBytes(x, y, d));
      }
    }
    return this.#between(i, i, () => false) + scratch - saved;
  }

  ofStream(first: number, last: number, stream: StreamChoice): number {
    const outer = new Set(stream.outer.map((v) => this.#owner(v)));
    const inside = (v: Value): boolean => {
      const r = this.#ranges.get(v)!;
      return !outer.has(v) && r.first >= first && r.last <= last;
    };
    const outputs = [...outer].filter((v) => this.#isBorn(v, first));
    const inputs = [...outer].filter((v) => !this.#isBorn(v, first) && this.#dies(v, last));
    let saved = 0;
    if (outputs.length === 1) {
      const [y] = outputs;
      for (const x of inputs) {
        const d = -stream.distance(y, x);
        saved = Math.max(saved, savedBytes(storageBytes(x), storageBytes(y), d));
      }
    }
    return this.#between(first, last, inside) + stream.bytes - saved;
  }
}

/** What two buffers that begin at a distance from each other need less than side by side. */
const savedBytes = (x: number, y: number, distance: number): number =>
  Math.max(0, x + y - (Math.max(x, distance + y) - Math.min(0, distance)));
