/** How many rows of a depthwise convolution are computed from one copy of input rows. */
import { TAPS } from "../tir/plane.ts";

/** Rows of output that are computed from one copy of input rows: at least, and bytes up to which more. */
const PLANE_ROWS = 4, PLANE_BYTES = 768;

/**
 * An even number of rows whose planes are small and that leaves none or one row over: what is left has
 * loops of its own.
 */
export function planeRows(height: number, width: number): number {
  const rowBytes = 4 * 2 * (2 * Math.ceil((width + TAPS - 1) / 2));
  const room = Math.floor(PLANE_BYTES / rowBytes) - (TAPS - 1);
  const most = 2 * Math.floor(Math.max(PLANE_ROWS, room) / 2);
  for (let rows = most; rows >= PLANE_ROWS; rows -= 2) {
    if (rows < height + 2 && height % rows <= 1) return rows;
  }
  return 2 * Math.ceil(height / Math.ceil(height / most) / 2);
}
