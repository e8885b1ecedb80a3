/** A target is data: what compiles for it, what the core can do, where its memory lies. */

/**
 * Instructions that the code generator can use: those of Arm cores, and what others share with them
 * (`umull`: the 64-bit product of two words, `div`). A target without any gets portable C.
 */
export type Feature = "dsp" | "fpu" | "fpu64" | "mve" | "clz" | "umull" | "div" | "sat";

/** One memory of a board, in bytes. */
export interface MemoryRegion {
  /** Lowercase name, unique on its board. */
  readonly name: string;
  /** Flash keeps constants and code, RAM the rest. */
  readonly kind: "flash" | "ram";
  /** Address. */
  readonly base: number;
  /** Size in bytes. */
  readonly bytes: number;
  /** Relative access time; 1 is the fastest. */
  readonly latency: number;
}

/** The core and how to compile for it. */
export interface Target {
  /** `cortex-m7`, `rv32imc`, `host`, … */
  readonly cpu: string;
  /** Prefix of the tools, which says the architecture; empty for the host's own. */
  readonly prefix: string;
  /** The core's flags for gcc. */
  readonly cflags: readonly string[];
  /** What the core has. */
  readonly features: readonly Feature[];
  /** Bytes of a pointer. */
  readonly pointerBytes: number;
}

/** How many instructions an emulator's timer tick stands for, and where the timer is. */
export interface Counter {
  /** Which timer. */
  readonly kind: "systick" | "cmsdk-timer" | "sse-counter" | "minstret";
  /** Ticks a second of the emulator's clock. */
  readonly hz: number;
  /** Address of the timer's registers, unless the architecture fixes it. */
  readonly base?: number;
  /** `-icount shift=N`: an instruction takes 2^N nanoseconds of the emulator's clock. */
  readonly shift: number;
}

/** A machine of QEMU that runs an image linked for this board. */
export interface Machine {
  /** Its name for QEMU's -M. */
  readonly name: string;
  /** What is written after -cpu, where the machine models more than one. */
  readonly cpu?: string;
  /** Timer that counts instructions. */
  readonly counter: Counter;
}

/** Words that the flash has to hold at an address of their own: a boot ROM or the chip reads them. */
export interface FixedWords {
  /** What they are, for people. */
  readonly what: string;
  /** Address, behind the vector table. */
  readonly base: number;
  /** Their values. */
  readonly words: readonly number[];
}

/** A board: a target, its memories, and a machine that executes it (its own or a stand-in's). */
export interface Board {
  /** Name for `--board`: the name of its file. */
  readonly name: string;
  /** Name for people. */
  readonly title: string;
  /** Its core. */
  readonly target: Target;
  /** Absent memories (board host) mean: as much as there is. */
  readonly memory: readonly MemoryRegion[];
  /** What an image holds beside the program. */
  readonly fixed?: readonly FixedWords[];
  /** The highest clock that the core is rated for, in Hz. */
  readonly clockHz?: number;
  /** Absent where no emulator models the board. */
  readonly machine?: Machine;
  /** Name of the board that executes in its place: it has every instruction that this one has. */
  readonly standIn?: string;
  /** The board's name in Zephyr, where it has one. */
  readonly zephyr?: string;
  /** Its name in Zephyr before 3.7 (board, soc and core in one word), where that is another. */
  readonly zephyrOld?: string;
  /** Its fully qualified name in Arduino: `vendor:architecture:board`. */
  readonly arduino?: string;
  /** Its name in PlatformIO. */
  readonly platformio?: string;
  /** Where the figures come from. */
  readonly source: string;
  /** What has to be known to flash it or to use all of its memory. */
  readonly note?: string;
}

/** Whether the core has a feature. */
export const has = (t: Target, f: Feature): boolean => t.features.includes(f);

/** Whether programs for the target run on this computer. */
export const isHost = (t: Target): boolean => t.prefix === "";

/**
 * The board's memories of one kind, neighbours joined to one block. The first is the one that holds
 * the first memory in the board's file: what a linker script calls FLASH or RAM.
 * @param apart memories that are joined with no other
 */
export function memoryBlocks(
  board: Board,
  kind: MemoryRegion["kind"],
  apart: readonly string[] = [],
): MemoryRegion[] {
  const regions = board.memory.filter((m) => m.kind === kind);
  const blocks: MemoryRegion[] = [];
  for (const m of [...regions].sort((a, b) => a.base - b.base)) {
    const last = blocks.at(-1);
    const alone = apart.includes(m.name) || (last !== undefined && apart.includes(last.name));
    if (last && last.base + last.bytes === m.base && !alone) {
      blocks[blocks.length - 1] = {
        ...last,
        bytes: last.bytes + m.bytes,
        latency: Math.max(last.latency, m.latency),
      };
    } else blocks.push(m);
  }
  const main = blocks.find((b) => regions[0].base >= b.base && regions[0].base < b.base + b.bytes);
  return main ? [main, ...blocks.filter((b) => b !== main)] : [];
}

/** Bytes of the flash that code and constants go to; null for a board without memory regions. */
export const flashOf = (board: Board): number | null =>
  memoryBlocks(board, "flash").at(0)?.bytes ?? null;
