/** Sums that are requantised on the way to something else, a row at a time, then what becomes of them (MVE). */
import { applySteps } from "../steps.ts";
import { requantized } from "../keep.ts";
import { BYTES } from "../tensorize.ts";
import { memoryOrder, tensorize } from "./common.ts";
import type { Form, Proposals } from "./form.ts";
import { streamSchedule } from "./stream.ts";
import type { Step } from "../steps.ts";

/** Every way to compute the rows of bytes, with what is made of them as vectors. */
export function apartSchedule({ w, s, r, out }: Form): Proposals {
  if (requantized(out, r) === null) return [];
  const order = memoryOrder(w, out);
  if (order.length < 3) return [];
  const name = `${r.name}_q`;
  const apart: Step[] = [
    { do: "keep", stage: r.name, order },
    { do: "reorder", stage: out.name, loops: order },
    { do: "computeAt", stage: name, at: out.name, loop: order.at(-3)! },
    ...order.slice(-2).map((loop) => tensorize(out.name, loop, BYTES)),
  ];
  const kept = applySteps(s, apart);
  const q = kept.stages.find((x) => x.name === name)!;
  const sums = kept.stages.find((x) => x.name === r.name)!;
  return streamSchedule(w, kept, sums, q)
    // Blocks of rows are no other than rows here.
    .filter(([variant]) => variant !== "gather" && !variant.startsWith("blocks"))
    .map(([variant, steps]) => [variant, [...apart, ...steps]]);
}
