/** Rows of windows within channels, four channels at a time, without a copy. */
import { has } from "../../target/target.ts";
import { rowParts } from "../window_row.ts";
import type { Step } from "../steps.ts";
import type { Form } from "./form.ts";

/** The steps, for an output of one row whose channels are innermost. */
export function windowRowSchedule({ w, s, r, target }: Form): Step[] | null {
  if (!has(target, "dsp") || !has(target, "fpu") || has(target, "mve")) return null;
  return typeof rowParts(w, s, r) === "string" ? null : [{ do: "windowRow", stage: r.name }];
}
