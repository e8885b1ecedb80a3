/** `inspect`: any stage of the compiler as text. */
import { BurinError } from "../util/errors.ts";
import type { Args, Command } from "./args.ts";
import { loadInspector } from "./compiler.ts";
import { COMPILE_OPTIONS, compileOptions, type CompileRequest, requestOf } from "./options.ts";
import { readUserFile } from "./paths.ts";
import { print } from "./terminal.ts";

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
  /** What to print. */
  readonly stage: (typeof STAGES)[number];
  /** Only what became of one ONNX node. */
  readonly node?: string;
  /** Operator counts before and after. */
  readonly countOps?: boolean;
}

/**
 * The text of one stage.
 * @throws BurinError `data/no-file`, `usage/unknown-board`, `model/*`
 */
export async function inspect(request: InspectRequest): Promise<string> {
  const { stage, node, countOps } = request;
  const options = compileOptions(request, request.model);
  const bytes = readUserFile(request.model);
  const { inspectModel } = await loadInspector();
  return await inspectModel(bytes, {
    ...options,
    stage,
    ...(node === undefined ? {} : { node }),
    ...(countOps === undefined ? {} : { countOps }),
  });
}

async function main(args: Args): Promise<number> {
  const [model] = args.operands;
  const stage = args.value("stage") as InspectRequest["stage"] | undefined;
  if (model === undefined || stage === undefined) {
    throw new BurinError(
      "usage/no-stage",
      `Cannot inspect as no ${model === undefined ? "model" : "--stage"} is named`,
      `write deno task inspect MODEL.onnx --stage graph (or ${STAGES.join(", ")})`,
    );
  }
  const request = requestOf(args, args.value("board") ?? "host");
  const node = args.value("node");
  print(await inspect({ ...request, model, stage, node, countOps: args.flag("count-ops") }));
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
    "count-ops": { kind: "flag", help: "count operators before and after" },
    node: { kind: "value", value: "NAME", help: "only what became of one ONNX node" },
    ...COMPILE_OPTIONS,
  },
  notes: "Without --board the stages are those for board host.",
  main,
};
