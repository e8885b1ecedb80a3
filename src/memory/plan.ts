/** What memory planners take and give. Steps are the kernels in their order, numbered from 0. */

/**
 * Leave to share memory while both are live: the request's begin may lie at one of the `shifts` from
 * the begin of the other, in bytes. What overlaps at such a distance is written after its last read.
 */
export interface Sharing {
  readonly with: string;
  readonly shifts: readonly number[];
}

/** One piece of memory that must be placed; views of it are part of it. */
export interface Request {
  readonly name: string;
  readonly bytes: number;
  /** In bytes, a power of two. */
  readonly align: number;
  /** First and last step that touches it, both included. */
  readonly first: number;
  readonly last: number;
  /** Regions that may hold it, best first. */
  readonly regions: readonly string[];
  /** Bytes that a run reads and writes of it: what a slower region costs. Default: its bytes. */
  readonly traffic?: number;
  /**
   * First and last part of its one step in which it holds something, both included; absent: all of
   * its steps. Parts are numbers that mean something to requests of the same step alone.
   */
  readonly within?: readonly [number, number];
  /** Requests that end where this one begins and may lie over it. */
  readonly shares?: readonly Sharing[];
}

/** Whether two requests ever hold something at the same time. */
export const meet = (a: Request, b: Request): boolean =>
  a.first <= b.last && b.first <= a.last &&
  !(a.within && b.within && (a.within[1] < b.within[0] || b.within[1] < a.within[0]));

/** A region that the planner may fill; `bytes` null: as large as it needs to be. */
export interface Region {
  readonly name: string;
  readonly bytes: number | null;
}

export interface Placed {
  readonly request: Request;
  readonly region: string;
  readonly offset: number;
}

export interface Plan {
  readonly placed: readonly Placed[];
  /** Bytes used of every region. */
  readonly used: ReadonlyMap<string, number>;
  /** Name of the planner that found it. */
  readonly planner: string;
  /** No plan uses fewer bytes of all regions together, as far as was proved. */
  readonly bound: number;
}

/** Places every request; throws `model/does-not-fit` where a region is too small. */
export type Planner = (requests: readonly Request[], regions: readonly Region[]) => Plan;
