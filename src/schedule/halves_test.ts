/** Constants in two halves are those of the definition; what two bytes do not hold stays as it is. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { assertSameBits, board, defaults } from "../../tests/e2e/support.ts";
import { type Layer, layerNet } from "../../tests/efficiency/layers.ts";
import { accepts } from "../../tests/properties/schedules.ts";
import { compileStages } from "../compile.ts";
import { interpreter } from "../compile/interpret.ts";
import { canHalve } from "./halves.ts";
import { candidates } from "./rules/mod.ts";
import { initialState, type Workload } from "./state.ts";
import { applySteps } from "./steps.ts";

const m55 = board("mps3-an547"), m4 = board("mps2-an386");

const halved = (w: Workload) =>
  candidates(w, m55.target, 3).filter((c) =>
    c.schedule.some((s) => s.do === "halves") && accepts(w, c.schedule)
  );

const layers = fc.record({
  map: fc.tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 6 })),
  channels: fc.tuple(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 6 })),
  kernel: fc.constantFrom([1, 1], [3, 3], [1, 3]),
  depthwise: fc.boolean(),
  weightZero: fc.integer({ min: 1, max: 254 }),
});

Deno.test("halves: random layers give the bits of their definitions under every candidate", async () => {
  let found = 0;
  await fc.assert(
    fc.asyncProperty(layers, fc.nat(), async (l, pick) => {
      const [cin, cout] = l.channels;
      const layer: Layer = {
        of: l.depthwise ? "depthwise" : "convolution",
        map: l.map,
        cin,
        cout: l.depthwise ? cin : cout,
        kernel: l.kernel,
        weightZero: l.weightZero,
        ...(l.depthwise ? { group: cin } : {}),
      };
      const { bytes, sample } = layerNet([layer], pick);
      const plain = await compileStages(bytes, { ...defaults(m55), optLevel: 0 });
      const { program } = await compileStages(bytes, {
        ...defaults(m55),
        schedule: (w, chosen) => {
          const own = halved(w);
          found += own.length > 0 ? 1 : 0;
          return own.length > 0 ? own[pick % own.length].schedule : chosen;
        },
      });
      const run = interpreter(program, { checked: true });
      assertSameBits([run(sample)], [interpreter(plain.program)(sample)], "bits");
    }),
    { seed: 20260103, numRuns: 25, endOnFailure: true },
  );
  assert(found >= 15, `${found} of 25 had such candidates`);
});

Deno.test("halves: constants of bytes and those that two bytes do not hold have none", async () => {
  const workloadOf = async (weightZero?: number): Promise<Workload> => {
    const layer: Layer = { of: "convolution", map: [4, 4], cin: 16, cout: 8, kernel: [3, 3] };
    const { bytes } = layerNet([{ ...layer, weightZero }]);
    return (await compileStages(bytes, defaults(m55))).kernels[0].workload;
  };
  // uint8 less 0 goes up to 255, two bytes to 254.
  for (const weightZero of [undefined, 128, 0]) {
    const w = await workloadOf(weightZero), s = initialState(w), [r] = s.stages;
    assert.equal(halved(w).length, 0, `${weightZero}`);
    assert(!canHalve(s, r));
    assert.throws(() => applySteps(s, [{ do: "halves", stage: r.name }]), {
      code: "model/schedule-step",
    });
  }
  const w = await workloadOf(120);
  assert(halved(w).length > 0);
  assert(!candidates(w, m4.target, 3).some((c) => c.schedule.some((s) => s.do === "halves")));
});
