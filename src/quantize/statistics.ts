/** What is kept of a tensor while samples stream by: extremes, a histogram, extremes by channel. */

/** Bins of a histogram on each side of zero. */
const HALF = 4096;

/** Statistics of one tensor over all samples. */
export class Statistics {
  min = Infinity;
  max = -Infinity;
  count = 0;
  /** Values that are exactly zero; padding and Relu make many. */
  zeros = 0;
  /** Values that are no numbers, or infinite. */
  bad = 0;
  /** Width of a bin; bin i holds [(i − HALF)·width, (i − HALF + 1)·width). */
  width = 0;
  readonly bins = new Float64Array(2 * HALF);
  /** Largest magnitude of each channel (axis 1); empty where there is no such axis. */
  readonly channelMax: Float64Array;
  readonly #inner: number;

  /** @param shape of the tensor, the first axis a batch */
  constructor(shape: readonly number[]) {
    this.channelMax = new Float64Array(shape.length > 1 ? shape[1] : 0);
    this.#inner = shape.slice(2).reduce((a, b) => a * b, 1);
  }

  /** Takes the elements of one sample, row-major. */
  add(data: ArrayLike<number>): void {
    let low = this.min, high = this.max;
    for (let i = 0; i < data.length; i++) {
      const v = data[i];
      if (!Number.isFinite(v)) this.bad++;
      else if (v < low) low = v;
      if (v > high && v !== Infinity) high = v;
    }
    this.min = low;
    this.max = high;
    this.#widen(Math.max(Math.abs(low), Math.abs(high)));
    this.count += data.length;
    if (this.width === 0) {
      this.zeros += data.length;
      return;
    }
    const { bins, channelMax } = this, scale = 1 / this.width;
    for (let i = 0; i < data.length; i++) {
      const v = data[i];
      if (v === 0) this.zeros++;
      if (Number.isFinite(v)) bins[Math.min(2 * HALF - 1, Math.floor(v * scale) + HALF)]++;
    }
    if (channelMax.length === 0) return;
    const inner = this.#inner;
    for (let i = 0, c = 0; i < data.length; i += inner, c = (c + 1) % channelMax.length) {
      let most = channelMax[c];
      for (let k = i; k < i + inner; k++) {
        const v = Math.abs(data[k]);
        if (v > most && v < Infinity) most = v;
      }
      channelMax[c] = most;
    }
  }

  /** Widens the bins by halving their number until the largest magnitude fits. */
  #widen(most: number): void {
    if (!(most > 0) || most === Infinity) return;
    if (this.width === 0) {
      // Some room above what came first, so that the next sample rarely moves the bins.
      this.width = most * 1.25 / HALF;
      // What came before was zero throughout.
      this.bins[HALF] += this.count;
    }
    while (most >= this.width * HALF) {
      const old = this.bins.slice();
      this.bins.fill(0);
      for (let i = 0; i < 2 * HALF; i++) this.bins[HALF + Math.floor((i - HALF) / 2)] += old[i];
      this.width *= 2;
    }
  }

  /** Adds what another tensor with the same parameters saw. */
  merge(other: Statistics): void {
    this.#widen(Math.max(Math.abs(other.min), Math.abs(other.max)));
    this.min = Math.min(this.min, other.min);
    this.max = Math.max(this.max, other.max);
    this.count += other.count;
    this.bad += other.bad;
    this.zeros += other.zeros;
    for (const [v, n] of other.values()) {
      this.bins[Math.min(2 * HALF - 1, Math.floor(v / this.width) + HALF)] += n;
    }
  }

  /** The centres of the bins that hold something, ascending, and how many values are in each. */
  *values(): Generator<readonly [value: number, count: number]> {
    for (let i = 0; i < 2 * HALF; i++) {
      if (this.bins[i] > 0) yield [(i - HALF + 0.5) * this.width, this.bins[i]];
    }
  }
}
