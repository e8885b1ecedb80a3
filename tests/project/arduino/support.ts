/** Building sketches with Debian's arduino-builder and the stand-in core, executing them with QEMU. */
import { cpSync } from "node:fs";
import { join } from "@std/path";
import { fileURLToPath } from "node:url";
import { compile, type Project, type ProjectRequest } from "../../../src/cli/compile.ts";
import { picolibcFolder, stackBytes } from "../../../src/run/build.ts";
import { execute } from "../../../src/run/process.ts";
import { findToolchain } from "../../../src/run/toolchain.ts";
import { executingBoard } from "../../../src/target/boards.ts";
import { type Board, memoryBlocks } from "../../../src/target/target.ts";
import { testTool } from "../../../tools/test_tools.ts";

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** Path of a file of the project's own, from its root. */
export const root = (path: string): string => here(`../../../${path}`);

/** Where Debian keeps the properties by which arduino-builder finds arduino-ctags. */
const BUILDER_HARDWARE = "/usr/share/arduino-builder";

/** Compiles a model into `libraries/` of a folder, as `compile --project arduino` does. */
export const makeLibrary = (folder: string, request: ProjectRequest): Promise<Project> =>
  compile({ ...request, project: "arduino", out: join(folder, "libraries", "Generated") });

/** How a sketch is built. */
export interface SketchOptions {
  /** Optimisation and arithmetic flags of the core; default `-Os`. */
  readonly flags?: string;
  /** Turns of `loop` before QEMU ends; default 1. */
  readonly loops?: number;
  /** Further folders of libraries. */
  readonly libraries?: readonly string[];
}

/**
 * Builds a sketch with the library in `libraries/` of the folder.
 * @param sketch path of the .ino
 * @returns path of the image
 * @throws Error with what arduino-builder said
 */
export async function buildSketch(
  folder: string,
  sketch: string,
  board: Board,
  options: SketchOptions = {},
): Promise<string> {
  testTool("arduino-ctags");
  const tools = await findToolchain(board.target);
  const machineBoard = executingBoard(board);
  const libc = await picolibcFolder(board.target, tools);
  const [flash] = memoryBlocks(machineBoard, "flash");
  const [ram] = memoryBlocks(machineBoard, "ram");
  const symbols = {
    __flash: flash.base,
    __flash_size: flash.bytes,
    __ram: ram.base,
    __ram_size: ram.bytes,
    __stack_size: stackBytes(machineBoard),
  };
  const prefs = {
    "build.cpu_flags": board.target.cflags.join(" "),
    "build.flags": options.flags ?? "-Os",
    "build.clock_hz": `${machineBoard.machine!.counter.hz}`,
    "build.loops": `${options.loops ?? 1}`,
    "build.libc_include": `${tools.picolibc}/include`,
    "build.libc_start": `${libc}/crt0-hosted.o`,
    "build.link_flags": [
      `-T ${tools.picolibc}/lib/picolibc.ld -L${libc}`,
      ...Object.entries(symbols).map(([name, value]) => `-Wl,--defsym=${name}=${value}`),
    ].join(" "),
  };
  const name = sketch.split("/").at(-1)!;
  const build = join(folder, `build-${name}`);
  Deno.mkdirSync(build, { recursive: true });
  const libraries = [join(folder, "libraries"), ...options.libraries ?? []];
  const { code, stdout, stderr } = await execute(testTool("arduino-builder"), [
    "-compile",
    ...[BUILDER_HARDWARE, here("hardware")].flatMap((path) => ["-hardware", path]),
    ...["-tools", "/usr/bin"],
    ...["-fqbn", "burin:standin:machine"],
    ...libraries.flatMap((path) => ["-libraries", path]),
    ...["-build-path", build],
    ...Object.entries(prefs).flatMap(([key, value]) => ["-prefs", `${key}=${value}`]),
    sketch,
  ], { cwd: folder, timeoutSeconds: 300 });
  if (code !== 0) throw new Error(`arduino-builder refuses ${name}:\n${stdout}${stderr}`);
  return join(build, `${name}.elf`);
}

/** Executes an image on the machine of a board or its stand-in; returns what Serial printed. */
export async function runSketch(image: string, board: Board): Promise<string> {
  const tools = await findToolchain(board.target);
  const machine = executingBoard(board).machine!;
  const { code, stdout, stderr } = await execute(tools.qemu!, [
    ...["-M", machine.name, "-kernel", image],
    ...["-display", "none", "-monitor", "none", "-serial", "none", "-nic", "none"],
    ...["-chardev", "stdio,id=console", "-icount", `shift=${machine.counter.shift}`],
    ...["-semihosting-config", "enable=on,target=native,chardev=console"],
  ], { timeoutSeconds: 120 });
  if (code !== 0) throw new Error(`the sketch ends with ${code}:\n${stdout}${stderr}`);
  return stdout;
}

/** Path of one of the library's own example sketches. */
export const exampleSketch = (folder: string, name: string): string =>
  join(folder, "libraries", "Generated", "examples", name, `${name}.ino`);

/** A copy of the stand-in libraries, which a test completes; returns its folder. */
export function stubLibraries(folder: string): string {
  const copy = join(folder, "stand-in libraries");
  cpSync(here("libraries"), copy, { recursive: true });
  return copy;
}
