/**
 * Requantisation as one long product: where it gives the same bytes as the float formula for every
 * accumulator, which is proved here, value by value of the result.
 */

/** `(offset + ((acc · multiplier) >> 32)) >> shift`, saturated to [lo, hi]. */
export interface FixedPoint {
  readonly multiplier: number;
  readonly offset: number;
  readonly shift: number;
}

/** What the float formula is: rne(float32(acc) · scale) + zero in [lo, hi]. */
export interface Requantization {
  readonly scale: number;
  readonly zero: number;
  readonly lo: number;
  readonly hi: number;
}

/** What was asked before: several schedules of a kernel ask for the same scales. */
const KNOWN = new Map<string, FixedPoint | null>();

/** Accumulators that float32 holds exactly. */
const EXACT = 2 ** 24;

function roundEven(x: number): number {
  const down = Math.floor(x), rest = x - down;
  return rest > 0.5 || (rest === 0.5 && down % 2 !== 0) ? down + 1 : down;
}

/** The smallest accumulator whose result is at least `value`, in steps from the zero point. */
function threshold(scale: number, value: number): number | null {
  const result = (acc: number) => roundEven(Math.fround(acc * scale));
  let acc = Math.floor((value - 0.5) / scale);
  if (!(Math.abs(acc) < EXACT - 2)) return null;
  while (result(acc) >= value) acc--;
  while (result(acc) < value) acc++;
  return acc;
}

/** The largest shift whose multiplier 31 bits hold; null where there is none of at least one bit. */
export function largestShift(scale: number, most: number): number | null {
  for (let shift = most; shift >= 1; shift--) {
    if (scale * 2 ** (32 + shift) < 2 ** 31 - 1) return shift;
  }
  return null;
}

const ceilDivide = (a: bigint, b: bigint): bigint => {
  const q = a / b;
  return a % b > 0n ? q + 1n : q;
};
const floorDivide = (a: bigint, b: bigint): bigint => {
  const q = a / b;
  return a % b < 0n ? q - 1n : q;
};

/** Whether acc·m ≥ k·2^32, exactly: |acc| below 2^24, m below 2^31. */
function reaches(acc: number, m: number, k: number): boolean {
  const high = Math.floor(m / 2 ** 16), low = m % 2 ** 16;
  return (acc * high - k * 2 ** 16) * 2 ** 16 + acc * low >= 0;
}

/**
 * The multiplier with which all results are equal; null where none does it.
 *
 * Both are monotone in the accumulator, so that they are equal everywhere if each value of the
 * result begins at the same accumulator t: t·m ≥ k and (t − 1)·m < k, where k is the value times
 * 2^(32 + shift) less the offset.
 */
export function fixedPoint(r: Requantization, shift: number): FixedPoint | null {
  const key = [r.scale, r.zero, r.lo, r.hi, shift].join();
  const known = KNOWN.get(key);
  if (known !== undefined) return known;
  const found = proved(r, shift);
  KNOWN.set(key, found);
  return found;
}

function proved(r: Requantization, shift: number): FixedPoint | null {
  const { scale, zero, lo, hi } = r;
  const offset = zero * 2 ** shift + 2 ** (shift - 1);
  const nearest = Math.round(scale * 2 ** (32 + shift));
  if (nearest < 1 || nearest >= 2 ** 31) return null;
  const thresholds: number[] = [];
  for (let value = lo + 1; value <= hi; value++) {
    const t = threshold(scale, value - zero);
    if (t === null) return null;
    thresholds.push(t);
  }
  const reached = (i: number): number => (lo + 1 + i) * 2 ** shift - offset;
  const holds = thresholds.every((t, i) =>
    reaches(t, nearest, reached(i)) && !reaches(t - 1, nearest, reached(i))
  );
  if (holds) return { multiplier: nearest, offset, shift };
  let least = 1n, most = 2n ** 31n - 1n;
  /** acc·m ≥ k */
  const atLeast = (acc: number, k: bigint): void => {
    if (acc > 0) {
      const m = ceilDivide(k, BigInt(acc));
      if (m > least) least = m;
    } else if (acc < 0) {
      const m = floorDivide(-k, BigInt(-acc));
      if (m < most) most = m;
    } else if (k > 0n) most = 0n;
  };
  /** acc·m < k, that is (−acc)·m ≥ 1 − k */
  const below = (acc: number, k: bigint): void => atLeast(-acc, 1n - k);
  for (const [i, t] of thresholds.entries()) {
    const k = BigInt(reached(i)) * 2n ** 32n;
    atLeast(t, k);
    below(t - 1, k);
    if (least > most) return null;
  }
  const multiplier = nearest < Number(least) ? least : most;
  return { multiplier: Number(multiplier), offset, shift };
}
