/** A compiled model on this computer: built once, run on as many samples as there are. */
import { join } from "@std/path";
import type { CompiledLibrary } from "../project/mod.ts";
import type { Board } from "../target/target.ts";
import { compileLibrary, linkHarness } from "./build.ts";
import { harnessFiles, readResult } from "./harness.ts";
import { execute } from "./process.ts";
import { exitError } from "./qemu.ts";
import { packSamples, type Sample, unpackSamples } from "./samples.ts";
import { findToolchain } from "./toolchain.ts";
import { withWorkDir } from "./workdir.ts";

/** Bytes of inputs and outputs that one start of the program may move. */
const CHUNK_BYTES = 2 ** 26;

/** Runs samples and hands their outputs over as they come, in order. */
export type HostModel = (
  samples: readonly Sample[],
  take: (outputs: Sample, index: number) => void,
) => Promise<void>;

/**
 * Builds a model for this computer and lets `task` run it; memory stays bounded by the chunk.
 *
 * @param artifact compiled for `host`; @param host that board
 * @throws BurinError `tool/missing`, `internal/*`
 */
export async function withHostModel<T>(
  artifact: CompiledLibrary,
  host: Board,
  task: (model: HostModel) => Promise<T>,
): Promise<T> {
  const tools = await findToolchain(host.target);
  const perSample = [...artifact.inputs, ...artifact.outputs].reduce((sum, p) => sum + p.bytes, 0);
  const chunk = Math.max(1, Math.min(64, Math.floor(CHUNK_BYTES / perSample)));
  return await withWorkDir(async (folder) => {
    const library = await compileLibrary(artifact, host.target, tools, folder);
    const harness = harnessFiles(artifact, host.target, { samples: chunk, guard: 64 });
    const image = await linkHarness(library, harness, host.target, host, tools, folder);
    return await task(async (samples, take) => {
      for (let at = 0; at < samples.length; at += chunk) {
        const part = samples.slice(at, at + chunk);
        // The program takes a fixed number: the last sample fills up, its copies are not handed on.
        const full = Array.from({ length: chunk }, (_, i) => part[Math.min(i, part.length - 1)]);
        await Deno.writeFile(join(folder, "input.bin"), packSamples(full));
        const { code, stderr } = await execute(image, [], { cwd: folder, timeoutSeconds: 600 });
        if (code !== 0) throw exitError("this computer", code, stderr);
        readResult(await Deno.readTextFile(join(folder, "result.txt")), artifact);
        const file = await Deno.readFile(join(folder, "output.bin"));
        unpackSamples(file, artifact.outputs, part.length)
          .forEach((outputs, i) => take(outputs, at + i));
      }
    });
  });
}
