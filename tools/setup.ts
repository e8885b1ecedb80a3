/**
 * Installs the tools that are missing, in a process of its own: Deno resolves what a process may
 * run when it starts, so that a tool installed later could not be started by the same one.
 *
 * `setup.ts [--go-on] [--tests] [TOOL …]`; with `--go-on` missing tools are reported, but are no
 * failure; `--tests` adds the tools that tests alone need.
 */
import { parseArgs } from "node:util";
import { install } from "../src/run/install.ts";
import { type Installable, installCommand, TOOLS } from "../src/run/toolchain.ts";
import { BurinError } from "../src/util/errors.ts";
import { TEST_TOOLS } from "./test_tools.ts";

const { values, positionals } = parseArgs({
  args: Deno.args,
  options: {
    "go-on": { type: "boolean", default: false },
    tests: { type: "boolean", default: false },
  },
  allowPositionals: true,
});
const all: readonly Installable[] = values.tests ? [...TOOLS, ...TEST_TOOLS] : TOOLS;
const unknown = positionals.filter((p) => !all.some((t) => t.name === p));
if (unknown.length > 0) {
  const names = all.map((t) => t.name).join(", ");
  console.error(`Cannot set up ${unknown.join(", ")} as the tools are ${names}`);
  Deno.exit(2);
}
const wanted = positionals.length > 0 ? all.filter((t) => positionals.includes(t.name)) : all;
try {
  const missing = await install(wanted);
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
