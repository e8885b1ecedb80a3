/** Whether samples are fit to find ranges with. */
import type { Sample } from "../run/samples.ts";
import { BurinError } from "../util/errors.ts";
import { rowMajor, type TensorData } from "../util/tensor.ts";

/** Fewer samples than this get a note. */
const FEW_SAMPLES = 16;

/** Whether no sample of an input says what varies: each is flat, or a single number that stays the same. */
function isConstant(values: readonly TensorData[]): boolean {
  const flat = (t: TensorData) => t.data.every((v) => v === t.data[0]);
  return values.every(flat) &&
    (values[0].data.length > 1 || values.every((t) => t.data[0] === values[0].data[0]));
}

const sameData = (a: TensorData, b: TensorData): boolean => a.data.every((v, i) => v === b.data[i]);

/**
 * Refuses samples that say nothing, doubts those that say little.
 * @param names the inputs', in the order of each sample
 * @throws BurinError `data/calibration`
 */
export function checkSamples(
  samples: readonly Sample[],
  names: readonly string[],
  notes: string[],
): void {
  const refuse = (why: string, hint: string): never => {
    throw new BurinError("data/calibration", `Cannot calibrate as ${why}`, hint);
  };
  const hint = "give real inputs, as the model will see them, some hundred of them";
  if (samples.length === 0) refuse("there are no samples", hint);
  const floats = samples[0].flatMap((t, i) => t.dtype === "float32" ? [i] : []);
  for (const [s, sample] of samples.entries()) {
    for (const i of floats) {
      const at = sample[i].data.findIndex((v) => !Number.isFinite(v));
      if (at < 0) continue;
      refuse(
        `sample ${s} of '${names[i]}' holds ${sample[i].data[at]} at element ${at}`,
        "look for what made values that are infinite or no numbers; samples count from 0",
      );
    }
  }
  const constant = floats.filter((i) => isConstant(samples.map((s) => s[i])));
  if (floats.length > 0 && constant.length === floats.length) {
    refuse("every sample is constant", hint);
  }
  for (const i of constant) {
    notes.push(`the samples of '${names[i]}' are constant: they do not tell its range`);
  }
  if (samples.length > 1 && samples.every((s) => s.every((t, i) => sameData(t, samples[0][i])))) {
    notes.push(`all ${samples.length} samples are the same one`);
  }
  if (samples.length < FEW_SAMPLES) {
    notes.push(
      `${samples.length} sample${
        samples.length === 1 ? " is" : "s are"
      } few to find ranges with; ` +
        "some hundred are usual",
    );
  }
  if (looksSynthetic(samples)) {
    notes.push(
      "the samples look like noise: neighbouring elements are unrelated; ranges of real data differ",
    );
  }
}

/** Real signals are smooth somewhere: neighbours along the axes of a tensor are alike. */
function looksSynthetic(samples: readonly Sample[]): boolean {
  const correlations = samples.slice(0, 16).flatMap((s) =>
    s.filter((t) => t.dtype === "float32" && t.data.length >= 64).map((t) => {
      const x = t.data as Float32Array, strides = rowMajor(t.shape);
      const mean = x.reduce((a, b) => a + b, 0) / x.length;
      const variance = x.reduce((a, v) => a + (v - mean) ** 2, 0) / x.length;
      const along = t.shape.map((n, axis) => {
        if (n < 4) return 0;
        let sum = 0, count = 0;
        for (let i = 0; i + strides[axis] < x.length; i++) {
          if (Math.floor(i / strides[axis]) % n === n - 1) continue;
          sum += (x[i] - mean) * (x[i + strides[axis]] - mean);
          count++;
        }
        return variance === 0 ? 1 : Math.abs(sum / count / variance);
      });
      return Math.max(...along);
    })
  );
  return correlations.length > 0 && correlations.every((c) => c < 0.2);
}
