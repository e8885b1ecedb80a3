/** The command line: finds the subcommand, loads it alone, turns errors into messages. */
import { BurinError } from "../util/errors.ts";
import { didYouMean } from "../util/near.ts";
import { type Command, helpText, parseCommand } from "./args.ts";
import { print, report } from "./terminal.ts";

/** The commands, each loaded when it is called. */
const COMMANDS: Readonly<Record<string, () => Promise<{ command: Command }>>> = {
  compile: () => import("./compile.ts"),
  run: () => import("./run.ts"),
  verify: () => import("./verify.ts"),
  inspect: () => import("./inspect.ts"),
  example: () => import("./example.ts"),
  conformance: () => import("./conformance.ts"),
  quantize: () => import("./quantize.ts"),
  bench: () => import("./bench.ts"),
  boards: () => import("./boards.ts"),
  doctor: () => import("./doctor.ts"),
};

async function overview(): Promise<string> {
  const commands = await Promise.all(Object.values(COMMANDS).map((load) => load()));
  return [
    "Burin compiles ONNX models to C for microcontrollers.",
    "",
    ...commands.map(({ command: c }) => `  deno task ${c.name.padEnd(11)} ${c.summary}`),
    "",
    "Each takes --help.",
  ].join("\n");
}

async function main([name, ...argv]: readonly string[]): Promise<number> {
  if (name === undefined || name === "--help" || name === "help") {
    print(await overview());
    return 0;
  }
  const load = COMMANDS[name];
  if (!load) {
    const names = Object.keys(COMMANDS);
    throw new BurinError(
      "usage/unknown-command",
      `Cannot understand ${name} as there is no such command`,
      didYouMean(name, names) ?? `the commands are ${names.join(", ")}`,
    );
  }
  const { command } = await load();
  if (argv.includes("--help") || argv.includes("-h")) {
    print(helpText(command));
    return 0;
  }
  return await command.main(parseCommand(command, argv));
}

if (import.meta.main) {
  // Where the size of files is limited the system would end the process on the spot; ignoring the
  // signal makes writing fail instead, which is cleaned up after.
  if (Deno.build.os !== "windows") Deno.addSignalListener("SIGXFSZ", () => {});
  try {
    Deno.exitCode = await main(Deno.args);
  } catch (e) {
    Deno.exitCode = report(e, Deno.args.includes("--json"));
  }
}
