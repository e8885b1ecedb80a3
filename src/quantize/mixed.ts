/**
 * Mixed precision: what makes the most noise gets more bits, a tensor int16 and a layer floats, until
 * the outputs are near enough or a budget is spent. Noise from several sources adds up, so that what
 * each makes alone says what is gained without it.
 */
import type { Precisions } from "./build.ts";
import type { Made } from "./measure.ts";
import { type Layer, layerNodes, type QuantPlan } from "./plan.ts";
import type { WeightType } from "./rounding.ts";
import type { Trial } from "./trial.ts";

/** The outputs of a model with noise from one source alone. */
export interface NoiseSource {
  /** A tensor of the float model, or a layer whose weights are meant. */
  readonly name: string;
  /** Which of both it is. */
  readonly kind: "tensor" | "weights";
  /** Signal to noise of the outputs in dB. */
  readonly snr: number;
  /** Part of the samples in which the outputs name the same classes. */
  readonly agreement: number;
}

/** What a quantised model takes on a board. */
export interface Cost {
  /** Bytes of the arena. */
  readonly ram: number;
  /** Bytes of constants. */
  readonly flash: number;
  /** Instructions of a run, as predicted. */
  readonly instructions: number;
}

/** When to stop. */
export interface MixedGoal {
  /** Signal to noise of the outputs in dB; as good as the budgets allow where it is left out. */
  readonly minSnr?: number;
  /** Most bytes of RAM. */
  readonly ram?: number;
  /** Most bytes of constants. */
  readonly flash?: number;
  /** Most instructions. */
  readonly instructions?: number;
  /** Of weights at first: from int4 they become int8, from int8 their layers float. */
  readonly weights: WeightType;
  /** Whether layers may stay in float. */
  readonly float: boolean;
}

/** Quality and cost of what was decided. */
export interface Variant {
  readonly made: Made;
  readonly quality: Pick<Trial, "snr" | "agreement">;
}

/** What is run to find out. */
export interface MixedTools {
  build(p: Precisions): Made;
  judge(made: Made): Promise<Variant["quality"]>;
  cost(made: Made): Promise<Cost>;
  doing(what: string): void;
}

/** What came out. */
export interface Mixed extends Variant {
  readonly precisions: Precisions;
  /** Why nothing more was done; null where the goal is met. */
  readonly stopped: string | null;
}

/** Sources that make less than this part of all noise are left alone where no goal is named. */
const WORTH = 0.01;

const power = (snr: number): number => 10 ** (-snr / 10);
const decibels = (noise: number): number => -10 * Math.log10(noise);

/** Measures every tensor and every layer's weights alone. */
export async function noiseSources(
  plan: QuantPlan,
  base: Precisions,
  { build, judge, doing }: MixedTools,
): Promise<NoiseSource[]> {
  const sources: NoiseSource[] = [];
  const leaders = plan.tensors.filter((t) => plan.leader.get(t) === t);
  for (const tensor of leaders) {
    doing(`measuring with ${tensor} quantised alone`);
    const quality = await judge(build({ ...base, only: { tensor } }));
    sources.push({ name: tensor, kind: "tensor", ...quality });
  }
  for (const { name } of plan.layers) {
    doing(`measuring with the weights of ${name} quantised alone`);
    const quality = await judge(build({ ...base, only: { weights: name } }));
    sources.push({ name, kind: "weights", ...quality });
  }
  return sources;
}

/** What is decided anew where a source is to make no noise. */
function without(
  p: Precisions,
  source: NoiseSource,
  layers: readonly Layer[],
  weights: WeightType,
): Precisions {
  if (source.kind === "tensor") return { ...p, wide: new Set([...p.wide, source.name]) };
  if (weights === "int4") return { ...p, fine: new Set([...p.fine, source.name]) };
  const layer = layers.find((l) => l.name === source.name)!;
  return { ...p, float: [...p.float, ...layerNodes(layer)] };
}

/** Raises precisions, the largest source of noise first. */
export async function mix(
  plan: QuantPlan,
  start: Variant & { readonly precisions: Precisions },
  sources: readonly NoiseSource[],
  goal: MixedGoal,
  tools: MixedTools,
): Promise<Mixed> {
  const { minSnr = Infinity } = goal;
  const budgeted = [goal.ram, goal.flash, goal.instructions].some((n) => n !== undefined);
  const over = async (made: Made): Promise<string | null> => {
    if (!budgeted) return null;
    const { ram, flash, instructions } = await tools.cost(made);
    if (ram > (goal.ram ?? Infinity)) return `${ram} bytes of RAM exceed the budget of ${goal.ram}`;
    if (flash > (goal.flash ?? Infinity)) {
      return `${flash} bytes of constants exceed the budget of ${goal.flash}`;
    }
    if (instructions <= (goal.instructions ?? Infinity)) return null;
    return `${instructions} instructions exceed the budget of ${goal.instructions}`;
  };
  let now = start, noise = power(start.quality.snr), float = 0;
  let why = "nothing is left to be raised";
  const first = noise;
  const worst = sources
    .filter((s) => goal.float || s.kind === "tensor" || goal.weights === "int4")
    .filter((s) => goal.minSnr !== undefined || power(s.snr) >= WORTH * first)
    .sort((a, b) => a.snr - b.snr);
  for (const source of worst) {
    if (now.quality.snr >= minSnr) break;
    // The last layer would leave nothing to quantise.
    const toFloat = source.kind === "weights" && goal.weights === "int8";
    if (toFloat && float === plan.layers.length - 1) continue;
    const precisions = without(now.precisions, source, plan.layers, goal.weights);
    const type = source.kind === "tensor" ? "int16" : toFloat ? "float" : "int8";
    const what = `${source.name} in ${type}`;
    const made = tools.build(precisions);
    const exceeded = await over(made);
    if (exceeded !== null) {
      why = exceeded;
      continue;
    }
    if (toFloat) float++;
    noise = Math.max(noise - power(source.snr), first * 1e-6);
    // What is predicted to fall short is not run, unless it is the last.
    const last = source === worst.at(-1);
    if (goal.minSnr !== undefined && decibels(noise) < minSnr - 1 && !last) {
      now = { ...now, made, precisions };
      continue;
    }
    tools.doing(`measuring with ${what}`);
    const quality = await tools.judge(made);
    noise = power(quality.snr);
    now = { made, quality, precisions };
  }
  // The last steps may have been taken unmeasured.
  if (now.made !== start.made) now = { ...now, quality: await tools.judge(now.made) };
  const met = goal.minSnr === undefined || now.quality.snr >= minSnr;
  return { ...now, stopped: met ? null : why };
}
