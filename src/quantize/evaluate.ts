/** How near a quantised model comes to the float one, and to the labels. */
import { numbers, type TensorData } from "../util/tensor.ts";

/** Dequantised or float elements. */
export type Elements = ArrayLike<number>;

/** Signal and noise summed over samples. */
export class SignalToNoise {
  #signal = 0;
  #noise = 0;

  add(float: Elements, quantised: Elements): void {
    for (let i = 0; i < float.length; i++) {
      this.#signal += float[i] ** 2;
      this.#noise += (float[i] - quantised[i]) ** 2;
    }
  }

  /** In dB; Infinity where nothing differs. */
  get decibels(): number {
    if (this.#noise === 0) return Infinity;
    return this.#signal === 0 ? 0 : 10 * Math.log10(this.#signal / this.#noise);
  }
}

/** Index of the largest element, the first of equals. */
export function argmax(x: Elements): number {
  let at = 0;
  for (let i = 1; i < x.length; i++) if (x[i] > x[at]) at = i;
  return at;
}

/** What one output says over all samples. */
export interface OutputQuality {
  /** Name of the tensor in the float model. */
  readonly name: string;
  /** Signal to noise in dB. */
  readonly snr: number;
  /** Part of the samples in which both models name the same class; null where there is one element. */
  readonly agreement: number | null;
  /** Part of the samples whose largest element is the label; null without labels. */
  readonly accuracy: { readonly float: number; readonly quantised: number } | null;
  /** Area under the receiver operating characteristic of a single output whose labels are 0 and 1. */
  readonly auc: { readonly float: number; readonly quantised: number } | null;
  /** Mean squared difference from float labels; null without such. */
  readonly mse: { readonly float: number; readonly quantised: number } | null;
}

/**
 * Part of the pairs of a positive and a negative sample that are in the right order, equal ones
 * half (Mann-Whitney U).
 */
export function areaUnderCurve(scores: readonly number[], positive: readonly boolean[]): number {
  const high = scores.filter((_, i) => positive[i]), low = scores.filter((_, i) => !positive[i]);
  let right = 0;
  for (const p of high) for (const n of low) right += p > n ? 1 : p === n ? 0.5 : 0;
  return right / (high.length * low.length);
}

/** Collects an {@link OutputQuality} while samples stream by. */
export class QualityMeter {
  readonly #snr = new SignalToNoise();
  #same = 0;
  #samples = 0;
  #right = [0, 0];
  #squares = [0, 0];
  #classes = true;
  readonly #scores: [number[], number[]] = [[], []];

  /** @param labels class numbers [samples], or targets [samples, …] of the output's size */
  constructor(readonly name: string, readonly labels: TensorData | null) {}

  add(float: Elements, quantised: Elements, index: number): void {
    this.#snr.add(float, quantised);
    this.#samples++;
    this.#classes &&= float.length > 1;
    const classes = [argmax(float), argmax(quantised)];
    if (classes[0] === classes[1]) this.#same++;
    if (!this.labels) return;
    if (this.labels.shape.length <= 1 && float.length > 1) {
      const label = Number(this.labels.data[index]);
      classes.forEach((c, i) => this.#right[i] += c === label ? 1 : 0);
    } else {
      if (float.length === 1) [float, quantised].forEach((x, i) => this.#scores[i].push(x[0]));
      const size = float.length;
      [float, quantised].forEach((x, i) => {
        for (let k = 0; k < size; k++) {
          this.#squares[i] += (x[k] - Number(this.labels!.data[index * size + k])) ** 2 / size;
        }
      });
    }
  }

  result(): OutputQuality {
    const share = (n: number) => n / this.#samples;
    const classified = this.labels !== null && this.labels.shape.length <= 1 && this.#classes;
    const [float, quantised] = classified ? this.#right : this.#squares;
    const known = this.labels === null ? [] : numbers(this.labels);
    const binary = known.length > 0 && this.#scores[0].length === known.length &&
      known.includes(0) && known.includes(1) && known.every((v) => v === 0 || v === 1);
    const positive = known.map((v) => v === 1);
    const [a, b] = this.#scores.map((scores) => binary ? areaUnderCurve(scores, positive) : 0);
    const both = { float: share(float), quantised: share(quantised) };
    return {
      name: this.name,
      snr: this.#snr.decibels,
      agreement: this.#classes ? share(this.#same) : null,
      accuracy: classified ? both : null,
      auc: binary ? { float: a, quantised: b } : null,
      mse: this.labels !== null && !classified ? both : null,
    };
  }
}
