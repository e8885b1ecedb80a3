/** Winograd's sums are those of the definition, to the last bit; what does not fit is refused. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { assertSameBits, board, defaults, outputsOn, SANITIZE } from "../../tests/e2e/support.ts";
import { type Layer, layerNet } from "../../tests/efficiency/layers.ts";
import { compileStages } from "../compile.ts";
import { interpreter } from "../compile/interpret.ts";
import { transformed } from "../tir/winograd.ts";
import { visitStmt } from "../tir/stmt.ts";
import { tensor, type TensorData } from "../util/tensor.ts";
import { candidates } from "./rules/mod.ts";
import { initialState, type Workload } from "./state.ts";
import { applySteps, type Schedule } from "./steps.ts";

const m4 = board("mps2-an386"), host = board("host");

const proposed = (w: Workload): Schedule | undefined =>
  candidates(w, m4.target, 3).find((c) => c.rule === "winograd")?.schedule;

/** Every kernel under Winograd's schedule, where it is proposed. */
const forced = (w: Workload, chosen: Schedule): Schedule => proposed(w) ?? chosen;

/** The same, but that sums stay int32 and are requantised where they are read. */
const withoutBytes = (w: Workload, chosen: Schedule): Schedule => {
  const steps = forced(w, chosen), own = steps.find((s) => s.do === "winograd")?.stage;
  return steps.flatMap((s): Schedule => {
    if (!("stage" in s) || s.stage !== own) return [s];
    if (s.do === "winograd") return [{ do: "winograd", stage: s.stage }];
    if (s.do === "computeAt") return [{ ...s, loop: s.loop.replace(/_o$/, "_i") }];
    return s.do === "reorder" ? [] : [s];
  });
};

const layer = (h: number, w: number, cin: number, cout: number, pad?: number[]): Layer => ({
  of: "convolution",
  map: [h, w],
  cin,
  cout,
  kernel: [3, 3],
  ...(pad ? { pad } : {}),
});

/** The sample with the least, the largest, and both in turn in place of its values. */
const extremes = ([x]: readonly TensorData[]): TensorData[][] =>
  [() => -128, () => 127, (i: number) => i % 3 ? 127 : -128].map((f) => [
    tensor(x.dtype, x.shape, Array.from({ length: x.data.length }, (_, i) => f(i))),
  ]);

const sizes = fc.record({
  half: fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 5 })),
  cin: fc.constantFrom(4, 8, 12, 16, 20),
  cout: fc.constantFrom(2, 4, 6, 10),
  pad: fc.constantFrom<number[] | undefined>(undefined, undefined, [2, 2], [0, 0]),
  seed: fc.integer({ min: 1 }),
});

Deno.test("winograd: random layers give the bits of their definitions on the interpreter", async () => {
  await fc.assert(
    fc.asyncProperty(sizes, async ({ half: [h, w], cin, cout, pad, seed }) => {
      const more = pad?.[0] === 0 ? 2 : 0;
      const { bytes, sample } = layerNet([layer(2 * h + more, 2 * w + more, cin, cout, pad)], seed);
      const plain = await compileStages(bytes, { ...defaults(m4), optLevel: 0 });
      const samples = [[...sample], ...extremes(sample)];
      const right = samples.map(interpreter(plain.program));
      for (const schedule of [forced, withoutBytes]) {
        let found = false;
        const { program } = await compileStages(bytes, {
          ...defaults(m4),
          schedule: (of, chosen) => {
            found = proposed(of) !== undefined;
            return schedule(of, chosen);
          },
        });
        assert(found, "Winograd is not proposed");
        const run = interpreter(program, { checked: true });
        assertSameBits(samples.map(run), right, "bits");
      }
    }),
    { seed: 20260102, numRuns: 25, endOnFailure: false },
  );
});

Deno.test("winograd: the same in C on this computer and on a Cortex-M4", async () => {
  const layers = [layer(6, 10, 8, 4), layer(4, 4, 12, 6), layer(2, 2, 4, 2), layer(8, 6, 16, 8)];
  const { bytes, sample } = layerNet(layers, 5);
  const plain = await compileStages(bytes, { ...defaults(m4), optLevel: 0 });
  const right = [interpreter(plain.program)(sample)];
  const parts = { bytes: ["bytes_2x2", "bytes_1x2", "bytes_1of2x2"], sums: ["out_"] };
  for (const [of, own] of Object.entries(parts)) {
    const schedule = of === "bytes" ? forced : withoutBytes;
    const there = await compileStages(bytes, { ...defaults(m4), schedule });
    const names = new Set<string>();
    for (const { kernel } of there.kernels) {
      visitStmt(kernel.body, (s) => void (s.k === "intrin" && names.add(s.op.name)));
    }
    for (const part of ["in_", "2x2_", "1x2_", "1of2x2_", ...own]) {
      assert([...names].some((n) => n.startsWith(`winograd_${part}`)), `${part} is in no program`);
    }
    assertSameBits(await outputsOn(there.artifact, m4, [sample]), right, `${of} on mps2-an386`);
  }
  const here = await compileStages(bytes, { ...defaults(host), schedule: forced });
  const options = { extraFlags: SANITIZE };
  assertSameBits(await outputsOn(here.artifact, host, [sample], options), right, "host");
});

Deno.test("winograd: where flash is given for speed, and only there", async () => {
  const { bytes } = layerNet([layer(16, 16, 16, 16)]);
  const steps = async (options: Partial<Parameters<typeof compileStages>[1]>) =>
    (await compileStages(bytes, { ...defaults(m4), ...options })).kernels
      .flatMap((k) => k.schedule.map((s) => s.do));
  assert((await steps({ optimize: "speed" })).includes("winograd"));
  assert((await steps({ flashBudget: 60_000 })).includes("winograd"));
  assert(!(await steps({ flashBudget: 4_000 })).includes("winograd"));
  assert(!(await steps({})).includes("winograd"));
  assert(!(await steps({ optimize: "flash", flashBudget: 60_000 })).includes("winograd"));
});

Deno.test("winograd: other windows, odd maps and sums that could pass int32 get none", async () => {
  const none: readonly Layer[] = [
    { ...layer(6, 6, 8, 4), stride: 2 },
    { ...layer(8, 8, 8, 4), dilation: 2 },
    { ...layer(6, 6, 8, 4), kernel: [5, 5] },
    layer(7, 6, 8, 4),
    layer(6, 6, 6, 4),
    layer(6, 6, 8, 5),
  ];
  for (const l of none) {
    const { bytes } = layerNet([l]);
    const { kernels: [{ workload }] } = await compileStages(bytes, defaults(m4));
    assert.equal(proposed(workload), undefined, JSON.stringify(l));
  }
  const { bytes } = layerNet([layer(6, 6, 8, 4)]);
  const { kernels: [{ workload }] } = await compileStages(bytes, defaults(m4));
  const s = initialState(workload), step = { do: "winograd", stage: s.stages[0].name } as const;
  assert.throws(() => applySteps(s, [step]), { code: "model/schedule-step" });
});

Deno.test("winograd: transformed weights are whole, and as large as is said", () => {
  const largest = transformed(() => -128).flat();
  assert.equal(Math.min(...largest), -9 * 128);
  assert.deepEqual(transformed((a, b) => a === 1 && b === 1 ? 1 : 0).map((r) => r.join()), [
    "0,0,0,0",
    "0,1,-1,0",
    "0,-1,1,0",
    "0,0,0,0",
  ]);
});
