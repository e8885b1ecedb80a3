/** The exact search against all orders of small problems, and what it says where its nodes run out. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { livePeak } from "./bound.ts";
import { checkPlan } from "./checker.ts";
import { exactPlacement, isSearchable } from "./exact.ts";
import { meet, type Request } from "./plan.ts";
import { planMemory } from "./planner.ts";

const requests = (most: number, size = 40) =>
  fc.array(
    fc.record({
      bytes: fc.integer({ min: 0, max: size }),
      align: fc.constantFrom(1, 1, 4, 8),
      first: fc.nat(6),
      length: fc.nat(4),
      within: fc.option(fc.tuple(fc.nat(2), fc.nat(2)), { freq: 4 }),
    }),
    { minLength: 2, maxLength: most },
  ).map((all) =>
    all.map(({ bytes, align, first, length, within }, i): Request => ({
      name: `b${i}`,
      bytes,
      align,
      first,
      last: within ? first : first + length,
      regions: ["r"],
      ...(within && { within: [Math.min(...within), Math.max(...within)] }),
    }))
  );

/** The smallest size: in some order, each buffer lies on top of what it meets. */
function smallest(all: readonly Request[]): number {
  const offsets = new Map<Request, number>();
  let best = Infinity;
  const place = (size: number): void => {
    if (size >= best) return;
    if (offsets.size === all.length) {
      best = size;
      return;
    }
    for (const r of all) {
      if (offsets.has(r)) continue;
      const tops = [...offsets].map(([o, at]) => o.bytes > 0 && meet(o, r) ? at + o.bytes : 0);
      const at = r.bytes === 0 ? 0 : Math.ceil(Math.max(0, ...tops) / r.align) * r.align;
      offsets.set(r, at);
      place(Math.max(size, at + r.bytes));
      offsets.delete(r);
    }
  };
  place(0);
  return best;
}

const sizeOf = (all: readonly Request[], offsets: readonly number[]): number =>
  Math.max(0, ...all.map((r, i) => offsets[i] + r.bytes));

function check(all: readonly Request[], offsets: readonly number[]): void {
  checkPlan(all, [{ name: "r", bytes: null }], {
    placed: all.map((request, i) => ({ request, region: "r", offset: offsets[i] })),
    used: new Map([[
      "r",
      sizeOf(all.filter((r) => r.bytes > 0), offsets.filter((_, i) => all[i].bytes > 0)),
    ]]),
    planner: "test",
    bound: 0,
  });
}

Deno.test("with nodes enough, the smallest placement of small problems is found and proved", () => {
  let gaps = 0;
  fc.assert(
    fc.property(requests(6), (all) => {
      const want = smallest(all);
      const bound = livePeak(all).bytes;
      const most = all.reduce((n, r) => n + r.bytes + 8, 8);
      const { offsets, bound: proved } = exactPlacement(all, bound, most, 100_000);
      assert.ok(offsets);
      check(all, offsets);
      assert.equal(sizeOf(all, offsets), want);
      assert.equal(proved, want);
      if (want > bound) gaps++;
      // Nothing is smaller than the smallest.
      const again = exactPlacement(all, bound, want, 100_000);
      assert.deepEqual([again.offsets, again.bound], [null, want]);
    }),
    { numRuns: 400, seed: 5 },
  );
  assert.ok(gaps > 5, `${gaps} problems whose smallest placement is above the live bytes`);
});

Deno.test("without nodes enough, what is found is a placement and the bound is one", () => {
  let open = 0;
  fc.assert(
    fc.property(requests(7), fc.nat(30), (all, nodes) => {
      const bound = livePeak(all).bytes, want = smallest(all);
      const most = all.reduce((n, r) => n + r.bytes + 8, 8);
      const found = exactPlacement(all, bound, most, nodes);
      if (found.offsets) check(all, found.offsets);
      const size = found.offsets ? sizeOf(all, found.offsets) : most;
      assert.ok(found.bound <= want && want <= size && found.nodes <= nodes);
      if (found.bound < size) open++;
    }),
    { numRuns: 150, seed: 6 },
  );
  assert.ok(open > 10, `${open} problems left open`);
});

Deno.test("the same problem gives the same placement", () => {
  const [all] = fc.sample(requests(40, 5000), { numRuns: 1, seed: 9 });
  const run = () => exactPlacement(all, livePeak(all).bytes, 1e6, 2000);
  assert.deepEqual(run(), run());
});

Deno.test("plans say what is proved, and the exact search is not asked about shared memory", () => {
  const make = (name: string, bytes: number, first: number, last: number): Request => ({
    name,
    bytes,
    align: 1,
    first,
    last,
    regions: ["r"],
  });
  const all = [make("a", 5, 0, 1), make("b", 4, 1, 2), make("c", 6, 2, 3), make("d", 2, 0, 3)];
  const plan = planMemory(all, [{ name: "r", bytes: null }], { level: 3 });
  assert.equal(plan.used.get("r"), plan.bound);
  assert.ok(isSearchable(all));
  assert.ok(!isSearchable([...all, { ...all[0], shares: [{ with: "b", shifts: [0] }] }]));
});
