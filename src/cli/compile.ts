/** `compile`: ONNX in, a folder with a C project out. */
import { join, relative } from "@std/path";
import type { Artifact, ProjectFiles } from "../project/mod.ts";
import { WRITERS } from "../project/mod.ts";
import { totalMacs } from "../project/model_json.ts";
import { checkOut, writeProject } from "../project/write.ts";
import { undoOnInterrupt } from "../run/workdir.ts";
import type { Board } from "../target/target.ts";
import { BurinError } from "../util/errors.ts";
import type { Args, Command } from "./args.ts";
import { loadCompiler } from "./compiler.ts";
import { EXAMPLES } from "./examples.ts";
import { COMPILE_OPTIONS, compileOptions, type CompileRequest, requestOf } from "./options.ts";
import { readUserFile, userPath } from "./paths.ts";
import { grouped, print, printJson, say, table } from "./terminal.ts";

/** What `compile` is asked for: the model, its options, and where the project goes. */
export interface ProjectRequest extends CompileRequest {
  /** Kind of project; default plain. */
  readonly project?: string;
  /** Folder to write; default `<name>-<board>` where the user stands. */
  readonly out?: string;
  /** Write into a folder that holds other files too. */
  readonly force?: boolean;
}

/** A compiled model. */
export interface Compiled {
  /** What the compiler made of it. */
  readonly artifact: Artifact;
  /** The board that it is for. */
  readonly board: Board;
  /** The model's path. */
  readonly model: string;
}

/** A compiled and written project. */
export interface Project extends Compiled {
  /** Full path of the folder. */
  readonly out: string;
  /** The files in it, path → text. */
  readonly files: ProjectFiles;
}

/**
 * Compiles a model in memory.
 * @throws BurinError `data/no-file`, `usage/unknown-board`, `model/*`
 */
export async function compileInMemory(request: CompileRequest): Promise<Compiled> {
  const model = request.model ?? EXAMPLES.digits.model;
  const options = compileOptions(request, model);
  const bytes = readUserFile(model);
  const { compileModel } = await loadCompiler();
  return { artifact: await compileModel(bytes, options), board: options.board, model };
}

/**
 * Compiles a model and writes the project.
 * @throws BurinError `data/no-file`, `usage/unknown-board`, `usage/out-not-empty`, `model/*`
 */
export async function compile(request: ProjectRequest): Promise<Project> {
  const writer = WRITERS[request.project ?? "plain"];
  if (!writer) {
    throw new BurinError(
      "usage/unknown-project",
      `Cannot write a ${request.project} project as the kinds are ${
        Object.keys(WRITERS).join(", ")
      }`,
    );
  }
  if (request.out !== undefined) checkOut(userPath(request.out), request.force);
  const compiled = await compileInMemory(request);
  const { artifact, board } = compiled;
  const files = writer(artifact, board);
  const out = userPath(request.out ?? `${artifact.name}-${board.name}`);
  let undo = () => {};
  await undoOnInterrupt(
    () => undo(),
    () => writeProject(files, out, { force: request.force, onStart: (u) => undo = u }),
  );
  return { ...compiled, out, files };
}

function summary({ artifact, board, out, files }: Project): string {
  const shown = relative(userPath("."), out);
  return [
    `Wrote ${shown.startsWith("..") ? out : join(".", shown) + "/"} for ${board.title}`,
    "",
    table([
      ["  working memory (arena)", `${grouped(artifact.arenaBytes)} bytes`],
      ["  constants in flash", `${grouped(artifact.paramsBytes)} bytes`],
      ["  multiply-accumulates", grouped(totalMacs(artifact))],
      ["  files", [...files.keys()].join(" ")],
    ]),
  ].join("\n");
}

async function main(args: Args): Promise<number> {
  const request: ProjectRequest = {
    ...requestOf(args),
    project: args.value("project"),
    out: args.value("out"),
    force: args.flag("force"),
  };
  if (request.model === undefined) {
    say("No model is named: compiling the bundled example, handwritten digits.");
  }
  const project = await compile(request);
  project.artifact.notes.forEach((note) => say(`note: ${note}`));
  if (args.flag("json")) {
    printJson({ out: project.out, ...JSON.parse(project.files.get("model.json")!) });
  } else print(summary(project));
  return 0;
}

/** The command. */
export const command: Command = {
  name: "compile",
  summary: "Compile an ONNX model to a C project for a board.",
  operands: "[MODEL.onnx]",
  maxOperands: 1,
  options: {
    ...COMPILE_OPTIONS,
    out: { kind: "value", value: "DIR", help: "folder to write; default ./<name>-<board>" },
    project: {
      kind: "value",
      value: "KIND",
      help: "kind of project; default plain",
      choices: Object.keys(WRITERS),
    },
    force: { kind: "flag", help: "write into a folder that holds other files too" },
    json: { kind: "flag", help: "print model.json and the folder as one JSON object" },
  },
  notes: "Without MODEL the bundled example is compiled.",
  main,
};
