/** CMake's files: the library and its package, presets, the toolchain of the board. */
import listsTemplate from "../../../templates/plain/CMakeLists.txt.hbs" with { type: "text" };
import runSelftest from "../../../templates/plain/cmake/run_selftest.cmake" with { type: "text" };
import toolchainTemplate from "../../../templates/plain/cmake/toolchain.cmake.hbs" with {
  type: "text",
};
import { render } from "../../util/template.ts";
import { librarySources, selftestSources } from "../bundle.ts";
import { coreName, cpuName, type Plain, toolchainFile } from "./names.ts";

const isSource = (path: string): boolean => path.endsWith(".c");

function lists(p: Plain): string {
  const { bundle, macro } = p;
  const statics = new Set([
    ...bundle.models.map((m) => `src/${m.name}_static.c`),
    `src/${bundle.name}_memory.c`,
  ]);
  const sources = [...librarySources(bundle).keys()].filter(isSource);
  return render(listsTemplate, {
    name: bundle.name,
    macro,
    version: p.version,
    alone: `\${${macro}_ALONE}`,
    cmake_dir: `\${${macro}_CMAKE_DIR}`,
    runs: bundle.models.map((m) => `${m.name}_run`).join(", "),
    needs_cross: !p.portable,
    core: coreName(p.board),
    presets: p.presets.join(", "),
    toolchain: toolchainFile(p),
    sources: sources.filter((s) => !statics.has(s)),
    static_sources: sources.filter((s) => statics.has(s)),
    selftest_sources: [...selftestSources(bundle).keys()].filter(isSource),
  }, "plain/CMakeLists.txt.hbs");
}

function toolchain(p: Plain): string {
  const { gcc, picolibc, prefix } = p.architecture!;
  return render(toolchainTemplate, {
    name: p.bundle.name,
    core: coreName(p.board),
    cpu: cpuName(p.board),
    cflags: p.board.target.cflags.join(" "),
    gcc: `${prefix}gcc`,
    packages: [...gcc.packages, ...picolibc.packages].join(" "),
    header: `${p.bundle.models[0].name}.h`,
  }, "plain/cmake/toolchain.cmake.hbs");
}

const WHAT: Readonly<Record<string, (p: Plain) => string>> = {
  board: (p) => `Firmware for ${p.board.title}`,
  qemu: (p) => `Self-test under QEMU, machine ${p.machineBoard!.machine!.name}`,
  host: () => "Library and self-test on this computer",
};

/** CMakePresets.json in version 3, which CMake 3.21 reads. */
function presets(p: Plain): string {
  const configurePresets = p.presets.map((name) => ({
    name,
    displayName: WHAT[name](p),
    generator: "Ninja",
    binaryDir: `\${sourceDir}/build/${name}`,
    ...(name === "host" ? {} : { toolchainFile: `\${sourceDir}/${toolchainFile(p)}` }),
    cacheVariables: {
      CMAKE_BUILD_TYPE: "RelWithDebInfo",
      ...(name === "host" ? {} : { [`${p.macro}_PLACE`]: name }),
    },
  }));
  return JSON.stringify(
    {
      version: 3,
      cmakeMinimumRequired: { major: 3, minor: 21, patch: 0 },
      configurePresets,
      buildPresets: p.presets.map((name) => ({ name, configurePreset: name })),
      testPresets: p.presets.filter((name) => name !== "board").map((name) => ({
        name,
        configurePreset: name,
        output: { verbosity: "verbose", outputOnFailure: true },
        execution: { noTestsAction: "error" },
      })),
    },
    null,
    2,
  ) + "\n";
}

/** The files by path. */
export function cmakeFiles(p: Plain): Map<string, string> {
  const files = new Map([
    ["CMakeLists.txt", lists(p)],
    ["CMakePresets.json", presets(p)],
    ["cmake/run_selftest.cmake", runSelftest],
  ]);
  return p.architecture ? files.set(toolchainFile(p), toolchain(p)) : files;
}
