/** The error function in float64, which JavaScript has not. */

const TWO_OVER_ROOT_PI = 2 / Math.sqrt(Math.PI);

/**
 * erf x, within a few units in the last place: below 3 the series in e^−x²·x^(2n+1), all of whose
 * terms are positive, above it the continued fraction of erfc.
 */
export function errorFunction(x: number): number {
  const a = Math.abs(x);
  if (!(a < 6)) return Number.isNaN(x) ? x : Math.sign(x);
  if (a < 3) {
    let term = x, total = x;
    for (let n = 1; Math.abs(term) > Math.abs(total) * 1e-18; n++) {
      term *= 2 * x * x / (2 * n + 1);
      total += term;
    }
    return TWO_OVER_ROOT_PI * Math.exp(-x * x) * total;
  }
  let fraction = 0;
  for (let k = 60; k > 0; k--) fraction = k / 2 / (a + fraction);
  return Math.sign(x) * (1 - Math.exp(-a * a) / Math.sqrt(Math.PI) / (a + fraction));
}
