import assert from "node:assert/strict";
import fc from "fast-check";
import type { Precisions } from "./build.ts";
import type { Made } from "./measure.ts";
import { type Cost, mix, type MixedGoal, type NoiseSource } from "./mixed.ts";
import type { Layer, QuantPlan } from "./plan.ts";

const TENSORS = ["t0", "t1", "t2", "t3"], LAYERS = ["l0", "l1", "l2"];

const layers = LAYERS.map((name) => ({
  name,
  node: { name, opType: "Conv", domain: "", inputs: [], outputs: [`${name}_y`], attributes: [] },
  bias: null,
  clamp: null,
})) as unknown as Layer[];

const plan = {
  tensors: TENSORS,
  leader: new Map(TENSORS.map((t) => [t, t])),
  layers,
} as unknown as QuantPlan;

/** A model whose noise is the sum of its sources', and what each wider one costs. */
function world(noise: ReadonlyMap<string, number>) {
  const decided = new Map<Made, Precisions>();
  const left = (p: Precisions) =>
    [...noise].filter(([name]) => !p.wide.has(name) && !p.float.includes(name) && !p.fine.has(name))
      .reduce((sum, [, n]) => sum + n, 1e-9);
  const cost = (p: Precisions): Cost => ({
    ram: 100 + 10 * p.wide.size + 30 * p.float.length,
    flash: 1000 + 50 * p.fine.size,
    instructions: 1000 + 100 * p.wide.size + 900 * p.float.length,
  });
  const quality = (p: Precisions) => ({ snr: -10 * Math.log10(left(p)), agreement: 1 });
  const build = (p: Precisions): Made => {
    const made = {} as Made;
    decided.set(made, p);
    return made;
  };
  const none: Precisions = { float: [], wide: new Set(), fine: new Set() };
  const sources = [...noise].map(([name, n]): NoiseSource => ({
    name,
    kind: name.startsWith("t") ? "tensor" : "weights",
    snr: -10 * Math.log10(n),
    agreement: 1,
  }));
  let judged = 0;
  return {
    cost,
    quality,
    judged: () => judged,
    run: (goal: MixedGoal) =>
      mix(plan, { made: build(none), quality: quality(none), precisions: none }, sources, goal, {
        build,
        judge: (made) => {
          judged++;
          return Promise.resolve(quality(decided.get(made)!));
        },
        cost: (made) => Promise.resolve(cost(decided.get(made)!)),
        doing: () => {},
      }),
  };
}

const COUNT = TENSORS.length + LAYERS.length;
const someNoise = fc.uniqueArray(fc.integer({ min: 1, max: 10000 }), {
  minLength: COUNT,
  maxLength: COUNT,
}).map((ns) => new Map([...TENSORS, ...LAYERS].map((name, i) => [name, ns[i] * 1e-6] as const)));

Deno.test("mixed: what is raised makes more noise than what is not, and no step too many is taken", async () => {
  await fc.assert(
    fc.asyncProperty(
      someNoise,
      fc.double({ min: 15, max: 70, noNaN: true }),
      async (noise, minSnr) => {
        const w = world(noise), r = await w.run({ minSnr, float: true, weights: "int8" });
        const raised = [...r.precisions.wide, ...r.precisions.float];
        const rest = [...noise].filter(([name]) => !raised.includes(name));
        const most = Math.max(0, ...rest.filter(([n]) => n.startsWith("t")).map(([, n]) => n));
        const least = Math.min(Infinity, ...raised.map((name) => noise.get(name)!));
        assert(most <= least || r.stopped !== null);
        assert.deepEqual(r.quality, w.quality(r.precisions), "the quality is measured");
        if (r.stopped === null) assert(r.quality.snr >= minSnr);
        // One layer stays quantised.
        assert(r.precisions.float.length < LAYERS.length);
        // Without the last step the goal was not met.
        if (raised.length > 0 && r.stopped === null) {
          const before = [...noise].filter(([n]) => !raised.includes(n) || noise.get(n) === least)
            .reduce((sum, [, n]) => sum + n, 1e-9);
          assert(-10 * Math.log10(before) < minSnr);
        }
      },
    ),
  );
});

Deno.test("mixed: budgets hold whatever the goal, and without a goal they are used", async () => {
  const budgets = fc.record({
    ram: fc.integer({ min: 90, max: 250 }),
    instructions: fc.integer({ min: 900, max: 4000 }),
  });
  await fc.assert(fc.asyncProperty(someNoise, budgets, async (noise, budget) => {
    const w = world(noise), r = await w.run({ ...budget, float: true, weights: "int8" });
    const cost = w.cost(r.precisions);
    const raised = r.precisions.wide.size + r.precisions.float.length;
    if (raised > 0) assert(cost.ram <= budget.ram && cost.instructions <= budget.instructions);
    else if (budget.ram >= 110 && budget.instructions >= 1100) {
      const all = [...noise.values()].reduce((a, b) => a + b, 0);
      assert(TENSORS.every((t) => noise.get(t)! < 0.0101 * all), "something could be raised");
    }
    assert.equal(r.stopped, null, "no goal is missed");
  }));
});

Deno.test("mixed: without floats weights stay integers", async () => {
  const noise = new Map([
    ...TENSORS.map((t) => [t, 1e-4] as const),
    ...LAYERS.map((l) => [l, 1e-3] as const),
  ]);
  const r = await world(noise).run({ minSnr: 60, float: false, weights: "int8" });
  assert.deepEqual([r.precisions.float, [...r.precisions.wide]], [[], TENSORS]);
  assert.match(r.stopped!, /nothing is left/);
});

Deno.test("mixed: weights of int4 become int8, not floats", async () => {
  const noise = new Map([
    ...TENSORS.map((t) => [t, 1e-6] as const),
    ...LAYERS.map((l, i) => [l, 10 ** (i - 4)] as const),
  ]);
  const r = await world(noise).run({ minSnr: 35, float: true, weights: "int4" });
  assert.deepEqual([[...r.precisions.fine], r.precisions.float, r.precisions.wide.size], [
    ["l2", "l1"],
    [],
    0,
  ]);
  assert.equal(r.stopped, null);
});

Deno.test("mixed: weights of int4 become int8, those that matter most first, as flash allows", async () => {
  await fc.assert(
    fc.asyncProperty(someNoise, fc.integer({ min: 1000, max: 1200 }), async (noise, flash) => {
      // Nothing else can be raised: what tensors make is no part of the noise.
      const only = new Map([...noise].map(([n, v]) => [n, n.startsWith("t") ? 1e-12 : v] as const));
      const w = world(only), r = await w.run({ flash, float: true, weights: "int4" });
      const fine = [...r.precisions.fine], rest = LAYERS.filter((l) => !fine.includes(l));
      assert(w.cost(r.precisions).flash <= flash);
      const worth = LAYERS.filter((l) =>
        only.get(l)! >= 0.0101 * [...only.values()].reduce((a, b) => a + b, 0)
      );
      assert(fine.length >= Math.min(worth.length, Math.floor((flash - 1000) / 50)));
      for (const f of fine) assert(rest.every((l) => only.get(l)! <= only.get(f)!));
    }),
  );
});
