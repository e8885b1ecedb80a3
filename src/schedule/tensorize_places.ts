/** The call that sums bytes of several places in several channels. */
import type { Expr } from "../te/expr.ts";
import { SUM_CHANNELS, sumPlaces } from "../tir/mve_sum.ts";
import { isByte } from "../tir/mve_requantize.ts";
import type { Intrin, Store } from "../tir/stmt.ts";
import { mergeTurns } from "./nest.ts";
import { centred, type NestLoop, running, stride } from "./tensorize.ts";

/**
 * A nest of loops over places around one over channels, `acc += x − zero`; null where it has another
 * form.
 */
export function tensorizePlaces(
  s: Store,
  places: readonly NestLoop[],
  channel: NestLoop,
  start: (e: Expr) => Expr,
): Intrin | null {
  const v = s.value;
  if (v.k !== "bin" || v.op !== "add" || v.a.k !== "load" || v.a.src !== s.buf) return null;
  const found = centred(v.b, "int8") ?? centred(v.b, "uint8");
  if (!found || channel.extent !== SUM_CHANNELS || !isByte(found.l.dtype)) return null;
  const args = [running(s, channel.v), running(found.l, channel.v)];
  if (args.some((a) => a === null)) return null;
  const steps = places.map((p) => stride(found.l, p.v));
  if (steps.some((n) => n === null)) return null;
  const extents = places.map((p) => p.extent);
  for (let split = 0; split <= places.length; split++) {
    const rows = mergeTurns(extents.slice(0, split), (steps as number[]).slice(0, split));
    const row = mergeTurns(extents.slice(split), (steps as number[]).slice(split));
    if (!rows || !row) continue;
    return {
      k: "intrin",
      op: sumPlaces({
        dtype: found.l.dtype,
        rows: rows.extent,
        rowStep: rows.steps[0],
        places: row.extent,
        step: row.steps[0],
      }),
      args: args.map((a) => ({ ...a!, idx: a!.idx.map(start) })),
      scalars: [found.zero],
    };
  }
  return null;
}
