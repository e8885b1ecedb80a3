/** Sums that become bytes before more is made of them give the same bits; others stay sums. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { assertSameBits, board, defaults, outputsOn } from "../../tests/e2e/support.ts";
import { model, node, tensor, value } from "../../tests/onnx_builder.ts";
import { bytesOf, random } from "../../tests/properties/random.ts";
import { compileStages } from "../compile.ts";
import { interpreter } from "../compile/interpret.ts";
import { tensor as data } from "../util/tensor.ts";
import { initialState, type Workload } from "./state.ts";
import { applySteps, type Schedule } from "./steps.ts";
import { candidates } from "./rules/mod.ts";

const m4 = board("mps2-an386");

interface Residual {
  readonly map: readonly [number, number];
  readonly channels: number;
  readonly window: number;
  /** What meets the convolution's bytes: another tensor in floats, or the larger of both. */
  readonly with: "Add" | "Max";
  readonly seed: number;
}

/** A convolution with its input added to it, a scale and a bias a channel. */
function netOf({ map, channels: c, window: k, with: op, seed }: Residual) {
  const r = random(seed), shape = [1, c, ...map];
  const scales = Array.from({ length: c }, () => r.int(500, 4000) / 1e6);
  const zero = r.int(-20, 20), pad = [Math.floor((k - 1) / 2), Math.ceil((k - 1) / 2)];
  const floats = (x: string) => node("DequantizeLinear", [x, "s", "z"], [`${x}_f`]);
  const nodes = [
    node("QLinearConv", ["x", "s", "z", "w", "ws", "wz", "s", "z", "b"], ["conv"], {
      kernel_shape: [k, k],
      pads: [pad[0], pad[0], pad[1], pad[1]],
    }),
    ...(op === "Max" ? [node("Max", ["x", "conv"], ["y"])] : [
      floats("x"),
      floats("conv"),
      node("Add", ["x_f", "conv_f"], ["sum"]),
      node("QuantizeLinear", ["sum", "s", "z"], ["y"]),
    ]),
  ];
  const bytes = model({
    nodes,
    initializers: [
      tensor("s", "float32", [], [0.05]),
      tensor("z", "int8", [], [zero]),
      tensor("w", "int8", [c, c, k, k], bytesOf(r, "int8", c * c * k * k)),
      tensor("ws", "float32", [c], scales),
      tensor("wz", "int8", [c], scales.map(() => 0)),
      tensor("b", "int32", [c], scales.map(() => r.int(-4000, 4000))),
    ],
    inputs: [value("x", "int8", shape)],
    outputs: [value("y", "int8", shape)],
  });
  const size = c * map[0] * map[1];
  const samples = [0, 1].map(() => [data("int8", shape, bytesOf(r, "int8", size))]);
  return { bytes, samples };
}

/** The schedules that narrow, each text. */
const narrowing = (w: Workload): Schedule[] =>
  candidates(w, m4.target, 3).map((c) => c.schedule)
    .filter((steps) => steps.some((s) => s.do === "narrow"));

const nets = fc.record({
  map: fc.tuple(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 2, max: 9 })),
  channels: fc.integer({ min: 2, max: 13 }),
  window: fc.constantFrom(1, 2, 3),
  with: fc.constantFrom("Add" as const, "Max" as const),
  seed: fc.integer({ min: 1 }),
});

Deno.test("narrow: random residuals of any width give the bits of their definitions", async () => {
  await fc.assert(
    fc.asyncProperty(nets, async (net) => {
      const { bytes, samples } = netOf(net);
      const plain = await compileStages(bytes, { ...defaults(m4), optLevel: 0 });
      const right = samples.map(interpreter(plain.program));
      for (let turn = 0; turn < 2; turn++) {
        let found = 0;
        const { program } = await compileStages(bytes, {
          ...defaults(m4),
          schedule: (w, chosen) => {
            const all = narrowing(w);
            found += all.length;
            return all[turn % Math.max(1, all.length)] ?? chosen;
          },
        });
        assert(found > 0, "nothing narrows");
        assertSameBits(samples.map(interpreter(program, { checked: true })), right, `${turn}`);
      }
    }),
    { seed: 20260311, numRuns: 8 },
  );
});

Deno.test("narrow: the same in C on a Cortex-M4", async () => {
  const net: Residual = { map: [5, 7], channels: 10, window: 3, with: "Add", seed: 4 };
  const { bytes, samples } = netOf(net);
  const plain = await compileStages(bytes, { ...defaults(m4), optLevel: 0 });
  const there = await compileStages(bytes, {
    ...defaults(m4),
    schedule: (w, chosen) => narrowing(w)[0] ?? chosen,
  });
  const steps = there.kernels.flatMap((k) => k.schedule.map((s) => s.do));
  assert(steps.includes("narrow"), "nothing narrows");
  const right = samples.map(interpreter(plain.program));
  assertSameBits(await outputsOn(there.artifact, m4, samples), right, "mps2-an386");
});

Deno.test("narrow: sums that are no product, or that nothing requantises, are refused", async () => {
  const net: Residual = { map: [3, 4], channels: 4, window: 1, with: "Add", seed: 1 };
  const { kernels } = await compileStages(netOf(net).bytes, defaults(m4));
  const { workload } = kernels.find((k) => narrowing(k.workload).length > 0)!;
  const s = initialState(workload), step = { do: "narrow", stage: s.stages[0].name } as const;
  const gemm = narrowing(workload)[0].filter((x) => x.do === "gemm");
  // Neither before there are rows and columns, nor twice.
  assert.throws(() => applySteps(s, [step]), { code: "model/schedule-step" });
  const inlined = narrowing(workload)[0].filter((x) => x.do === "inline" || x.do === "affine");
  const narrowed = applySteps(s, [...inlined, ...gemm, step]);
  assert.throws(() => applySteps(narrowed, [step]), { code: "model/schedule-step" });
});
