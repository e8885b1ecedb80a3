/**
 * Whole nets in sizes that no benchmark has take as few instructions a multiply-accumulate as the
 * benchmarks' layers that are nearest to theirs. Counted under QEMU.
 */
import assert from "node:assert/strict";
import { compileStages } from "../../src/compile.ts";
import { runOnBoard } from "../../src/run/mod.ts";
import { sizeOf } from "../../src/util/tensor.ts";
import { assertSameBits, board, defaults } from "../e2e/support.ts";
import { conv, depthwise, type Layer, layerNet, mapOf, taps } from "./layers.ts";
import { perMac } from "./measure.ts";

/** How many times the instructions of the nearest layers a net may take. */
const LIMIT = 1.2;

const first = (map: readonly number[], cin: number, cout: number, kernel: readonly number[]) =>
  conv(map, [cin, cout], kernel, { of: "first", stride: 2 });
const pointwise = (map: readonly number[], cin: number, cout: number) =>
  conv(map, [cin, cout], map.map(() => 1), { of: "pointwise" });

/** Layers of MLPerf Tiny. */
const BENCHMARKS: readonly Layer[] = [
  first([96, 96], 3, 8, [3, 3]),
  first([49, 10], 1, 64, [10, 4]),
  conv([32, 32], [16, 16], [3, 3]),
  conv([16, 16], [32, 32], [3, 3]),
  conv([8, 8], [64, 64], [3, 3]),
  depthwise([25, 5], 64, [3, 3]),
  depthwise([48, 48], 16, [3, 3], { stride: 2 }),
  ...([[48, 8, 16], [24, 16, 32], [24, 32, 32], [12, 64, 64], [6, 128, 128]] as const)
    .map(([n, cin, cout]) => pointwise([n, n], cin, cout)),
];

/** A chain of layers, each on the map that the one before leaves. */
function chain(map: readonly number[], ...next: readonly ((map: readonly number[]) => Layer)[]) {
  const layers: Layer[] = [];
  for (const make of next) layers.push(make(layers.length ? mapOf(layers.at(-1)!) : map));
  return layers;
}

type Make = (map: readonly number[]) => Layer;
/** A depthwise layer and a pointwise one behind it. */
const separable = (cin: number, cout: number, kernel: readonly number[], stride = 1): Make[] => [
  (m) => depthwise(m, cin, kernel, { stride }),
  (m) => pointwise(m, cin, cout),
];

const NETS: Readonly<Record<string, readonly Layer[]>> = {
  "separable, 88x72 of three channels": chain(
    [88, 72],
    (m) => first(m, 3, 20, [3, 3]),
    ...separable(20, 36, [3, 3]),
    ...separable(36, 60, [3, 3], 2),
    ...separable(60, 68, [3, 3]),
    ...separable(68, 132, [3, 3], 2),
    ...separable(132, 132, [3, 3]),
  ),
  "separable, 54x14 of one channel": chain(
    [54, 14],
    (m) => first(m, 1, 60, [10, 4]),
    ...separable(60, 60, [3, 3]),
    ...separable(60, 68, [3, 3]),
    ...separable(68, 68, [3, 3]),
  ),
  "convolutions, 27x23 of three channels": chain(
    [27, 23],
    (m) => conv(m, [3, 20], [3, 3], { of: "first" }),
    (m) => conv(m, [20, 20], [3, 3]),
    (m) => conv(m, [20, 36], [3, 3], { stride: 2 }),
    (m) => conv(m, [36, 36], [3, 3], { dilation: 2 }),
    (m) => conv(m, [36, 60], [3, 3], { group: 2 }),
    (m) => conv(m, [60, 68], [3, 3], { stride: 2 }),
    (m) => conv(m, [68, 68], [3, 3]),
  ),
  "one dimension, 132 of twenty channels": chain(
    [132],
    (m) => conv(m, [20, 36], [5]),
    (m) => conv(m, [36, 36], [3], { dilation: 4 }),
    (m) => depthwise(m, 36, [9]),
    (m) => pointwise(m, 36, 68),
    (m) => conv(m, [68, 60], [3], { stride: 2 }),
  ),
};

const macsOf = (l: Layer): number => sizeOf(mapOf(l)) * l.cout * taps(l);

/** The benchmark's layer of the same kind whose sums are about as long. */
const nearest = (l: Layer): number => {
  const apart = (b: Layer) => b.of === l.of ? Math.abs(Math.log(taps(b) / taps(l))) : Infinity;
  const all = BENCHMARKS.map(apart);
  return all.indexOf(Math.min(...all));
};

for (const name of ["mps2-an386", "mps3-an547"]) {
  Deno.test(`efficiency on ${name}: nets of odd sizes`, async () => {
    const on = board(name), best = await perMac(BENCHMARKS, on), missed: string[] = [];
    for (const [what, layers] of Object.entries(NETS)) {
      const { bytes, sample } = layerNet(layers, 3, true);
      const { artifact } = await compileStages(bytes, defaults(on));
      const { outputs, result } = await runOnBoard(artifact, on, [sample]);
      assertSameBits(outputs, [artifact.interpret(sample)], what);
      const macs = artifact.kernels.reduce((sum, k) => sum + k.macs, 0);
      const all = layers.reduce((sum, l) => sum + macsOf(l), 0);
      const limit = layers.reduce((sum, l) => sum + macsOf(l) / all * best[nearest(l)], 0);
      const taken = result.instructions![0] / macs;
      if (taken > LIMIT * limit) missed.push(`${what}: ${(taken / limit).toFixed(2)} times`);
    }
    assert.deepEqual(missed, []);
  });
}
