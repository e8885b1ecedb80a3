/**
 * Layers of odd sizes under candidates that the rules have for cores with vectors (MVE): the bits of
 * the loops as they are defined.
 */
import assert from "node:assert/strict";
import { compileStages } from "../../src/compile.ts";
import { interpreter } from "../../src/compile/interpret.ts";
import type { CompileOptions } from "../../src/compile.ts";
import { conv, depthwise, type Layer, layerNet } from "../efficiency/layers.ts";
import { assertSameBits, board, defaults, outputsOn } from "../e2e/support.ts";

const host = board("host"), m55 = board("mps3-an547");

/** Layers that are compiled and run together, and a rule that has to have candidates for each. */
const NETS: Readonly<Record<string, { rule: string; layers: readonly Layer[] }>> = {
  "dilated products": {
    rule: "streams in phases",
    layers: [
      conv([9, 7], [5, 6], [3, 3], { dilation: 2 }),
      conv([7, 8], [20, 4], [3, 3], { dilation: 3 }),
      conv([23], [6, 9], [3], { dilation: 4 }),
      conv([6, 9], [3, 5], [2, 3], { dilation: 2, stride: [1, 3], pad: [1, 2] }),
    ],
  },
  "rows that end in a few elements": {
    rule: "streams",
    layers: [
      conv([3, 5], [18, 7], [1, 1]),
      conv([1], [35, 9], [1]),
      conv([5, 4], [11, 5], [3, 3]),
    ],
  },
  "windows of wide maps": {
    rule: "patches",
    layers: [
      depthwise([3, 61], 20, [3, 3]),
      depthwise([4, 40], 36, [3, 3], { stride: 2 }),
      depthwise([5, 33], 33, [3, 3], { dilation: 2 }),
    ],
  },
  "columns of few vectors": {
    rule: "streams",
    layers: [
      conv([7, 9], [12, 5], [1, 1]),
      conv([9, 11], [1, 6], [3, 3], { stride: 2 }),
      conv([30], [5, 7], [3]),
    ],
  },
  "groups of a few channels": {
    rule: "streams in groups",
    layers: [
      conv([9, 7], [20, 20], [3, 3], { group: 4 }),
      conv([23], [12, 12], [3], { group: 2 }),
      conv([8, 9], [10, 16], [3, 3], { group: 2, stride: 2 }),
    ],
  },
  "windows of several vectors": {
    rule: "patches",
    layers: [
      depthwise([9, 6], 5, [5, 5]),
      depthwise([8, 11], 20, [7, 7], { stride: 2 }),
      depthwise([11, 9], 6, [3, 5], { dilation: 2 }),
      depthwise([7, 9], 17, [5, 3], { stride: [2, 1] }),
    ],
  },
};

for (const [name, { rule, layers }] of Object.entries(NETS)) {
  Deno.test(`layers in vectors: candidates for ${name} give the bits of the definition`, async () => {
    const { bytes, sample } = layerNet(layers, 7);
    const { program } = await compileStages(bytes, { ...defaults(host), optLevel: 0 });
    const right = interpreter(program)(sample);
    const found: string[] = [];
    let most = 1;
    for (let i = 0; i < most; i++) {
      const schedule: CompileOptions["schedule"] = (_, chosen, all) => {
        const own = all.filter((o) => o.rule === rule);
        most = Math.max(most, own.length);
        if (own.length === 0) return chosen;
        found.push(own[i % own.length].variant);
        return own[i % own.length].schedule;
      };
      const { artifact } = await compileStages(bytes, { ...defaults(m55), schedule });
      assertSameBits(await outputsOn(artifact, m55, [sample]), [right], `${name}, candidate ${i}`);
    }
    assert(found.length >= most * layers.length, `${rule}: ${found.join(", ")}`);
  });
}
