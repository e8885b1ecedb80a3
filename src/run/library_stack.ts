/** The most stack that a library takes, bounded without a run of it. */
import type { CompiledLibrary } from "../project/mod.ts";
import { type Board, isHost } from "../target/target.ts";
import { BurinError } from "../util/errors.ts";
import { compileLibrary } from "./build.ts";
import { LINKED, measureLibrary } from "./measure.ts";
import { measureStack, type StackBound } from "./stack.ts";
import { findToolchain } from "./toolchain.ts";
import { withWorkDir } from "./workdir.ts";

/** The stack of a library's entry function as it is built for a board, or why there is no bound. */
export async function libraryStack(library: CompiledLibrary, board: Board): Promise<StackBound> {
  const { target } = board;
  if (isHost(target)) return { functions: null, absent: "this computer's is not counted" };
  try {
    const tools = await findToolchain(target);
    return await withWorkDir(async (folder) => {
      const built = await compileLibrary(library, target, tools, folder);
      await measureLibrary(library, built, target, tools, folder);
      return await measureStack(`${library.name}_run_in`, LINKED, built.objects, target, folder);
    });
  } catch (e) {
    if (!(e instanceof BurinError) || !e.code.startsWith("tool/")) throw e;
    return { functions: null, absent: e.message };
  }
}
