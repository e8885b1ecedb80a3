/** The samples of a project's self-test: the user's, or made up. */
import { basename } from "@std/path";
import type { CompileOptions, GoldenRequest } from "../compile.ts";
import type { Artifact } from "../project/mod.ts";
import { compareSamples } from "../run/compare.ts";
import { madeUpSample, type Sample, splitSamples } from "../run/samples.ts";
import { type Board, memoryBlocks } from "../target/target.ts";
import { readNpz } from "../util/npz.ts";
import { BurinError } from "../util/errors.ts";
import { readUserFile } from "./paths.ts";

/** Which samples the self-test runs. */
export interface GoldenOptions {
  /** Path of an .npz with inputs; default made-up samples. */
  readonly inputs?: string;
  /** Path of an .npz with the outputs that are expected of them: a difference is noted. */
  readonly expect?: string;
  /** How many samples, the first of the file; 0 for none; default 2 as far as flash allows. */
  readonly golden?: number;
}

const DEFAULT_SAMPLES = 2;

/** Multiply-accumulates that made-up samples may cost while compiling: about a second. */
const WORK = 2e8;

/** Part of a board's flash that made-up samples may take. */
const FLASH_SHARE = 1 / 16;

/** How many made-up samples a model and its board can afford. */
function affordable(board: Board, m: GoldenRequest): number {
  const bytes = [...m.inputs, ...m.outputs].reduce((sum, p) => sum + p.bytes, 0);
  const flash = memoryBlocks(board, "flash")[0]?.bytes ?? Infinity;
  const room = Math.min((flash - m.paramsBytes) / 4, flash * FLASH_SHARE);
  return Math.max(0, Math.floor(Math.min(room / Math.max(1, bytes), WORK / Math.max(1, m.macs))));
}

/** The compiler's option that chooses the samples. */
export function goldenOption(options: GoldenOptions, board: Board): CompileOptions["golden"] {
  const { inputs, golden } = options;
  return (m: GoldenRequest): Sample[] => {
    if (golden === 0) return [];
    if (inputs !== undefined) {
      const all = splitSamples(readNpz(readUserFile(inputs), inputs), m.inputs, "in", inputs);
      return all.slice(0, golden ?? DEFAULT_SAMPLES);
    }
    const count = golden ?? Math.min(DEFAULT_SAMPLES, affordable(board, m));
    return Array.from({ length: count }, (_, i) => madeUpSample(m.inputs, i + 1));
  };
}

/**
 * Outputs can only be expected of inputs that are known.
 * @throws BurinError `usage/expect-without-inputs`
 */
export function checkSamples({ inputs, expect }: GoldenOptions): void {
  if (expect === undefined || inputs !== undefined) return;
  throw new BurinError(
    "usage/expect-without-inputs",
    `Cannot compare with ${expect} as the inputs that give these outputs are not named`,
    `add --inputs F.npz; one file may hold both: --inputs ${expect}`,
  );
}

/**
 * What is to be said of golden vectors: where they differ from what the user expects, and where
 * there are fewer than asked for, or none.
 */
export function goldenNotes(artifact: Artifact, options: GoldenOptions): string[] {
  const { golden, name } = artifact;
  if (golden.length === 0) {
    const why = options.golden === 0
      ? "--golden 0 asks for none"
      : "they would cost too much; add --golden 1";
    return [`the self-test of ${name} has no samples, so that it never passes, as ${why}`];
  }
  const { inputs, golden: wanted = 0, expect: path } = options;
  const fewer = inputs !== undefined && golden.length < wanted
    ? [
      `the self-test of ${name} has ${golden.length} samples, as ${basename(inputs)} holds no more`,
    ]
    : [];
  if (path === undefined) return fewer;
  // The note stands in the project, where no folder of this computer belongs.
  const file = basename(path);
  const expected = splitSamples(readNpz(readUserFile(path), path), artifact.outputs, "out", path)
    .slice(0, golden.length);
  const actual = golden.slice(0, expected.length).map((g) => g.outputs);
  const { match } = compareSamples(artifact.outputs, actual, expected);
  const differing = Object.entries(match).flatMap(([out, m]) =>
    m.mismatched === 0 ? [] : [
      `the golden ${out} of ${name} differs from ${file} in ${m.mismatched} of ${m.elements} ` +
      "elements; the self-test expects what the generated C computes",
    ]
  );
  return [...fewer, ...differing];
}
