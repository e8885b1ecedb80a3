/** The README's section on building a plain project. */
import template from "../../../templates/plain/build.md.hbs" with { type: "text" };
import { render } from "../../util/template.ts";
import { coreName, type Plain, toolchainFile } from "./names.ts";

/** Markdown. */
export function buildSection(p: Plain): string {
  return render(template, {
    quick: "",
    first: p.presets[0],
    core: coreName(p.board),
    toolchain: toolchainFile(p),
  }, "plain/build.md.hbs");
}
