/** What the benchmark measures by default: models, what their outputs should be, other systems. */
import { basename, dirname, join, resolve } from "@std/path";
import { fileURLToPath } from "node:url";
import type { Baseline } from "../report/bench_row.ts";
import { BurinError } from "../util/errors.ts";
import { EXAMPLES } from "./examples.ts";
import { readUserFile, stemOf, userPath } from "./paths.ts";

/** A model to measure. */
export interface BenchModel {
  readonly path: string;
  /** Path of the .npz with inputs and expected outputs; null where there is none. */
  readonly samples: string | null;
  readonly example: boolean;
  /** Whether it is measured on cores without an FPU too. */
  readonly everywhere: boolean;
}

const besideCheckout = (path: string): string =>
  fileURLToPath(new URL(`../../../shared/${path}`, import.meta.url));

/** Where the models of others and the figures of other systems stand by default. */
const DEFAULT_MODELS = besideCheckout("models/mlperf_tiny");
const DEFAULT_BASELINES = besideCheckout("baselines.json");

function isThere(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

/** The exact outputs of a quantised model, else the stored ones, else an example's. */
function samplesOf(model: string): string | null {
  const folder = dirname(userPath(model)), stem = stemOf(model);
  return [`${stem}.exact.npz`, `${stem}.golden.npz`, "test.npz"]
    .map((file) => join(folder, file))
    .find(isThere) ?? null;
}

/** Models that the user names. */
export const namedModels = (paths: readonly string[]): BenchModel[] =>
  paths.map((path) => {
    const example = Object.values(EXAMPLES).find((e) => e.model === resolve(userPath(path)));
    return {
      path,
      samples: example?.samples ?? samplesOf(path),
      example: example !== undefined,
      everywhere: true,
    };
  });

/** The project's own examples. */
export const exampleModels = (): BenchModel[] =>
  Object.values(EXAMPLES).map(({ model, samples }) => ({
    path: model,
    samples,
    example: true,
    everywhere: true,
  }));

/**
 * The models `*_int8.onnx` and `*_fp32.onnx` of a folder, integers first.
 * @param folder as the user typed it; default the one beside the checkout
 * @returns null where the default folder is not there
 * @throws BurinError `data/no-file` where the named one is not
 */
export function folderModels(folder?: string): BenchModel[] | null {
  const path = folder === undefined ? DEFAULT_MODELS : userPath(folder);
  if (!isThere(path)) {
    if (folder === undefined) return null;
    throw new BurinError("data/no-file", `Cannot read ${folder} as there is no such folder`);
  }
  const names = [...Deno.readDirSync(path)].map((e) => e.name).sort();
  const ending = (end: string) => names.filter((n) => n.endsWith(`_${end}.onnx`));
  return ["int8", "fp32"].flatMap((kind) =>
    ending(kind).map((name) => ({
      path: join(path, name),
      samples: samplesOf(join(path, name)),
      example: false,
      everywhere: kind === "int8",
    }))
  );
}

/**
 * Rows of other systems.
 * @param file as the user typed it; default the one beside the checkout, where it is there
 * @throws BurinError `data/no-file`, `data/baselines`
 */
export function readBaselines(file?: string): Baseline[] {
  if (file === undefined && !isThere(DEFAULT_BASELINES)) return [];
  const path = file ?? DEFAULT_BASELINES;
  let rows: unknown;
  try {
    rows = JSON.parse(new TextDecoder().decode(readUserFile(path))).rows;
  } catch (e) {
    if (e instanceof BurinError) throw e;
  }
  const isRow = (r: Partial<Baseline>): boolean =>
    typeof r.model === "string" && typeof r.core === "string" && typeof r.system === "string" &&
    typeof r.instructions === "number" && r.instructions > 0;
  if (Array.isArray(rows) && rows.every(isRow)) return rows;
  throw new BurinError(
    "data/baselines",
    `Cannot use ${basename(path)} as it is no list of rows with model, core, system, instructions`,
    `write {"rows": [{"model": "kws", "core": "m4", "system": "…", "instructions": 1000000}]}`,
  );
}
