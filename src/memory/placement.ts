/** Places buffers one after another in a given order, each at the lowest offset where it fits. */
import { invariant } from "../util/errors.ts";
import { meet, type Plan, type Region, type Request } from "./plan.ts";

/** What planners minimise, the first difference counts. */
export interface Cost {
  /** Bytes of the buffers that no region could take. */
  readonly unplaced: number;
  /** Traffic outside the preferred region, times the rank of the region that took it. */
  readonly spilled: number;
  /** Bytes used of all regions together. */
  readonly used: number;
}

/** Negative where `a` is the better one. */
export const compareCost = (a: Cost, b: Cost): number =>
  a.unplaced - b.unplaced || a.spilled - b.spilled || a.used - b.used;

/**
 * The evaluator that planners share: an order of the requests goes in, their places come out.
 * Memory is allocated once, so that a search can evaluate thousands of orders.
 */
export class Placement {
  readonly #requests: readonly Request[];
  readonly #regions: readonly Region[];
  readonly #choices: readonly (readonly number[])[];
  readonly #bytes: Float64Array;
  readonly #align: Float64Array;
  readonly #first: Float64Array;
  readonly #last: Float64Array;
  readonly #offset: Float64Array;
  readonly #region: Int32Array;
  readonly #capacity: Float64Array;
  readonly #used: Float64Array;
  /** For each region what it holds so far, by offset. */
  readonly #held: readonly Int32Array[];
  /** For each request those that it may share memory with, and at which distances from them. */
  readonly #shifts: readonly ReadonlyMap<number, readonly number[]>[];
  readonly #count: Int32Array;

  /** @throws BurinError `internal/invariant` where a request names an unknown region */
  constructor(requests: readonly Request[], regions: readonly Region[]) {
    this.#requests = requests;
    this.#regions = regions;
    const indices = new Map(regions.map((r, i) => [r.name, i]));
    this.#choices = requests.map((r) =>
      r.regions.map((name) => {
        const index = indices.get(name);
        invariant(index !== undefined, `buffer ${r.name} wants region ${name}, which is not given`);
        return index;
      })
    );
    this.#bytes = Float64Array.from(requests, (r) => r.bytes);
    this.#align = Float64Array.from(requests, (r) => r.align);
    this.#first = Float64Array.from(requests, (r) => r.first);
    this.#last = Float64Array.from(requests, (r) => r.last);
    this.#offset = new Float64Array(requests.length);
    this.#region = new Int32Array(requests.length);
    this.#capacity = Float64Array.from(regions, (r) => r.bytes ?? Infinity);
    this.#used = new Float64Array(regions.length);
    this.#held = regions.map(() => new Int32Array(requests.length));
    this.#count = new Int32Array(regions.length);
    const byName = new Map(requests.map((r, i) => [r.name, i]));
    const shifts = requests.map(() => new Map<number, readonly number[]>());
    requests.forEach((r, i) =>
      r.shares?.forEach((s) => {
        const j = byName.get(s.with);
        invariant(
          j !== undefined,
          `buffer ${r.name} shares memory with ${s.with}, which is not there`,
        );
        shifts[i].set(j, s.shifts);
        shifts[j].set(i, s.shifts.map((d) => -d));
      })
    );
    this.#shifts = shifts;
  }

  /**
   * Places the requests in this order (indices into the requests).
   * @returns null as soon as the cost passes `limit`
   */
  place(order: ArrayLike<number>, limit?: Cost): Cost | null {
    this.#used.fill(0);
    this.#count.fill(0);
    this.#region.fill(-1);
    let [unplaced, spilled, used] = [0, 0, 0];
    for (let k = 0; k < order.length; k++) {
      const i = order[k];
      const choices = this.#choices[i];
      let rank = 0;
      while (rank < choices.length && !this.#placeIn(i, choices[rank])) rank++;
      if (rank === choices.length) unplaced += this.#bytes[i];
      else {
        const region = choices[rank];
        const end = this.#offset[i] + this.#bytes[i];
        spilled += rank * (this.#requests[i].traffic ?? this.#bytes[i]);
        if (end > this.#used[region]) {
          used += end - this.#used[region];
          this.#used[region] = end;
        }
      }
      if (limit && compareCost({ unplaced, spilled, used }, limit) > 0) return null;
    }
    return { unplaced, spilled, used };
  }

  #placeIn(i: number, region: number): boolean {
    const [first, last, bytes, align] = [
      this.#first[i],
      this.#last[i],
      this.#bytes[i],
      this.#align[i],
    ];
    const held = this.#held[region];
    const count = this.#count[region];
    const shifts = this.#shifts[i], { within } = this.#requests[i];
    let at = 0;
    if (bytes > 0) {
      for (let k = 0; k < count; k++) {
        const j = held[k];
        if (this.#first[j] > last || this.#last[j] < first) continue;
        if (within && this.#requests[j].within && !meet(this.#requests[i], this.#requests[j])) {
          continue;
        }
        const start = this.#offset[j];
        // Those that follow start even higher.
        if (start >= at + bytes) break;
        const end = start + this.#bytes[j];
        if (end <= at) continue;
        const shared = shifts.size > 0 ? shifts.get(j) : undefined;
        if (shared?.includes(at - start)) continue;
        let next = Math.ceil(end / align) * align;
        for (const d of shared ?? []) {
          const over = start + d;
          if (over > at && over < next && over % align === 0) next = over;
        }
        at = next;
        // What was shared at the old place may not be so at the new one.
        if (shifts.size > 0) k = -1;
      }
    }
    if (at + bytes > this.#capacity[region]) return false;
    this.#offset[i] = at;
    this.#region[i] = region;
    if (bytes === 0) return true;
    let k = count;
    for (; k > 0 && this.#offset[held[k - 1]] > at; k--) held[k] = held[k - 1];
    held[k] = i;
    this.#count[region] = count + 1;
    return true;
  }

  /**
   * Requests of the last order that a search has to move: those outside their first region, or whose
   * end is the end of their region, so that they make it that large.
   */
  topmost(): number[] {
    return this.#requests.flatMap((_, i) => {
      const region = this.#region[i];
      return region !== this.#choices[i][0] ||
          this.#offset[i] + this.#bytes[i] === this.#used[region]
        ? [i]
        : [];
    });
  }

  /** The last order as a plan; requests that found no place are left out. */
  plan(planner: string, bound: number): Plan {
    return {
      placed: this.#requests.flatMap((request, i) =>
        this.#region[i] < 0
          ? []
          : [{ request, region: this.#regions[this.#region[i]].name, offset: this.#offset[i] }]
      ),
      used: new Map(this.#regions.map((r, i) => [r.name, this.#used[i]])),
      planner,
      bound,
    };
  }
}
