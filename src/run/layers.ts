/** Instructions of each generated kernel, counted by the machine that executes for a board. */
import { join } from "@std/path";
import type { Artifact } from "../project/mod.ts";
import { executingBoard } from "../target/boards.ts";
import { architectureOf } from "../target/architecture.ts";
import { type Board, isHost } from "../target/target.ts";
import { type BuildOptions, compileLibrary, linkHarness, writeTree } from "./build.ts";
import { harnessFiles, hookHeader, readResult } from "./harness.ts";
import { executeQemu } from "./qemu.ts";
import { packSamples, type Sample } from "./samples.ts";
import { findToolchain } from "./toolchain.ts";
import { withWorkDir } from "./workdir.ts";

/** Options of {@link measureLayers}. */
export interface LayerOptions extends BuildOptions {
  /** For the whole batch; default 600. */
  readonly timeoutSeconds?: number;
  /** Called with what is being done, before it takes time. */
  readonly progress?: (doing: string) => void;
}

/** Name of the header that defines the hook, in the harness's folder. */
const HOOK = "hook.h";

/**
 * Instructions of each kernel with its call, in the order of `artifact.kernels`: the mean over the
 * samples, rounded. The library is built once more for this, with a hook between its steps; the
 * image that counts the whole run has none.
 *
 * @returns null on this computer, which has no counter
 * @throws BurinError `tool/missing`, `internal/*`
 */
export async function measureLayers(
  artifact: Artifact,
  board: Board,
  samples: readonly Sample[],
  options: LayerOptions = {},
): Promise<readonly number[] | null> {
  const machine = executingBoard(board).machine;
  if (isHost(board.target) || !machine) return null;
  const tools = await findToolchain(board.target);
  options.progress?.(`counting the instructions of ${artifact.kernels.length} kernels`);
  return await withWorkDir(async (folder) => {
    await writeTree(join(folder, "harness"), new Map([[HOOK, hookHeader(artifact)]]));
    const build: BuildOptions = {
      ...options,
      extraFlags: [...(options.extraFlags ?? []), "-include", `harness/${HOOK}`],
    };
    const library = await compileLibrary(artifact, board.target, tools, folder, build);
    const { counter } = machine;
    const harness = harnessFiles(artifact, board.target, {
      samples: samples.length,
      guard: 0,
      counter,
      steps: artifact.kernels.length,
    });
    const { target } = board;
    const image = await linkHarness(
      library,
      harness,
      target,
      executingBoard(board),
      tools,
      folder,
      build,
    );
    await Deno.writeFile(join(folder, "input.bin"), packSamples(samples));
    await executeQemu(
      image,
      architectureOf(board.target)!,
      machine,
      tools,
      folder,
      options.timeoutSeconds ?? 600,
    );
    const text = await Deno.readTextFile(join(folder, "result.txt"));
    const { steps } = readResult(text, artifact, counter);
    return artifact.kernels.map((_, i) =>
      Math.round(steps.reduce((sum, s) => sum + s[i], 0) / steps.length)
    );
  });
}
