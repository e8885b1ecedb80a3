/** Integer arithmetic that JavaScript lacks. */

/** Rounds half to even. */
export function roundEven(x: number): number {
  const r = Math.round(x);
  return r - x === 0.5 && r % 2 !== 0 ? r - 1 : r;
}
