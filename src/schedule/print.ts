/** Schedules as text: one step a line, stable for golden files. */
import type { Schedule, Step } from "./steps.ts";

const value = (v: unknown): string => Array.isArray(v) ? `[${v.join(", ")}]` : String(v);

/** `split(stage=y, loop=co, factor=4, tail=cut)`: the fields as the step names them. */
export function stepText({ do: name, ...fields }: Step): string {
  return `${name}(${Object.entries(fields).map(([k, v]) => `${k}=${value(v)}`).join(", ")})`;
}

/** The steps in order, numbered as they are applied. */
export const scheduleLines = (s: Schedule): string[] =>
  s.map((step, i) => `${String(i + 1).padStart(String(s.length).length)}  ${stepText(step)}`);
