/** What the artifact says of each generated kernel. */
import { bytesOf } from "../util/dtype.ts";
import { sizeOf, type TensorData } from "../util/tensor.ts";
import type { Target } from "../target/target.ts";
import { predictInstructions } from "../tir/cost.ts";
import type { KernelInfo } from "../codegen/artifact.ts";
import { kernelSymbol } from "../codegen/names.ts";
import type { Program } from "../codegen/program.ts";

const bytesIn = (t: TensorData): number => sizeOf(t.shape) * bytesOf(t.dtype);

/** One description a kernel, in the order in which they run. */
export function kernelInfos(p: Program, target: Target): KernelInfo[] {
  const params = new Map(p.params.map((q) => [q.name, bytesIn(q.data)]));
  return p.calls.map(({ kernel, paramNames }, i): KernelInfo => {
    let paramsBytes = 0;
    for (const name of paramNames) {
      paramsBytes += params.get(name) ?? 0;
      params.delete(name);
    }
    return {
      name: kernelSymbol(p, i),
      nodes: kernel.origin,
      ops: kernel.ops,
      macs: kernel.macs,
      scratchBytes: kernel.buffers.filter((b) => b.scope === "scratch")
        .reduce((sum, b) => sum + b.length * bytesOf(b.dtype), 0),
      paramsBytes,
      predictedInstructions: predictInstructions(kernel, target),
    };
  });
}
