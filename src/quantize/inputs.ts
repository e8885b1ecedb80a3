/**
 * Ranges of the graph's inputs, by what rounding them does to the outputs: what is large in an input is
 * not what matters most in it. Samples are rounded before the float model runs, so that one compiled
 * model serves all ranges.
 */
import { compileModel, type CompileOptions } from "../compile.ts";
import { EditableModel } from "../onnx/editable.ts";
import { withHostModel } from "../run/host.ts";
import type { Sample } from "../run/samples.ts";
import { type OutputQuality, QualityMeter } from "./evaluate.ts";
import { meanQuality, type Recorded, type Source } from "./measure.ts";
import { type ActivationType, paramsOf, type Range } from "./ranges.ts";
import type { Statistics } from "./statistics.ts";
import { score } from "./trial.ts";
import { fakeQuantised } from "./weights.ts";

/** Parts of an end that are tried, then parts of the best one. */
const COARSE = [0.85, 0.7, 0.55, 0.4, 0.28, 0.2], FINE = [0.95, 1.05, 0.9, 1.1];

/** How much better a range must be than the one that holds everything, in dB. */
const WORTH = 0.25;

/** What ranges are looked for with. */
export interface InputSearch {
  readonly dtype: ActivationType;
  readonly symmetric: boolean;
  /** Tensors that are judged, and their values in the float model. */
  readonly names: readonly string[];
  readonly values: Recorded;
  readonly samples: readonly Sample[];
  readonly compile: CompileOptions;
}

/**
 * Clips the ends of a range, one after the other, as long as that pays.
 * @param judge how good a range is, more is better
 */
export async function clipped(
  [low, high]: Range,
  symmetric: boolean,
  judge: (range: Range) => Promise<number>,
): Promise<{ readonly range: Range; readonly gain: number }> {
  let range: Range = [low, high];
  const first = await judge(range);
  let best = first;
  const attempt = async (candidate: Range) => {
    const quality = await judge(candidate);
    if (quality > best) [best, range] = [quality, candidate];
  };
  const ends = symmetric ? ["both"] : [...high > 0 ? ["high"] : [], ...low < 0 ? ["low"] : []];
  const cut = (end: string, of: Range, part: number): Range => [
    end === "high" ? of[0] : Math.max(low, of[0] * part),
    end === "low" ? of[1] : Math.min(high, of[1] * part),
  ];
  for (const parts of [COARSE, FINE]) {
    for (const end of ends) {
      const from = range;
      for (const part of parts) await attempt(cut(end, from, part));
    }
  }
  return { range, gain: best - first };
}

/**
 * The ranges of inputs that leave the outputs better than all that was seen does.
 * @throws BurinError as compiling and running do
 */
export async function searchInputs(
  { file, plan }: Source,
  seen: ReadonlyMap<string, Statistics>,
  { dtype, symmetric, names, values, samples, compile }: InputSearch,
): Promise<ReadonlyMap<string, Range>> {
  const model = EditableModel.read(file), found = new Map<string, Range>();
  const inputs = model.inputs.filter((name) => plan.tensors.includes(name));
  if (inputs.length === 0) return found;
  for (const name of names) {
    if (!model.outputs.includes(name) && !model.inputs.includes(name)) model.addOutput(name);
  }
  const artifact = await compileModel(model.encode(), compile);
  const outputAt = names.map((name) => artifact.outputs.findIndex((p) => p.name === name));
  // An input that is judged itself has nothing in front of it.
  if (outputAt.some((at) => at < 0)) return found;
  await withHostModel(artifact, compile.board, async (run) => {
    for (const name of inputs) {
      const at = artifact.inputs.findIndex((p) => p.name === name), s = seen.get(name)!;
      const judge = async (range: Range) => {
        const params = paramsOf(range, dtype, symmetric);
        const feeds = samples.map((sample) =>
          sample.with(at, {
            ...sample[at],
            data: fakeQuantised(sample[at].data as Float32Array, params),
          })
        );
        const meters = names.map((n) => new QualityMeter(n, null));
        await run(
          feeds,
          (outputs, index) =>
            meters.forEach((m, i) =>
              m.add(values[index][i], outputs[outputAt[i]].data as Float32Array, index)
            ),
        );
        return score(meanQuality(meters.map((m): OutputQuality => m.result())), samples.length);
      };
      const { range, gain } = await clipped(
        [Math.min(s.min, 0), Math.max(s.max, 0)],
        symmetric,
        judge,
      );
      if (gain > WORTH) found.set(name, range);
    }
  });
  return found;
}
