/**
 * Which of the candidates each kernel gets: all are lowered and estimated, and what they take of the
 * whole model's time and flash decides.
 */
import { BurinError } from "../util/errors.ts";
import type { Target } from "../target/target.ts";
import { type Estimate, estimate } from "../tir/estimate.ts";
import { hoistDivisions } from "../tir/hoist.ts";
import type { Kernel } from "../tir/stmt.ts";
import { lower } from "./lower.ts";
import type { Candidate } from "./rules/form.ts";
import { initialState, type Workload } from "./state.ts";
import { applySteps } from "./steps.ts";

/** A candidate with its loop program and what that takes. */
export interface Option extends Candidate {
  readonly kernel: Kernel;
  readonly takes: Estimate;
}

/** The loop program of a workload under a schedule. */
export const lowered = (w: Workload, { schedule }: Pick<Candidate, "schedule">): Kernel =>
  hoistDivisions(lower(w, applySteps(initialState(w), schedule)));

/**
 * Lowers and estimates candidates. One whose steps do not fit is left out, unless it is the last: the
 * rules end with one that always does.
 */
export function explore(
  w: Workload,
  target: Target,
  candidates: readonly Candidate[],
): readonly Option[] {
  return candidates.flatMap((c, i): Option[] => {
    try {
      const kernel = lowered(w, c);
      return [{ ...c, kernel, takes: estimate(kernel, target) }];
    } catch (e) {
      const refused = e instanceof BurinError && e.code === "model/schedule-step";
      if (refused && i < candidates.length - 1) return [];
      throw e;
    }
  });
}

/** What is traded for what. */
export interface Goal {
  /** How many percent of the model's time a percent of its flash is worth. */
  readonly flash: number;
}

/** Goals by the names that options give them. */
export const GOALS = {
  balanced: { flash: 0.2 },
  speed: { flash: 0 },
  flash: { flash: 20 },
  ram: { flash: 0.2 },
} as const satisfies Record<string, Goal>;

/** How much more cycles than the least a candidate may take and still count as no slower. */
const SLACK = 1.03;

/** How much better another rule has to look: estimates of unlike programs are no nearer than that. */
const DOUBT = 0.05;

/**
 * Time of each option. Instructions and cycles count alike where both are known; one that wins on
 * instructions and loses on cycles does not win.
 */
export function times(options: readonly Option[]): number[] {
  const known = options.flatMap(({ takes: { instructions, cycles } }) =>
    cycles === null ? [] : [{ cycles, mean: Math.sqrt(instructions * cycles) }]
  );
  if (known.length < options.length) return options.map((o) => o.takes.instructions);
  const best = known.reduce((a, b) => b.cycles < a.cycles ? b : a);
  return known.map(({ cycles, mean }) =>
    cycles <= SLACK * best.cycles ? mean : Math.max(mean, best.mean * cycles / best.cycles)
  );
}

const flashOf = ({ takes }: Option): number => takes.codeBytes + takes.constantBytes;

const sum = (ns: readonly number[]): number => ns.reduce((a, b) => a + b, 0);

/** Chooses an option for each kernel of a model. */
export function choose(kernels: readonly (readonly Option[])[], goal: Goal): readonly Option[] {
  const time = kernels.map(times), flash = kernels.map((options) => options.map(flashOf));
  const allTime = Math.max(1, sum(time.map((t) => Math.min(...t))));
  const allFlash = Math.max(1, sum(flash.map((f) => Math.min(...f))));
  return kernels.map((options, k) => {
    const score = (i: number, doubt: number): number =>
      (1 + doubt) * time[k][i] / allTime + goal.flash * flash[k][i] / allFlash;
    const best = options.reduce((best, { rule }, i) => {
      const doubt = options[best].rule === rule ? 0 : DOUBT;
      return score(i, doubt) < score(best, 0) ? i : best;
    }, 0);
    return options[best];
  });
}
