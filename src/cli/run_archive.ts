/** `run archive.tar`: proves a compiled project again, without its ONNX file. */
import { basename } from "@std/path";
import { unpackProject } from "../project/archive.ts";
import { changedFiles, readProject, type WrittenModel } from "../project/read.ts";
import { type Execution, runOnBoard } from "../run/mod.ts";
import { joinSamples, type Sample, splitSamples } from "../run/samples.ts";
import { boardNames, loadBoard } from "../target/boards.ts";
import type { Board } from "../target/target.ts";
import { BurinError } from "../util/errors.ts";
import { readNpz, writeNpz } from "../util/npz.ts";
import { checkWritable, readUserFile, userPath, writeUserFile } from "./paths.ts";
import type { RunRequest } from "./run.ts";

/** Floats of golden vectors, relative to the largest: another libm may change their last bits. */
export const GOLDEN_RTOL = 1e-6;

/** Whether a request names an archive in place of a model. */
export const namesArchive = (model: string | undefined): boolean =>
  model?.endsWith(".tar") ?? false;

/**
 * The models of an archive that nothing has changed since it was written.
 * @throws BurinError `data/archive`, `data/project`, `data/changed`
 */
export async function readArchive(typed: string): Promise<WrittenModel[]> {
  const files = await unpackProject(readUserFile(typed), typed);
  const changed = changedFiles(files, typed);
  if (changed.length > 0) {
    throw new BurinError(
      "data/changed",
      `Cannot use ${typed} as these files are not what Burin wrote: ${changed.join(", ")}`,
      "compile the model again",
    );
  }
  return readProject(files, typed);
}

/** The board that the archive was compiled for, if it is one that Burin knows. */
export function archiveBoard(models: readonly WrittenModel[], typed: string): string {
  const [{ board }] = models;
  if (boardNames().includes(board)) return board;
  throw new BurinError(
    "usage/no-board",
    `Cannot run ${typed} as its board ${board} is one of a file of your own`,
    "name it with --board ./my-board.json",
  );
}

/**
 * Generated C may use what the core of its board has, so that not every other core can run it.
 * @throws BurinError `usage/wrong-board`
 */
export function checkFeatures(m: WrittenModel, board: Board, typed: string): void {
  const lacking = m.features.filter((f) => !(board.target.features as string[]).includes(f));
  if (lacking.length === 0) return;
  throw new BurinError(
    "usage/wrong-board",
    `Cannot run ${typed} on ${board.name} as its C is for a core with ${lacking.join(", ")}`,
    `run it on ${m.board}, or compile the model for ${board.name}`,
  );
}

/**
 * The samples that a written model is run on: the request's, or its golden vectors.
 * @throws BurinError `data/*` where there are none or they do not fit
 */
export function samplesOf(
  m: WrittenModel,
  request: Pick<RunRequest, "inputs" | "expect">,
  typed: string,
): { samples: Sample[]; expected: Sample[] | undefined } {
  const { inputs, expect } = request;
  const { library } = m;
  const read = (file: string) => readNpz(readUserFile(file), file);
  if (inputs === undefined && m.golden === null) {
    throw new BurinError(
      "data/samples",
      `Cannot run ${library.name} of ${typed} as it was compiled without golden vectors`,
      "add --inputs F.npz",
    );
  }
  const from = inputs === undefined ? m.golden! : read(inputs);
  const wanted = expect !== undefined ? read(expect) : inputs === undefined ? m.golden! : null;
  const samples = splitSamples(from, library.inputs, "in", inputs ?? typed);
  const expected: Sample[] | undefined = wanted === null
    ? undefined
    : splitSamples(wanted, library.outputs, "out", expect ?? typed);
  return { samples, expected };
}

/**
 * Builds and executes every model of an archive; without `inputs` on its golden vectors.
 * @throws BurinError `data/*` for the archive and the samples, `usage/wrong-board`, `tool/missing`
 */
export async function runArchive(
  models: readonly WrittenModel[],
  typed: string,
  request: RunRequest,
): Promise<Execution[]> {
  const { board: named, outputs } = request;
  if (outputs !== undefined && models.length > 1) {
    throw new BurinError(
      "usage/several-models",
      `Cannot write ${outputs} as ${typed} holds ${models.length} models with outputs of their own`,
      "run their ONNX files one by one, or leave --outputs away",
    );
  }
  if (outputs !== undefined) checkWritable(outputs);
  const board = loadBoard(named.endsWith(".json") ? userPath(named) : named);
  const executions: Execution[] = [];
  for (const m of models) {
    checkFeatures(m, board, typed);
    const { samples, expected } = samplesOf(m, request, typed);
    const name = models.length === 1 ? basename(typed) : `${m.library.name} of ${basename(typed)}`;
    const { maxLsb, rtol = request.inputs === undefined ? GOLDEN_RTOL : undefined, progress } =
      request;
    const options = { model: name, expected, maxLsb, rtol, progress };
    const execution = await runOnBoard(m.library, board, samples, options);
    if (outputs !== undefined) {
      writeUserFile(outputs, writeNpz(joinSamples(execution.outputs, m.library.outputs, "out")));
    }
    executions.push(execution);
  }
  return executions;
}
