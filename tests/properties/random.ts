/** Numbers drawn from a seed, the same everywhere. */

export interface Random {
  /** An integer of [lo, hi]. */
  int(lo: number, hi: number): number;
  /** One of a list. */
  pick<T>(xs: readonly T[]): T;
  /** True once in n times. */
  oneIn(n: number): boolean;
  /** A list in another order. */
  shuffle<T>(xs: readonly T[]): T[];
}

/** mulberry32: https://gist.github.com/tommyettinger/46a874533244883189143505d203312c */
export function random(seed: number): Random {
  let state = seed | 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  const int = (lo: number, hi: number): number => lo + Math.floor(next() * (hi - lo + 1));
  return {
    int,
    pick: (xs) => xs[int(0, xs.length - 1)],
    oneIn: (n) => int(1, n) === 1,
    shuffle(xs) {
      const out = [...xs];
      for (let i = out.length - 1; i > 0; i--) {
        const j = int(0, i);
        [out[i], out[j]] = [out[j], out[i]];
      }
      return out;
    },
  };
}

/** Bounds of the two types that quantised tensors have here. */
export const RANGE = { int8: [-128, 127], uint8: [0, 255] } as const;
export type Byte = keyof typeof RANGE;

/** Elements of a byte type, a third of them at the bounds. */
export function bytesOf(r: Random, dtype: Byte, count: number): number[] {
  const [lo, hi] = RANGE[dtype];
  return Array.from(
    { length: count },
    () => r.oneIn(3) ? r.pick([lo, hi, lo + 1]) : r.int(lo, hi),
  );
}
