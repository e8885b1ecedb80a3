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

/** Bytes of code and constants, texts included that other kernels may share. */
export const flashBytes = (e: Estimate): number =>
  [...e.texts.values()].reduce((a, b) => a + b, e.codeBytes + e.constantBytes);

const BRANCH = /^(b(eq|ne|cs|cc|hi|ls|ge|lt|gt|le)?|le)$/;

/** A line of assembly. */
interface Line {
  readonly mnemonic: string;
  readonly operands: string;
}

const lineOf = (text: string): Line => {
  const [, mnemonic, operands] = /^(\S+)\s*(.*)$/.exec(text)!;
  return { mnemonic, operands };
};

/** The assembly lines of an intrinsic's text. */
const assembly = ({ text }: CVariant): Line[] =>
  [...text.matchAll(/"(\w[\w.]*\s+[^"]*?)\\n"/g)].map(([, line]) => lineOf(line));

/** Instructions around the assembly of a text: accumulators in and out. */
const AROUND = 8;

/** The share of a text's instructions that stands in the code: those of a loop stand there once. */
function written(c: CVariant): number {
  if (c.length !== undefined) return Math.min(1, c.length / c.instructions!);
  const lines = assembly(c).length;
  return lines === 0 ? 1 : Math.min(1, (lines + AROUND) / c.instructions!);
}

/** Cycles of lines that follow each other; branches are taken. */
const cyclesOfLines = (lines: readonly Line[], model: CycleModel): number =>
  lines.reduce(
    (n, l, i) => n + cyclesOf(model, l, lines[i - 1]) + (BRANCH.test(l.mnemonic) ? model.taken : 0),
    0,
  );

/** Cycles an instruction of an intrinsic's text; of lines that are not counted, all alike often. */
function meanCycles(c: CVariant, model: CycleModel): number {
  if (c.executed) {
    const parts = c.executed.map(({ lines, times }) => ({ lines: lines.map(lineOf), times }));
    const cycles = parts.reduce((n, p) => n + p.times * cyclesOfLines(p.lines, model), 0);
    return cycles / parts.reduce((n, p) => n + p.times * p.lines.length, 0);
  }
  const lines = assembly(c);
  return lines.length === 0 ? PLAIN_CYCLES : cyclesOfLines(lines, model) / lines.length;
}
