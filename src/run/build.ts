/** Compiling the generated library and linking it to something that can be executed or flashed. */
import { dirname, join } from "@std/path";
import type { CompiledLibrary } from "../project/mod.ts";
import { architectureOf } from "../target/architecture.ts";
import type { Room } from "../target/room.ts";
import { type Board, isHost, memoryBlocks, type Target } from "../target/target.ts";
import { BurinError } from "../util/errors.ts";
import { overflowOf, tooLarge, USAGE_FLAG } from "./overflow.ts";
import { execute } from "./process.ts";
import { FRAMES_FLAG } from "./stack.ts";
import type { Toolchain } from "./toolchain.ts";

/** The flags that generated sources have to be clean under. */
export const LIBRARY_FLAGS: readonly string[] = [
  "-std=c99",
  "-Wall",
  "-Wextra",
  "-Wpedantic",
  "-Wconversion",
  "-Werror",
  "-ffp-contract=off",
];

/** Options of a build. */
export interface BuildOptions {
  /** Optimisation of the C compiler; default `-O2`. */
  readonly optimisation?: string;
  /** Further flags for compiling and linking, such as `-fsanitize=address,undefined`. */
  readonly extraFlags?: readonly string[];
}

/** A compiled library. */
export interface Library {
  /** Object files of everything but the static arena. */
  readonly objects: readonly string[];
  /** Object file of `NAME_run` and its arena. */
  readonly staticObjects: readonly string[];
  readonly include: string;
}

/** Flags that every compilation for the target needs. */
export const targetFlags = (target: Target, tools: Toolchain): string[] => [
  ...target.cflags,
  ...(tools.picolibc ? ["-isystem", `${tools.picolibc}/include`] : []),
];

async function gcc(
  tools: Toolchain,
  args: readonly string[],
  cwd: string,
  doing: string,
  overflowError?: (used: Room) => BurinError,
) {
  const { code, stdout, stderr } = await execute(tools.gcc, args, { cwd, timeoutSeconds: 300 });
  if (code === 0) return;
  const overflow = overflowOf(stdout, stderr);
  if (overflow && overflowError) throw overflowError(overflow);
  const flag = /error: (unrecognized .*)/.exec(stderr);
  if (flag) {
    throw new BurinError(
      "board/flags",
      `Cannot ${doing} as the C compiler says: ${flag[1]}`,
      "check target.cflags in the board's file",
    );
  }
  throw new BurinError(
    "internal/c-compiler",
    `Cannot ${doing} as the C compiler refuses:\n${stderr.trim()}`,
    "please report this with the model",
  );
}

/** Writes files (path → text) under a folder. */
export async function writeTree(folder: string, files: ReadonlyMap<string, string>): Promise<void> {
  for (const [path, text] of files) {
    await Deno.mkdir(join(folder, dirname(path)), { recursive: true });
    await Deno.writeTextFile(join(folder, path), text);
  }
}

/**
 * Compiles the library's sources, each on its own, without a warning.
 * @param folder a work folder; sources go to `library/` in it
 * @throws BurinError `internal/c-compiler` with what the compiler said
 */
export async function compileLibrary(
  artifact: CompiledLibrary,
  target: Target,
  tools: Toolchain,
  folder: string,
  options: BuildOptions = {},
): Promise<Library> {
  await writeTree(join(folder, "library"), artifact.sources);
  const sources = [...artifact.sources.keys()].filter((path) => path.endsWith(".c"));
  const objectOf = (source: string) =>
    join(folder, `${source.split("/").at(-1)!.slice(0, -".c".length)}.o`);
  await Promise.all(sources.map((source) =>
    gcc(
      tools,
      [
        ...targetFlags(target, tools),
        ...LIBRARY_FLAGS,
        options.optimisation ?? "-O2",
        ...(isHost(target) ? [] : [FRAMES_FLAG]),
        ...(options.extraFlags ?? []),
        "-Ilibrary/include",
        "-c",
        join("library", source),
        "-o",
        objectOf(source),
      ],
      folder,
      `compile ${source}`,
    )
  ));
  const isStatic = (source: string) => source.endsWith(`${artifact.name}_static.c`);
  return {
    objects: sources.filter((s) => !isStatic(s)).map(objectOf),
    staticObjects: sources.filter(isStatic).map(objectOf),
    include: "library/include",
  };
}

/** Folder of picolibc's libraries for the target's flags. */
export async function picolibcFolder(target: Target, tools: Toolchain): Promise<string> {
  const { stdout } = await execute(tools.gcc, [...target.cflags, "-print-multi-directory"]);
  const multi = stdout.trim();
  for (const folder of [`lib/release/${multi}`, `lib/${multi}`]) {
    const path = `${tools.picolibc}/${folder}`;
    try {
      Deno.statSync(`${path}/libc.a`);
      return path;
    } catch { // The other layout.
    }
  }
  throw new BurinError(
    "tool/picolibc",
    `Cannot link for ${target.cpu} as picolibc has no libraries for ${target.cflags.join(" ")}`,
    `install a complete ${architectureOf(target)!.picolibc.packages.join(" ")}`,
  );
}

/** Links an image for a board with its target's flags; `args` name sources, objects and script. */
export const linkImage = (
  tools: Toolchain,
  board: Board,
  folder: string,
  args: readonly string[],
  overflowError: (used: Room) => BurinError,
): Promise<void> =>
  gcc(
    tools,
    [...targetFlags(board.target, tools), "-std=gnu11", "-O2", USAGE_FLAG, ...args],
    folder,
    `link for ${board.name}`,
    overflowError,
  );

const hex = (n: number) => `0x${n.toString(16)}`;

/** Stack of the image that QEMU runs, in bytes: generous, since what is used is measured. */
export const stackBytes = (board: Board): number =>
  Math.min(65536, memoryBlocks(board, "ram")[0].bytes >> 2);

/**
 * Links library and harness for the machine of `machineBoard`, with the flags of `target`.
 * @returns path of the image
 */
export async function linkHarness(
  library: Library,
  harness: ReadonlyMap<string, string>,
  target: Target,
  machineBoard: Board,
  tools: Toolchain,
  folder: string,
  options: BuildOptions = {},
): Promise<string> {
  await writeTree(join(folder, "harness"), harness);
  return await linkPrograms(
    [
      ...(options.extraFlags ?? []),
      `-I${library.include}`,
      "-Iharness",
      "harness/main.c",
      ...library.objects,
    ],
    target,
    machineBoard,
    tools,
    folder,
  );
}

/**
 * Links a program for the machine of `machineBoard`, with the flags of `target`.
 * @param inputs sources, objects and further flags
 * @returns path of the image
 */
export async function linkPrograms(
  inputs: readonly string[],
  target: Target,
  machineBoard: Board,
  tools: Toolchain,
  folder: string,
): Promise<string> {
  const program = join(folder, isHost(target) ? "harness.exe" : "harness.elf");
  const compile = [...targetFlags(target, tools), "-std=gnu11", "-O2", ...inputs, "-o", program];
  const doing = `link for ${machineBoard.name}`;
  if (isHost(target)) {
    await gcc(tools, [...compile, "-lm"], folder, doing);
    return program;
  }
  const libraries = await picolibcFolder(target, tools);
  const [flash] = memoryBlocks(machineBoard, "flash");
  const [ram] = memoryBlocks(machineBoard, "ram");
  const symbols = {
    __flash: flash.base,
    __flash_size: flash.bytes,
    __ram: ram.base,
    __ram_size: ram.bytes,
    __stack_size: stackBytes(machineBoard),
  };
  await gcc(
    tools,
    [
      ...compile,
      "-nostdlib",
      "-Wl,-e,boot",
      USAGE_FLAG,
      "-T",
      `${tools.picolibc}/lib/picolibc.ld`,
      `-L${libraries}`,
      `${libraries}/crt0-hosted.o`,
      ...Object.entries(symbols).map(([name, value]) => `-Wl,--defsym=${name}=${hex(value)}`),
      "-Wl,--start-group",
      "-lc",
      "-lsemihost",
      "-lgcc",
      "-Wl,--end-group",
    ],
    folder,
    doing,
    (used) => tooLarge(machineBoard, used, "the program that measures the model", []),
  );
  return program;
}
