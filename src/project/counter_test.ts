import assert from "node:assert/strict";
import { boardNames, loadBoard } from "../target/boards.ts";
import { counterSource, tickScale } from "./counter.ts";

Deno.test("counter: ticks become instructions by -icount's clock", () => {
  // 25 MHz: a tick is 40 ns, an instruction at shift 6 is 64 ns.
  const timer = { kind: "cmsdk-timer", hz: 25_000_000, shift: 6, base: 0x40000000 } as const;
  assert.deepEqual(tickScale(timer), { times: 5, over: 8 });
  assert.deepEqual(tickScale({ kind: "minstret", hz: 1e9, shift: 0 }), { times: 1, over: 1 });
  for (const name of boardNames()) {
    const counter = loadBoard(name).machine?.counter;
    if (counter === undefined) continue;
    const { times, over } = tickScale(counter);
    const perTick = 1e9 / counter.hz / 2 ** counter.shift;
    assert(Math.abs(times / over - perTick) < 1e-12, name);
    assert(2 ** 32 * times + over < 2 ** 64, "32 bits of ticks are scaled in 64");
  }
});

Deno.test("counter: the source says where the timer is and whose interrupt it takes", () => {
  const sse = counterSource(loadBoard("mps3-an547").machine!.counter, "SysTick_Handler");
  assert.match(sse, /^#define COUNTER_BASE 0x58000000u\n/);
  assert(!sse.includes("HANDLER"));
  const systick = counterSource(loadBoard("microbit").machine!.counter, "SysTick_Handler");
  assert.match(systick, /^#define COUNTER_HANDLER SysTick_Handler\n/);
  assert(!systick.includes("COUNTER_BASE"));
});
