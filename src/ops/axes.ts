/** Names of axes that definitions share, so that schedules can speak of them by name. */

/** Names of the spatial axes of a tensor with `count` of them, prefixed: `oh`, `ow`, … */
export const spatialNames = (prefix: string, count: number): string[] =>
  ["d", "h", "w"].slice(3 - Math.min(count, 3)).map((s) => `${prefix}${s}`);

/** Names of the axes of an activation tensor of this rank, outermost first. */
export function axisNames(rank: number): string[] {
  if (rank > 5) return [];
  return rank < 3 ? ["n", "c"].slice(0, rank) : ["n", "c", ...spatialNames("o", rank - 2)];
}
