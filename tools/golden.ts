/**
 * The golden files of tests/golden: every stage of one small net as `inspect` prints it, and the loop
 * programs and C of an integer and of a float convolution.
 * `deno task golden` writes them, so that a change of the compiler shows in the diff.
 */
import { inspect, STAGES } from "../src/cli/inspect.ts";
import { fileURLToPath } from "node:url";

const path = (file: string): string => fileURLToPath(new URL(`../tests/${file}`, import.meta.url));

/** Pools, a convolution and a concatenation whose operands are computed in place. */
const NET = "tf_pools", BOARD = "mps2-an386";
/** A 10 × 4 and a depthwise convolution of int8; float convolutions in groups. */
const KERNELS = ["tf_kernel_10x4", "float_grouped"];

/** The golden files' paths and what they should hold. */
export async function goldens(): Promise<Map<string, string>> {
  const request = { model: path(`models/${NET}.onnx`), board: BOARD };
  const files = new Map<string, string>();
  for (const stage of STAGES) {
    files.set(path(`golden/${NET}.${stage}.txt`), await inspect({ ...request, stage }));
  }
  for (const net of KERNELS) {
    const request = { model: path(`models/${net}.onnx`), board: BOARD };
    for (const stage of ["tir", "c"] as const) {
      files.set(path(`golden/${net}.${stage}.txt`), await inspect({ ...request, stage }));
    }
  }
  const counts = await inspect({ ...request, countOps: true });
  return files.set(path(`golden/${NET}.counts.txt`), counts);
}

if (import.meta.main) {
  for (const [file, text] of await goldens()) Deno.writeTextFileSync(file, text);
}
