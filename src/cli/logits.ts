/** Logits one by one. Where every class is right, accuracy hides what quantisation costs. */
import type { Port } from "../project/mod.ts";
import type { Sample } from "../run/samples.ts";
import { numbers, type TensorData } from "../util/tensor.ts";

/** How one logit agrees with the stored reference and with the float model, over all samples. */
export interface LogitAgreement {
  /** Name of its class. */
  readonly label: string;
  /** Samples in which it equals the stored reference. */
  readonly equal: number;
  /** Number of samples. */
  readonly samples: number;
  /** Mean difference from the float model's logit. */
  readonly float_mean_abs: number;
  /** Largest difference from the float model's logit. */
  readonly float_max_abs: number;
  /** The float model's lowest and highest logit. */
  readonly float_range: readonly [number, number];
  /** Samples in which it is at an end of int8, so that the difference may be large. */
  readonly saturated: number;
}

const mean = (values: readonly number[]): number =>
  values.reduce((a, b) => a + b, 0) / values.length;

/**
 * Compares each logit of an int8 output `[.., classes]` with what is expected.
 * @param real the float model's logits, float32 `[samples, .., classes]`
 */
export function compareLogits(
  port: Port,
  outputs: readonly Sample[],
  expected: readonly Sample[],
  real: TensorData,
  label: (index: number) => string,
): LogitAgreement[] {
  const [scale, zeroPoint] = [port.scale ?? 1, port.zeroPoint ?? 0];
  const [actual, stored] = [outputs, expected].map((samples) => samples.map(([t]) => numbers(t)));
  const floats = numbers(real);
  const classes = floats.length / outputs.length;
  return Array.from({ length: classes }, (_, c) => {
    const ours = actual.map((values) => values[c]);
    const theirs = actual.map((_, s) => floats[s * classes + c]);
    const apart = ours.map((q, s) => Math.abs((q - zeroPoint) * scale - theirs[s]));
    return {
      label: label(c),
      equal: ours.filter((q, s) => q === stored[s][c]).length,
      samples: ours.length,
      float_mean_abs: mean(apart),
      float_max_abs: Math.max(...apart),
      float_range: [Math.min(...theirs), Math.max(...theirs)],
      saturated: ours.filter((q) => q === -128 || q === 127).length,
    };
  });
}

/** Rows of a table, a heading first. */
export function logitRows(logits: readonly LogitAgreement[]): string[][] {
  const heading = ["  logit", "as stored", "float model", "mean apart", "at most", "int8 ends"];
  return [
    heading,
    ...logits.map((l) => [
      `  ${l.label}`,
      `${l.equal} of ${l.samples}`,
      l.float_range.map((v) => v.toFixed(2)).join(" to "),
      l.float_mean_abs.toFixed(3),
      l.float_max_abs.toFixed(3),
      String(l.saturated),
    ]),
  ];
}
