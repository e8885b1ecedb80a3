/** Random schedules that the compiler accepts, for whatever workload comes. */
import { BurinError } from "../../src/util/errors.ts";
import { loads } from "../../src/te/analyze.ts";
import { lower } from "../../src/schedule/lower.ts";
import type { Candidate } from "../../src/schedule/rules/form.ts";
import { initialState, type State, type Workload } from "../../src/schedule/state.ts";
import { applySteps, type Schedule, type Step } from "../../src/schedule/steps.ts";
import { INTRINSICS } from "../../src/schedule/tensorize.ts";
import { type Random, random } from "./random.ts";

/** Largest code that a random unrolling may make: statements times this many. */
const LARGEST_UNROLL = 16;

function randomStep(r: Random, s: State): Step | null {
  const st = r.pick(s.stages), loop = r.pick(st.loops);
  if (!loop) return null;
  const stage = st.name;
  switch (
    r.pick([
      ...["split", "split", "fuse", "reorder", "reorder", "unroll", "computeAt", "tensorize"],
      "pad",
    ])
  ) {
    case "pad": {
      const source = loads(st.compute.body).find((l) => !s.consts.has(l.src));
      const order = r.shuffle((source?.idx ?? []).map((_, i) => i));
      return { do: "pad", stage, order, dtype: r.pick(["int8", "int16"]) };
    }
    case "split":
      return {
        do: "split",
        stage,
        loop: loop.name,
        factor: r.int(1, 5),
        tail: r.pick(["cut", "cut", "guard", "exact"]),
      };
    case "fuse": {
      const i = r.int(0, st.loops.length - 2);
      const loops = st.loops.slice(i, i + 2).map((l) => l.name);
      return loops.length < 2 ? null : { do: "fuse", stage, loops, into: loops.join("_") };
    }
    case "reorder":
      return {
        do: "reorder",
        stage,
        loops: r.shuffle(st.loops.map((l) => l.name)).slice(0, r.int(1, st.loops.length)),
      };
    case "unroll":
      return st.loops.filter((l) => l.unroll).length < 2 && loop.domain.d === "inner"
        ? { do: "unroll", stage, loop: loop.name }
        : null;
    case "computeAt": {
      const at = r.pick(s.stages.slice(s.stages.indexOf(st) + 1));
      const where = at && r.pick(at.loops);
      return where ? { do: "computeAt", stage, at: at.name, loop: where.name } : null;
    }
    default:
      return {
        do: "tensorize",
        stage,
        loop: st.loops.at(-1)!.name,
        intrinsic: r.pick([...INTRINSICS.keys()]),
      };
  }
}

/** Steps of the rules, some left out, some with another factor or tail. */
const varied = (r: Random, rules: Schedule): Step[] =>
  rules.flatMap((s): Step[] => {
    if (s.do === "inline") return [s];
    if (r.oneIn(12)) return [];
    if (s.do === "split" && r.oneIn(3)) {
      return [{ ...s, factor: r.int(1, LARGEST_UNROLL / 2), tail: r.pick(["cut", "guard"]) }];
    }
    return [s];
  });

/** Whether the compiler takes a schedule; anything but a refusal with its code is thrown on. */
export function accepts(w: Workload, steps: Schedule): boolean {
  try {
    lower(w, applySteps(initialState(w), steps));
    return true;
  } catch (e) {
    if (e instanceof BurinError && e.code === "model/schedule-step" && e.hint) return false;
    throw new Error(`${e} under ${JSON.stringify(steps)}`, { cause: e });
  }
}

/** The steps of a list that the compiler takes one after the other. */
function accepted(w: Workload, wanted: Schedule): Schedule {
  let steps: Schedule = [];
  for (const s of wanted) if (accepts(w, [...steps, s])) steps = [...steps, s];
  return steps;
}

/** One of the candidates that the rules propose, as it is or with other factors and tails. */
export function sampledSchedule(
  w: Workload,
  candidates: readonly Candidate[],
  seed: number,
): Schedule {
  // A rule may propose what a group of channels is too small for; the compiler passes over that.
  const taken = candidates.filter((c) => accepts(w, c.schedule));
  const r = random(seed), { schedule } = r.pick(taken);
  return r.oneIn(2) ? schedule : accepted(w, varied(r, schedule));
}

/**
 * A schedule from a seed: some steps of a candidate or only the inlining, then random ones; each that
 * would be refused is left out.
 */
export function randomSchedule(
  w: Workload,
  candidates: readonly Candidate[],
  seed: number,
): Schedule {
  const r = random(seed), { schedule } = r.pick(candidates);
  const wanted = r.oneIn(2) ? varied(r, schedule) : schedule.filter((s) => s.do === "inline");
  let steps = accepted(w, wanted);
  for (let n = r.int(2, 10); n > 0; n--) {
    const s = randomStep(r, applySteps(initialState(w), steps));
    if (s && accepts(w, [...steps, s])) steps = [...steps, s];
  }
  return steps;
}
