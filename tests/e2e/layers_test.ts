/** Instructions kernel by kernel: what is measured adds up, what is predicted comes near. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { join } from "@std/path";
import type { Artifact } from "../../src/codegen/artifact.ts";
import { measureLayers } from "../../src/run/layers.ts";
import { runOnBoard } from "../../src/run/mod.ts";
import type { Sample } from "../../src/run/samples.ts";
import { loadBoard } from "../../src/target/boards.ts";
import { run } from "../../src/cli/run.ts";
import { inFolder } from "../../src/util/testing.ts";
import { compile, exists, NETS, ownNet, readNet, SHARED } from "./support.ts";

const sum = (ns: readonly number[]): number => ns.reduce((a, b) => a + b, 0);

async function measured(artifact: Artifact, board: string, samples: readonly Sample[]) {
  const layers = await measureLayers(artifact, loadBoard(board), samples);
  assert(layers);
  assert.equal(layers.length, artifact.kernels.length);
  return layers;
}

/** The instructions of the schedule around the kernels: checks of pointers, the call itself. */
const AROUND = 60;

for (const board of ["mps2-an386", "microbit", "mps3-an547", "qemu-rv32imc"]) {
  Deno.test(`layers: the kernels of a run on ${board} add up to its instructions`, async () => {
    const net = ownNet("tf_residual");
    const artifact = await compile(net.bytes, loadBoard(board));
    const samples = net.samples.slice(0, 2);
    const layers = await measured(artifact, board, samples);
    const { result } = await runOnBoard(artifact, loadBoard(board), samples);
    const mean = sum(result.instructions!) / samples.length;
    assert(layers.every((n) => n > 0));
    const around = mean - sum(layers);
    assert(Math.abs(around) < AROUND, `${around} of ${mean} instructions are in no kernel`);
  });
}

Deno.test("layers: a run writes a report with what it counted, and counts the whole as without", async () => {
  await inFolder(async (folder) => {
    const model = fileURLToPath(new URL("tf_conv_dense.onnx", NETS));
    const report = join(folder, "report.html");
    const plain = await run({ model, board: "stm32f746" });
    assert.equal(plain.layers, null);
    const { result, layers } = await run({ model, board: "stm32f746", report });
    assert.deepEqual(result, plain.result);
    const html = Deno.readTextFileSync(report);
    for (const l of layers!) {
      assert(html.includes(`data-value="${l.measured}"`), `${l.kernel} is not in the report`);
      assert(l.predicted > 0 && l.nodes.length > 0);
    }
    const grouped = (n: number) => n.toLocaleString("en-US");
    assert(html.includes(`${grouped(result.instructions![0])}</dd>`));
    assert(html.includes(`machine code: ${grouped(result.code_bytes)} bytes`));
    assert(html.includes(`stack: ${grouped(result.stack_bytes!)} bytes`));
    assert(html.includes("mps2-an500 as stand-in for stm32f746"));
  });
});

Deno.test("layers: there is nothing to count on this computer", async () => {
  const net = ownNet("tf_mlp");
  const artifact = await compile(net.bytes, loadBoard("host"));
  assert.equal(await measureLayers(artifact, loadBoard("host"), net.samples), null);
});

/** Largest relative error of a net, and of its kernels that take a twentieth of it or more. */
const BOUNDS: readonly [net: string, board: string, whole: number, kernel: number][] = [
  ["tf_residual", "mps2-an386", 0.1, 0.2],
  ["tf_conv_dense", "mps2-an386", 0.05, 0.1],
  ["ort_cnn_qop_u8s8_pc", "mps2-an500", 0.08, 0.15],
  ["float_conv1d", "mps2-an386", 0.05, 0.1],
  ["tf_kernel_10x4", "mps2-an385", 0.06, 0.12],
  ["tf_kernel_10x4", "microbit", 0.15, 0.25],
  ["ort_cnn_qop_u8s8_pc", "mps3-an547", 0.12, 0.3],
  ["tf_residual", "qemu-rv32imc", 0.05, 0.2],
  ["tf_kernel_10x4", "qemu-rv32imc", 0.05, 0.15],
];

function checkPrediction(
  artifact: Artifact,
  layers: readonly number[],
  whole: number,
  kernel: number,
  least: number,
): void {
  const predicted = artifact.kernels.map((k) => k.predictedInstructions);
  const off = (p: number, m: number) => Math.abs(p - m) / m;
  const all = off(sum(predicted), sum(layers));
  assert(all <= whole, `${artifact.name} is predicted ${all.toFixed(3)} beside what it takes`);
  layers.forEach((m, i) => {
    if (m < least) return;
    const name = artifact.kernels[i].name;
    assert(off(predicted[i], m) <= kernel, `${name}: predicted ${predicted[i]}, measured ${m}`);
  });
}

for (const [name, board, whole, kernel] of BOUNDS) {
  Deno.test(`layers: the prediction for ${name} on ${board} comes near`, async () => {
    const net = ownNet(name);
    const artifact = await compile(net.bytes, loadBoard(board));
    const layers = await measured(artifact, board, net.samples.slice(0, 1));
    checkPrediction(artifact, layers, whole, kernel, sum(layers) / 20);
  });
}

const MLPERF = ["ad01_int8", "ic01_int8", "kws01_int8", "sww01_int8", "vww01_int8"];

/** A core with SMLAD, and one with vectors; kernels that take a hundredth of the whole. */
const MLPERF_BOUNDS: readonly [board: string, whole: number, kernel: number, part: number][] = [
  ["mps2-an386", 0.03, 0.1, 0.01],
  ["mps3-an547", 0.05, 0.1, 0.01],
];

for (const name of exists(SHARED) ? MLPERF : []) {
  for (const [board, whole, kernel, part] of MLPERF_BOUNDS) {
    const bounds = `${100 * kernel} % kernel by kernel, ${100 * whole} % as a whole`;
    Deno.test(`layers: ${name} on ${board} within ${bounds}`, async () => {
      const folder = new URL("mlperf_tiny/", SHARED);
      const net = readNet(folder, name, `${name}.golden.npz`, "exact");
      const artifact = await compile(net.bytes, loadBoard(board));
      const layers = await measured(artifact, board, net.samples.slice(0, 1));
      checkPrediction(artifact, layers, whole, kernel, Math.max(200, part * sum(layers)));
    });
  }
}
