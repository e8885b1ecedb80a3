/** Which kernels pass rows on to each other: working memory against instructions. */
import type { MemoryPoint } from "../codegen/artifact.ts";
import { flashOf, type Target } from "../target/target.ts";
import type { Graph, Value } from "../ir/graph.ts";
import type { Storage } from "../ir/storage.ts";
import { estimate, flashBytes } from "../tir/estimate.ts";
import { goalOf } from "../schedule/choose.ts";
import type { CompileOptions, ScheduledKernel } from "../compile.ts";
import { type Edge, frontierOf, type FrontierPoint } from "./frontier.ts";
import { leanKernels } from "./lean.ts";
import { Liveness } from "./liveness.ts";
import { type StreamChoice, Streams } from "./row_stream.ts";
import { apart, type StripedChoice, Stripes } from "./stripes.ts";

/** The kernels that are to run, some of them as one. */
export interface Fusion {
  readonly kernels: readonly ScheduledKernel[];
  /** What could be had: fewer bytes for more instructions, the least memory first. */
  readonly frontier: readonly MemoryPoint[];
}

/** A kernel as it is, or several that pass rows on, perhaps in stripes. */
interface Way extends Edge {
  /** Null: a stream. */
  readonly kernel: ScheduledKernel | null;
  readonly stream: StreamChoice | StripedChoice | null;
  /** Stripes of it. */
  readonly count: number;
}

type Point = FrontierPoint<Way>;

/** How many times the instructions of separate kernels may be taken. */
const SHARE = { balanced: 1.015, ram: 1.23, speed: 0.995 } as const;

/** Streams that are built to see what they take, where their parts take no more than 1 in so many too much. */
const BUILT = 6, DOUBT = 0.97;

/** Elements of a buffer beyond which no board has memory for a stream of it. */
const LARGEST = 2 ** 20;

/** Share of the memory of separate kernels that is little enough to fuse them. */
const WORTH = 0.9;

/** How many times the least memory is as good where it costs fewer instructions. */
const ALIKE = 1.01;

/** How many percent of the memory a percent of the instructions is worth where both count. */
const PRICE = 25;

/** Streams that are looked at, and the most kernels in one. */
const STREAMS = 3000, LONGEST = 40;

/** Rows that a kernel computes at a time, where that is so many times cheaper than one by one. */
const ROWS = [1, 2, 4], CHEAPER = 0.99;

/** Share of the flash from which on kernels in bands, each chosen by itself, are to save it. */
const SCARCE = 0.5;

/** Numbers of stripes that are looked at, in streams that begin and end so many kernels apart. */
const COUNTS = [2, 3, 4], REACH = 3;

/** Streams that are scheduled in stripes. */
const MOST_STRIPES = 24;

/** How far above a budget an estimate may lie for the plan itself to be looked at. */
const NEAR = 1.05;

/**
 * Chooses what to fuse for a goal: the least memory within the instructions that it allows, with
 * `speed` or under a budget of bytes the fewest instructions; the least memory of all where no plan
 * keeps the budget.
 *
 * @param arenaOf bytes of the arena that kernels are placed in
 */
export function fuseKernels(
  graph: Graph,
  kernels: readonly ScheduledKernel[],
  storage: ReadonlyMap<Value, Storage>,
  options: CompileOptions,
  arenaOf: (kernels: readonly ScheduledKernel[]) => number,
): Fusion {
  const { board, optLevel: level, optimize, flashBudget, ramBudget, io, schedule } = options;
  const { target } = board;
  const share = optimize === "flash" ? null : SHARE[optimize];
  const wanted = share !== null || ramBudget !== undefined;
  const large = kernels.some((k) => k.kernel.buffers.some((b) => b.length > LARGEST));
  if (level < 2 || !wanted || kernels.length === 0 || large) return { kernels, frontier: [] };
  // Who chooses schedules gets them.
  const lean = (optimize === "ram" || ramBudget !== undefined) && schedule === undefined;
  const usual = goalOf(optimize, flashBudget, flashOf(board));
  const scarce = usual.budget === null &&
    takes(kernels, target).flash > SCARCE * usual.room;
  const goal = scarce ? goalOf("flash", undefined, flashOf(board)) : usual;
  const bands = { target, level, goal, lean, scarce };
  const streams = new Streams(kernels, storage, graph, bands);
  const near = optimize === "balanced" ? kernels.map((k) => k.near ?? []) : [];
  const leaner = lean ? leanKernels(kernels, target, level, scarce) : near;
  const live = new Liveness(graph, kernels, storage, io === "arena");
  const ways = kernels.map((_, first) =>
    waysFrom(first, kernels, streams, live, target, leaner[first] ?? [])
  );
  const stripes = new Stripes(kernels, storage, graph, bands);
  const frontier = ramBudget === undefined
    ? frontierOf(ways)
    : withStripes(ways, ramBudget, stripes, live);
  const separate = ways.map((list) => list[0]);
  const build = ({ way }: Point): ScheduledKernel[] =>
    way.flatMap(({ kernel, stream }) => kernel ?? stream!.build());
  const result = (chosen: readonly ScheduledKernel[], point: Point | null): Fusion => ({
    kernels: chosen,
    frontier: frontier.map((p) => memoryPoint(p, kernels, p === point)),
  });
  if (ramBudget !== undefined) {
    for (const point of frontier.toReversed().filter((p) => p.bytes <= NEAR * ramBudget)) {
      const built = build(point);
      const hasRoom = takes(built, target).flash <= goal.room;
      if (hasRoom && arenaOf(built) <= ramBudget) return result(built, point);
    }
    return result(build(frontier[0]), frontier[0]);
  }
  const most = share! * separate.reduce((sum, e) => sum + e.instructions, 0);
  const bytes = Math.max(...separate.map((e) => e.bytes));
  const worth = frontier.filter((p) => p.instructions <= most && p.bytes <= WORTH * bytes);
  // What a whole stream takes is known better than what its parts do.
  const fits = (p: Point): boolean => {
    const { instructions, flash } = takes(build(p), target);
    return instructions <= most && flash <= goal.room;
  };
  if (optimize === "speed") {
    const room = Math.max(goal.budget ?? 0, takes(kernels, target).flash);
    const [fastest] = frontier.filter((p) => DOUBT * p.instructions <= most).slice(-BUILT)
      .map((point) => ({ point, built: build(point) }))
      .map((x) => ({ ...x, ...takes(x.built, target) }))
      .filter((x) => x.flash <= Math.min(room, goal.room) && x.instructions <= most)
      .sort((a, b) => a.instructions - b.instructions);
    if (fastest) return result(fastest.built, fastest.point);
  }
  if (optimize === "balanced") {
    const score = (p: Point): number => Math.log(p.bytes) + PRICE * Math.log(p.instructions);
    const best = worth.toSorted((a, b) => score(a) - score(b)).find(fits);
    if (best) return result(build(best), best);
  }
  const least = optimize === "ram" ? worth.find(fits) : undefined;
  if (least) {
    const alike = worth.filter((p) => least.bytes <= p.bytes && p.bytes <= ALIKE * least.bytes);
    const chosen = alike.findLast((p) => p === least || fits(p))!;
    return result(build(chosen), chosen);
  }
  return result(
    kernels,
    frontier.find((p) => p.way.every((e) => e.kernel === kernels[e.first])) ?? null,
  );
}

/** What kernels take together, as estimated; a text that several kernels call counts for each. */
function takes(kernels: readonly ScheduledKernel[], target: Target) {
  const each = kernels.map(({ kernel }) => estimate(kernel, target));
  const sum = (ns: readonly number[]) => ns.reduce((a, b) => a + b, 0);
  return {
    instructions: sum(each.map((e) => e.instructions)),
    flash: sum(each.map(flashBytes)),
  };
}

/**
 * The frontier with stripes where nothing else keeps to a budget: of the kernels that hold the least
 * memory up, and of those before and behind them.
 */
function withStripes(
  ways: readonly Way[][],
  ramBudget: number,
  stripes: Stripes,
  live: Liveness,
): Point[] {
  const tried = new Set<string>();
  for (;;) {
    const frontier = frontierOf(ways);
    const [{ bytes, way }] = frontier;
    if (bytes <= ramBudget) return frontier;
    const { first, last } = way.find((e) => e.bytes === bytes)!;
    let found = false;
    const before = way.filter((e) => e.last < first).slice(-2).map((e) => e.first);
    for (const { start, plain } of around(ways, first, last, before)) {
      const { outer, bytes: rings } = plain.stream!;
      const outside = live.ofStream(start, plain.last, {
        outer,
        bytes: 0,
        distance: apart,
        over: () => 0,
        under: () => 0,
      });
      for (const count of COUNTS) {
        const key = `${start}:${plain.last}:${count}`;
        if (tried.has(key) || tried.size >= MOST_STRIPES) continue;
        const share = stripes.width(start, plain.last, count);
        if (share === null || outside + share * rings >= bytes) continue;
        tried.add(key);
        const made = stripes.striped(start, plain.last, count).map((stream): Way => ({
          first: start,
          last: plain.last,
          kernel: null,
          stream,
          count,
          instructions: stream.instructions,
          bytes: live.ofStream(start, plain.last, stream),
        }));
        ways[start].push(...made);
        found ||= made.some((w) => w.bytes < bytes);
        if (made.some((w) => w.bytes <= ramBudget)) break;
      }
    }
    if (!found) return frontierOf(ways);
  }
}

/** The streams that begin and end near some kernels and hold them all, with the least memory each. */
function around(
  ways: readonly Way[][],
  first: number,
  last: number,
  before: readonly number[],
) {
  const starts = new Set([...range(Math.max(0, first - REACH), first), ...before]);
  return [...starts].flatMap((start) =>
    range(Math.max(start + 1, last), Math.min(ways.length - 1, last + REACH)).flatMap((end) => {
      const plain = ways[start].filter((w) => w.last === end && w.stream && w.count === 1);
      return plain.length > 0
        ? [{ start, plain: plain.reduce((a, b) => b.bytes < a.bytes ? b : a) }]
        : [];
    })
  );
}

/** What users see of a point: the nodes whose kernels take its bytes. */
function memoryPoint(
  { bytes, instructions, way }: Point,
  kernels: readonly ScheduledKernel[],
  chosen: boolean,
): MemoryPoint {
  const { first, last } = way.find((e) => e.bytes === bytes)!;
  const nodes = new Set(kernels.slice(first, last + 1).flatMap((k) => k.kernel.origin));
  return { arenaBytes: bytes, instructions, heldBy: [...nodes], chosen };
}

/** The ways to run on from a kernel; the first one is the kernel as it is. */
function waysFrom(
  first: number,
  kernels: readonly ScheduledKernel[],
  streams: Streams,
  live: Liveness,
  target: Target,
  lean: readonly ScheduledKernel[],
): Way[] {
  const ways = [kernels[first], ...lean].map((kernel): Way => ({
    first,
    last: first,
    kernel,
    stream: null,
    count: 1,
    instructions: estimate(kernel.kernel, target).instructions,
    bytes: live.ofKernel(first, kernel),
  }));
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
      for (const stream of streams.streams(first, last, rows)) {
        ways.push({
          first,
          last,
          kernel: null,
          stream,
          count: 1,
          instructions: stream.instructions,
          bytes: live.ofStream(first, last, stream),
        });
      }
    }
    if (streams.instructions(last, 1) === null) break;
  }
  return ways;
}

const range = (first: number, last: number): number[] =>
  Array.from({ length: last - first + 1 }, (_, i) => first + i);
