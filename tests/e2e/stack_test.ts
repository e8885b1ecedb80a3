/** The stack of the entry function is bounded without running it, below 512 bytes on every core. */
import assert from "node:assert/strict";
import { compileLibrary } from "../../src/run/build.ts";
import { LINKED, measureLibrary } from "../../src/run/measure.ts";
import { runOnBoard } from "../../src/run/mod.ts";
import { measureStack } from "../../src/run/stack.ts";
import { findToolchain } from "../../src/run/toolchain.ts";
import { withWorkDir } from "../../src/run/workdir.ts";
import { zeros } from "../../src/util/tensor.ts";
import { board, compile } from "./support.ts";

/** Bytes that the entry function may use at most. */
const LIMIT = 512;

const CORES = [
  "mps2-an385",
  "mps2-an386",
  "mps2-an500",
  "mps2-an505",
  "mps3-an547",
  "qemu-rv32imc",
  "qemu-rv32imac",
  "microbit",
].map(board);

const EXAMPLES = ["digits", "motion", "vowels"].flatMap((name) =>
  ["int8", "fp32"].map((kind) => `examples/${name}/${name}_${kind}.onnx`)
);

for (const on of CORES) {
  Deno.test(`the stack of every example is bounded on ${on.name}, below ${LIMIT} bytes`, async () => {
    for (const [i, path] of EXAMPLES.entries()) {
      const model = Deno.readFileSync(new URL(`../../${path}`, import.meta.url));
      const artifact = await compile(model, on);
      const bound = await withWorkDir(async (folder) => {
        const tools = await findToolchain(on.target);
        const library = await compileLibrary(artifact, on.target, tools, folder);
        await measureLibrary(artifact, library, on.target, tools, folder);
        const { objects } = library;
        return await measureStack(`${artifact.name}_run_in`, LINKED, objects, on.target, folder);
      });
      assert.equal(bound.absent, null, `${path}`);
      const [entry] = bound.functions!;
      assert.equal(entry.name, "net_run_in");
      assert.ok(entry.total < LIMIT, `${path}: ${entry.total} bytes`);
      if (i > 0) continue;
      // What a run paints is never more.
      const inputs = artifact.inputs.map((p) => zeros(p.dtype, p.shape));
      const { result } = await runOnBoard(artifact, on, [inputs]);
      assert.equal(result.stack_bound_bytes, entry.total);
      assert.ok(
        result.stack_bytes! > 0 && result.stack_bytes! <= entry.total,
        `${path}: ${result.stack_bytes} of ${entry.total} bytes`,
      );
    }
  });
}
