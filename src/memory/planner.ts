/** The memory planner: the best of several searches, at an effort that the caller chooses. */
import { livePeak } from "./bound.ts";
import { doesNotFit } from "./does_not_fit.ts";
import { exactPlacement, isSearchable } from "./exact.ts";
import { byTraffic, GREEDY_KEYS, greedyOrder } from "./greedy.ts";
import { hillClimb, isBetter } from "./hill_climb.ts";
import { type Cost, Placement } from "./placement.ts";
import type { Plan, Region, Request } from "./plan.ts";

/** How much to search. */
export interface PlanOptions {
  /**
   * 0: by size alone. 1: the best of all greedy orders. 2 and 3: hill climbing as well, and the exact
   * search where that leaves a gap.
   */
  readonly level: 0 | 1 | 2 | 3;
  /** Nodes of the exact search instead of the level's. */
  readonly nodes?: number;
}

/**
 * Rounds of hill climbing at each level. A round goes on from the best order so far with a seed of
 * its own, so that a higher level begins with all that a lower one does and is never worse.
 */
const ROUNDS = [0, 0, 4, 16] as const;

/** Nodes of the exact search at each level. */
const NODES = [0, 0, 5_000, 20_000] as const;

/** Buffers that a round may place: its steps are this over the number of buffers. */
const PLACED_PER_ROUND = 25_000;

interface Found {
  readonly order: Int32Array;
  readonly cost: Cost;
  readonly planner: string;
}

function greedyPlans(
  requests: readonly Request[],
  placement: Placement,
  level: number,
  several: boolean,
): Found[] {
  const all = Object.entries(
    several ? { ...GREEDY_KEYS, "greedy-traffic": byTraffic } : GREEDY_KEYS,
  );
  const keys = all.slice(0, level === 0 ? 1 : undefined);
  return keys.map(([planner, key]) => {
    const order = greedyOrder(requests, key);
    return { order, cost: placement.place(order)!, planner };
  });
}

/** Requests, the largest first, of which each two are tried at the front where some share memory. */
const FRONT = 8;

/** What shares memory lies well where what it has to fit comes first, be that smaller. */
function frontPlans(
  requests: readonly Request[],
  placement: Placement,
  { order }: Found,
): Found[] {
  if (!requests.some((r) => r.shares?.length)) return [];
  const large = [...order.keys()].sort((a, b) => requests[b].bytes - requests[a].bytes || a - b)
    .slice(0, FRONT);
  return large.flatMap((a) =>
    large.flatMap((b) => {
      if (a === b) return [];
      const front = Int32Array.from([a, b, ...order.filter((i) => i !== a && i !== b)]);
      return [{ order: front, cost: placement.place(front)!, planner: "greedy-front" }];
    })
  );
}

const best = (found: readonly Found[]): Found =>
  found.reduce((a, b) => isBetter(b.cost, a.cost) ? b : a);

function search(
  requests: readonly Request[],
  regions: readonly Region[],
  options: PlanOptions,
): Plan & {
  readonly cost: Cost;
} {
  const { level } = options;
  const placement = new Placement(requests, regions);
  const bound = livePeak(requests, regions.length).bytes;
  const enough = (c: Cost) => c.unplaced === 0 && c.spilled === 0 && c.used <= bound;
  const steps = Math.ceil(PLACED_PER_ROUND / Math.max(1, requests.length));
  const climb = (start: Found): Found => {
    let at = start;
    for (let seed = 1; seed <= ROUNDS[level] && !enough(at.cost); seed++) {
      const climbed = hillClimb(requests, placement, at.order, { steps, seed }, enough);
      // An equal cost is another place on the same plateau, from where the next round may go on.
      const planner = isBetter(climbed.cost, at.cost) ? "hill-climb" : at.planner;
      at = { ...climbed, planner };
    }
    return at;
  };
  const greedy = greedyPlans(requests, placement, level, regions.length > 1);
  let found = climb(best(greedy));
  const front = level >= 2 && !enough(found.cost) ? frontPlans(requests, placement, greedy[0]) : [];
  if (front.length > 0) found = best([found, climb(best(front))]);
  placement.place(found.order);
  const plan = { ...placement.plan(found.planner, bound), cost: found.cost };
  const searched = regions.length === 1 && found.cost.unplaced === 0 && !enough(found.cost) &&
    isSearchable(requests);
  return searched ? refined(plan, requests, options.nodes ?? NODES[level]) : plan;
}

/** The plan, or a smaller one that the exact search finds. */
function refined(
  plan: Plan & { readonly cost: Cost },
  requests: readonly Request[],
  nodes: number,
): Plan & { readonly cost: Cost } {
  const { used } = plan.cost;
  const { offsets, bound } = exactPlacement(requests, plan.bound, used, nodes);
  if (offsets === null) return { ...plan, bound };
  const [{ region }] = plan.placed;
  const bytes = Math.max(...requests.map((r, i) => offsets[i] + r.bytes));
  return {
    placed: requests.map((request, i) => ({ request, region, offset: offsets[i] })),
    used: new Map([[region, bytes]]),
    planner: "exact",
    bound,
    cost: { ...plan.cost, used: bytes },
  };
}

/**
 * Places every request. Requests prefer their first region; with one region the plan minimises its
 * size, with several first the traffic that had to go elsewhere, then the size of all together.
 * The same input gives the same plan on any machine: budgets count placements, not time.
 * @throws BurinError `model/does-not-fit` where the regions are too small
 */
export function planMemory(
  requests: readonly Request[],
  regions: readonly Region[],
  options: PlanOptions,
): Plan {
  const { cost, ...plan } = search(requests, regions, options);
  if (cost.unplaced === 0) return plan;
  const unlimited = regions.map((r) => ({ ...r, bytes: null }));
  throw doesNotFit(requests, regions, search(requests, unlimited, options).cost.used);
}
