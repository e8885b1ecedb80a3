/**
 * Layers of odd sizes under candidates that the rules have for them, as C on a Cortex-M4 and, where it
 * has rules of its own for them, on a Cortex-M55: the bits of the loops as they are defined.
 */
import { compileStages } from "../../src/compile.ts";
import { interpreter } from "../../src/compile/interpret.ts";
import type { CompileOptions } from "../../src/compile.ts";
import { conv, depthwise, type Layer, layerNet } from "../efficiency/layers.ts";
import { assertSameBits, board, defaults, outputsOn } from "../e2e/support.ts";
import { accepts } from "./schedules.ts";

const host = board("host");

/** Layers that are compiled and run together. */
const NETS: Readonly<Record<string, readonly Layer[]>> = {
  "odd runs": [
    conv([5, 4], [7, 5], [3, 3]),
    conv([3, 7], [5, 3], [3, 1], { stride: [1, 2] }),
    conv([4, 5], [5, 3], [3, 2], { dilation: 2, pad: [2, 1] }),
    conv([3, 5], [18, 3], [1, 1]),
    conv([1], [33, 3], [1]),
    conv([3, 4], [14, 6], [2, 3], { group: 2 }),
  ],
  "windows within channels": [
    depthwise([5, 6], 3, [3, 3], { dilation: 2 }),
    depthwise([6, 7], 5, [3, 3], { dilation: 3 }),
    depthwise([7, 5], 2, [3, 5], { dilation: 2, stride: 2 }),
    depthwise([19], 3, [5], { dilation: 4 }),
    depthwise([17], 6, [9]),
    depthwise([18], 2, [3]),
    depthwise([9, 4], 3, [5, 1]),
    depthwise([4, 9], 3, [1, 7], { stride: [1, 2] }),
    depthwise([9, 9], 2, [3, 3], { stride: 3 }),
    depthwise([5, 5], 3, [5, 5]),
    depthwise([6, 5], 3, [2, 2], { pad: [0, 0] }),
    conv([5, 6], [3, 6], [3, 3], { group: 3 }),
    conv([7, 6], [2, 6], [3, 3], { group: 2, stride: 2 }),
    conv([9], [2, 4], [5], { group: 2 }),
    conv([5, 4], [6, 6], [3, 3], { group: 3 }),
    conv([9], [6, 4], [3], { group: 2, dilation: 2 }),
    conv([6, 5], [1, 3], [3, 3]),
    conv([5, 5], [2, 3], [3, 2], { stride: 2, pad: [1, 1] }),
  ],
  "channels outermost": [
    conv([5, 4], [7, 5], [3, 3], { channelsOuter: true }),
    conv([4, 7], [12, 3], [3, 3], { channelsOuter: true, stride: 2 }),
    conv([130], [13, 3], [3], { channelsOuter: true }),
    conv([139], [12, 2], [4], { channelsOuter: true, stride: 2, dilation: 2 }),
    conv([11], [3, 4], [5], { channelsOuter: true }),
    conv([9, 6], [6, 3], [3, 3], { channelsOuter: true, pad: [0, 0] }),
    conv([7, 30], [9, 4], [3, 5], { channelsOuter: true, dilation: 2 }),
    conv([4, 5], [18, 3], [1, 1], { channelsOuter: true }),
  ],
  "weights less a zero point": [
    depthwise([5, 6], 3, [3, 3], { weightZero: 0 }),
    depthwise([6, 7], 4, [3, 3], { weightZero: 255 }),
    depthwise([17], 6, [9], { weightZero: 130 }),
    depthwise([7, 5], 2, [3, 5], { dilation: 2, stride: 2, weightZero: 100 }),
    conv([5, 6], [3, 6], [3, 3], { group: 3, weightZero: 128 }),
    conv([6, 5], [1, 3], [3, 3], { weightZero: 3 }),
    conv([5, 4], [8, 6], [3, 3], { weightZero: 255 }),
    conv([3, 5], [18, 3], [1, 1], { weightZero: 0 }),
    conv([1], [33, 5], [1], { weightZero: 120 }),
  ],
};

const RUNS = [
  ...Object.keys(NETS).map((name) => ({ name, on: board("mps2-an386"), step: 2 })),
  { name: "weights less a zero point", on: board("mps3-an547"), step: 4 },
];

for (const { name, on, step } of RUNS) {
  Deno.test(`odd layers: candidates for ${name} give the bits of the definition on ${on.name}`, async () => {
    const { bytes, sample } = layerNet(NETS[name], 7);
    const compiled = (options: Partial<CompileOptions>) =>
      compileStages(bytes, { ...defaults(on), ...options });
    const { program } = await compileStages(bytes, { ...defaults(host), optLevel: 0 });
    const right = interpreter(program)(sample);
    let most = 1;
    for (let i = 0; i < most; i += step) {
      const { artifact } = await compiled({
        schedule: (w, chosen, all) => {
          most = Math.max(most, all.length);
          const own = all[i % all.length].schedule;
          return accepts(w, own) ? own : chosen;
        },
      });
      assertSameBits(await outputsOn(artifact, on, [sample]), [right], `${name}, candidate ${i}`);
    }
  });
}
