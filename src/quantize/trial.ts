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
  /** Signal to noise of the outputs in dB. */
  readonly snr: number;
  /** Part of the samples in which the outputs name the same classes; 1 where they name none. */
  readonly agreement: number;
}

/** A setting in words. */
export const settingText = (
  { method, equalized, correctBias }: Pick<Trial, "method" | "equalized" | "correctBias">,
): string =>
  [method, ...(equalized ? ["equalised"] : []), ...(correctBias ? ["biases corrected"] : [])]
    .join(", ");

/** What a percent of the classes is worth, in dB. */
const PERCENT = 0.5;

/** Which trial is better: the larger one. */
export const score = ({ snr, agreement }: Trial): number => snr + PERCENT * 100 * agreement;
