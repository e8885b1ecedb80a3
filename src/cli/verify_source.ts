/** What an entry of the lock is about: a model, a written project's folder, an archive of one. */
import { createHash } from "node:crypto";
import { dirname, join, relative, resolve } from "@std/path";
import type { Failure } from "../lock/compare.ts";
import { type LockEntry, sourceOf } from "../lock/lock.ts";
import { unpackProject } from "../project/archive.ts";
import { DIGESTS_FILE } from "../project/common.ts";
import type { CompiledLibrary } from "../project/mod.ts";
import { changedFiles, readProject } from "../project/read.ts";
import { madeUpSample, type Sample, splitSamples } from "../run/samples.ts";
import { loadBoard } from "../target/boards.ts";
import type { Board } from "../target/target.ts";
import { BurinError } from "../util/errors.ts";
import { readNpz } from "../util/npz.ts";
import type { TensorData } from "../util/tensor.ts";
import { loadCompiler } from "./compiler.ts";
import { compileOptions, type CompileRequest } from "./options.ts";
import { readUserFile, userPath } from "./paths.ts";
import { checkFeatures, GOLDEN_RTOL, samplesOf } from "./run_archive.ts";

/** One model that is built and run. */
export interface Unit {
  readonly library: CompiledLibrary;
  /** Digest of everything that the model was read from. */
  readonly modelSha256: string;
  readonly samples: readonly Sample[];
  readonly expected: readonly Sample[] | undefined;
  /** What floats may differ by from what is expected. */
  readonly rtol: number | undefined;
  /** Same bits as the C should give; null where the model is not at hand. */
  readonly interpret: ((inputs: readonly TensorData[]) => TensorData[]) | null;
}

/** An entry, opened. */
export interface Source {
  readonly units: readonly Unit[];
  /** Digest of the file of inputs; null for made-up samples and golden vectors. */
  readonly inputsSha256: string | null;
  /** What is wrong before anything is run. */
  readonly failures: readonly Failure[];
}

const sha256 = (contents: Uint8Array | string): string =>
  createHash("sha256").update(contents).digest("hex");

/** Paths of a lock as the user would type them. */
export const pathsFrom = (lock: string) => (path: string): string =>
  relative(userPath("."), resolve(dirname(userPath(lock)), path)) || ".";

/** The board of an entry; a board file lies relative to the lock. */
export const boardOf = (entry: LockEntry, at: (path: string) => string): Board =>
  loadBoard(entry.board.endsWith(".json") ? userPath(at(entry.board)) : entry.board);

function firstSamples(entry: LockEntry, list: readonly Sample[], from: string): readonly Sample[] {
  if (entry.samples !== undefined && list.length < entry.samples) {
    throw new BurinError(
      "data/samples",
      `Cannot run ${entry.samples} samples as ${from} holds ${list.length}`,
      "lower samples of the entry",
    );
  }
  if (list.length > 0) return list.slice(0, entry.samples);
  throw new BurinError("data/samples", `Cannot run ${sourceOf(entry)} as ${from} holds no samples`);
}

/** Digest of a model and of the files that hold its tensors, in the order in which they are read. */
async function compileHashed(request: CompileRequest, model: string) {
  const options = compileOptions(request, model);
  const bytes = readUserFile(model);
  const parts: string[] = [];
  const { externalFiles } = options;
  const hashed = externalFiles === undefined ? {} : {
    externalFiles: (location: string, limit: number) => {
      const contents = externalFiles(location, limit);
      parts.push(`${sha256(contents)}  ${location}\n`);
      return contents;
    },
  };
  const { compileModel } = await loadCompiler();
  const artifact = await compileModel(bytes, { ...options, ...hashed });
  const digest = parts.length === 0
    ? artifact.modelSha256
    : sha256([artifact.modelSha256, ...parts].join("\n"));
  return { artifact, digest };
}

async function openModel(entry: LockEntry, at: (path: string) => string): Promise<Source> {
  const model = at(entry.model!);
  const o = entry.options ?? {};
  const { artifact, digest } = await compileHashed({
    model,
    board: entry.board.endsWith(".json") ? at(entry.board) : entry.board,
    name: o.name,
    optLevel: o.opt_level,
    optimize: o.optimize,
    flashBudget: o.flash_budget,
    ramBudget: o.ram_budget,
    requant: o.requant,
    io: o.io,
    arena: o.arena,
    weights: o.weights,
    externalData: o.external_data,
    dims: o.dims,
  }, model);
  const inputs = entry.inputs ? at(entry.inputs) : null;
  const file = inputs === null ? null : readUserFile(inputs);
  const samples = file === null
    ? Array.from({ length: entry.samples ?? 1 }, (_, i) => madeUpSample(artifact.inputs, i + 1))
    : firstSamples(
      entry,
      splitSamples(readNpz(file, inputs!), artifact.inputs, "in", inputs!),
      inputs!,
    );
  const expect = entry.expect ? at(entry.expect) : null;
  const expected = expect === null
    ? undefined
    : splitSamples(readNpz(readUserFile(expect), expect), artifact.outputs, "out", expect)
      .slice(0, samples.length);
  matchCounts(samples, expected, expect ?? "");
  const unit: Unit = {
    library: artifact,
    modelSha256: digest,
    samples,
    expected,
    rtol: entry.rtol,
    interpret: (sample) => artifact.interpret(sample),
  };
  return { units: [unit], inputsSha256: file && sha256(file), failures: [] };
}

function matchCounts(
  samples: readonly Sample[],
  expected: readonly Sample[] | undefined,
  file: string,
) {
  if (!expected || expected.length === samples.length) return;
  throw new BurinError(
    "data/samples",
    `Cannot compare with ${file} as it holds ${expected.length} samples for ${samples.length} inputs`,
  );
}

/** The files of a folder that Burin listed; others in it are not Burin's. */
function readFolder(folder: string): Map<string, Uint8Array> {
  const list = readUserFile(join(folder, DIGESTS_FILE));
  const files = new Map([[DIGESTS_FILE, list]]);
  for (const [, path] of new TextDecoder().decode(list).matchAll(/^[0-9a-f]{64} {2}(.+)$/gm)) {
    if (path.split(/[\\/]/).includes("..") || resolve("/", path) !== join("/", path)) continue;
    try {
      files.set(path, Deno.readFileSync(userPath(join(folder, path))));
    } catch { // What cannot be read is not what was written.
    }
  }
  return files;
}

/** Whether files would be Burin's if their line ends were: version control may convert them. */
function lineEndsChanged(files: ReadonlyMap<string, Uint8Array>, where: string): boolean {
  const latin1 = (bytes: Uint8Array) => Array.from(bytes, (b) => String.fromCharCode(b)).join("");
  const unix = new Map([...files].map(([path, contents]) => {
    if (path.endsWith(".npz")) return [path, contents];
    const text = latin1(contents).replaceAll("\r\n", "\n");
    return [path, Uint8Array.from(text, (c) => c.charCodeAt(0))];
  }));
  return changedFiles(unix, where).length < changedFiles(files, where).length;
}

function openProject(
  entry: LockEntry,
  files: ReadonlyMap<string, Uint8Array>,
  where: string,
  at: (path: string) => string,
): Source {
  const board = boardOf(entry, at);
  const changed = changedFiles(files, where);
  const models = readProject(files, where);
  const failures: Failure[] = changed.length === 0 ? [] : [{
    what: "changed-files",
    message: `these files of ${where} are not what Burin wrote: ${changed.join(", ")}`,
    reasons: lineEndsChanged(files, where)
      ? ["line ends were converted: `* -text` in the folder's .gitattributes keeps Git from it"]
      : [`${DIGESTS_FILE} has the digests of what it wrote`],
    hint: `bring them back from version control, or write the project again: ${
      models[0].command.join(" ")
    }`,
    acceptable: false,
  }];
  const inputs = entry.inputs ? at(entry.inputs) : undefined;
  const expect = entry.expect ? at(entry.expect) : undefined;
  const units = models.map((m): Unit => {
    checkFeatures(m, board, where);
    const { samples: all, expected } = samplesOf(m, { inputs, expect }, where);
    const samples = firstSamples(entry, all, inputs ?? where);
    const wanted = expected?.slice(0, samples.length);
    matchCounts(samples, wanted, expect ?? where);
    return {
      library: m.library,
      modelSha256: m.modelSha256,
      samples,
      expected: wanted,
      rtol: entry.rtol ?? (inputs === undefined ? GOLDEN_RTOL : undefined),
      interpret: null,
    };
  });
  const inputsSha256 = inputs === undefined ? null : sha256(readUserFile(inputs));
  return { units, inputsSha256, failures };
}

/**
 * Reads what an entry is about and the samples that it is run on.
 * @param at a path of the lock as the user would type it
 * @throws BurinError `data/*`, `model/*`, `board/*`, `usage/*`
 */
export async function openSource(
  entry: LockEntry,
  at: (path: string) => string,
): Promise<Source> {
  if (entry.model !== undefined) return await openModel(entry, at);
  const where = at(sourceOf(entry));
  const files = entry.project !== undefined
    ? readFolder(where)
    : await unpackProject(readUserFile(where), where);
  return openProject(entry, files, where, at);
}
