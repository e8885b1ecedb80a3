/** What the entry function executes, instruction by instruction, counted by a plugin of QEMU. */
import { join } from "@std/path";
import pluginSource from "../../templates/qemu/profile.c" with { type: "text" };
import { architectureOf } from "../target/architecture.ts";
import type { Board } from "../target/target.ts";
import { BurinError } from "../util/errors.ts";
import { CYCLE_MODELS } from "../target/cycle_model.ts";
import { type Profile, profileOf, readDisassembly, readRuns } from "./cycles.ts";
import { execute, findProgram } from "./process.ts";
import { executeQemu } from "./qemu.ts";
import type { Toolchain } from "./toolchain.ts";

/** A profile, or why there is none. */
export type Profiled =
  | { readonly profile: Profile; readonly absent: null }
  | { readonly profile: null; readonly absent: string };

/** A linked image with the files that it reads in its folder. */
export interface Image {
  readonly path: string;
  readonly folder: string;
  /** The function that is profiled. */
  readonly entry: string;
  /** The instructions of one call as the board's timer counted them, the mean over the calls. */
  readonly instructions: number;
  readonly timeoutSeconds: number;
}

const none = (absent: string): Profiled => ({ profile: null, absent });

/** The first line of what a program complained of. */
const firstLine = (text: string): string => text.trim().split("\n")[0].slice(0, 200);

/** QEMU 9 refuses plugins of the first version of the interface, earlier ones those of the second. */
const apiVersion = ({ qemuVersion }: Toolchain): number =>
  parseInt(qemuVersion ?? "0") >= 9 ? 2 : 1;

/** Compiles the plugin for this computer; the reason where that fails. */
async function buildPlugin(tools: Toolchain, folder: string): Promise<string | null> {
  const gcc = findProgram("gcc");
  if (gcc === null) return "gcc for this computer is not installed, which compiles the profiler";
  await Deno.writeTextFile(join(folder, "profile.c"), pluginSource);
  const options = ["-std=gnu11", "-shared", "-fPIC", "-O2", `-DAPI_VERSION=${apiVersion(tools)}`];
  const args = [...options, "-o", "profile.so", "profile.c"];
  const { code, stderr } = await execute(gcc, args, { cwd: folder });
  return code === 0 ? null : `gcc cannot compile the profiler: ${firstLine(stderr)}`;
}

/**
 * Executes an image once more and counts. Only Arm cores are known so far.
 * @param machineBoard whose machine executes
 */
export async function profileImage(
  image: Image,
  board: Board,
  machineBoard: Board,
  tools: Toolchain,
): Promise<Profiled> {
  const { target } = board;
  const architecture = architectureOf(target);
  const machine = machineBoard.machine;
  if (architecture === null || !machine) return none("this computer is not profiled");
  if (architecture.name !== "arm") return none(`instructions of ${target.cpu} are not classified`);
  const objdump = findProgram(`${target.prefix}objdump`);
  if (objdump === null) return none(`${target.prefix}objdump is not installed`);
  const refused = await buildPlugin(tools, image.folder);
  if (refused !== null) return none(refused);
  const listing = await execute(objdump, ["-d", image.path]);
  const instructions = readDisassembly(listing.stdout);
  const entry = instructions.find((i) => i.symbol === image.entry)?.address;
  if (entry === undefined) return none(`${image.entry} is not in the image`);
  const { folder, timeoutSeconds } = image;
  const plugin = ["-plugin", `./profile.so,entry=0x${entry.toString(16)},out=profile.txt`];
  try {
    await executeQemu(image.path, architecture, machine, tools, folder, timeoutSeconds, plugin);
  } catch (e) {
    if (!(e instanceof BurinError) || e.code !== "internal/run") throw e;
    return none(
      `${architecture.qemu.name} runs no plugin: ${firstLine(e.message.split("\n")[1] ?? "")}`,
    );
  }
  const { calls, runs } = readRuns(await Deno.readTextFile(join(folder, "profile.txt")));
  const profile = profileOf(instructions, runs, calls, CYCLE_MODELS[target.cpu] ?? null);
  const off = Math.abs(profile.instructions - image.instructions);
  return off <= 100 ? { profile, absent: null } : none(
    `the profiler counted ${profile.instructions} instructions, the timer ${image.instructions}`,
  );
}
