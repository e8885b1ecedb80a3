/** Leaner schedules: less scratch for more instructions, never other bits. */
import assert from "node:assert/strict";
import { assertSameBits, board, defaults, outputsOn, ownNet } from "../../tests/e2e/support.ts";
import { layerNet } from "../../tests/efficiency/layers.ts";
import { compileStages, type ScheduledKernel } from "../compile.ts";
import { estimate } from "../tir/estimate.ts";
import { visitStmt } from "../tir/stmt.ts";
import { interpreter } from "./interpret.ts";
import { leaner, leanKernels, scratchOf } from "./lean.ts";

const m4 = board("mps2-an386");

Deno.test("each leaner kernel has less scratch, and none is better in both", async () => {
  let several = 0;
  for (const name of ["tf_residual", "tf_autoencoder", "qop_conv_u8u8"]) {
    const { kernels } = await compileStages(ownNet(name).bytes, defaults(m4));
    const lean = leanKernels(kernels, m4.target, 3, false);
    const frugal = leanKernels(kernels, m4.target, 3, true);
    const constants = (k: ScheduledKernel) => estimate(k.kernel, m4.target).constantBytes;
    kernels.forEach((k, i) => {
      assert.ok(frugal[i].every((x) => constants(x) <= constants(k)), name);
      const all = [k, ...lean[i]].map((x) => scratchOf(x.kernel));
      assert.deepEqual(all, [...new Set(all)].sort((a, b) => b - a), name);
      const takes = lean[i].map((x) => estimate(x.kernel, m4.target).instructions);
      assert.deepEqual(takes, takes.toSorted((a, b) => a - b), name);
      several += Number(lean[i].length > 1);
    });
  }
  assert.ok(several > 2, `${several} kernels with several`);
});

Deno.test("what has more constants is left out where flash is scarce", async () => {
  const { kernels: [{ kernel, schedule }] } = await compileStages(
    ownNet("tf_residual").bytes,
    defaults(m4),
  );
  const takes = estimate(kernel, m4.target), constantBytes = takes.constantBytes + 1;
  const chosen = { rule: "r", variant: "", schedule, kernel, takes };
  const bare = { ...kernel, buffers: kernel.buffers.filter((b) => b.scope !== "scratch") };
  const larger = { ...chosen, kernel: bare, takes: { ...takes, constantBytes } };
  assert.ok(scratchOf(kernel) > 0);
  assert.deepEqual(leaner(chosen, [larger], false), [larger]);
  assert.deepEqual(leaner(chosen, [larger], true), []);
});

Deno.test("scratch memory is given up where that costs hardly any instructions", async () => {
  const m55 = board("mps3-an547");
  const net = layerNet([
    { of: "convolution", map: [24, 24], cin: 32, cout: 32, kernel: [3, 3] },
    { of: "depthwise", map: [48, 48], cin: 8, cout: 8, kernel: [3, 3], group: 8 },
  ]);
  const compiled = (optimize: "balanced" | "speed") =>
    compileStages(net.bytes, { ...defaults(m55), optimize });
  const [balanced, speed] = [await compiled("balanced"), await compiled("speed")];
  const of = ({ kernels }: typeof speed) => ({
    scratch: Math.max(...kernels.map((k) => scratchOf(k.kernel))),
    takes: kernels.reduce((n, k) => n + estimate(k.kernel, m55.target).instructions, 0),
  });
  const [lean, quick] = [of(balanced), of(speed)];
  assert.ok(lean.scratch < 0.9 * quick.scratch, `${lean.scratch} of ${quick.scratch} bytes`);
  assert.ok(lean.takes <= 1.015 * quick.takes, `${lean.takes} for ${quick.takes}`);
});

Deno.test("whatever takes the place of a kernel gives the same bits", async () => {
  let copied = 0;
  for (const name of ["tf_autoencoder", "tf_conv_dense", "qop_dense_u8u8", "tf_kernel_10x4"]) {
    const net = ownNet(name), samples = net.samples.slice(0, 2);
    const usual = await compileStages(net.bytes, defaults(m4));
    const want = samples.map(interpreter(usual.program));
    const lean = leanKernels(usual.kernels, m4.target, 3, false);
    assert.ok(lean.some((list) => list.length > 0), name);
    const byOrigin = new Map(
      usual.kernels.map((k, i) => [
        String(k.workload.origin),
        lean[i].find((x) => x.schedule.some((step) => step.do === "direct")) ?? lean[i].at(-1),
      ]),
    );
    const least = await compileStages(net.bytes, {
      ...defaults(m4),
      schedule: (w, chosen) => byOrigin.get(String(w.origin))?.schedule ?? chosen,
    });
    assertSameBits(samples.map(interpreter(least.program, { checked: true })), want, name);
    assertSameBits(await outputsOn(least.artifact, m4, samples), want, `${name} on ${m4.name}`);
    for (const { kernel } of least.kernels) {
      visitStmt(
        kernel.body,
        (s) => copied += Number(s.k === "intrin" && isByteCopy.test(s.op.name)),
      );
    }
  }
  assert.ok(copied > 0, "no rows are copied as bytes");
});

const isByteCopy = /^copy_row/;

Deno.test("dense layers need no memory beside their input and output where RAM counts", async () => {
  const net = ownNet("tf_autoencoder");
  const [usual, ram] = await Promise.all(
    (["balanced", "ram"] as const).map((optimize) =>
      compileStages(net.bytes, { ...defaults(m4), optimize })
    ),
  );
  const scratch = ram.kernels.map((k) => scratchOf(k.kernel));
  assert.ok(scratch.every((bytes) => bytes === 0), String(scratch));
  assert.ok(ram.artifact.arenaBytes < usual.artifact.arenaBytes / 2);
  const samples = net.samples.slice(0, 2);
  assertSameBits(
    await outputsOn(ram.artifact, m4, samples),
    samples.map(interpreter(usual.program)),
    m4.name,
  );
});
