import assert from "node:assert/strict";
import fc from "fast-check";
import { checkPlan } from "./checker.ts";
import type { Placed, Plan, Region, Request } from "./plan.ts";
import { planMemory } from "./planner.ts";

const REGIONS: readonly Region[] = [{ name: "arena", bytes: 64 }, { name: "other", bytes: null }];

const make = (name: string, bytes: number, first: number, last: number): Request => ({
  name,
  bytes,
  align: 4,
  first,
  last,
  regions: ["arena"],
});

const A = make("a", 16, 0, 2);
const B = make("b", 32, 2, 3);
const C = make("c", 16, 3, 4);
const GOOD: readonly Placed[] = [
  { request: A, region: "arena", offset: 0 },
  { request: B, region: "arena", offset: 16 },
  { request: C, region: "arena", offset: 0 },
];

const planOf = (placed: readonly Placed[], used = 48): Plan => ({
  placed,
  used: new Map([["arena", used], ["other", 0]]),
  planner: "hand",
  bound: 0,
});

const check = (plan: Plan): void => checkPlan([A, B, C], REGIONS, plan);

/** The good plan with one place changed. */
const changed = (index: number, change: Partial<Placed>, used?: number): Plan =>
  planOf(GOOD.map((p, i) => i === index ? { ...p, ...change } : p), used);

Deno.test("a good plan passes", () => check(planOf(GOOD)));

const BAD: readonly [string, Plan, RegExp][] = [
  ["overlap", changed(1, { offset: 12 }, 44), /place b .* overlaps a \(arena 0 to 15.* at step 2/],
  ["overlap at the last step", changed(2, { offset: 44 }, 60), /place c .* overlaps b .* step 3/],
  ["the same place", changed(1, { offset: 0 }, 32), /overlaps/],
  ["alignment", changed(1, { offset: 18 }, 50), /b .* needs an alignment of 4/],
  ["below the region", changed(0, { offset: -4 }), /a .* offset is no address/],
  ["not a number", changed(0, { offset: NaN }), /a .* offset is no address/],
  ["behind the region", changed(1, { offset: 36 }, 68), /b .* the region has 64 bytes/],
  ["no such region", changed(1, { region: "ccm" }), /b .* no such region/],
  ["a region not allowed", changed(1, { region: "other" }), /b .* may only be in arena/],
  ["missing", planOf(GOOD.slice(0, 2)), /c is placed 0 times/],
  ["twice", planOf([...GOOD, GOOD[2]]), /c is placed 2 times/],
  ["unknown", planOf([...GOOD, { ...GOOD[2], request: make("d", 4, 9, 9) }]), /asked for d/],
  ["shrunk", changed(0, { request: { ...A, bytes: 8 } }), /another a than requested/],
  ["shortened", changed(0, { request: { ...A, last: 1 } }), /another a than requested/],
  ["too little counted", planOf(GOOD, 44), /counts 44 bytes of arena where 48 are used/],
  ["too much counted", planOf(GOOD, 52), /counts 52 bytes of arena where 48 are used/],
];

for (const [what, plan, message] of BAD) {
  Deno.test(`a corrupted plan is refused: ${what}`, () => {
    assert.throws(() => check(plan), { code: "internal/memory-plan", message });
  });
}

Deno.test("moving one buffer of a plan is caught exactly where bytes are shared", () => {
  const requests = fc.array(
    fc.record({
      bytes: fc.integer({ min: 1, max: 50 }),
      first: fc.nat(10),
      length: fc.nat(5),
    }),
    { minLength: 2, maxLength: 20 },
  ).map((all) =>
    all.map((r, i): Request => ({
      name: `b${i}`,
      bytes: r.bytes,
      align: 1,
      first: r.first,
      last: r.first + r.length,
      regions: ["r"],
    }))
  );
  const regions = [{ name: "r", bytes: null }];
  let [caught, harmless] = [0, 0];
  const property = fc.property(requests, fc.nat(), fc.nat(200), (all, which, offset) => {
    const plan = planMemory(all, regions, { level: 1 });
    const moved = plan.placed.map((p, i) => i === which % all.length ? { ...p, offset } : p);
    // The oracle: every step, every byte, who owns it.
    const owner = new Set<string>();
    let clash = false;
    for (const p of moved) {
      for (let step = p.request.first; step <= p.request.last; step++) {
        for (let byte = p.offset; byte < p.offset + p.request.bytes; byte++) {
          clash ||= owner.has(`${step},${byte}`);
          owner.add(`${step},${byte}`);
        }
      }
    }
    const end = Math.max(...moved.map((p) => p.offset + p.request.bytes));
    const check = () =>
      checkPlan(all, regions, { ...plan, placed: moved, used: new Map([["r", end]]) });
    if (clash) assert.throws(check, { message: /overlaps/ });
    else check();
    clash ? caught++ : harmless++;
  });
  fc.assert(property, { numRuns: 300, seed: 11 });
  assert.ok(caught > 50 && harmless > 50, `${caught} caught, ${harmless} harmless`);
});
