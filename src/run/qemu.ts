/** Executing an image under QEMU. */
import type { Architecture } from "../target/architecture.ts";
import type { Machine } from "../target/target.ts";
import { BurinError } from "../util/errors.ts";
import { execute } from "./process.ts";
import type { Toolchain } from "./toolchain.ts";

/** What the harness's own exit codes mean. */
export const EXIT_REASONS: Readonly<Record<number, string>> = {
  3: "the harness could not open its files",
  4: "the harness read too few bytes of input",
  5: "the harness could not write its outputs",
  6: "the harness could not close its files",
  9: "the processor took a fault",
};

/** The error for a harness that did not end well. */
export const exitError = (engine: string, code: number, stderr: string): BurinError =>
  new BurinError(
    "internal/run",
    `Cannot finish the run on ${engine} as ${EXIT_REASONS[code] ?? `it ended with ${code}`}${
      stderr.trim() === "" ? "" : `:\n${stderr.trim().slice(0, 4000)}`
    }`,
    "please report this with the model",
  );

/**
 * Runs an image to its end; its files are read and written in `folder` through semihosting.
 * Counting instructions (`-icount`) makes every run the same.
 * @param more further arguments
 * @throws BurinError `internal/run` where it ends with another code than 0, `tool/timeout`
 */
export async function executeQemu(
  image: string,
  architecture: Architecture,
  machine: Machine,
  tools: Toolchain,
  folder: string,
  timeoutSeconds: number,
  more: readonly string[] = [],
): Promise<void> {
  const { code, stderr } = await execute(tools.qemu!, [
    "-M",
    machine.name,
    ...(machine.cpu === undefined ? [] : ["-cpu", machine.cpu]),
    ...architecture.qemuArguments,
    "-device",
    `loader,file=${image.replaceAll(",", ",,")},cpu-num=0`,
    "-display",
    "none",
    "-monitor",
    "none",
    "-serial",
    "none",
    "-nic",
    "none",
    "-chardev",
    "stdio,id=console",
    "-icount",
    `shift=${machine.counter.shift}`,
    "-semihosting-config",
    "enable=on,target=native,chardev=console",
    ...more,
  ], { cwd: folder, timeoutSeconds });
  if (code !== 0) throw exitError(machine.name, code, stderr);
}
