/** `inspect`: any stage of the compiler as text. */
import { BurinError } from "../util/errors.ts";
import type { Args, Command } from "./args.ts";
import { loadCompiler } from "./compiler.ts";
import { COMPILE_OPTIONS, compileOptions, type CompileRequest, requestOf } from "./options.ts";
import { compiledSections } from "../compile/inspect.ts";
import { libraryStack } from "../run/library_stack.ts";
import { isHost } from "../target/target.ts";
import { compileWhole } from "./compile.ts";
import { readUserFile } from "./paths.ts";
import { sectionsText } from "../report/text.ts";
import { grouped, print, say } from "./terminal.ts";

/** Names of the stages, in the order in which a model passes them. */
export const STAGES = [
  "import",
  "graph",
  "quantized",
  "fused",
  "te",
  "tir",
  "memory",
  "c",
] as const;

/** What `inspect` is asked for. */
export interface InspectRequest extends CompileRequest {
  /** Path of the ONNX file. */
  readonly model: string;
  /** What to print; absent: the counts alone. */
  readonly stage?: (typeof STAGES)[number];
  /** Only what became of one ONNX node. */
  readonly node?: string;
  /** Operators of the file, after import, and after every pass; default false. */
  readonly countOps?: boolean;
}

/**
 * The text of one stage.
 * @throws BurinError `data/no-file`, `usage/unknown-board`, `usage/unknown-node`, `model/*`
 */
export async function inspect(request: InspectRequest): Promise<string> {
  const { stage, node, countOps } = request;
  const options = compileOptions(request, request.model);
  const bytes = readUserFile(request.model);
  const { inspectModel } = await loadCompiler();
  return sectionsText(await inspectModel(bytes, { ...options, stage, node, countOps }));
}

/**
 * The request that a command line states.
 * @throws BurinError `usage/no-stage`, `usage/bad-value`
 */
export function inspectRequest(args: Args): InspectRequest {
  const [model] = args.operands;
  const stage = args.value("stage") as InspectRequest["stage"] | undefined;
  const countOps = args.flag("count-ops");
  if (model === undefined || (stage === undefined && !countOps)) {
    throw new BurinError(
      "usage/no-stage",
      `Cannot inspect as no ${model === undefined ? "model" : "--stage"} is named`,
      `write deno task inspect MODEL.onnx --stage graph (or ${STAGES.join(", ")})`,
    );
  }
  const request = requestOf(args, args.value("board") ?? "host");
  return { ...request, model, stage, node: args.value("node"), countOps };
}

/**
 * The memory plan. What stack the generated C takes, for which it is built, goes beside it, as it
 * depends on the compiler that is installed.
 */
async function inspectMemory(request: InspectRequest): Promise<string> {
  const { compilation, board } = await compileWhole(request);
  const { functions, absent } = await libraryStack(compilation.artifact, board);
  if (functions === null) say(`stack: not bounded (${absent})`);
  else {
    say(`stack: at most ${grouped(functions[0].total)} bytes`);
    for (const { name, own, total } of functions) {
      say(`  ${name}: ${grouped(total)}${total > own ? `, ${grouped(own)} of its own` : ""}`);
    }
  }
  return sectionsText(compiledSections("memory", compilation));
}

async function main(args: Args): Promise<number> {
  const request = inspectRequest(args);
  const whole = request.stage === "memory" && request.node === undefined && !request.countOps;
  const counted = whole && !isHost(compileOptions(request, request.model).board.target);
  print(await (counted ? inspectMemory(request) : inspect(request)));
  return 0;
}

/** The command. */
export const command: Command = {
  name: "inspect",
  summary: "Print a stage of the compiler as text.",
  operands: "MODEL.onnx",
  maxOperands: 1,
  options: {
    stage: { kind: "value", value: "STAGE", help: "what to print", choices: STAGES },
    "count-ops": { kind: "flag", help: "operators before and after every pass" },
    node: { kind: "value", value: "NAME", help: "only what became of one ONNX node" },
    ...COMPILE_OPTIONS,
  },
  notes:
    "Without --board the stages are those for board host. Stage memory of any other board also\n" +
    "builds the generated C, for the most stack that it can take.",
  main,
};
