/** Reductions that are read by one another alone: each by rows of what it is for, not as a whole. */
import { isPointwise, loads } from "../../te/analyze.ts";
import type { Stage, State, Workload } from "../state.ts";
import type { Step } from "../steps.ts";
import { memoryOrder } from "./common.ts";

/** Turns of a loop up to which it is written out: what it looks up leaves the loops around it. */
const FEW = 4;

/**
 * Computes each stage of a chain inside the loops of the output whose places it is read at one by one,
 * and as a whole along the other axes: nothing is computed twice.
 *
 * @returns null where the stages are no chain, or one of them is needed as a whole
 */
export function chainSchedule(w: Workload, s: State): Step[] | null {
  const out = s.stages.at(-1)!, { body } = out.compute;
  const order = memoryOrder(w, out);
  if (s.stages.length < 3 || body.k === "reduce" || order.length === 0) return null;
  const last = s.stages.at(-2)!;
  if (!loads(body).every((l) => l.src !== last.compute.out || isPointwise(l, out.compute))) {
    return null;
  }
  const steps: Step[] = [
    { do: "reorder", stage: out.name, loops: order },
    { do: "computeAt", stage: last.name, at: out.name, loop: order.at(-1)! },
  ];
  /** Axes of the output at whose places a stage is computed one by one, by its own axes. */
  let places: readonly (string | null)[] = out.compute.axes.map((v) => v.name);
  for (let i = s.stages.length - 2; i >= 0; i--) {
    const { name, compute: { out: made, body: sum } } = s.stages[i];
    const isRead = s.stages.every(({ compute }, j) =>
      j === i + 1 || loads(compute.body).every((l) => l.src !== made)
    );
    if (sum.k !== "reduce" || !isRead) return null;
    steps.push(
      ...sum.axes.flatMap((a): Step[] =>
        a.extent > FEW ? [] : [{ do: "unroll", stage: name, loop: a.v.name }]
      ),
    );
    if (i === s.stages.length - 2) continue;
    places = placesOf(s.stages[i + 1], s.stages[i], places);
    const open = order.findIndex((axis) => !places.includes(axis));
    if (open === 0) return null;
    steps.push({ do: "computeAt", stage: name, at: out.name, loop: order.at(open - 1)! });
  }
  return steps;
}

/** The axes of the output that a stage's axes stand for; null where its reader looks up its place. */
function placesOf(
  { compute: reader }: Stage,
  { compute: { out } }: Stage,
  places: readonly (string | null)[],
): (string | null)[] {
  const uses = loads(reader.body).filter((l) => l.src === out);
  return out.shape.map((_, i) => {
    const [first, ...others] = uses.map((l) => reader.axes.findIndex((v) => v === l.idx[i]));
    return first >= 0 && others.every((n) => n === first) ? places[first] : null;
  });
}
