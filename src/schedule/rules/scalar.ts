/** One element at a time: what no other rule takes. */
import type { Indexable } from "../../te/expr.ts";
import { isPointwise, loads, variables } from "../../te/analyze.ts";
import type { Stage, State, Workload } from "../state.ts";
import type { Step } from "../steps.ts";
import { BYTES } from "../tensorize.ts";
import { memoryOrder, tensorize } from "./common.ts";

/** One accumulator at a time, the output written in the order of its memory. */
export function scalarSchedule(w: Workload, r: Stage, out: Stage): Step[] {
  const order = memoryOrder(w, out);
  if (order.length === 0) return [];
  return [
    { do: "reorder", stage: out.name, loops: order },
    { do: "computeAt", stage: r.name, at: out.name, loop: order.at(-1)! },
  ];
}

/**
 * Loops in the order of the output's memory; reductions in between stand on their own.
 *
 * @param vectors whether functions of bytes are computed as vectors
 */
export function elementwise(w: Workload, s: State, level: number, vectors: boolean): Step[] {
  const out = s.stages.at(-1)!;
  const order = memoryOrder(w, out);
  const bytes = (loops: readonly string[]) =>
    vectors ? loops.map((loop) => tensorize(out.name, loop, BYTES)) : [];
  if (order.length < 2) return bytes(order);
  const steps: Step[] = [{ do: "reorder", stage: out.name, loops: order }];
  if (level >= 1 && s.stages.length === 1 && contiguous(w, out)) {
    steps.push({ do: "fuse", stage: out.name, loops: order, into: "i" });
    return [...steps, ...bytes(["i"])];
  }
  return [...steps, ...bytes(order)];
}

/** Whether one running index reaches every element of all operands alike. */
function contiguous(w: Workload, out: Stage): boolean {
  const { axes } = out.compute;
  const strides = w.buffers.get(out.compute.out as Indexable)!.strides;
  return loads(out.compute.body).every((l) => {
    const b = w.buffers.get(l.src);
    if (l.idx.length !== axes.length) return l.idx.every((e) => variables(e).size === 0);
    return b !== undefined && isPointwise(l, out.compute) &&
      b.strides.every((x, i) => x === strides[i] || b.shape[i] === 1);
  });
}
