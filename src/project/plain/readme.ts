/** The README's section on building a plain project. */
import template from "../../../templates/plain/build.md.hbs" with { type: "text" };
import { render } from "../../util/template.ts";
import { coreName, type Plain, toolchainFile } from "./names.ts";
import { packFile } from "./packages.ts";

/** What has to be installed beside CMake and Ninja, in Debian's names. */
function packages(p: Plain): string {
  if (p.architecture === null) return "gcc libc6-dev";
  const { gcc, picolibc, qemu } = p.architecture;
  return [gcc, picolibc, ...(p.machineBoard ? [qemu] : [])].flatMap((t) => t.packages).join(" ");
}

const PLACES: Readonly<Record<string, string>> = {
  qemu: "QEMU (`qemu/`)",
  board: "the board (`board/`)",
  host: "this computer (`host/`)",
};

/** Markdown. */
export function buildSection(p: Plain): string {
  const { bundle, presets: [first, ...others] } = p;
  return render(template, {
    name: bundle.name,
    first: bundle.models[0].name,
    macro: p.macro,
    version: p.version,
    it: bundle.models.length > 1 ? "the models" : "the model",
    quick_qemu: first === "qemu",
    quick_board: first === "board",
    quick_host: first === "host",
    machine: p.machineBoard?.machine?.name ?? "",
    stand_in: p.machineBoard !== null && p.machineBoard.name !== p.board.name,
    commands: [
      `cmake --preset ${first}`,
      `cmake --build --preset ${first}`,
      ...(first === "board" ? [] : [`ctest --preset ${first}`]),
    ],
    packages: packages(p),
    board: p.architecture !== null,
    also_host: others.includes("host"),
    only_core: !p.portable,
    core: coreName(p.board),
    install: p.architecture ? "board" : "host",
    toolchain: p.architecture ? toolchainFile(p) : "",
    pack: packFile(p) ?? "",
    places: p.presets.map((preset) => PLACES[preset]).join(", "),
  }, "plain/build.md.hbs");
}
