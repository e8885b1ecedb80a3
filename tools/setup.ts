/**
 * Installs the tools that are missing, in a process of its own: Deno resolves what a process may
 * run when it starts, so that a tool installed later could not be started by the same one.
 *
 * `setup.ts [--go-on] [TOOL …]`; with `--go-on` missing tools are reported, but are no failure.
 */
import { parseArgs } from "node:util";
import { ensureTools } from "../src/run/install.ts";
import { installCommand, type ToolName, TOOLS } from "../src/run/toolchain.ts";
import { BurinError } from "../src/util/errors.ts";

const { values, positionals } = parseArgs({
  args: Deno.args,
  options: { "go-on": { type: "boolean", default: false } },
  allowPositionals: true,
});
const all = TOOLS.map((t) => t.name);
const unknown = positionals.filter((p) => !all.includes(p as ToolName));
if (unknown.length > 0) {
  console.error(`Cannot set up ${unknown.join(", ")} as the tools are ${all.join(", ")}`);
  Deno.exit(2);
}
const wanted = positionals.length > 0 ? positionals as ToolName[] : all;
try {
  const missing = await ensureTools(wanted);
  if (missing.length > 0 && !values["go-on"]) {
    const names = missing.map((t) => t.name).join(", ");
    console.error(`Not installed: ${names}. This command installs what is missing:`);
    console.error(`  ${installCommand(missing)}`);
    Deno.exit(3);
  }
} catch (e) {
  if (!(e instanceof BurinError)) throw e;
  console.error(`${e.message}\n  ${e.hint}`);
  if (!values["go-on"]) Deno.exit(e.exitCode);
}
