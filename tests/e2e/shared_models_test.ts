/**
 * The shared models, where they stand beside this checkout, on this computer and under QEMU on a
 * Cortex-M4 and a Cortex-M7: integers equal the exact references, floats come within 1e-4 of the
 * largest output, and all boards give the same bits.
 */
import { isFloat } from "../../src/util/dtype.ts";
import {
  assertSameBits,
  board,
  checkReference,
  compile,
  exists,
  outputsOn,
  readNet,
  SANITIZE,
  SHARED,
  type Tolerance,
} from "./support.ts";

const there = exists(SHARED);
if (!there) console.log("the shared models are not beside this checkout: their tests are skipped");

/** Folder and stem, whose reference, and how near. */
const MODELS: readonly [string, string, "exact" | "golden", Tolerance][] = [
  ["dev/", "hello_world_int8", "exact", "exact"],
  ["mlperf_tiny/", "kws01_int8", "exact", "softmax"],
  ["mlperf_tiny/", "ic01_int8", "exact", "softmax"],
  ["mlperf_tiny/", "kws01_ort_qop_u8s8_pc", "golden", "softmax"],
  ["mlperf_tiny/", "kws01_ort_qdq_u8s8_pc", "exact", "softmax"],
  ["mlperf_tiny/", "ad01_fp32", "golden", "float"],
];
const host = board("host");

for (const [folder, stem, reference, tolerance] of MODELS) {
  Deno.test({
    name: `shared model: ${stem}`,
    ignore: !there,
    async fn() {
      const net = readNet(new URL(folder, SHARED), stem, `${stem}.${reference}.npz`, tolerance);
      const artifact = await compile(net.bytes, host);
      const want = net.samples.map((s) => artifact.interpret(s));
      const beside = checkReference(net, want);
      if (tolerance === "softmax" || !isFloat(want[0][0].dtype)) {
        console.log(`${stem}: ${beside} elements one step beside the reference`);
      }
      for (
        const [flags, options] of [
          ["gcc -O0", { optimisation: "-O0" }],
          ["gcc -O2", { optimisation: "-O2" }],
          ["sanitizers", { optimisation: "-O1", extraFlags: SANITIZE }],
        ] as const
      ) {
        assertSameBits(await outputsOn(artifact, host, net.samples, options), want, flags);
      }
      for (const name of ["mps2-an386", "mps2-an500", "mps3-an547"]) {
        const on = board(name), compiled = await compile(net.bytes, on);
        assertSameBits(await outputsOn(compiled, on, net.samples), want, name);
      }
      const arena = await compile(net.bytes, board("mps2-an386"), { io: "arena" });
      const outputs = await outputsOn(arena, board("mps2-an386"), net.samples);
      assertSameBits(outputs, want, "mps2-an386, io in arena");
    },
  });
}
