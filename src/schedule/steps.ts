/**
 * The schedule primitives. A schedule is a list of steps: plain data, printable, replayable.
 */
import { inlined } from "../te/compute.ts";
import { visit } from "../te/expr.ts";
import { BLOCKS, INTRINSICS } from "./tensorize.ts";
import { groups, type GroupsStep } from "./groups.ts";
import { phases, type PhasesStep } from "./phases.ts";
import { halves, type HalvesStep } from "./halves.ts";
import { keep, type KeepStep } from "./keep.ts";
import { compact, type CompactStep } from "./compact.ts";
import { lanes, type LanesStep } from "./lanes.ts";
import { narrow, type NarrowStep } from "./narrow.ts";
import { patches, type PatchesStep } from "./patches.ts";
import { affine, type AffineStep } from "./affine.ts";
import { direct, type DirectStep } from "./direct.ts";
import { gemm, type GemmStep } from "./gemm.ts";
import { pack, type PackStep } from "./pack.ts";
import { pad, type PadStep } from "./pad.ts";
import { winograd, type WinogradStep } from "./winograd.ts";
import { stream, type StreamStep } from "./stream.ts";
import { type WindowRowStep, windowRowStep } from "./window_row.ts";
import { words, type WordsStep } from "./words.ts";
import {
  type Loop,
  loopOf,
  refuse,
  replaceStage,
  type Stage,
  stageOf,
  type State,
  type Tail,
} from "./state.ts";

export type Step =
  | { readonly do: "inline"; readonly stage: string }
  | {
    readonly do: "split";
    readonly stage: string;
    readonly loop: string;
    readonly factor: number;
    readonly tail: Tail;
  }
  | {
    readonly do: "fuse";
    readonly stage: string;
    readonly loops: readonly string[];
    readonly into: string;
  }
  | { readonly do: "reorder"; readonly stage: string; readonly loops: readonly string[] }
  | { readonly do: "unroll"; readonly stage: string; readonly loop: string }
  | {
    readonly do: "computeAt";
    readonly stage: string;
    readonly at: string;
    readonly loop: string;
  }
  | {
    readonly do: "tensorize";
    readonly stage: string;
    readonly loop: string;
    readonly intrinsic: string;
  }
  | {
    readonly do: "columns";
    readonly stage: string;
    readonly loop: string;
    /** Whether its code is for this form alone, which is fewer instructions, or is shared. */
    readonly text: "own" | "shared";
  }
  | {
    readonly do: "specialize";
    readonly stage: string;
    readonly loop: string;
    readonly for: string;
  }
  | GroupsStep
  | PhasesStep
  | HalvesStep
  | WinogradStep
  | AffineStep
  | GemmStep
  | PackStep
  | PadStep
  | StreamStep
  | WordsStep
  | LanesStep
  | DirectStep
  | PatchesStep
  | WindowRowStep
  | KeepStep
  | NarrowStep
  | CompactStep;

/** A step that changes a stage. */
type StageStep = Exclude<Step, CompactStep>;

/** An immutable list of steps. */
export type Schedule = readonly Step[];

/** Applies the steps in order; throws `model/schedule-step` where one does not fit. */
export const applySteps = (s: State, steps: Schedule): State =>
  steps.reduce(
    (before, step) =>
      step.do === "compact"
        ? compact(before, step)
        : inGroups(before, (x) => checkAttached(applyStep(x, step), step)),
    s,
  );

/** A step applies to the stages of every group, and of every phase. */
function inGroups(s: State, f: (s: State) => State): State {
  if (s.phases) return { ...f(s), phases: { ...s.phases, others: s.phases.others.map(f) } };
  if (!s.groups) return f(s);
  const others = s.groups.others.map(f);
  return { ...f(s), groups: { ...s.groups, others } };
}

/** Loops that stages are attached to stay, and a stage is computed before another reads it. */
function checkAttached(s: State, step: StageStep): State {
  for (const st of s.stages) {
    if (!st.at) continue;
    const { stage, loop } = st.at;
    const loops = stageOf(s, stage).loops, place = loops.findIndex((l) => l.name === loop);
    if (place < 0) {
      refuse(
        `${step.do} ${step.stage}`,
        `${st.name} is computed at the loop ${loop} of ${stage}`,
        "split and fuse loops first, then attach",
      );
    }
    const early = s.stages.find((x) =>
      x.at?.stage === stage && readsStage(x, st) &&
      loops.findIndex((l) => l.name === x.at!.loop) < place
    );
    if (early) {
      refuse(
        `${step.do} ${step.stage}`,
        `${early.name} reads ${st.name} and would be computed before it`,
        `keep ${loop} outside of ${early.at!.loop}`,
      );
    }
  }
  return s;
}

/** Whether a stage reads what another computes. */
function readsStage(x: Stage, of: Stage): boolean {
  let found = false;
  visit(x.compute.body, (e) => {
    if (e.k === "load" && (e.src === of.compute.out || e.src === of.rows?.flat)) found = true;
  });
  return found;
}

function applyStep(s: State, step: StageStep): State {
  switch (step.do) {
    case "inline":
      return inline(s, step.stage);
    case "split":
      return withLoops(s, step.stage, (st) => split(st, step.loop, step.factor, step.tail));
    case "fuse":
      return withLoops(s, step.stage, (st) => fuse(st, step.loops, step.into));
    case "reorder":
      return withLoops(s, step.stage, (st) => reorder(st, step.loops));
    case "unroll":
      return withLoops(
        s,
        step.stage,
        (st) => replaceLoop(st, step.loop, (l) => [{ ...l, unroll: true }]),
      );
    case "columns":
      return withLoops(
        s,
        step.stage,
        (st) => replaceLoop(st, step.loop, (l) => [{ ...l, columns: step.text }]),
      );
    case "computeAt":
      return computeAt(s, step.stage, step.at, step.loop);
    case "tensorize": {
      const block = BLOCKS.find((b) => b === step.intrinsic);
      if (block) {
        return withLoops(
          s,
          step.stage,
          (st) => replaceLoop(st, step.loop, (l) => [{ ...l, block }]),
        );
      }
      const intrinsic = INTRINSICS.get(step.intrinsic);
      if (!intrinsic) {
        refuse(
          `tensorize with '${step.intrinsic}'`,
          "there is no such intrinsic",
          `intrinsics: ${[...INTRINSICS.keys(), ...BLOCKS].join(", ")}`,
        );
      }
      return withLoops(
        s,
        step.stage,
        (st) => replaceLoop(st, step.loop, (l) => [{ ...l, intrinsic }]),
      );
    }
    case "specialize":
      return specialize(s, step.stage, step.loop, step.for);
    case "groups":
      return groups(s, step);
    case "phases":
      return phases(s, step);
    case "halves":
      return halves(s, step);
    case "winograd":
      return winograd(s, step);
    case "affine":
      return affine(s, step);
    case "gemm":
      return gemm(s, step);
    case "pack":
      return pack(s, step);
    case "pad":
      return pad(s, step);
    case "stream":
      return stream(s, step);
    case "words":
      return words(s, step);
    case "lanes":
      return lanes(s, step);
    case "direct":
      return direct(s, step);
    case "patches":
      return patches(s, step);
    case "windowRow":
      return windowRowStep(s, step);
    case "keep":
      return keep(s, step);
    case "narrow":
      return narrow(s, step);
  }
}

const withLoops = (s: State, name: string, f: (st: Stage) => readonly Loop[]): State => {
  const st = stageOf(s, name);
  return replaceStage(s, name, { ...st, loops: f(st) });
};

function replaceLoop(st: Stage, name: string, f: (l: Loop) => readonly Loop[]): Loop[] {
  const target = loopOf(st, name);
  return st.loops.flatMap((l) => l === target ? f(l) : [l]);
}

/**
 * Computes an element-wise stage where it is read, once for each reading.
 *
 *     for i: t[i] = f(x[i])          for i: y[i] = g(f(x[i]))
 *     for i: y[i] = g(t[i])     →
 */
function inline(s: State, name: string): State {
  const st = stageOf(s, name);
  if (st.compute.body.k === "reduce") {
    refuse(
      `inline ${name}`,
      "it is a reduction",
      "computeAt places it inside a loop of its reader",
    );
  }
  if (s.stages.at(-1) === st) refuse(`inline ${name}`, "it is the output", "inline its producers");
  return {
    ...s,
    stages: s.stages.filter((x) => x !== st).map((x) => ({
      ...x,
      compute: { ...x.compute, body: inlined(x.compute.body, st.compute) },
    })),
  };
}

/**
 * Splits a loop in two: `<loop>_o` over whole groups of `factor`, `<loop>_i` inside a group.
 *
 *     for i < 10: …     →     for i_o < 3: for i_i < 3: …;  for i_i < 1: …     (tail: cut)
 */
function split(st: Stage, name: string, factor: number, tail: Tail): Loop[] {
  if (!Number.isInteger(factor) || factor < 1) {
    refuse(`split ${name} by ${factor}`, "the factor is not a positive integer", "use 1 or more");
  }
  return replaceLoop(st, name, (of) => {
    const s = { of, factor, tail };
    const part = (d: "outer" | "inner"): Loop => ({
      ...of,
      name: `${name}_${d[0]}`,
      domain: { d, split: s },
    });
    return [part("outer"), part("inner")];
  });
}

/**
 * Makes one loop of adjacent ones.
 *
 *     for i < 4: for j < 5: …     →     for ij < 20: … with i = ij ÷ 5, j = ij mod 5
 */
function fuse(st: Stage, names: readonly string[], into: string): Loop[] {
  const parts = names.map((n) => loopOf(st, n));
  const first = st.loops.indexOf(parts[0]);
  if (parts.some((p, i) => st.loops[first + i] !== p || p.reduce !== parts[0].reduce)) {
    refuse(`fuse ${names.join(", ")}`, "they do not follow each other", "reorder them first");
  }
  const fused: Loop = { ...parts[0], name: into, domain: { d: "fuse", parts } };
  return [...st.loops.slice(0, first), fused, ...st.loops.slice(first + parts.length)];
}

/** Brings the named loops into this order, in the places that they hold together. */
function reorder(st: Stage, names: readonly string[]): Loop[] {
  const order = names.map((n) => loopOf(st, n));
  const reductions = (ls: readonly Loop[]): string =>
    ls.filter((l) => l.reduce).map((l) => l.name).join();
  const queue = [...order];
  const loops = st.loops.map((l) => order.includes(l) ? queue.shift()! : l);
  const isFloat = st.compute.out.dtype.startsWith("float");
  if (isFloat && reductions(loops) !== reductions(st.loops)) {
    refuse(
      `reorder ${names.join(", ")}`,
      "floats are summed in the order of the definition",
      "keep the reduction loops in their order",
    );
  }
  return loops;
}

/**
 * Computes a stage inside a loop of its reader, only what that iteration needs of it.
 *
 *     for i: t[i] = …                    for i: { t = …; y[i] = g(t) }
 *     for i: y[i] = g(t[i])     →
 */
function computeAt(s: State, name: string, at: string, loop: string): State {
  const st = stageOf(s, name), reader = stageOf(s, at);
  loopOf(reader, loop);
  const inside = (x: Stage): boolean => x === reader || x.at?.stage === at;
  const stranger = s.stages.find((x) => readsStage(x, st) && !inside(x));
  if (stranger) {
    refuse(`compute ${name} at ${at}`, `${stranger.name} reads it too`, "attach that one first");
  }
  if (st.loops.some((l) => l.domain.d !== "axis")) {
    refuse(
      `compute ${name} at ${at}`,
      "its loops are split already",
      "attach it first, then split",
    );
  }
  return replaceStage(s, name, { ...st, at: { stage: at, loop } });
}

/**
 * Tests once in an iteration whether the stage computed inside it meets none of its borders, and
 * computes it without conditions there.
 *
 *     for o: for k where 0 ≤ o + k < n: …   →   for o: if (inside) for k: … else for k where …: …
 */
function specialize(s: State, name: string, loop: string, inner: string): State {
  stageOf(s, inner);
  return withLoops(
    s,
    name,
    (st) => replaceLoop(st, loop, (l) => [{ ...l, specialize: inner }]),
  );
}
