/**
 * Every net of tests/models as generated C: equal to the interpreter of the loop IR in every bit and
 * to the stored reference, on this computer and on a Cortex-M4 under QEMU. Chosen nets of every
 * quantisation style also at the lower -O levels, under other flags of gcc, on a Cortex-M7 and on a
 * RISC-V without FPU.
 */
import assert from "node:assert/strict";
import { compileStages } from "../../src/compile.ts";
import { interpreter } from "../../src/compile/interpret.ts";
import type { RunOptions } from "../../src/run/mod.ts";
import type { Sample } from "../../src/run/samples.ts";
import { isFloat } from "../../src/util/dtype.ts";
import { numbers } from "../../src/util/tensor.ts";
import {
  assertSameBits,
  board,
  checkReference,
  compile,
  defaults,
  outputsOn,
  ownNet,
  ownNets,
  SANITIZE,
} from "./support.ts";

const host = board("host"),
  m4 = board("mps2-an386"),
  m7 = board("mps2-an500"),
  m55 = board("mps3-an547");
const rv32 = board("qemu-rv32imc");

for (const { name } of ownNets) {
  Deno.test(`generated C: ${name}`, async () => {
    const net = ownNet(name);
    const { artifact, program } = await compileStages(net.bytes, defaults(host));
    const checked = interpreter(program, { checked: true });
    const want = net.samples.map((s) => checked(s));
    checkReference(net, want);
    assertSameBits(net.samples.map((s) => artifact.interpret(s)), want, "interpreter, second run");
    assertSameBits(await outputsOn(artifact, host, net.samples), want, "host");

    const inArena = await compile(net.bytes, host, { io: "arena" });
    assertSameBits(net.samples.map((s) => inArena.interpret(s)), want, "interpreter, io in arena");
    const options = { extraFlags: SANITIZE, optimisation: "-O0" };
    assertSameBits(
      await outputsOn(inArena, host, net.samples, options),
      want,
      "host, io in arena, sanitizers",
    );

    const onM4 = await compile(net.bytes, m4);
    assertSameBits(net.samples.map((s) => onM4.interpret(s)), want, "interpreter for mps2-an386");
    assertSameBits(await outputsOn(onM4, m4, net.samples), want, "mps2-an386");

    const onM55 = await compile(net.bytes, m55);
    assertSameBits(net.samples.map((s) => onM55.interpret(s)), want, "interpreter for mps3-an547");
    assertSameBits(await outputsOn(onM55, m55, net.samples), want, "mps3-an547");
  });
}

/** One of each style, among them depthwise, residual, concatenation, softmax, tables, float, 1-D. */
const CHOSEN = [
  "tf_conv_dense",
  "tf_residual",
  "tf_pools",
  "tf_conv1d_unsqueeze",
  "ort_cnn_qdq_s8s8_sym_pc",
  "ort_mixed_qdq_u8s8_pc",
  "ort_cnn_qop_u8u8",
  "ort_mixed_qop_u8s8",
  "qop_conv_u8u8",
  "corner_past_int32",
  "corner_largest_products",
  "corner_tables",
  "corner_odd_shapes",
  "float_conv_bn",
  "float_branches",
];

const GCC: readonly (readonly [string, RunOptions])[] = [
  ["-O0", { optimisation: "-O0" }],
  ["-O2", { optimisation: "-O2" }],
  ["-O3", { optimisation: "-O3" }],
  ["sanitizers", { extraFlags: SANITIZE }],
];

for (const name of CHOSEN) {
  Deno.test(`generated C under other flags and on other cores: ${name}`, async () => {
    const net = ownNet(name);
    const artifact = await compile(net.bytes, host);
    const want = net.samples.map((s) => artifact.interpret(s));
    for (const [flags, options] of GCC) {
      assertSameBits(await outputsOn(artifact, host, net.samples, options), want, `gcc ${flags}`);
    }
    const onM7 = await compile(net.bytes, m7, { io: "arena" });
    assertSameBits(await outputsOn(onM7, m7, net.samples), want, "mps2-an500");
    const onRv32 = await compile(net.bytes, rv32);
    assertSameBits(net.samples.map((s) => onRv32.interpret(s)), want, "interpreter for rv32imc");
    assertSameBits(await outputsOn(onRv32, rv32, net.samples), want, "qemu-rv32imc");
  });

  Deno.test(`generated C at lower -O levels: ${name}`, async () => {
    const net = ownNet(name);
    const best = await compile(net.bytes, host);
    const want = net.samples.map((s) => best.interpret(s));
    for (const optLevel of [0, 1, 2] as const) {
      const artifact = await compile(net.bytes, host, { optLevel });
      const outputs = net.samples.map((s) => artifact.interpret(s));
      checkReference(net, outputs);
      assertLevelsAgree(outputs, want, `-O${optLevel}`);
      assertSameBits(await outputsOn(artifact, host, net.samples), outputs, `-O${optLevel}`);
    }
    const onM4 = await compile(net.bytes, m4, { optLevel: 0 });
    const plain = net.samples.map((s) => onM4.interpret(s));
    assertSameBits(await outputsOn(onM4, m4, net.samples), plain, "mps2-an386, -O0");
  });
}

/** Integers are the same at every level, floats within 1e-6 of the largest output. */
function assertLevelsAgree(got: readonly Sample[], want: readonly Sample[], what: string): void {
  want[0].forEach((t, i) => {
    const a = got.flatMap((s) => numbers(s[i])), b = want.flatMap((s) => numbers(s[i]));
    const largest = b.reduce((m, v) => Math.max(m, Math.abs(v)), 0);
    const worst = a.reduce((m, v, k) => Math.max(m, Math.abs(v - b[k])), 0);
    assert.ok(worst <= (isFloat(t.dtype) ? 1e-6 * largest : 0), `${what} differs by ${worst}`);
  });
}
