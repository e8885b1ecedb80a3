/** The regions of a board that `--arena` names, the fastest first. */
import { BurinError } from "../util/errors.ts";
import { didYouMean } from "../util/near.ts";
import type { Board } from "../target/target.ts";
import type { Region } from "../memory/plan.ts";

/** A region that the arena may use, and how much of it. */
export interface ArenaLimit {
  /** A memory of the board; any lowercase name on a board without memories. */
  readonly region: string;
  readonly bytes: number;
}

const refused = (l: ArenaLimit, why: string, hint: string): BurinError =>
  new BurinError("usage/arena", `Cannot use --arena ${l.region}=${l.bytes} as ${why}`, hint);

/**
 * Refuses a memory for the constants that the board does not have.
 * @throws BurinError `usage/weights`
 */
export function checkRegion(board: Board, region: string): void {
  const names = board.memory.filter((m) => m.kind === "ram").map((m) => m.name);
  const fits = names.length === 0 ? /^[a-z][a-z0-9_]*$/.test(region) : names.includes(region);
  if (fits) return;
  throw new BurinError(
    "usage/weights",
    `Cannot put the constants into ${region} as ${board.name} has no such RAM`,
    didYouMean(region, names) ?? `it has ${names.join(", ")}`,
  );
}

/**
 * The regions in the order of preference: by access time, then as they are named.
 * @throws BurinError `usage/arena` where the board has no such memory, or less of it
 */
export function arenaRegions(board: Board, limits: readonly ArenaLimit[]): Region[] {
  const rams = board.memory.filter((m) => m.kind === "ram");
  const names = rams.map((m) => m.name);
  const all = limits.map((l, i) => {
    if (limits.findIndex((o) => o.region === l.region) !== i) {
      throw refused(l, "the region is named twice", "name each region once");
    }
    if (rams.length === 0) {
      if (/^[a-z][a-z0-9_]*$/.test(l.region)) return { ...l, latency: 1 };
      throw refused(l, "a region has a lowercase name", "write --arena fast=65536");
    }
    const ram = rams.find((m) => m.name === l.region);
    const there = rams.map((m) => `${m.name} (${m.bytes} bytes)`).join(", ");
    if (!ram) {
      throw refused(
        l,
        `${board.name} has no such RAM`,
        didYouMean(l.region, names) ?? `it has ${there}`,
      );
    }
    if (l.bytes > ram.bytes) {
      throw refused(l, `${board.name} has ${ram.bytes} bytes of it`, `it has ${there}`);
    }
    return { ...l, latency: ram.latency };
  });
  return all.sort((a, b) => a.latency - b.latency)
    .map(({ region, bytes }) => ({ name: region, bytes }));
}
