/** Whether samples are fit to find ranges with. */
import type { Sample } from "../run/samples.ts";
import { BurinError } from "../util/errors.ts";
import { rowMajor, type TensorData } from "../util/tensor.ts";

/** Fewer samples than this get a note. */
const FEW_SAMPLES = 16;

/**
 * Refuses samples that say nothing, doubts those that say little.
 * @throws BurinError `data/calibration`
 */
export function checkSamples(samples: readonly Sample[], notes: string[]): void {
  const refuse = (why: string, hint: string): never => {
    throw new BurinError("data/calibration", `Cannot calibrate as ${why}`, hint);
  };
  const hint = "give real inputs, as the model will see them, some hundred of them";
  if (samples.length === 0) refuse("there are no samples", hint);
  const all = samples.flatMap((s) => s.filter((t) => t.dtype === "float32"));
  const constant = (t: TensorData) => t.data.every((v) => v === t.data[0]);
  if (all.length > 0 && all.every(constant)) refuse("every sample is constant", hint);
  if (all.some((t) => !(t.data as Float32Array).every(Number.isFinite))) {
    refuse("a sample holds values that are infinite or no numbers", "look for what made them");
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
