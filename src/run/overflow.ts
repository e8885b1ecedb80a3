/** What the linker says of memories that are too small, as a message that says what would do. */
import type { Port } from "../project/mod.ts";
import { allBoards } from "../target/boards.ts";
import { type Room, roomHint, roomOf } from "../target/room.ts";
import type { Board } from "../target/target.ts";
import { BurinError } from "../util/errors.ts";

/** Asks the linker for the figures that {@linkcode overflowOf} reads. */
export const USAGE_FLAG = "-Wl,--print-memory-usage";

const UNITS: Readonly<Record<string, number>> = { B: 1, KB: 1024, MB: 1024 ** 2, GB: 1024 ** 3 };

/** Bytes that the image takes of FLASH and RAM where one of them overflows; null where none does. */
export function overflowOf(stdout: string, stderr: string): Room | null {
  if (!/region `\w+' overflowed by \d+ bytes/.test(stderr)) return null;
  const used = (region: string): number => {
    const row = new RegExp(`^ *${region}: +(\\d+) ([KMG]?B) `, "mi").exec(stdout);
    return row ? Number(row[1]) * UNITS[row[2]] : 0;
  };
  return { ram: used("RAM"), flash: used("FLASH") };
}

const count = (n: number): string => `${n.toLocaleString("en-US")} bytes`;

/**
 * The error for an image that `board` has no room for.
 * @param what the image as people call it; @param ports inputs and outputs that it holds
 */
export function tooLarge(
  board: Board,
  used: Room,
  what: string,
  ports: readonly Pick<Port, "bytes" | "placement">[],
): BurinError {
  const there = roomOf(board);
  const faults = ([["flash", "flash"], ["ram", "RAM"]] as const)
    .filter(([kind]) => used[kind] > there[kind])
    .map(([kind, name]) =>
      `takes ${count(used[kind])} of ${name} where there are ${count(there[kind])}`
    );
  const callers = ports.filter((p) => p.placement.where === "caller")
    .reduce((sum, p) => sum + p.bytes, 0);
  const lack = used.ram - there.ram;
  const options = lack > 0 && lack <= callers
    ? [`--io arena lets the ${count(callers)} of inputs and outputs share memory with the arena`]
    : [];
  return new BurinError(
    "board/does-not-fit",
    `Cannot link for ${board.name} as ${what} ${faults.join(" and ")}`,
    [...options, roomHint(allBoards(), used, board)].join("; "),
  );
}
