/** What no placement can undercut: the bytes that are live at one step. */
import type { Request } from "./plan.ts";

/** The step at which the most bytes are live. */
export interface Peak {
  readonly step: number;
  /** Live bytes with the padding that alignment forces on any placement. */
  readonly bytes: number;
  /** The buffers live at that step, largest first. */
  readonly live: readonly Request[];
}

/**
 * Bytes that `live` buffers need together in any placement. All offsets are multiples of the
 * smallest alignment g, so that a buffer keeps whole blocks of g bytes for itself; only the topmost
 * buffer of a region ends inside its last block, and it may be the one with the most padding. What
 * may share memory counts once.
 */
function neededBytes(live: readonly Request[], regions: number): number {
  const g = Math.min(...live.map((r) => r.align));
  const padded = live.map((r) => Math.ceil(r.bytes / g) * g);
  const padding = live.map((r, i) => padded[i] - r.bytes).sort((a, b) => b - a);
  const sum = (v: readonly number[]) => v.reduce((a, b) => a + b, 0);
  const size = new Map(live.map((r, i) => [r.name, padded[i]]));
  const shared = live.map((r) =>
    Math.min(size.get(r.name)!, sum((r.shares ?? []).map((s) => size.get(s.with) ?? 0)))
  );
  return Math.max(
    ...live.map((r) => r.bytes),
    sum(padded) - sum(padding.slice(0, regions)) - sum(shared),
  );
}

/**
 * The peak of live bytes: a lower bound of the bytes used in all regions together.
 * @param regions number of regions that the buffers may be spread over
 */
export function livePeak(requests: readonly Request[], regions = 1): Peak {
  const filled = requests.filter((r) => r.bytes > 0);
  let peak: Peak = { step: 0, bytes: 0, live: [] };
  // The set of live buffers grows only where one begins.
  for (const step of new Set(filled.map((r) => r.first))) {
    const all = filled.filter((r) => r.first <= step && step <= r.last);
    // Those that hold something in a part of the step alone: what is live where one of them begins.
    const parts = new Set(all.flatMap((r) => r.within ? [r.within[0]] : []));
    const moments = [...parts].map((t) =>
      all.filter((r) => !r.within || (r.within[0] <= t && t <= r.within[1]))
    );
    for (const live of moments.length > 0 ? moments : [all]) {
      const bytes = neededBytes(live, regions);
      const earlier = bytes === peak.bytes && step < peak.step;
      if (bytes > peak.bytes || earlier) peak = { step, bytes, live };
    }
  }
  return { ...peak, live: peak.live.toSorted((a, b) => b.bytes - a.bytes) };
}
