/** The timers by which machines of QEMU count instructions, as C. */
import counterCmsdk from "../../templates/qemu/counter_cmsdk-timer.h" with { type: "text" };
import counterMinstret from "../../templates/qemu/counter_minstret.h" with { type: "text" };
import counterSse from "../../templates/qemu/counter_sse-counter.h" with { type: "text" };
import counterSysTick from "../../templates/qemu/counter_systick.h" with { type: "text" };
import type { Counter } from "../target/target.ts";

const SOURCES: Readonly<Record<Counter["kind"], string>> = {
  "systick": counterSysTick,
  "cmsdk-timer": counterCmsdk,
  "sse-counter": counterSse,
  "minstret": counterMinstret,
};

/**
 * `counter_start`, `counter_read` and COUNTER_MASK of a timer.
 * @param handler the start-up code's name for the interrupt of SysTick
 */
export function counterSource(counter: Counter, handler: string): string {
  const base = counter.base === undefined
    ? []
    : [`#define COUNTER_BASE 0x${counter.base.toString(16)}u`];
  const isr = counter.kind === "systick" ? [`#define COUNTER_HANDLER ${handler}`] : [];
  return [...base, ...isr, SOURCES[counter.kind]].join("\n");
}

/** Instructions are ticks × times / over, under the machine's `-icount`. */
export interface TickScale {
  readonly times: number;
  readonly over: number;
}

function divisor(a: bigint, b: bigint): bigint {
  return b === 0n ? a : divisor(b, a % b);
}

/** Ticks of a counter as instructions, a fraction in lowest terms. */
export function tickScale(counter: Counter): TickScale {
  const times = 1_000_000_000n;
  const over = BigInt(counter.hz) << BigInt(counter.shift);
  const common = divisor(times, over);
  return { times: Number(times / common), over: Number(over / common) };
}
