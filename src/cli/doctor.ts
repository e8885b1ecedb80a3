/** `doctor`: the tools that Burin uses. */
import { examineTools, installAll, readiness, sufficient, type ToolReport } from "../run/doctor.ts";
import type { Args, Command } from "./args.ts";
import { print, printJson, table } from "./terminal.ts";

/** Looks at every tool: where it is, its version, what it is for, how to get it. */
export const doctor = (): Promise<ToolReport[]> => examineTools();

function state(r: ToolReport): string {
  if (r.ok) return r.version!;
  return r.version === null ? "missing" : `${r.version}, older than ${r.minimum}`;
}

async function main(args: Args): Promise<number> {
  const reports = await doctor();
  const install = installAll(reports);
  if (args.flag("json")) printJson(reports);
  else {
    print(table([
      ["", "TOOL", "VERSION", "FOR"],
      ...reports.map((r) => [r.ok ? "✓" : "✗", r.tool, state(r), r.purpose]),
    ]));
    print("");
    print(table(readiness(reports).map((r) => [r.ready ? "ready" : "not ready", r.boards])));
    if (install !== null) print(`\nThis command installs what is missing:\n  ${install}`);
  }
  return sufficient(reports) ? 0 : 3;
}

/** The command. */
export const command: Command = {
  name: "doctor",
  summary: "Show each tool, its version, what it is for and how to get it.",
  operands: "",
  maxOperands: 0,
  options: { json: { kind: "flag", help: "print a JSON array" } },
  notes:
    "compile and inspect need none of the tools. Exit code 0: what this computer and the boards " +
    "of one architecture need is there; 3: it is not.",
  main,
};
