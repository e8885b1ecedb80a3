/**
 * Memory far below what all live tensors take together: networks of inverted residuals, and a shared
 * model, with `--optimize ram` and under a budget; the same outputs, at a bounded price.
 */
import assert from "node:assert/strict";
import type { Artifact } from "../../src/codegen/artifact.ts";
import { runOnBoard } from "../../src/run/mod.ts";
import type { Sample } from "../../src/run/samples.ts";
import { sizeOf, tensor } from "../../src/util/tensor.ts";
import { invertedResiduals, type Network } from "../inverted_residuals.ts";
import { bytesOf, random } from "../properties/random.ts";
import {
  assertSameBits,
  board,
  checkReference,
  compile,
  exists,
  outputsOn,
  readNet,
  SHARED,
} from "./support.ts";

const m4 = board("mps2-an386"), host = board("host");

const block = (times: number, channels: number, stride: 1 | 2 = 1, kernel: 3 | 5 = 3) => ({
  times,
  channels,
  stride,
  kernel,
});

const NETWORKS: readonly (Network & { readonly name: string })[] = [
  {
    name: "64 × 64, sixfold",
    seed: 1,
    map: [64, 64],
    stem: 8,
    blocks: [
      block(1, 8),
      block(6, 12, 2),
      block(6, 12),
      block(6, 16, 2),
      block(6, 16),
      block(6, 24, 2),
    ],
    classes: 10,
  },
  {
    name: "40 × 56, odd channels and windows of 5",
    seed: 2,
    map: [40, 56],
    stem: 10,
    blocks: [block(3, 10), block(5, 10), block(5, 14, 2, 5), block(5, 14, 1, 5), block(4, 22, 2)],
    classes: 7,
  },
];

/** The most that tensors between layers take together while one of them is computed. */
function livenessBound({ buffers, kernels }: Artifact): number {
  const tensors = buffers.filter((b) => b.owner !== "caller" && !b.name.startsWith("step "));
  const live = kernels.map((_, step) =>
    tensors.filter((b) => b.firstStep <= step && step <= b.lastStep)
      .reduce((sum, b) => sum + b.bytes, 0)
  );
  return Math.max(...live);
}

/** Checks memory and price of a model; `check` sees the outputs. */
async function checkRam(
  bytes: Uint8Array,
  samples: readonly Sample[],
  name: string,
  share: number,
  check: (outputs: readonly Sample[], what: string) => void,
): Promise<void> {
  const bound = livenessBound(await compile(bytes, host, { optLevel: 1 }));
  const measured = async (optimize: "ram" | "balanced") => {
    const artifact = await compile(bytes, m4, { optimize });
    const { outputs, result } = await runOnBoard(artifact, m4, samples);
    check(outputs, `${name}, ${optimize}`);
    return { artifact, instructions: Math.max(...result.instructions!) };
  };
  const balanced = await measured("balanced"), ram = await measured("ram");
  const { arenaBytes, frontier } = ram.artifact;
  const price = ram.instructions / balanced.instructions;
  console.log(
    `${name}: ${arenaBytes} of ${bound} bytes (${(100 * arenaBytes / bound).toFixed(1)} %), ` +
      `${price.toFixed(3)} times the instructions`,
  );
  assert.ok(arenaBytes <= share * bound, `${arenaBytes} of ${bound} bytes`);
  assert.ok(price <= 1.25, `${price} times the instructions`);
  const chosen = frontier.filter((p) => p.chosen);
  assert.equal(chosen.length, 1);
  const estimated = chosen[0].arenaBytes / arenaBytes;
  assert.ok(0.95 < estimated && estimated < 1.05, `estimated ${chosen[0].arenaBytes}`);
}

for (const { name, ...network } of NETWORKS) {
  Deno.test(`ram: inverted residuals, ${name}`, async () => {
    const r = random(network.seed), shape = [1, 3, ...network.map];
    const sample = [tensor("int8", shape, bytesOf(r, "int8", sizeOf(shape)))];
    const bytes = invertedResiduals(network);
    const plain = await compile(bytes, host, { optLevel: 0 });
    const want = await outputsOn(plain, host, [sample]);
    await checkRam(bytes, [sample], name, 0.25, (got, what) => assertSameBits(got, want, what));
  });
}

const there = exists(SHARED);
if (!there) console.log("the shared models are not beside this checkout: a test is skipped");

Deno.test({
  name: "ram: ic01_large_int8",
  ignore: !there,
  async fn() {
    const stem = "ic01_large_int8";
    const net = readNet(new URL("mlperf_tiny/", SHARED), stem, `${stem}.exact.npz`, "softmax");
    const expected = { ...net, expected: net.expected.slice(0, 1) };
    await checkRam(net.bytes, net.samples.slice(0, 1), stem, 0.25, (outputs) => {
      assert.equal(checkReference(expected, outputs), 0);
    });
  },
});
