/** The tools that compile and execute what Burin writes: where they are, how to get them. */
import { type Architecture, architectureOf, ARCHITECTURES } from "../target/architecture.ts";
import type { Target } from "../target/target.ts";
import { BurinError } from "../util/errors.ts";
import { execute, findProgram } from "./process.ts";

/** What the package manager can bring. */
export interface Installable {
  /** What it goes by in messages and in `tools/setup.ts`. */
  readonly name: string;
  /** Packages of Debian and Ubuntu that bring it. */
  readonly packages: readonly string[];
  /** Path of the program or folder of the library, or null. */
  readonly find: () => string | null;
}

/** One tool. */
export interface Tool extends Installable {
  readonly purpose: string;
  /** Oldest major version (with minor, for libraries) that is known to do. */
  readonly minimum: string;
  /** The version of what was found. */
  readonly version: (path: string) => Promise<string>;
}

/** Where distributions put picolibc. */
function picolibcFolders({ prefix }: Architecture): string[] {
  const triple = prefix.slice(0, -1);
  return [
    `/usr/lib/picolibc/${triple}`,
    `/usr/local/picolibc/${triple}`,
    `/usr/local/lib/picolibc/${triple}`,
    `/usr/${triple}/picolibc`,
  ];
}

function readable(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

const gccVersion = async (path: string) =>
  (await execute(path, ["-dumpfullversion"])).stdout.trim();

/** Debian splits the C library's headers from gcc; elsewhere they come with it. */
const hostHeaders = () =>
  Deno.build.os !== "linux" || readable("/usr/include/stdio.h") ||
  !readable("/usr/bin/apt-get");

/** The tools that firmware of one architecture needs. */
const crossTools = (architecture: Architecture): Tool[] => [
  {
    ...architecture.gcc,
    purpose: `compiles the generated C for ${architecture.cores}`,
    find: () => findProgram(architecture.gcc.name),
    version: gccVersion,
  },
  {
    ...architecture.picolibc,
    purpose: `C library, start-up code and semihosting of the firmware for ${architecture.cores}`,
    find: () =>
      picolibcFolders(architecture).find((folder) => readable(`${folder}/lib/picolibc.ld`)) ?? null,
    version: async (folder) => {
      const header = await Deno.readTextFile(`${folder}/include/picolibc.h`);
      return /_PICOLIBC_VERSION\s+"([^"]+)"/.exec(header)?.[1] ?? "unknown";
    },
  },
  {
    ...architecture.qemu,
    purpose: `executes the firmware for ${architecture.cores} and counts its instructions`,
    find: () => findProgram(architecture.qemu.name),
    version: async (path) =>
      /version ([0-9.]+)/.exec((await execute(path, ["--version"])).stdout)?.[1] ?? "unknown",
  },
];

/** All tools, in the order in which doctor shows them. */
export const TOOLS: readonly Tool[] = [
  ...ARCHITECTURES.flatMap(crossTools),
  {
    name: "gcc",
    purpose: "compiles the generated C for board host, this computer, and QEMU's profiler",
    packages: ["gcc", "libc6-dev"],
    minimum: "9",
    find: () => hostHeaders() ? findProgram("gcc") : null,
    version: gccVersion,
  },
];

/** Whether version `found` is at least `minimum`; unknown versions pass. */
export function recentEnough(found: string, minimum: string): boolean {
  const [a, b] = [found, minimum].map((v) => v.split(".").map(Number));
  for (let i = 0; i < b.length; i++) {
    if (Number.isNaN(a[i] ?? 0)) return true;
    if ((a[i] ?? 0) !== b[i]) return (a[i] ?? 0) > b[i];
  }
  return true;
}

/** Tools that building for a target and executing the result need, the compiler first. */
export function toolsFor(target: Target): readonly string[] {
  const architecture = architectureOf(target);
  if (architecture === null) return ["gcc"];
  return [architecture.gcc.name, architecture.picolibc.name, architecture.qemu.name];
}

/** Tools by their names. */
export const named = (names: readonly string[]): Tool[] =>
  TOOLS.filter((t) => names.includes(t.name));

/** Those of the named tools that are not installed. */
export const missingTools = (names: readonly string[]): Tool[] =>
  named(names).filter((t) => t.find() === null);

/** The one command that installs what `tools` come in. */
export function installCommand(tools: readonly Installable[]): string {
  const packages = tools.flatMap((t) => t.packages).join(" ");
  if (findProgram("apt-get") === null && !readable("/usr/bin/apt-get")) {
    return `install these packages (Debian's names) with your system's package manager: ${packages}`;
  }
  const sudo = Deno.build.os === "linux" && Deno.uid() === 0 ? "" : "sudo ";
  return `${sudo}apt-get update && ${sudo}apt-get install --yes --no-install-recommends ${packages}`;
}

/** The error for tools that are missing; its hint is the command that installs them. */
export const missingError = (tools: readonly Tool[], why: string): BurinError =>
  new BurinError(
    "tool/missing",
    `Cannot ${why} as ${tools.map((t) => t.name).join(", ")} ${
      tools.length > 1 ? "are" : "is"
    } not installed`,
    installCommand(tools),
  );

/** Paths of the tools for one target; `picolibc` is its folder. */
export interface Toolchain {
  readonly gcc: string;
  readonly gccVersion: string;
  readonly readelf: string;
  readonly qemu: string | null;
  readonly qemuVersion: string | null;
  readonly picolibc: string | null;
}

/**
 * Finds what building for `target` and executing it needs.
 * @throws BurinError `tool/missing` with the installing command, `tool/too-old`
 */
export async function findToolchain(target: Target): Promise<Toolchain> {
  const tools = named(toolsFor(target));
  const missing = tools.filter((t) => t.find() === null);
  if (missing.length > 0) throw missingError(missing, `build for ${target.cpu}`);
  const versions = await Promise.all(tools.map(async (tool) => {
    const version = await tool.version(tool.find()!);
    if (recentEnough(version, tool.minimum)) return version;
    throw new BurinError(
      "tool/too-old",
      `Cannot use ${tool.name} ${version} as it is older than ${tool.minimum}`,
      installCommand([tool]),
    );
  }));
  const architecture = architectureOf(target);
  const of = (name?: string) => tools.findIndex((t) => t.name === name);
  const gcc = of(architecture?.gcc.name ?? "gcc");
  const qemu = of(architecture?.qemu.name);
  const readelf = findProgram(`${target.prefix}readelf`);
  if (readelf === null) throw missingError([tools[gcc]], `measure sizes for ${target.cpu}`);
  return {
    gcc: tools[gcc].find()!,
    gccVersion: versions[gcc],
    readelf,
    qemu: tools[qemu]?.find() ?? null,
    qemuVersion: versions[qemu] ?? null,
    picolibc: tools[of(architecture?.picolibc.name)]?.find() ?? null,
  };
}
