import process from "node:process";
import assert from "node:assert/strict";
import fc from "fast-check";
import { BurinError } from "../util/errors.ts";
import { livePeak } from "./bound.ts";
import { checkPlan } from "./checker.ts";
import type { Region, Request } from "./plan.ts";
import { planMemory } from "./planner.ts";

const LEVELS = [0, 1, 2, 3] as const;
const ARENA: readonly Region[] = [{ name: "arena", bytes: null }];

const request = (regions: readonly string[]): fc.Arbitrary<Omit<Request, "name">> =>
  fc.record({
    bytes: fc.oneof(fc.integer({ min: 0, max: 64 }), fc.integer({ min: 1, max: 100_000 })),
    align: fc.constantFrom(1, 2, 4, 8, 16, 32),
    first: fc.integer({ min: 0, max: 30 }),
    length: fc.integer({ min: 0, max: 12 }),
    regions: fc.subarray([...regions], { minLength: 1 }),
  }).map(({ length, ...r }) => ({ ...r, last: r.first + length }));

const requests = (regions: readonly string[], maxLength: number): fc.Arbitrary<Request[]> =>
  fc.array(request(regions), { maxLength }).map((a) => a.map((r, i) => ({ name: `b${i}`, ...r })));

const make = (
  name: string,
  bytes: number,
  first: number,
  last: number,
  align = 1,
  regions = ["arena"],
): Request => ({ name, bytes, align, first, last, regions });

const total = (used: ReadonlyMap<string, number>): number =>
  [...used.values()].reduce((a, b) => a + b, 0);

Deno.test("every plan passes the checker and reaches no less than the live bytes", () => {
  const property = fc.property(
    requests(["arena"], 40),
    fc.constantFrom(...LEVELS),
    (all, level) => {
      const plan = planMemory(all, ARENA, { level });
      checkPlan(all, ARENA, plan);
      assert.ok(plan.used.get("arena")! >= livePeak(all).bytes);
    },
  );
  fc.assert(property, { numRuns: 200, seed: 7 });
});

Deno.test("with several regions every plan keeps to capacities and choices", () => {
  const regions = [{ name: "fast", bytes: 20_000 }, { name: "slow", bytes: null }];
  const wide = requests(["fast", "slow"], 30).map((all) =>
    all.map((r) => ({ ...r, regions: [...new Set([...r.regions, "slow"])] }))
  );
  const property = fc.property(wide, fc.constantFrom(...LEVELS), (all, level) => {
    const plan = planMemory(all, regions, { level });
    checkPlan(all, regions, plan);
    assert.ok(total(plan.used) >= livePeak(all, regions.length).bytes);
  });
  fc.assert(property, { numRuns: 150, seed: 8 });
});

Deno.test("a higher level is never worse, and the same request gives the same plan", () => {
  const property = fc.property(requests(["arena"], 40), (all) => {
    const used = LEVELS.map((level) => planMemory(all, ARENA, { level }).used.get("arena")!);
    assert.deepEqual(used, used.toSorted((a, b) => b - a));
    assert.deepEqual(planMemory(all, ARENA, { level: 3 }), planMemory(all, ARENA, { level: 3 }));
  });
  fc.assert(property, { numRuns: 50, seed: 9 });
});

Deno.test("the bound of small requests is what trying all orders finds", () => {
  const orders = (n: number): number[][] =>
    n === 0
      ? [[]]
      : orders(n - 1).flatMap((o) =>
        Array.from({ length: n }, (_, at) => [...o.slice(0, at), n - 1, ...o.slice(at)])
      );
  const small = fc.array(
    fc.record({ bytes: fc.integer({ min: 1, max: 40 }), align: fc.constantFrom(1, 4, 16) }),
    { minLength: 1, maxLength: 5 },
  );
  const property = fc.property(small, (sizes) => {
    const all = sizes.map((s, i) => make(`b${i}`, s.bytes, 0, 0, s.align));
    const stacked = orders(all.length).map((order) =>
      order.reduce((at, i) => Math.ceil(at / all[i].align) * all[i].align + all[i].bytes, 0)
    );
    assert.ok(livePeak(all).bytes <= Math.min(...stacked));
  });
  fc.assert(property, { numRuns: 300, seed: 10 });
});

Deno.test("a chain of layers takes the largest pair", () => {
  const chain = [make("a", 490, 0, 0), make("b", 8000, 0, 1), make("c", 8000, 1, 2)];
  const plan = planMemory([...chain, make("d", 12, 2, 2)], ARENA, { level: 0 });
  assert.equal(plan.used.get("arena"), 16_000);
  assert.equal(plan.planner, "greedy-size");
});

Deno.test("hill climbing finds what greedy by size misses", () => {
  const all = [
    make("a", 3, 2, 4),
    make("b", 5, 0, 2),
    make("c", 3, 2, 4),
    make("d", 3, 4, 5),
    make("e", 6, 5, 6),
  ];
  const plans = LEVELS.map((level) => planMemory(all, ARENA, { level }));
  assert.deepEqual(plans.map((p) => p.used.get("arena")), [14, 14, 11, 11]);
  assert.deepEqual(plans.map((p) => p.planner).slice(2), ["hill-climb", "hill-climb"]);
  assert.equal(livePeak(all).bytes, 11);
});

Deno.test("what does not fit is named with its bytes", () => {
  const all = [make("conv_1", 48_000, 0, 1), make("conv_2", 16_000, 1, 2), make("tiny", 4, 2, 3)];
  assert.throws(
    () => planMemory(all, [{ name: "arena", bytes: 60_000 }], { level: 3 }),
    (e) => {
      assert.ok(e instanceof BurinError);
      assert.equal(e.code, "model/does-not-fit");
      assert.equal(
        e.message,
        "Cannot place the model's buffers in arena (60,000 bytes) as they need 64,000 bytes; at " +
          "step 1 alone 64,000 bytes are live: conv_1 48,000, conv_2 16,000",
      );
      return true;
    },
  );
});

Deno.test("what is too large for the preferred region goes to the next", () => {
  const regions = [{ name: "fast", bytes: 100 }, { name: "slow", bytes: 1000 }];
  const both = ["fast", "slow"];
  const all = [make("big", 300, 0, 1, 4, both), make("small", 100, 0, 1, 4, both)];
  const plan = planMemory(all, regions, { level: 2 });
  assert.deepEqual([...plan.used], [["fast", 100], ["slow", 300]]);
});

Deno.test("a hundred buffers are planned within a tenth of a CPU second, give or take the machine", () => {
  const [all] = fc.sample(
    fc.array(request(["arena"]), { minLength: 100, maxLength: 100 }),
    { numRuns: 1, seed: 3 },
  ).map((a) => a.map((r, i) => ({ name: `b${i}`, ...r })));
  const before = process.cpuUsage();
  const plan = planMemory(all, ARENA, { level: 3 });
  const elapsed = process.cpuUsage(before).user / 1000;
  checkPlan(all, ARENA, plan);
  console.log(`100 buffers: ${elapsed.toFixed(0)} ms, ${plan.used.get("arena")} bytes`);
  assert.ok(elapsed < 1000, `${elapsed} ms`);
});

Deno.test("requests of different parts of one step share memory, those of one part do not", () => {
  const at = (name: string, bytes: number, within?: [number, number]): Request => ({
    ...make(name, bytes, 1, 1),
    ...(within && { within }),
  });
  const used = (...all: Request[]) => {
    const plan = planMemory(all, ARENA, { level: 2 });
    checkPlan(all, ARENA, plan);
    assert.equal(livePeak(all).bytes, plan.used.get("arena"));
    return plan.used.get("arena");
  };
  assert.equal(used(at("a", 64, [0, 1]), at("b", 32, [2, 2])), 64);
  assert.equal(used(at("a", 64, [0, 1]), at("b", 32, [1, 2])), 96);
  assert.equal(used(at("a", 64, [0, 1]), at("b", 32, [2, 2]), at("c", 16)), 80);
  assert.equal(used(at("a", 64, [0, 0]), make("b", 32, 0, 1)), 96);
});
