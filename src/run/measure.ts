/** Sizes of a compiled library, from its object files and from a link of nothing but it. */
import { join } from "@std/path";
import type { CompiledLibrary } from "../project/mod.ts";
import { isHost, type Target } from "../target/target.ts";
import { BurinError } from "../util/errors.ts";
import { type Library, picolibcFolder } from "./build.ts";
import { execute } from "./process.ts";
import type { Toolchain } from "./toolchain.ts";

/** One section of an object file or image. */
export interface Section {
  readonly name: string;
  readonly bytes: number;
  readonly allocated: boolean;
  readonly writable: boolean;
  readonly code: boolean;
}

/** Sizes in bytes; the fields are those of `run --json`. */
export interface Sizes {
  /** Machine code of the library and of the libgcc and libm members that it pulls in. */
  readonly codeBytes: number;
  /** Constants of the library. */
  readonly constBytes: number;
  /** .data and .bss of the library without its static arena. */
  readonly dataBytes: number;
}

/** Sections that exist for unwinding and notes: no part of what runs on a board. */
const IGNORED = /^\.(ARM\.|note|eh_frame|comment|gnu|rela?\.)/;

/** All sections of some object files or images, as readelf lists them. */
export async function readSections(
  tools: Toolchain,
  files: readonly string[],
  folder: string,
): Promise<Section[]> {
  const { code, stdout, stderr } = await execute(tools.readelf, ["-SW", ...files], { cwd: folder });
  if (code !== 0) {
    throw new BurinError("internal/readelf", `Cannot measure the library as ${stderr.trim()}`);
  }
  const row =
    /^ *\[ *\d+\] (\S+) +\S+ +[0-9a-f]+ [0-9a-f]+ ([0-9a-f]+) [0-9a-f]+ +([A-Za-z]*) +\d/gm;
  return [...stdout.matchAll(row)]
    .map(([, name, bytes, flags]) => ({
      name,
      bytes: parseInt(bytes, 16),
      allocated: flags.includes("A"),
      writable: flags.includes("W"),
      // Literals that the C compiler keeps beside its code, as a core without literal pools does.
      code: flags.includes("X") || /^\.s?rodata\.cst/.test(name),
    }))
    .filter((s) => !IGNORED.test(s.name));
}

/** Bytes of code that members of libgcc and libm contribute, from a linker map. */
export function libraryCodeBytes(map: string): number {
  const start = map.indexOf("Linker script and memory map");
  const row = /^ \.text\S*\s+0x[0-9a-f]+\s+0x([0-9a-f]+) (\S.*)$/gm;
  return [...map.slice(Math.max(0, start)).matchAll(row)]
    .filter(([, , from]) => /libgcc\.a\(|libm\.a\(|\(libm_/.test(from))
    .reduce((sum, [, bytes]) => sum + parseInt(bytes, 16), 0);
}

/** File of the library that is linked by itself. */
export const LINKED = "library.elf";

/** Links the library alone, its entry function as root, so that only its own needs are pulled in. */
async function pulledIn(
  artifact: CompiledLibrary,
  library: Library,
  target: Target,
  tools: Toolchain,
  folder: string,
): Promise<number> {
  const { code, stderr } = await execute(tools.gcc, [
    ...target.cflags,
    "-nostdlib",
    `-Wl,-e,${artifact.name}_run_in`,
    "-Wl,--gc-sections",
    "-Wl,-Map=library.map",
    ...library.objects,
    `-L${await picolibcFolder(target, tools)}`,
    "-Wl,--start-group",
    "-lc",
    "-lgcc",
    "-Wl,--end-group",
    "-o",
    LINKED,
  ], { cwd: folder });
  if (code !== 0) {
    throw new BurinError(
      "internal/library-link",
      `Cannot link ${artifact.name} by itself as the linker refuses:\n${stderr.trim()}`,
      "please report this with the model",
    );
  }
  return libraryCodeBytes(await Deno.readTextFile(join(folder, "library.map")));
}

/** Measures a compiled library. On this computer libgcc and libm are shared and not counted. */
export async function measureLibrary(
  artifact: CompiledLibrary,
  library: Library,
  target: Target,
  tools: Toolchain,
  folder: string,
): Promise<Sizes> {
  const sections = (await readSections(tools, library.objects, folder)).filter((s) => s.allocated);
  const wrapper = (await readSections(tools, library.staticObjects, folder)).filter((s) => s.code);
  const sum = (list: readonly Section[]) => list.reduce((total, s) => total + s.bytes, 0);
  const own = sum(sections.filter((s) => s.code)) + sum(wrapper);
  const pulled = isHost(target) ? 0 : await pulledIn(artifact, library, target, tools, folder);
  return {
    codeBytes: own + pulled,
    constBytes: sum(sections.filter((s) => !s.code && !s.writable)),
    dataBytes: sum(sections.filter((s) => s.writable)),
  };
}
