/** The smallest placement of one region's buffers, or how far from it the nodes led. */
import type { Request } from "./plan.ts";
import { type Item, searchPlacement } from "./search.ts";

/** What the search for the smallest region found. */
export interface Exact {
  /** Offsets of the requests, in their order; null where nothing smaller than before was found. */
  readonly offsets: readonly number[] | null;
  /** No placement is smaller than this. */
  readonly bound: number;
  /** Nodes of the search. */
  readonly nodes: number;
}

/** Most buffers that a node is worth looking at. */
const MOST_BUFFERS = 1000;

/**
 * Whether the search can tell anything about these requests: buffers that may lie over others are
 * not boxes in time and space.
 */
export const isSearchable = (requests: readonly Request[]): boolean =>
  requests.length <= MOST_BUFFERS && requests.every((r) => !r.shares?.length);

const gcd = (a: number, b: number): number => b === 0 ? a : gcd(b, a % b);

/** The requests as boxes; parts of a step are moments of it. Buffers without bytes are left out. */
function boxes(requests: readonly Request[]): { items: Item[]; index: number[] } {
  const parts = Math.max(0, ...requests.map((r) => r.within?.[1] ?? 0)) + 1;
  const index = requests.flatMap((r, i) => r.bytes > 0 ? [i] : []);
  const items = index.map((i): Item => {
    const { bytes, align, first, last, within } = requests[i];
    return {
      size: bytes,
      align,
      lower: first * parts + (within?.[0] ?? 0),
      upper: last * parts + (within ? within[1] + 1 : parts),
    };
  });
  return { items, index };
}

/**
 * Looks for placements smaller than `best`, first at the lower bound, then halving the gap.
 * @param bound a size below which nothing fits
 * @param best a size that has been reached
 * @param nodes budget; what is left when the gap is closed stays unused
 */
export function exactPlacement(
  requests: readonly Request[],
  bound: number,
  best: number,
  nodes: number,
): Exact {
  const { items, index } = boxes(requests);
  // Sizes that a placement can have are multiples of what divides all sizes and alignments.
  const grain = items.reduce((g, i) => gcd(gcd(g, i.size), i.align), 0) || 1;
  const up = (n: number): number => Math.ceil(n / grain) * grain;
  let low = up(bound), high = best, left = nodes;
  let offsets: number[] | null = null;
  /** Sizes up to here were given up without an answer. */
  let tried = low - grain;
  while (tried + grain < high && left > 0) {
    const first = tried < low;
    const size = first ? low : up(Math.floor((tried + grain + high - grain) / 2));
    const share = first ? Math.ceil(left / 2) : Math.ceil(left / 3);
    const { outcome, nodes: used } = searchPlacement(items, size, share);
    left -= used;
    if (outcome === "none") {
      low = Math.max(low, size + grain);
      tried = Math.max(tried, size);
    } else if (outcome === "unknown") tried = Math.max(tried, size);
    else {
      const found = new Array<number>(requests.length).fill(0);
      index.forEach((i, k) => found[i] = outcome.found[k]);
      offsets = found;
      high = Math.max(...items.map((item, k) => outcome.found[k] + item.size));
    }
  }
  return { offsets, bound: Math.min(low, high), nodes: nodes - left };
}
