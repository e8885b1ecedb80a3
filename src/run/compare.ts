/** Comparing outputs with expected ones. */
import type { Port } from "../project/mod.ts";
import { isFloat } from "../util/dtype.ts";
import type { TensorData } from "../util/tensor.ts";
import type { Sample } from "./samples.ts";

/** How one output differs over all samples; the fields of `run --json`. */
export interface OutputMatch {
  /** Largest difference. */
  readonly max_abs: number;
  /** The same in steps of the output's quantisation; null for a float without one. */
  readonly max_lsb: number | null;
  /** Elements that differ: at all, or by more than the tolerance for a float without a step. */
  readonly mismatched: number;
  /** Elements that were compared. */
  readonly elements: number;
}

/** What may differ. */
export interface Tolerance {
  /** In steps of the output's quantisation; default 0. */
  readonly maxLsb?: number;
  /** For floats without quantisation, relative to the largest expected value; default 1e-4. */
  readonly rtol?: number;
}

/** Differences as numbers; 64-bit integers are subtracted exactly. */
function differences(actual: TensorData, expected: TensorData): Float64Array {
  const out = new Float64Array(actual.data.length);
  for (let i = 0; i < out.length; i++) {
    const [a, b] = [actual.data[i], expected.data[i]];
    if (typeof a === "bigint" && typeof b === "bigint") out[i] = Math.abs(Number(a - b));
    else if (a === b || (Number.isNaN(a) && Number.isNaN(b))) out[i] = 0;
    else out[i] = Math.abs(Number(a) - Number(b));
    // A number against NaN differs by more than any tolerance.
    if (Number.isNaN(out[i])) out[i] = Infinity;
  }
  return out;
}

const largest = (values: Iterable<number | bigint>): number => {
  let most = 0;
  for (const v of values) {
    const size = Math.abs(Number(v));
    if (size > most && size !== Infinity) most = size;
  }
  return most;
};

/** The size of one step of an output; null for a float without quantisation. */
const stepOf = (port: Port): number | null => isFloat(port.dtype) ? port.scale ?? null : 1;

function compareOutput(
  port: Port,
  actual: readonly TensorData[],
  expected: readonly TensorData[],
  tolerance: Tolerance,
): { match: OutputMatch; passes: boolean } {
  const step = stepOf(port);
  const diffs = actual.map((t, s) => differences(t, expected[s]));
  const limit = step === null
    ? (tolerance.rtol ?? 1e-4) * largest(expected.flatMap((t) => [largest(t.data)]))
    : 0;
  const max = Math.max(0, ...diffs.map((d) => largestOf(d)));
  const mismatched = diffs.reduce((n, d) => n + d.reduce((m, v) => m + Number(v > limit), 0), 0);
  const steps = step === null ? null : Math.round(max / step);
  return {
    match: {
      max_abs: max,
      max_lsb: steps,
      mismatched,
      elements: diffs.reduce((n, d) => n + d.length, 0),
    },
    passes: steps === null ? mismatched === 0 : steps <= (tolerance.maxLsb ?? 0),
  };
}

const largestOf = (values: Float64Array): number => values.reduce((a, b) => Math.max(a, b), 0);

/** The comparison of all outputs. */
export interface Comparison {
  /** By `out0`, `out1` …. */
  readonly match: Record<string, OutputMatch>;
  /** Whether all differences are within the tolerance. */
  readonly passes: boolean;
}

/** Compares the outputs of as many samples as are expected; both lists have the same length. */
export function compareSamples(
  ports: readonly Port[],
  actual: readonly Sample[],
  expected: readonly Sample[],
  tolerance: Tolerance = {},
): Comparison {
  const all = ports.map((port, i) =>
    compareOutput(port, actual.map((s) => s[i]), expected.map((s) => s[i]), tolerance)
  );
  return {
    match: Object.fromEntries(all.map(({ match }, i) => [`out${i}`, match])),
    passes: all.every(({ passes }) => passes),
  };
}
