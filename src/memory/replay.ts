/**
 * Proves a plan on the loop programs that use it. It shares no code with the planners and knows
 * nothing of live ranges: the kernels are walked in order over memory whose bytes remember who wrote
 * them, and a read of a byte that a later writer owns refuses the plan.
 */
import { BurinError } from "../util/errors.ts";
import type { Kernel } from "../tir/stmt.ts";
import { touches, type Trace, traceKernel } from "../tir/trace.ts";
import { ClashError, type PlacedMemory, Shadow } from "./shadow.ts";

/** A kernel, and for each of its buffers the number of its memory; −1 for the caller's. */
export interface ReplayStep {
  readonly kernel: Kernel;
  readonly memories: readonly number[];
}

export interface Replay {
  readonly memories: readonly PlacedMemory[];
  readonly steps: readonly ReplayStep[];
  /** Memories that hold values before the first step: inputs that lie in the arena. */
  readonly filled: readonly number[];
  /** Memories that are read after the last step: outputs that lie in the arena. */
  readonly wanted: readonly number[];
}

/** What the replay covered. */
export interface Proof {
  /** Steps of the program that were walked in part; empty: the proof is complete. */
  readonly sampled: readonly number[];
}

/** Accesses that a whole replay may look at, unless the caller says otherwise. */
export const REPLAY_BUDGET = 2 ** 26;

/** Whether two memories share bytes. */
const overlap = (a: PlacedMemory, b: PlacedMemory): boolean =>
  a.region === b.region && a.offset < b.offset + b.bytes && b.offset < a.offset + a.bytes;

/**
 * Walks the program.
 * @param budget accesses to look at; a step whose share is too small for all of it is sampled
 * @throws BurinError `internal/memory-plan` that names the step, the byte and both buffers
 */
export function replay(r: Replay, budget: number = REPLAY_BUDGET): Proof {
  const shadow = new Shadow(r.memories);
  const guarded = (where: string, f: () => void): void => {
    try {
      f();
    } catch (e) {
      if (e instanceof ClashError) throw refusal(e, where);
      throw e;
    }
  };
  r.filled.forEach((m) => shadow.writeAny(m));
  const needs = r.steps.map((s) => need(r, s));
  const most = shareOf(needs, budget);
  const sampled: number[] = [];
  r.steps.forEach(({ kernel, memories }, i) => {
    const options = needs[i] > most ? { budget: most } : {};
    const trace: Trace = traceKernel(kernel, memories, options);
    guarded(`step ${i} (${kernel.name})`, () => trace.run(shadow));
    if (trace.sampled) sampled.push(i);
  });
  guarded("the caller, after the last step,", () => r.wanted.forEach((m) => shadow.readAny(m)));
  return { sampled };
}

/** What a step's replay costs at most: its reads count where its buffers share memory. */
function need(r: Replay, { kernel, memories }: ReplayStep): number {
  const { writes, all } = touches(kernel, memories);
  const own = [...new Set(memories.filter((m) => m >= 0))].map((m) => r.memories[m]);
  const shares = own.some((a, i) => own.slice(i + 1).some((b) => overlap(a, b)));
  return shares ? all : writes;
}

/** The largest share with which all together keep to the budget; who needs less takes no more. */
function shareOf(needs: readonly number[], budget: number): number {
  let left = budget;
  const ascending = [...needs].sort((a, b) => a - b);
  for (const [i, n] of ascending.entries()) {
    const share = Math.floor(left / (ascending.length - i));
    if (n > share) return share;
    left -= n;
  }
  return Infinity;
}

const span = (m: PlacedMemory): string =>
  `${m.name} (${m.region} ${m.offset} to ${m.offset + m.bytes - 1})`;

function refusal({ clash: { read, at, owner } }: ClashError, where: string): BurinError {
  const what = owner
    ? `${where} reads byte ${at} of ${span(read)} after ${span(owner)} was written over it`
    : `${where} goes beyond ${span(read)}, to byte ${at}`;
  return new BurinError(
    "internal/memory-plan",
    `Cannot accept the memory plan as ${what}`,
    "please report this with the model",
  );
}
