/** A folder for the time of one task, gone afterwards however the task ends. */
import { BurinError } from "../util/errors.ts";
import { endAll } from "./process.ts";

const SIGNALS: readonly Deno.Signal[] = Deno.build.os === "windows"
  ? ["SIGINT"]
  : ["SIGINT", "SIGTERM", "SIGHUP"];

/**
 * Calls `undo` where the process is interrupted during `task`, then leaves with 130 as a shell
 * expects.
 */
export async function undoOnInterrupt<T>(undo: () => void, task: () => Promise<T>): Promise<T> {
  const interrupted = () => {
    endAll();
    undo();
    Deno.exit(130);
  };
  for (const signal of SIGNALS) Deno.addSignalListener(signal, interrupted);
  try {
    return await task();
  } catch (e) {
    // Ctrl-C reaches tools too: one that ends by it may be heard of before the signal is.
    await new Promise((done) => setTimeout(done, 100));
    throw e;
  } finally {
    for (const signal of SIGNALS) Deno.removeSignalListener(signal, interrupted);
  }
}

/** A tool that is being ended may still write into a folder that is being removed. */
function removePatiently(folder: string): void {
  for (let tries = 0; tries < 20; tries++) {
    try {
      return Deno.removeSync(folder, { recursive: true });
    } catch (e) {
      if (e instanceof Deno.errors.NotFound) return;
      // The process may be about to leave, so this waits without giving others a turn.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 25);
    }
  }
}

/**
 * Runs `task` in a fresh temporary folder and removes it afterwards, on errors and Ctrl-C too.
 * @throws BurinError `data/no-temporary-folder`
 */
export async function withWorkDir<T>(task: (folder: string) => Promise<T>): Promise<T> {
  let folder: string;
  try {
    folder = Deno.makeTempDirSync({ prefix: "burin-" });
  } catch (e) {
    throw new BurinError(
      "data/no-temporary-folder",
      `Cannot make a temporary folder as ${(e as Error).message}`,
      "point TMPDIR at a folder that can be written",
    );
  }
  const remove = () => removePatiently(folder);
  try {
    return await undoOnInterrupt(remove, () => task(folder));
  } finally {
    remove();
  }
}
