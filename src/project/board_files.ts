/**
 * What a program needs to run on a bare board: linker script, start-up code, vector table. The
 * runner proves with the same files that a model fits.
 */
import linkTemplate from "../../templates/board/link.ld.hbs" with { type: "text" };
import fixedTemplate from "../../templates/board/fixed.c.hbs" with { type: "text" };
import vectorsArm from "../../templates/board/vectors_arm.c.hbs" with { type: "text" };
import type { CompiledLibrary } from "../codegen/artifact.ts";
import { architectureOf } from "../target/architecture.ts";
import { type Board, type FixedWords, memoryBlocks } from "../target/target.ts";
import { invariant } from "../util/errors.ts";
import { render } from "../util/template.ts";

/** A board's name for people as a comment of C can hold it. */
export const titleOf = (board: Board): string =>
  board.title.replace(/\s+/g, " ").replaceAll("*/", "* /");

const hex = (n: number) => `0x${n.toString(16).padStart(8, "0")}`;

/** Armv6-M: no faults of its own but HardFault, at most 32 interrupts, no cycle counter. */
export const isSmallArm = (board: Board): boolean => /^cortex-m(0|0plus|1)$/.test(board.target.cpu);

/** Exceptions of the core behind Reset, by their numbers in the table; empty slots are reserved. */
const EXCEPTIONS: readonly (readonly [slot: number, name: string, small: boolean])[] = [
  [2, "NMI_Handler", true],
  [3, "HardFault_Handler", true],
  [4, "MemManage_Handler", false],
  [5, "BusFault_Handler", false],
  [6, "UsageFault_Handler", false],
  [7, "SecureFault_Handler", false],
  [11, "SVC_Handler", true],
  [12, "DebugMon_Handler", false],
  [14, "PendSV_Handler", true],
  [15, "SysTick_Handler", true],
];

/** Interrupts in the vector table: all that Armv6-M has, as many as large microcontrollers use. */
const interrupts = (board: Board): number => isSmallArm(board) ? 32 : 160;

/** Lists in lines of four. */
function rows(items: readonly string[]): string[] {
  const lines: string[] = [];
  for (let i = 0; i < items.length; i += 4) lines.push(items.slice(i, i + 4).join(", "));
  return lines;
}

function vectorTable(board: Board): string {
  const exceptions = EXCEPTIONS.filter(([, , small]) => small || !isSmallArm(board));
  const count = interrupts(board);
  const irqs = Array.from({ length: count }, (_, i) => `IRQ${i}_Handler`);
  const slots = Array.from({ length: 15 }, (_, i) => {
    if (i === 0) return "Reset_Handler";
    return exceptions.find(([slot]) => slot === i + 1)?.[1] ?? "0";
  });
  return render(vectorsArm, {
    exceptions: exceptions.map(([, name]) => name),
    irqs,
    last: count - 1,
    handlers: slots.length + count,
    rows: [...rows(slots), ...rows(irqs)],
  }, "board/vectors_arm.c.hbs");
}

const fixedWords = (fixed: readonly FixedWords[]): string =>
  render(fixedTemplate, {
    blocks: fixed.map(({ what, words }, i) => ({
      what,
      symbol: `fixed_${i}`,
      rows: rows(words.map((word) => `${hex(word)}u`)),
    })),
  }, "board/fixed.c.hbs");

/** Memories of the board that were chosen by name for what a model stores. */
export const placedIn = (models: readonly Pick<CompiledLibrary, "regions" | "weights">[]) => ({
  arenas: models.flatMap((m) => m.regions.map((r) => r.name)),
  weights: models.flatMap((m) => m.weights ?? []),
});

/** The start-up files by name; their entry is `Reset_Handler`. */
export function startupFiles(board: Board): Map<string, string> {
  const architecture = architectureOf(board.target);
  invariant(architecture !== null, "this computer starts its own programs");
  const files = new Map([["startup.c", architecture.startup]]);
  if (architecture.name === "arm") files.set("vectors.c", vectorTable(board));
  if (board.fixed?.length) files.set("fixed.c", fixedWords(board.fixed));
  return files;
}

/** The stack that a firmware gets where nobody has measured what it needs, in bytes. */
export const defaultStackBytes = (board: Board): number =>
  Math.min(8192, memoryBlocks(board, "ram")[0].bytes >> 3);

/**
 * The board's linker script: the first block of each kind is FLASH and RAM, further ones of RAM
 * hold the sections that are called like them.
 * @param placed what was planned for memories by their names, each of which is then a block
 */
export function linkerScript(
  board: Board,
  stackBytes: number,
  placed: { readonly arenas: readonly string[]; readonly weights: readonly string[] } = {
    arenas: [],
    weights: [],
  },
): string {
  const apart = [...placed.arenas, ...placed.weights];
  const blocks = (["flash", "ram"] as const).flatMap((kind) =>
    memoryBlocks(board, kind, apart).map((block, i) => ({ kind, block, main: i === 0 }))
  );
  const regions = blocks.map(({ kind, block, main }) => ({
    ld_name: main ? kind.toUpperCase() : block.name.toUpperCase(),
    access: kind === "flash" ? "rx" : "rwx",
    base: hex(block.base),
    bytes: block.bytes,
  }));
  const others = blocks.filter(({ kind, main }) => kind === "ram" && !main).map(({ block }) => ({
    section: block.name,
    ld_name: block.name.toUpperCase(),
  }));
  return render(linkTemplate, {
    title: titleOf(board),
    regions,
    fixed: (board.fixed ?? []).map(({ what, base }, i) => ({
      what,
      section: `fixed_${i}`,
      base: hex(base),
    })),
    others,
    loaded: others.filter((o) => placed.weights.includes(o.section)),
    // VTOR wants an Arm core's table at a multiple of its size, rounded up to a power of two.
    vectors_align: architectureOf(board.target)?.name === "arm"
      ? 2 ** Math.ceil(Math.log2(4 * (16 + interrupts(board))))
      : 64,
    stack_bytes: stackBytes,
  }, "board/link.ld.hbs");
}
