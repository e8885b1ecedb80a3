/** What has to hold for any file: a compiled model or a message that blames the file, soon. */
import { cpuUsage } from "node:process";
import { compileModel, type CompileOptions } from "../../src/compile.ts";
import { DEFAULTS } from "../../src/compile/defaults.ts";
import { loadBoard } from "../../src/target/boards.ts";
import { BurinError } from "../../src/util/errors.ts";

/** Longest time for one file, in milliseconds of the processor. */
const LIMIT = 5000;

const OPTIONS: CompileOptions = {
  board: loadBoard("mps2-an386"),
  fileStem: "model",
  ...DEFAULTS,
};

/** How the compiler answered. */
export interface Outcome {
  /** The code of the message, or `compiled`. */
  readonly code: string;
  readonly message: string;
}

/**
 * Compiles a file that may be anything.
 *
 * @throws Error for a failure that does not blame the file, for a message of the importer's own
 * about an operator that stumbled over what it should have refused, and for what takes too long
 */
export async function checkFile(
  bytes: Uint8Array,
  what: string,
  options: Partial<CompileOptions> = {},
): Promise<Outcome> {
  const start = cpuUsage();
  const outcome = await outcomeOf(bytes, what, { ...OPTIONS, ...options });
  const { user, system } = cpuUsage(start);
  const ms = (user + system) / 1000;
  if (ms > LIMIT) throw new Error(`${what}: took ${Math.round(ms)} ms`);
  return outcome;
}

async function outcomeOf(
  bytes: Uint8Array,
  what: string,
  options: CompileOptions,
): Promise<Outcome> {
  try {
    await compileModel(bytes, options);
    return { code: "compiled", message: "" };
  } catch (e) {
    if (!(e instanceof BurinError)) throw new Error(`${what}: ${e}`, { cause: e });
    if (e.exitCode !== 1) throw new Error(`${what}: ${e.code}: ${e.message}`, { cause: e });
    if (e.message.includes("do not fit together (")) {
      throw new Error(`${what}: an operator without a check: ${e.message}`);
    }
    return { code: e.code, message: e.message };
  }
}
