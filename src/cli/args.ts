/** Command lines: a specification as data, parsing with near names for what is mistyped. */
import { parseArgs } from "node:util";
import { BurinError } from "../util/errors.ts";
import { didYouMean } from "../util/near.ts";

/** One option of a command. */
export interface OptionSpec {
  /** `value` takes one (`--out DIR`), `flag` none; `list` may be given several times. */
  readonly kind: "value" | "flag" | "list";
  /** What stands for the value in help, such as `DIR`. */
  readonly value?: string;
  readonly help: string;
  /** The only values that are accepted. */
  readonly choices?: readonly string[];
}

/** One command: what `--help` prints and how it runs. */
export interface Command {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** Names of the positional arguments for help, such as `[MODEL.onnx]`. */
  readonly operands: string;
  readonly maxOperands: number;
  readonly options: Readonly<Record<string, OptionSpec>>;
  /** Lines below the options in help. */
  readonly notes?: string;
  /** Runs the command. Returns the exit code. */
  readonly main: (args: Args) => Promise<number> | number;
}

/** Parsed arguments. */
export interface Args {
  readonly operands: readonly string[];
  readonly value: (name: string) => string | undefined;
  readonly list: (name: string) => readonly string[];
  readonly flag: (name: string) => boolean;
}

const usage = (code: string, message: string, hint: string): BurinError =>
  new BurinError(`usage/${code}`, message, hint);

/** The text of `deno task NAME --help`. */
export function helpText(command: Command): string {
  const rows = Object.entries(command.options).map(([name, o]) => {
    const short = name.length === 1;
    const value = o.value ? `${short ? "" : " "}${o.value}` : "";
    const choices = o.choices ? ` (${o.choices.join(", ")})` : "";
    return [`  ${short ? "-" : "--"}${name}${value}`, o.help + choices];
  });
  rows.push(["  --help", "this text"]);
  const width = Math.max(...rows.map(([left]) => left.length)) + 2;
  const operands = command.operands === "" ? "" : ` ${command.operands}`;
  return [
    command.summary,
    "",
    `Usage: deno task ${command.name}${operands} [options]`,
    "",
    ...rows.map(([left, right]) => left.padEnd(width) + right),
    ...(command.notes ? ["", command.notes] : []),
    "",
  ].join("\n");
}

/**
 * Parses the arguments of a command.
 * @throws BurinError `usage/unknown-flag`, `usage/missing-value`, `usage/bad-value`,
 *   `usage/too-many-arguments`
 */
export function parseCommand(command: Command, argv: readonly string[]): Args {
  const seeHelp = `deno task ${command.name} --help lists the options`;
  const { tokens } = parseArgs({
    args: [...argv],
    options: Object.fromEntries(
      Object.entries(command.options).map(([name, o]) => [name, {
        type: o.kind === "flag" ? "boolean" as const : "string" as const,
        ...(name.length === 1 ? { short: name } : {}),
      }]),
    ),
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const values = new Map<string, string[]>();
  const operands: string[] = [];
  for (const token of tokens) {
    if (token.kind === "positional") operands.push(token.value);
    if (token.kind !== "option") continue;
    const spec = command.options[token.name];
    if (!spec) {
      const names = Object.keys(command.options).filter((n) => n.length > 1).map((n) => `--${n}`);
      throw usage(
        "unknown-flag",
        `Cannot understand ${token.rawName} as ${command.name} has no such option`,
        didYouMean(token.rawName, names) ?? seeHelp,
      );
    }
    const { value } = token;
    if (spec.kind === "flag" && value !== undefined) {
      throw usage("bad-value", `Cannot give ${token.rawName} a value as it is a switch`, seeHelp);
    }
    if (spec.kind !== "flag" && (value === undefined || value === "")) {
      throw usage("missing-value", `Cannot use ${token.rawName} as its value is missing`, seeHelp);
    }
    if (spec.choices && !spec.choices.includes(value!)) {
      throw usage(
        "bad-value",
        `Cannot set ${token.rawName} to ${value} as it takes ${spec.choices.join(", ")}`,
        didYouMean(value!, spec.choices) ?? seeHelp,
      );
    }
    values.set(token.name, [...values.get(token.name) ?? [], value ?? ""]);
  }
  if (operands.length > command.maxOperands) {
    throw usage(
      "too-many-arguments",
      `Cannot use ${operands[command.maxOperands]} as ${command.name} takes ${
        command.maxOperands === 0 ? "no argument" : "one argument"
      } beside its options`,
      seeHelp,
    );
  }
  return {
    operands,
    value: (name) => values.get(name)?.at(-1),
    list: (name) => values.get(name) ?? [],
    flag: (name) => values.has(name),
  };
}

/**
 * A number from an option.
 * @throws BurinError `usage/bad-value` where it is none or below `least`
 */
export function numberOption(args: Args, name: string, least: number): number | undefined {
  const text = args.value(name);
  if (text === undefined) return undefined;
  const value = Number(text);
  if (text.trim() === "" || !(value >= least) || value === Infinity) {
    throw usage(
      "bad-value",
      `Cannot set --${name} to ${text} as it takes a number of at least ${least}`,
      `write --${name} ${least}`,
    );
  }
  return value;
}
