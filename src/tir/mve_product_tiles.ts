/** How the rows of a product divide into tiles (MVE). */

/** Rows of a tile: most work a call where few rows are computed twice. */
export function tileRows(rows: number): number {
  const cost = (p: number) => tileCost(rows, p);
  return [3, 2, 1].filter((p) => p <= rows).reduce((a, b) => cost(b) < cost(a) ? b : a);
}

/** What a vector of the columns costs with so many rows a tile, per tile of two columns. */
const tileCost = (rows: number, p: number): number => Math.ceil(rows / p) * (2 + 3 * p);

/** The same of all rows in the best tiles. */
export const rowsCost = (rows: number): number => tileCost(rows, tileRows(rows));
