/** Movement operators without a copy: how strides change. */
import type { StridedView } from "../ir/opdef.ts";

/**
 * numpy's algorithm of reshape without a copy: both shapes fall into groups of axes of equal
 * product, and a group of the old shape must be contiguous in itself to be cut anew.
 *
 * @returns the strides of the new shape in elements, or null where a copy is needed
 */
export function reshapeStrides(
  from: readonly number[],
  strides: readonly number[],
  to: readonly number[],
): number[] | null {
  if (from.includes(0)) return to.map(() => 1);
  const old = from.flatMap((n, i) => n === 1 ? [] : [{ n, stride: strides[i] }]);
  const result = new Array<number>(to.length).fill(1);
  let i = 0, j = 0;
  while (i < old.length) {
    const firstNew = j;
    let end = i + 1, have = old[i].n, want = to[j++];
    while (have !== want) {
      if (have < want) have *= old[end++].n;
      else want *= to[j++];
    }
    for (let k = i; k < end - 1; k++) {
      if (old[k].stride !== old[k + 1].n * old[k + 1].stride) return null;
    }
    for (let k = j - 1, stride = old[end - 1].stride; k >= firstNew; k--) {
      result[k] = stride;
      stride *= to[k];
    }
    i = end;
  }
  return result;
}

/** A view that begins at element 0, or null. */
export const viewOf = (strides: readonly number[] | null): StridedView | null =>
  strides && { offset: 0, strides };
