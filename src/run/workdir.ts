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
  } finally {
    for (const signal of SIGNALS) Deno.removeSignalListener(signal, interrupted);
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
  const remove = () => {
    try {
      Deno.removeSync(folder, { recursive: true });
    } catch { // A tool that is being ended may still write; the system clears its own folder.
    }
  };
  try {
    return await undoOnInterrupt(remove, () => task(folder));
  } finally {
    remove();
  }
}
