/** What a loop program takes, before any C compiler has seen it: time, flash, scratch memory. */
import { bytesOf } from "../util/dtype.ts";
import { sizeOf } from "../util/tensor.ts";
import { CYCLE_MODELS, type CycleModel, cyclesOf } from "../target/cycle_model.ts";
import { has, type Target } from "../target/target.ts";
import { operationsOf, weigh } from "./cost.ts";
import { costsOf, CYCLES } from "./cost_table.ts";
import type { CVariant } from "./intrinsics.ts";
import type { Kernel } from "./stmt.ts";
import { countOnce } from "./trips.ts";

/** What one call of a kernel takes, and what the kernel takes of the board. */
export interface Estimate {
  readonly instructions: number;
  /** By the core's model of cycles; null where it has none. */
  readonly cycles: number | null;
  /** Bytes of machine code, but for texts that stand once for all kernels. */
  readonly codeBytes: number;
  /** Bytes of each text that stands once for all kernels that call it. */
  readonly texts: ReadonlyMap<string, number>;
  /** Bytes of constants. */
  readonly constantBytes: number;
  /** Bytes of working memory beside the operands. */
  readonly scratchBytes: number;
}

/** Mean length of an instruction in bytes: Thumb-2 and RV32C mix two and four. */
const INSTRUCTION_BYTES = 3.5;

/** Cycles an instruction of an intrinsic that is written in C. */
const PLAIN_CYCLES = 1.25;

/** Estimates a kernel on a core. */
export function estimate(kernel: Kernel, target: Target): Estimate {
  const costs = costsOf(target), model = CYCLE_MODELS[target.cpu];
  const run = operationsOf(kernel, target), once = operationsOf(kernel, target, countOnce);
  const instructions = weigh(run.counts, costs);
  const plain = new Map([...run.counts].filter(([op]) => op !== "instruction"));
  const texts = [...run.texts].reduce(
    (sum, [c, n]) => sum + n * (model ? meanCycles(c, model) : 1),
    0,
  );
  const around = new Map([...once.counts].filter(([op]) => op !== "instruction"));
  const intrinsics = [...once.texts].reduce(
    (sum, [c, n]) => sum + (c.shared ? 0 : n * written(c)),
    0,
  );
  const shared = [...once.texts.keys()].filter((c) => c.shared);
  return {
    instructions: Math.round(instructions),
    cycles: model && has(target, "fpu") ? Math.round(weigh(plain, CYCLES) + texts) : null,
    codeBytes: Math.round(INSTRUCTION_BYTES * (weigh(around, costs) + intrinsics)),
    texts: new Map(
      shared.map((c) => [c.text, Math.round(INSTRUCTION_BYTES * written(c) * c.instructions!)]),
    ),
    constantBytes: kernel.params.reduce((sum, p) => sum + sizeOf(p.shape) * bytesOf(p.dtype), 0),
    scratchBytes: kernel.buffers.filter((b) => b.scope === "scratch")
      .reduce((sum, b) => sum + b.length * bytesOf(b.dtype), 0),
  };
}

const BRANCH = /^(b(eq|ne|cs|cc|hi|ls|ge|lt|gt|le)?|le)$/;

/** The assembly lines of an intrinsic's text. */
const assembly = ({ text }: CVariant) =>
  [...text.matchAll(/"(\w[\w.]*)\s+([^"]*?)\\n"/g)]
    .map(([, mnemonic, operands]) => ({ mnemonic, operands }));

/** Instructions around the assembly of a text: accumulators in and out. */
const AROUND = 8;

/** The share of a text's instructions that stands in the code: those of a loop stand there once. */
function written(c: CVariant): number {
  if (c.length !== undefined) return Math.min(1, c.length / c.instructions!);
  const lines = assembly(c).length;
  return lines === 0 ? 1 : Math.min(1, (lines + AROUND) / c.instructions!);
}

/** Cycles an instruction of an intrinsic's text, were each of them executed alike often. */
function meanCycles(c: CVariant, model: CycleModel): number {
  const lines = assembly(c);
  if (lines.length === 0) return PLAIN_CYCLES;
  const sum = lines.reduce(
    (n, l, i) =>
      n + cyclesOf(model, l, lines[i - 1]) +
      (BRANCH.test(l.mnemonic) ? model.taken : 0),
    0,
  );
  return sum / lines.length;
}
