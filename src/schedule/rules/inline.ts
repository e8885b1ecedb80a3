/** Which element-wise stages are computed where they are read. */
import type { Expr } from "../../te/expr.ts";
import { loads } from "../../te/analyze.ts";
import type { Workload } from "../state.ts";
import type { Step } from "../steps.ts";

/**
 * Element-wise stages are computed where they are read, unless several stages or a reduction would
 * compute an expensive one again and again. What the kernel returns is stored in any case.
 */
export function inlineSteps(w: Workload): Step[] {
  const bodies = w.computes.map((c) => c.body);
  return w.computes.slice(0, -1).flatMap((c): Step[] => {
    if (c.body.k === "reduce" || w.buffers.get(c.out)?.scope === "output") return [];
    const readers = bodies.filter((b) => loads(b).some((l) => l.src === c.out));
    const repeated = readers.length > 1 || readers.some((b) => b.k === "reduce");
    const cheap = loads(c.body).length <= 1 && !hasCall(c.body);
    return repeated && !cheap ? [] : [{ do: "inline", stage: c.out.name }];
  });
}

function hasCall(e: Expr): boolean {
  let found = false;
  const walk = (x: Expr): void => {
    if (x.k === "call") found = true;
    if (x.k === "bin") [x.a, x.b].forEach(walk);
    else if (x.k === "un" || x.k === "cast" || x.k === "bits") walk(x.a);
    else if (x.k === "select") [x.cond, x.a, x.b].forEach(walk);
  };
  walk(e);
  return found;
}
