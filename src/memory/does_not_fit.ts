/** The message for a model that the board's memory cannot hold. */
import { BurinError } from "../util/errors.ts";
import { livePeak } from "./bound.ts";
import type { Region, Request } from "./plan.ts";

/** Buffers that the message names. */
const NAMED = 6;

const count = (n: number): string => n.toLocaleString("en-US");

/**
 * @param needed bytes of the best plan that was found for memory without limit
 * @returns BurinError `model/does-not-fit` with what is needed, what is there, and the buffers that
 *   are live at the peak
 */
export function doesNotFit(
  requests: readonly Request[],
  regions: readonly Region[],
  needed: number,
): BurinError {
  const peak = livePeak(requests, regions.length);
  const there = regions.map((r) =>
    `${r.name} (${r.bytes === null ? "no limit" : `${count(r.bytes)} bytes`})`
  ).join(", ");
  const named = peak.live.slice(0, NAMED).map((r) => `${r.name} ${count(r.bytes)}`);
  const rest = peak.live.length - named.length;
  const most = `${named.join(", ")}${rest > 0 ? ` and ${rest} more` : ""}`;
  return new BurinError(
    "model/does-not-fit",
    `Cannot place the model's buffers in ${there} as they need ${count(needed)} bytes; ` +
      `at step ${peak.step} alone ${count(peak.bytes)} bytes are live: ${most}`,
    "choose a board with more RAM, or make the largest of these tensors smaller",
  );
}
