/** `compile`: ONNX in, a folder with a C project out. */
import { basename, join, relative } from "@std/path";
import { LOCK_FILE } from "../lock/lock.ts";
import type { Compilation } from "../compile.ts";
import { describePages } from "../compile/describe.ts";
import type { Artifact, Bundle, ProjectFiles } from "../project/mod.ts";
import { projectFiles, WRITERS } from "../project/mod.ts";
import { CI_SERVICES } from "../project/ci.ts";
import { shareMemory } from "../project/bundle.ts";
import { totalMacs } from "../project/model_json.ts";
import { checkOut, writeFileWhole, writeProject } from "../project/write.ts";
import { sectionsText } from "../report/text.ts";
import { undoOnInterrupt } from "../run/workdir.ts";
import type { Board } from "../target/target.ts";
import { BurinError } from "../util/errors.ts";
import { checkLibraryName, libraryCName, Names } from "../util/names.ts";
import { type Args, type Command, numberOption } from "./args.ts";
import { ciExtras, ciOf, keptFiles, lockNote } from "./ci.ts";
import { commandLine } from "./command_line.ts";
import { loadCompiler } from "./compiler.ts";
import { EXAMPLES } from "./examples.ts";
import { checkSamples, goldenNotes, goldenOption, type GoldenOptions } from "./golden.ts";
import { COMPILE_OPTIONS, compileOptions, type CompileRequest, requestOf } from "./options.ts";
import { readUserFile, userPath } from "./paths.ts";
import { readSketches } from "./sketches.ts";
import { sayFrontier } from "./frontier.ts";
import { grouped, print, printJson, say, table } from "./terminal.ts";

/** What `compile` is asked for: models, options, the samples of the self-test, where to write. */
export interface ProjectRequest extends CompileRequest, GoldenOptions {
  /** Further models that are linked into the same image. */
  readonly others?: readonly string[];
  /** The models never run at the same time: let them use the same memory. */
  readonly shareArena?: boolean;
  /** Kind of project; default plain. */
  readonly project?: string;
  /** Sketches that become examples of an Arduino library: folders as the Arduino IDE keeps them. */
  readonly sketches?: readonly string[];
  /** Write a workflow that keeps the project as it is: github or gitlab. */
  readonly ci?: string;
  /**
   * Folder to write; default `<name>-<board>` where the user stands. A name that ends in .tar makes
   * one archive of the project, which `run` takes.
   */
  readonly out?: string;
  /** Write into a folder that holds other files too. */
  readonly force?: boolean;
  /** Hears what is being done. */
  readonly progress?: (doing: string) => void;
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

/** Compiled models and the project that was written. */
export interface Project extends Compiled {
  /** All models of the project; `artifact` is the first. */
  readonly models: readonly Artifact[];
  /** Full path of the folder. */
  readonly out: string;
  /** The files in it, path → contents. */
  readonly files: ProjectFiles;
}

/**
 * Compiles a model in memory.
 * @throws BurinError `data/no-file`, `usage/unknown-board`, `model/*`
 */
export async function compileInMemory(request: CompileRequest): Promise<Compiled> {
  const { compilation, board, model } = await compileWhole(request);
  return { artifact: compilation.artifact, board, model };
}

/** The same with what every stage made of the model. */
export async function compileWhole(
  request: CompileRequest,
): Promise<{ compilation: Compilation; board: Board; model: string }> {
  const model = request.model ?? EXAMPLES.digits.model;
  const options = compileOptions(request, model);
  const bytes = readUserFile(model);
  const { compileStages } = await loadCompiler();
  return { compilation: await compileStages(bytes, options), board: options.board, model };
}

/** C-safe names of models by their files' stems; their macros differ too. */
function projectNames(stems: readonly string[]): string[] {
  const names = new Names();
  return stems.map(libraryCName).map((name) =>
    name + names.unique(name.toUpperCase()).slice(name.length)
  );
}

/** Compiles the models of a project; where there are several, each is called by its file's stem. */
async function compileAll(
  request: ProjectRequest,
  models: readonly string[],
): Promise<{ board: Board; name: string; compilations: Compilation[] }> {
  const single = models.length === 1;
  const options = models.map((model) => compileOptions(request, model));
  const [{ board }] = options;
  const own = projectNames(options.map((o) => o.fileStem));
  const name = request.name === undefined ? own.join("_") : checkLibraryName(request.name);
  const sharedMemory = request.shareArena && !single ? name : undefined;
  const { compileStages } = await loadCompiler();
  const golden = goldenOption(request, board);
  const compilations: Compilation[] = [];
  for (const [i, model] of models.entries()) {
    const naming = single ? {} : { name: own[i], sharedMemory };
    const progress = request.progress &&
      ((doing: string) => request.progress!(`${basename(model)}: ${doing}`));
    const file = readUserFile(model), how = { ...options[i], golden, progress, ...naming };
    compilations.push(await ofModel(model, single, () => compileStages(file, how)));
  }
  return { board, name: single ? compilations[0].artifact.name : name, compilations };
}

/** Listings and report of each model; where there are several, each begins with its model's name. */
async function pages(
  compilations: readonly Compilation[],
  { models, board }: Bundle,
  names: readonly string[],
): Promise<Map<string, string>> {
  const { MEMORY_FILE, memoryPicture, REPORT_FILE, reportPage } = await import("./report.ts");
  const found = new Map<string, string>();
  for (const [i, c] of compilations.entries()) {
    const folder = compilations.length === 1 ? "" : `models/${c.artifact.name}-`;
    for (const p of describePages(c)) found.set(folder + p.file, sectionsText(p.sections));
    const options = { board, model: names[i], artifact: models[i] };
    found.set(folder + MEMORY_FILE, memoryPicture(c.artifact));
    found.set(folder + REPORT_FILE, await reportPage(c, options));
  }
  return found;
}

/** A name of another archive than .tar would become that of a folder. */
function checkExtension(out: string | undefined): void {
  const other = /\.(zip|7z|rar|t?gz|t?bz2|t?xz)$/i.exec(out ?? "");
  if (other === null) return;
  throw new BurinError(
    "usage/bad-value",
    `Cannot write ${out} as the archive of a project is a .tar`,
    `write --out ${out!.slice(0, other.index).replace(/\.tar$/, "")}.tar, or name a folder`,
  );
}

/** Says of a model of several which one is refused. */
async function ofModel<T>(model: string, single: boolean, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (e) {
    if (single || !(e instanceof BurinError) || !e.code.startsWith("model/")) throw e;
    throw new BurinError(
      e.code,
      `Cannot compile ${basename(model)} as it is refused:\n  ${e.message}`,
      e.hint,
    );
  }
}

/**
 * Compiles models and writes the project.
 * @throws BurinError `data/no-file`, `usage/unknown-board`, `usage/out-not-empty`, `model/*`
 */
export async function compile(request: ProjectRequest): Promise<Project> {
  const kind = request.project ?? "plain";
  if (!WRITERS[kind]) {
    throw new BurinError(
      "usage/unknown-project",
      `Cannot write a ${kind} project as the kinds are ${Object.keys(WRITERS).join(", ")}`,
    );
  }
  const models = [request.model ?? EXAMPLES.digits.model, ...request.others ?? []];
  if (request.shareArena && models.length === 1) {
    throw new BurinError(
      "usage/nothing-to-share",
      "Cannot share an arena as one model is named",
      "name the models that share it: compile a.onnx b.onnx --share-arena",
    );
  }
  checkSamples(request);
  checkExtension(request.out);
  const archive = request.out?.endsWith(".tar") ?? false;
  if (request.out !== undefined && !archive) checkOut(userPath(request.out), request.force);
  const sketches = readSketches(request.sketches ?? [], kind);
  const ci = ciOf(request, compileOptions(request, models[0]).board);
  const { board, name, compilations } = await compileAll(request, models);
  const artifacts = compilations.map((c): Artifact => ({
    ...c.artifact,
    notes: [...c.artifact.notes, ...goldenNotes(c.artifact, request)],
  }));
  const names = models.map((m) => basename(m));
  const bundle: Bundle = {
    name,
    models: artifacts,
    board,
    sharedMemory: request.shareArena ? shareMemory(name, artifacts) : [],
    command: commandLine(request, names, artifacts[0].options),
    ci,
  };
  const folder = `${name}-${board.name}`;
  const out = userPath(request.out ?? folder);
  const listings = await pages(compilations, bundle, names);
  const extras = new Map([...listings, ...sketches, ...ciExtras(request)]);
  const kept = archive ? undefined : keptFiles(out, request.ci);
  const files = projectFiles(bundle, kind, extras, kept);
  const written = {
    artifact: artifacts[0],
    models: artifacts,
    board,
    model: models[0],
    out,
    files,
  };
  if (archive) {
    const { isArchive, packProject } = await import("../project/archive.ts");
    const packed = await packProject(files, folder);
    writeFileWhole(out, packed, (old) => request.force || isArchive(old));
    return written;
  }
  let undo = () => {};
  await undoOnInterrupt(
    () => undo(),
    () => writeProject(files, out, { force: request.force, onStart: (u) => undo = u }),
  );
  return written;
}

/** A path as the user would type it. */
function shownPath(path: string): string {
  const shown = relative(userPath("."), path);
  return shown.startsWith("..") ? path : shown;
}

function summary({ models, board, out, files }: Project): string {
  const shown = relative(userPath("."), out);
  const several = models.length > 1;
  const end = out.endsWith(".tar") ? "" : "/";
  return [
    `Wrote ${shown.startsWith("..") ? out : join(".", shown) + end} for ${board.title}`,
    "",
    table([
      ...models.flatMap((m) => [
        ...(several ? [[`  ${m.name}`, ""]] : []),
        ["  working memory (arena)", `${grouped(m.arenaBytes)} bytes`],
        ["  constants in flash", `${grouped(m.paramsBytes)} bytes`],
        ["  multiply-accumulates", grouped(totalMacs(m))],
      ]),
      ["  files", `${files.size}, start with README.md`],
    ]),
  ].join("\n");
}

async function main(args: Args): Promise<number> {
  const request: ProjectRequest = {
    ...requestOf(args),
    others: args.operands.slice(1),
    shareArena: args.flag("share-arena"),
    inputs: args.value("inputs"),
    expect: args.value("expect"),
    ci: args.value("ci"),
    golden: numberOption(args, "golden", 0),
    project: args.value("project"),
    sketches: args.list("sketch"),
    out: args.value("out"),
    force: args.flag("force"),
    ...(Deno.stderr.isTerminal() ? { progress: (doing) => say(`${doing} …`) } : {}),
  };
  if (request.model === undefined) {
    say("No model is named: compiling the bundled example, handwritten digits.");
  }
  const project = await compile(request);
  project.models.flatMap((m) => m.notes).forEach((note) => say(`note: ${note}`));
  project.models.forEach(sayFrontier);
  const ci = ciOf(request, project.board);
  const lock = ci && lockNote(project.files, ci, join(shownPath(project.out), LOCK_FILE));
  if (lock) say(`note: ${lock}`);
  if (args.flag("json")) {
    const record = project.files.get("model.json") ?? project.files.get("bundle.json");
    printJson({ out: project.out, ...JSON.parse(record as string) });
  } else print(summary(project));
  return 0;
}

/** The command. */
export const command: Command = {
  name: "compile",
  summary: "Compile ONNX models to a C project for a board.",
  operands: "[MODEL.onnx …]",
  maxOperands: 16,
  options: {
    ...COMPILE_OPTIONS,
    out: { kind: "value", value: "DIR", help: "folder or .tar to write; default ./<name>-<board>" },
    project: {
      kind: "value",
      value: "KIND",
      help: "kind of project; default plain",
      choices: Object.keys(WRITERS),
    },
    sketch: {
      kind: "list",
      value: "DIR",
      help: "sketch that becomes an example of the Arduino library; may be repeated",
    },
    ci: {
      kind: "value",
      value: "SERVICE",
      help: "add a workflow that verifies the project, and its lock",
      choices: Object.keys(CI_SERVICES),
    },
    inputs: { kind: "value", value: "F.npz", help: "samples for the self-test; default made up" },
    expect: { kind: "value", value: "F.npz", help: "their outputs; a difference is noted" },
    golden: { kind: "value", value: "N", help: "samples in the self-test; default 2" },
    "share-arena": {
      kind: "flag",
      help: "several models that never run at the same time use one arena",
    },
    force: { kind: "flag", help: "write into a folder that holds other files too" },
    json: { kind: "flag", help: "print model.json and the folder as one JSON object" },
  },
  notes: "Without MODEL the bundled example is compiled. Several models become one project.",
  main,
};
