/** Orders that suit placement from the bottom up: what is hard to place goes first. */
import { meet, type Request } from "./plan.ts";

/** An order of requests by decreasing key; equal keys keep the requests' order. */
type Key = (r: Request, all: readonly Request[]) => number;

const steps = (r: Request): number => r.last - r.first + 1;

/** Keys by the name of the planner: bytes; bytes × steps; bytes of all that live beside it; steps. */
export const GREEDY_KEYS: Readonly<Record<string, Key>> = {
  "greedy-size": (r) => r.bytes,
  "greedy-area": (r) => r.bytes * steps(r),
  "greedy-conflicts": (r, all) =>
    all.reduce((sum, o) => meet(r, o) ? sum + o.bytes : sum, 0) * r.bytes,
  "greedy-steps": steps,
};

/** The order for regions of different speed: most traffic a byte and step first. */
export const byTraffic: Key = (r) => (r.traffic ?? r.bytes) / Math.max(1, r.bytes * steps(r));

/** Indices of the requests in the order of a key; what has to keep a small region comes first. */
export function greedyOrder(requests: readonly Request[], key: Key): Int32Array {
  const keys = requests.map((r) => key(r, requests));
  const order = requests.map((_, i) => i);
  const byKey = (a: number, b: number) =>
    requests[a].regions.length - requests[b].regions.length || keys[b] - keys[a] ||
    requests[b].bytes - requests[a].bytes || a - b;
  return Int32Array.from(order.sort(byKey));
}
