/** Outputs over their inputs: at which distances a kernel's loops allow it, and in which direction. */
import type { Buffer, Kernel } from "../tir/stmt.ts";
import { overlapShifts } from "../tir/overlap.ts";
import { reverseKernel } from "../tir/reverse.ts";
import { timeAccesses } from "../tir/times.ts";

/** Distances in bytes, begin of the output − begin of the input, that a direction allows. */
export interface Overlap {
  /** Index of the input into the kernel's buffers. */
  readonly input: number;
  readonly forward: readonly number[];
  /** What only the reversed kernel allows. */
  readonly reversed: readonly number[];
}

const found = new WeakMap<Kernel, Map<string, Overlap[]>>();

/**
 * The distances at which `output` may lie over each of some inputs, which nobody reads afterwards.
 * The kernel runs backwards where that allows what forwards does not, and where there is one input.
 *
 * @param align alignment in bytes of either buffer
 */
export function overlaps(
  k: Kernel,
  output: number,
  inputs: readonly number[],
  align: (b: Buffer) => number,
): Overlap[] {
  const known = found.get(k) ?? new Map<string, Overlap[]>();
  found.set(k, known);
  const key = `${output}:${inputs}`;
  const list = known.get(key) ?? search(k, output, inputs, align);
  known.set(key, list);
  return list;
}

function search(
  k: Kernel,
  output: number,
  inputs: readonly number[],
  align: (b: Buffer) => number,
): Overlap[] {
  const trace = inputs.length > 0 ? timeAccesses(k) : null;
  if (!trace) return [];
  const back = trace.carried || inputs.length > 1 ? null : timeAccesses(reverseKernel(k));
  return inputs.map((input) => {
    const step = Math.max(align(k.buffers[input]), align(k.buffers[output]));
    const shifts = (t: typeof back) => t === null ? [] : overlapShifts(k, t, input, output, step);
    const forward = shifts(trace);
    return { input, forward, reversed: shifts(back).filter((d) => !forward.includes(d)) };
  });
}
