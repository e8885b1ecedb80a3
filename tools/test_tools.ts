/**
 * Tools that tests alone need: other people's build systems and what reads their files. Burin
 * itself never starts them, so that `deno task setup` and `doctor` do not speak of them;
 * `deno task test` installs them in the same way as the others.
 */
import { findProgram } from "../src/run/process.ts";
import type { Installable } from "../src/run/toolchain.ts";

/** One tool: its name, the packages of Debian and Ubuntu that bring it, where it is. */
export interface TestTool extends Installable {
  readonly purpose: string;
}

function file(path: string): string | null {
  try {
    return Deno.statSync(path).isFile ? path : null;
  } catch {
    return null;
  }
}

/** Debian's Python, which sees Debian's Python packages; one of the user's on PATH does not. */
export const SYSTEM_PYTHON = "/usr/bin/python3";

/** All of them. */
export const TEST_TOOLS: readonly TestTool[] = [
  {
    name: "cmake",
    purpose: "runs the generated CMakeLists.txt",
    packages: ["cmake"],
    find: () => findProgram("cmake"),
  },
  {
    name: "ninja",
    purpose: "builds what CMake has written",
    packages: ["ninja-build"],
    find: () => findProgram("ninja"),
  },
  {
    name: "git",
    purpose: "makes the repositories that generated workflows are run in",
    packages: ["git"],
    find: () => findProgram("git"),
  },
  {
    name: "kconfiglib",
    purpose: "reads the generated Kconfig as Zephyr does",
    packages: ["python3-kconfiglib"],
    find: () => file("/usr/lib/python3/dist-packages/kconfiglib.py") && file(SYSTEM_PYTHON),
  },
  {
    name: "arduino-builder",
    purpose: "builds the sketches of the generated Arduino library",
    packages: ["arduino-builder"],
    find: () => findProgram("arduino-builder"),
  },
  {
    name: "chromium",
    purpose: "shows the generated reports",
    packages: ["chromium", "fonts-liberation"],
    find: () => findProgram("chromium"),
  },
  {
    name: "arduino-ctags",
    purpose: "finds the functions of a sketch for arduino-builder",
    packages: ["arduino-ctags"],
    find: () => findProgram("arduino-ctags"),
  },
];

/**
 * Path of a tool that a test needs.
 * @throws Error with the installing command: a test without its tool fails, it is not skipped
 */
export function testTool(name: string): string {
  const tool = TEST_TOOLS.find((t) => t.name === name);
  const path = tool?.find() ?? null;
  if (path !== null) return path;
  const how = tool ? `apt-get install ${tool.packages.join(" ")}` : "no such tool is listed";
  throw new Error(`Cannot test without ${name}: ${how}`);
}
