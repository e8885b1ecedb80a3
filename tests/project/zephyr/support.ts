/**
 * Generated modules with a stand-in for Zephyr: their Kconfig is read by kconfiglib, their CMake is
 * run by CMake, the image is executed by QEMU. What is stood in for is Zephyr's own part alone.
 */
import { join } from "@std/path";
import { fileURLToPath } from "node:url";
import { compile, type Project, type ProjectRequest } from "../../../src/cli/compile.ts";
import { counterSource } from "../../../src/project/counter.ts";
import { picolibcFolder, stackBytes } from "../../../src/run/build.ts";
import { execute } from "../../../src/run/process.ts";
import { findToolchain } from "../../../src/run/toolchain.ts";
import { executingBoard } from "../../../src/target/boards.ts";
import { type Board, memoryBlocks, type Target } from "../../../src/target/target.ts";
import { SYSTEM_PYTHON, testTool } from "../../../tools/test_tools.ts";

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const STANDIN = here("./standin");

/** Path of a file of the project's own, from its root. */
export const root = (path: string): string => here(`../../../${path}`);

/** Compiles models into `module/` of a folder, as `compile --project zephyr` does. */
export const makeModule = (folder: string, request: ProjectRequest): Promise<Project> =>
  compile({ ...request, project: "zephyr", out: join(folder, "module") });

/** The symbols of Zephyr's Kconfig that hold for a core. */
export function coreSymbols(t: Target): string[] {
  const cpu = t.cpu.toUpperCase().replaceAll("-", "_");
  const mainline = /m3|m4|m7|m33|m55/.test(t.cpu);
  const v8 = /m33|m55/.test(t.cpu);
  const dsp = t.features.includes("dsp");
  return [
    "CPU_CORTEX_M",
    `CPU_${cpu}`,
    "CORTEX_M_SYSTICK",
    ...(mainline ? ["ARMV7_M_ARMV8_M_MAINLINE", "CPU_CORTEX_M_HAS_DWT"] : []),
    ...(v8 && dsp ? ["ARMV8_M_DSP"] : []),
    ...(t.features.includes("mve") ? ["ARMV8_1_M_MVEI"] : []),
    ...(t.features.includes("fpu") ? ["CPU_HAS_FPU"] : []),
  ];
}

/** What surrounds an application. */
export interface Surroundings {
  /** Lines of a further configuration file. */
  readonly conf?: readonly string[];
  /** Properties of the devicetree's /chosen. */
  readonly chosen?: readonly string[];
  /** Symbols of the core in place of the board's own. */
  readonly symbols?: readonly string[];
}

/**
 * Values of the module's symbols after configuration files.
 * @throws Error with kconfiglib's warnings and the assignments that did not take
 */
export async function kconfigValues(
  folder: string,
  t: Target,
  { conf = [], chosen = [], symbols = coreSymbols(t) }: Surroundings = {},
): Promise<Record<string, string>> {
  testTool("kconfiglib");
  const file = join(folder, "kconfig.conf");
  Deno.writeTextFileSync(file, conf.map((line) => `${line}\n`).join(""));
  const { code, stdout, stderr } = await execute(SYSTEM_PYTHON, [
    "-B", // no compiled copy beside the sources
    join(STANDIN, "kconfig.py"),
    "--root",
    join(STANDIN, "Kconfig"),
    "--module",
    join(folder, "module/zephyr/Kconfig"),
    "--symbols",
    symbols.join(" "),
    "--chosen",
    chosen.join(" "),
    file,
  ]);
  if (code !== 0) throw new Error(stderr);
  return JSON.parse(stdout);
}

/** Arguments that link an image for the machine which executes for the board. */
async function linkArguments(board: Board): Promise<string[]> {
  const tools = await findToolchain(board.target);
  const libc = await picolibcFolder(board.target, tools);
  const machineBoard = executingBoard(board);
  const [flash] = memoryBlocks(machineBoard, "flash");
  const [ram] = memoryBlocks(machineBoard, "ram");
  const symbols = {
    __flash: flash.base,
    __flash_size: flash.bytes,
    __ram: ram.base,
    __ram_size: ram.bytes,
    __stack_size: stackBytes(machineBoard),
  };
  return [
    ...board.target.cflags,
    "-nostdlib",
    "-Wl,-e,boot",
    "-T",
    `${tools.picolibc}/lib/picolibc.ld`,
    `-L${libc}`,
    `${libc}/crt0-hosted.o`,
    ...Object.entries(symbols).map(([name, value]) => `-Wl,--defsym=${name}=${value}`),
    "-Wl,--start-group",
    "-lc",
    "-lm",
    "-lsemihost",
    "-lgcc",
    "-Wl,--end-group",
  ];
}

/**
 * Configures and builds an application of the module with CMake and Ninja.
 * @param application its folder in the module: `samples/kws`
 * @returns the folder of the build; the image is `zephyr_final` in it
 * @throws Error with what CMake, kconfiglib or the compiler said
 */
export async function buildApplication(
  folder: string,
  application: string,
  board: Board,
  { conf = [], chosen = [], symbols = coreSymbols(board.target) }: Surroundings = {},
): Promise<string> {
  testTool("kconfiglib");
  const tools = await findToolchain(board.target);
  const { counter } = executingBoard(board).machine!;
  const build = join(folder, `build ${application.replaceAll("/", " ")}`);
  await Deno.mkdir(join(build, "counter"), { recursive: true });
  Deno.writeTextFileSync(
    join(build, "counter/counter.h"),
    "#include <stdint.h>\n" + counterSource(counter, "arm_systick_isr"),
  );
  Deno.writeTextFileSync(join(build, "extra.conf"), conf.map((line) => `${line}\n`).join(""));
  const definitions = {
    CMAKE_SYSTEM_NAME: "Generic",
    CMAKE_TRY_COMPILE_TARGET_TYPE: "STATIC_LIBRARY",
    CMAKE_C_COMPILER: tools.gcc,
    CMAKE_C_COMPILER_AR: `${board.target.prefix}gcc-ar`,
    Zephyr_DIR: join(STANDIN, "cmake"),
    BOARD: board.zephyr?.replaceAll(/[/@]/g, "_") ?? board.name,
    EXTRA_ZEPHYR_MODULES: join(folder, "module"),
    EXTRA_CONF_FILE: join(build, "extra.conf"),
    STANDIN_PYTHON: SYSTEM_PYTHON,
    STANDIN_SYMBOLS: [...symbols, "QEMU_TARGET", "QEMU_ICOUNT"].join(" "),
    STANDIN_CHOSEN: chosen.join(" "),
    STANDIN_COUNTER: join(build, "counter"),
    STANDIN_CFLAGS: [...board.target.cflags, "-isystem", `${tools.picolibc}/include`].join(";"),
    STANDIN_LINK: (await linkArguments(board)).join(";"),
  };
  const done = await execute(testTool("cmake"), [
    "-GNinja",
    "-S",
    join(folder, "module", application),
    "-B",
    build,
    ...Object.entries(definitions).map(([name, value]) => `-D${name}=${value}`),
  ]);
  if (done.code !== 0) throw new Error(done.stdout + done.stderr);
  const { code, stdout } = await execute(testTool("ninja"), ["-C", build], { timeoutSeconds: 300 });
  if (code !== 0) throw new Error(stdout);
  return build;
}

/** Executes a built application under QEMU and returns what it prints and its exit code. */
export async function executeApplication(
  build: string,
  board: Board,
): Promise<{ code: number; lines: string[] }> {
  const tools = await findToolchain(board.target);
  const machine = executingBoard(board).machine!;
  const image = join(build, "zephyr_final");
  const { code, stdout } = await execute(tools.qemu!, [
    "-M",
    machine.name,
    "-device",
    `loader,file=${image.replaceAll(",", ",,")},cpu-num=0`,
    ..."-display none -monitor none -serial none -nic none -chardev stdio,id=console".split(" "),
    "-icount",
    `shift=${machine.counter.shift}`,
    "-semihosting-config",
    "enable=on,target=native,chardev=console",
  ], { cwd: build });
  return { code, lines: stdout.trimEnd().split("\n") };
}
