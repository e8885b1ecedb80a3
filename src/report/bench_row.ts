/** What the benchmark measures of one model on one core, and what it is compared with. */
import type { Feature } from "../target/target.ts";

/** A layer: one generated kernel. */
export interface BenchLayer {
  /** Its C function. */
  readonly kernel: string;
  /** Operators that it computes. */
  readonly ops: readonly string[];
  /** Multiply-accumulates of one run. */
  readonly macs: number;
  /** Instructions of one run with the call, the mean over the samples. */
  readonly instructions: number;
  /** Part of the instructions of all layers. */
  readonly share: number;
  /** Instructions that its multiply-accumulates alone take at least; null where that is unknown. */
  readonly limit: number | null;
  /** Cycles by the core's model without functions of libraries; null where there is none. */
  readonly cycles: number | null;
  /** Values loaded, likewise. */
  readonly loads: number | null;
  /** Values stored, likewise. */
  readonly stores: number | null;
  /** Bytes of both, likewise. */
  readonly bytes: number | null;
}

/** What another system takes for the same model on the same core; a row of `baselines.json`. */
export interface Baseline {
  /** Stem of the model's file. */
  readonly model: string;
  /** `m4`, `m7`, `m55` … */
  readonly core: string;
  readonly system: string;
  readonly instructions: number;
  readonly m4_cycle_estimate?: number;
  readonly flash_bytes?: number;
  readonly arena_bytes?: number;
}

/** Ours divided by theirs: below 1 is better; null where one of the two is unknown. */
export interface Ratio {
  /** The other system. */
  readonly system: string;
  /** Of instructions. */
  readonly instructions: number;
  /** Of cycles. */
  readonly cycles: number | null;
  /** Of code and constants. */
  readonly flash: number | null;
  /** Of working memory. */
  readonly arena: number | null;
}

/** One model on one board. */
export interface BenchRow {
  /** Stem of the model's file. */
  readonly model: string;
  /** Whether the model is one of the project's own examples. */
  readonly example: boolean;
  /** The board's name. */
  readonly board: string;
  /** `m4`, `m7`, `m55` … */
  readonly core: string;
  /** Why there are no figures; null where there are. */
  readonly error: string | null;
  /** Whether all outputs are as expected; null where nothing says what they should be. */
  readonly right: boolean | null;
  /** Samples that were run. */
  readonly samples: number;
  /** Instructions of the entry function, the mean over the samples. */
  readonly instructions: number;
  /** Cycles by the core's static model; null where there is none. */
  readonly cycles: number | null;
  /** Why there are no cycles; null where there are. */
  readonly no_cycles: string | null;
  /** Multiply-accumulates that the compiled model does. */
  readonly macs: number;
  /** Instructions for each of them; null where there are none. */
  readonly instructions_per_mac: number | null;
  /** Instructions that the multiply-accumulates alone take at least; null where unknown. */
  readonly limit: number | null;
  /** Values loaded; null where not profiled. */
  readonly loads: number | null;
  /** Values stored, likewise. */
  readonly stores: number | null;
  /** Bytes of both, likewise. */
  readonly bytes: number | null;
  /** Code and constants. */
  readonly flash_bytes: number;
  /** Code of the library and of what it takes of libgcc and libm. */
  readonly code_bytes: number;
  /** Constants. */
  readonly params_bytes: number;
  /** Working memory. */
  readonly arena_bytes: number;
  /** Working memory, inputs, outputs, stack. */
  readonly ram_bytes: number;
  /** Empty where the outputs are not known to be right. */
  readonly ratios: readonly Ratio[];
  /** Null where they were not asked for. */
  readonly layers: readonly BenchLayer[] | null;
}

/** The figures of a row that ratios are of. */
export type Compared = Pick<
  BenchRow,
  "model" | "core" | "right" | "instructions" | "cycles" | "flash_bytes" | "arena_bytes"
>;

const over = (ours: number | null, theirs: number | undefined): number | null =>
  ours === null || theirs === undefined || theirs === 0 ? null : ours / theirs;

/** Ratios to each baseline of the model on the core; none where the outputs are not right. */
export function ratiosOf(row: Compared, baselines: readonly Baseline[]): Ratio[] {
  if (row.right !== true) return [];
  return baselines
    .filter((b) => b.model === row.model && b.core === row.core)
    .map((b) => ({
      system: b.system,
      instructions: row.instructions / b.instructions,
      cycles: over(row.cycles, b.m4_cycle_estimate),
      flash: over(row.flash_bytes, b.flash_bytes),
      arena: over(row.arena_bytes, b.arena_bytes),
    }));
}

/**
 * Instructions that one multiply-accumulate takes at least, whatever is loaded around it: of 8-bit
 * integers VMLADAVA does 16, SMLAD 2, MLA 1, a core of ARMv6-M multiplies and adds. Floats are rounded
 * after the product as well: VMLA does one, vectors need VMUL and VADD for four.
 * @returns null for floats without an FPU, whose sums are functions of a library
 */
export function limitPerMac(features: readonly Feature[], integer: boolean): number | null {
  const has = (f: Feature): boolean => features.includes(f);
  if (!integer) return has("mve") ? 0.5 : has("fpu") ? 1 : null;
  if (has("mve")) return 1 / 16;
  if (has("dsp")) return 0.5;
  return has("sat") ? 1 : 2;
}
