/** Settings that were tried, and which is better. */
import type { Method } from "./ranges.ts";

/** A setting that was tried. */
export interface Trial {
  /** How ranges were chosen. */
  readonly method: Method;
  /** Whether channels were equalised. */
  readonly equalized: boolean;
  /** Whether mean errors were moved into biases. */
  readonly correctBias: boolean;
  /** Whether ranges of inputs were looked for by the outputs, and better ones found. */
  readonly clippedInputs: boolean;
  /** Signal to noise of the outputs in dB. */
  readonly snr: number;
  /** Part of the samples in which the outputs name the same classes; 1 where they name none. */
  readonly agreement: number;
}

/** A setting in words. */
export const settingText = (
  { method, equalized, correctBias, clippedInputs }: Omit<Trial, "snr" | "agreement">,
): string =>
  [
    method,
    ...(clippedInputs ? ["inputs clipped"] : []),
    ...(equalized ? ["equalised"] : []),
    ...(correctBias ? ["biases corrected"] : []),
  ]
    .join(", ");

/** What a percent of the classes is worth, in dB, and from how many samples on: one of fewer is chance. */
const PERCENT = 0.5, SAMPLES = 100;

/**
 * Which trial is better: the larger one.
 * @param samples how many it was judged on
 */
export const score = (
  { snr, agreement }: Pick<Trial, "snr" | "agreement">,
  samples: number,
): number => snr + PERCENT * 100 * agreement * Math.min(1, samples / SAMPLES);
