import assert from "node:assert/strict";
import { loadBoard } from "../target/boards.ts";
import { compute, placeholder } from "../te/compute.ts";
import { add, type Indexable, load } from "../te/expr.ts";
import type { Estimate } from "../tir/estimate.ts";
import { denseBuffer } from "../tir/stmt.ts";
import { choose, explore, goalOf, type Option, times } from "./choose.ts";
import type { Workload } from "./state.ts";

const target = loadBoard("mps2-an386").target;

/** y[i] = x[i] + 1 */
function workload(): Workload {
  const x = placeholder("x", "int32", [6]);
  const y = compute("y", "int32", [6], (i) => add(load(x, [i]), 1), ["i"]);
  return {
    name: "test",
    computes: [y],
    buffers: new Map<Indexable, ReturnType<typeof denseBuffer>>([
      [x, denseBuffer("x", "int32", [6], "input", [1], 4)],
      [y.out, denseBuffer("y", "int32", [6], "output", [1], 4)],
    ]),
    consts: new Map(),
    origin: [],
    ops: [],
    macs: 0,
  };
}

const GOALS = {
  balanced: goalOf("balanced", undefined, null),
  speed: goalOf("speed", undefined, null),
  flash: goalOf("flash", undefined, null),
};

const { kernel } = explore(workload(), target, [{ rule: "r", variant: "", schedule: [] }])[0];

/** An option that takes so much: instructions, cycles, bytes of flash. */
const option = (
  rule: string,
  instructions: number,
  cycles: number | null,
  flash: number,
): Option => {
  const takes: Estimate = {
    instructions,
    cycles,
    codeBytes: flash,
    texts: new Map(),
    constantBytes: 0,
    scratchBytes: 0,
  };
  return { rule, variant: "", schedule: [], kernel, takes };
};

Deno.test("choose: the fewest instructions win where cycles are not known", () => {
  const few = option("a", 100, null, 10), many = option("a", 120, null, 10);
  assert.deepEqual(choose([[many, few]], GOALS.balanced), [few]);
});

Deno.test("choose: what wins on instructions and loses on cycles is not chosen", () => {
  const slow = option("a", 80, 200, 10), quick = option("a", 100, 150, 10);
  assert.deepEqual(choose([[slow, quick]], GOALS.speed), [quick]);
  const near = option("a", 80, 153, 10), far = option("a", 80, 158, 10);
  assert.deepEqual(choose([[far, quick]], GOALS.speed), [far]);
  assert.deepEqual(choose([[far, quick]], GOALS.balanced), [quick]);
  assert.deepEqual(choose([[near, quick]], GOALS.speed), [near]);
  const [a, b] = times([slow, quick], GOALS.speed.slack);
  assert(a > b);
});

Deno.test("choose: another rule has to be better by more than estimates are sure of", () => {
  const first = option("a", 100, null, 10), near = option("b", 97, null, 10);
  assert.deepEqual(choose([[first, near]], GOALS.speed), [first]);
  assert.deepEqual(choose([[first, { ...near, rule: "a" }]], GOALS.speed)[0].takes, near.takes);
  const better = option("b", 90, null, 10);
  assert.deepEqual(choose([[first, better]], GOALS.speed), [better]);
});

Deno.test("choose: flash counts as its share of the model, as much as the goal says", () => {
  const small = option("a", 110, null, 10_000), quick = option("a", 100, null, 30_000);
  const rest = [option("a", 900, null, 40_000)];
  const picked = (goal: keyof typeof GOALS) => choose([[small, quick], rest], GOALS[goal])[0];
  // A percent of the time for four tenths of the flash.
  assert.equal(picked("speed"), quick);
  assert.equal(picked("balanced"), small);
  const slow = option("a", 300, null, 10_000);
  // A sixth of the time for four tenths of the flash.
  assert.equal(choose([[slow, quick], rest], GOALS.balanced)[0], quick);
  assert.equal(choose([[slow, quick], rest], GOALS.flash)[0], slow);
});

Deno.test("choose: of a small model's flash as much counts as firmware has, unless flash is the goal", () => {
  const small = option("a", 110, null, 100), quick = option("a", 100, null, 300);
  const rest = [option("a", 900, null, 400)];
  // A percent of the time for some thousandths of a firmware.
  assert.equal(choose([[small, quick], rest], GOALS.balanced)[0], quick);
  assert.equal(choose([[small, quick], rest], GOALS.flash)[0], small);
});

Deno.test("explore: steps that do not fit leave a candidate out, but never the last", () => {
  const w = workload();
  const bad = {
    rule: "r",
    variant: "",
    schedule: [{ do: "unroll", stage: "y", loop: "no" }],
  } as const;
  const good = { rule: "r", variant: "", schedule: [] };
  assert.equal(explore(w, target, [bad, good]).length, 1);
  assert.throws(() => explore(w, target, [good, bad]), { code: "model/schedule-step" });
});

Deno.test("choose: a budget is spent where it saves the most time, and kept", () => {
  const small = (t: number) => option("a", t, null, 100);
  const large = (t: number) => option("a", t, null, 400);
  const kernels = [[small(300), large(200)], [small(900), large(500)], [small(120), large(110)]];
  const sizes = (budget: number) =>
    choose(kernels, goalOf("balanced", budget, 1 << 20)).map((o) => o.takes.codeBytes);
  assert.deepEqual(sizes(2000), [400, 400, 400]);
  assert.deepEqual(sizes(1000), [400, 400, 100]);
  assert.deepEqual(sizes(600), [100, 400, 100]);
  assert.deepEqual(sizes(10), [100, 100, 100]);
  // What a board has no room for is not taken, however fast.
  const worth = [[option("a", 900, null, 40_000), option("a", 100, null, 60_000)]];
  const onBoard = (kb: number) => choose(worth, goalOf("balanced", undefined, kb * 1024))[0];
  assert.equal(onBoard(80).takes.codeBytes, 60_000);
  assert.equal(onBoard(64).takes.codeBytes, 40_000);
  assert.equal(goalOf("speed", undefined, 1000).budget, 500);
  assert.equal(goalOf("balanced", undefined, 1000).budget, null);
  assert.equal(goalOf("flash", 1000, 1000).budget, null);
});
