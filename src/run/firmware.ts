/** Linking for a real board against its own memory map, which proves that the model fits. */
import { join } from "@std/path";
import mainTemplate from "../../templates/board/main.c.hbs" with { type: "text" };
import { linkerScript, placedIn, startupFiles } from "../project/board_files.ts";
import type { CompiledLibrary, Port } from "../project/mod.ts";
import { type Board, memoryBlocks } from "../target/target.ts";
import { render } from "../util/template.ts";
import { type Library, linkImage, picolibcFolder, writeTree } from "./build.ts";
import { readSections } from "./measure.ts";
import { tooLarge } from "./overflow.ts";
import type { Toolchain } from "./toolchain.ts";

/** What of the board's memory a linked firmware image takes, in bytes. */
export interface Firmware {
  /** Bytes of flash that the image takes. */
  readonly flashUsed: number;
  /** Bytes of flash that the board has. */
  readonly flashBytes: number;
  /** Bytes of RAM that the image takes, its stack included. */
  readonly ramUsed: number;
  /** Bytes of RAM that the board has. */
  readonly ramBytes: number;
}

/** A main that calls `NAME_run` on buffers of its own. */
export function firmwareMain(artifact: CompiledLibrary): string {
  const buffer = (p: Port, kind: string) => `${p.cName}_${kind}`;
  const init = (ports: readonly Port[], kind: string, constant: string) =>
    ports.map((p) =>
      p.placement.where === "arena"
        ? `.${p.cName} = 0`
        : `.${p.cName} = (${constant}${p.cType} *)${buffer(p, kind)}`
    ).join(", ");
  const callers = (ports: readonly Port[], kind: string) =>
    ports.filter((p) => p.placement.where === "caller")
      .map((p) => ({ c_name: buffer(p, kind), bytes: p.bytes }));
  return render(mainTemplate, {
    name: artifact.name,
    align: Math.max(16, ...artifact.regions.map((r) => r.align)),
    buffers: [...callers(artifact.inputs, "input"), ...callers(artifact.outputs, "output")],
    inputs_init: init(artifact.inputs, "input", "const "),
    outputs_init: init(artifact.outputs, "output", ""),
  }, "board/main.c.hbs");
}

/**
 * Links the library, its static arena and a minimal main for the board.
 * @param stackBytes what the stack needs, as measured on the machine that executes
 * @throws BurinError `board/does-not-fit` where a memory is too small
 */
export async function linkFirmware(
  artifact: CompiledLibrary,
  library: Library,
  board: Board,
  tools: Toolchain,
  folder: string,
  stackBytes: number,
): Promise<Firmware> {
  const startup = startupFiles(board);
  await writeTree(
    join(folder, "firmware"),
    new Map([
      ["main.c", firmwareMain(artifact)],
      ...startup,
      ["link.ld", linkerScript(board, stackBytes, placedIn([artifact]))],
    ]),
  );
  const path = join(folder, "firmware.elf");
  await linkImage(tools, board, folder, [
    `-I${library.include}`,
    "firmware/main.c",
    ...[...startup.keys()].map((name) => `firmware/${name}`),
    ...library.objects,
    ...library.staticObjects,
    "-nostdlib",
    "-T",
    "firmware/link.ld",
    `-L${await picolibcFolder(board.target, tools)}`,
    "-Wl,--gc-sections",
    "-Wl,--start-group",
    "-lc",
    "-lgcc",
    "-Wl,--end-group",
    "-o",
    path,
  ], (used) => tooLarge(board, used, "the firmware", [...artifact.inputs, ...artifact.outputs]));
  const sections = (await readSections(tools, [path], folder)).filter((s) => s.allocated);
  const sum = (list: typeof sections) => list.reduce((total, s) => total + s.bytes, 0);
  const loaded = sections.filter((s) => !s.writable || s.name === ".data");
  return {
    flashUsed: sum(loaded),
    flashBytes: memoryBlocks(board, "flash")[0].bytes,
    ramUsed: sum(sections.filter((s) => s.writable)),
    ramBytes: memoryBlocks(board, "ram")[0].bytes,
  };
}
