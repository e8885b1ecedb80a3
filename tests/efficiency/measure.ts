/** What layers take under QEMU. */
import assert from "node:assert/strict";
import { compileStages } from "../../src/compile.ts";
import { measureLayers } from "../../src/run/layers.ts";
import type { Board } from "../../src/target/target.ts";
import { defaults } from "../e2e/support.ts";
import { type Layer, layerNet, textOf } from "./layers.ts";

/** Instructions a MAC of each layer on its own; MACs are those that the layer is left with. */
export async function perMac(layers: readonly Layer[], on: Board): Promise<number[]> {
  const { bytes, sample } = layerNet(layers);
  const { artifact } = await compileStages(bytes, defaults(on));
  const counts = await measureLayers(artifact, on, [sample]);
  return layers.map((_, i) => {
    const own = artifact.kernels.flatMap((k, j) =>
      k.nodes.some((n) => n.startsWith(`layer${i}/`)) ? [j] : []
    );
    const macs = own.reduce((sum, j) => sum + artifact.kernels[j].macs, 0);
    assert(macs > 0, textOf(layers[i]));
    return own.reduce((sum, j) => sum + counts![j], 0) / macs;
  });
}
