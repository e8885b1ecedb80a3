/** `boards`: what models can be compiled for. */
import { allBoards, executingBoard } from "../target/boards.ts";
import { type Board, isHost, memoryBlocks } from "../target/target.ts";
import type { Args, Command } from "./args.ts";
import { print, printJson, table } from "./terminal.ts";

/** One board as `boards --json` prints it. */
export interface BoardInfo {
  /** Name for `--board`. */
  readonly name: string;
  /** Name for people. */
  readonly title: string;
  /** Core. */
  readonly cpu: string;
  /** What the core has. */
  readonly features: readonly string[];
  /** Bytes of flash and RAM that a program can use; null where the system decides. */
  readonly flash_bytes: number | null;
  /** See `flash_bytes`. */
  readonly ram_bytes: number | null;
  /** The highest clock that the core is rated for. */
  readonly clock_hz: number | null;
  /** What executes programs for it: `host`, or a machine of QEMU. */
  readonly executes_on: string;
  /** Whether that machine stands in for the board. */
  readonly stand_in: boolean;
  /** The board's names elsewhere; null where it has none that is known. */
  readonly zephyr: string | null;
  /** See `zephyr`. */
  readonly arduino: string | null;
  /** See `zephyr`. */
  readonly platformio: string | null;
}

function infoOf(board: Board): BoardInfo {
  const machine = executingBoard(board);
  return {
    name: board.name,
    title: board.title,
    cpu: board.target.cpu,
    features: board.target.features,
    flash_bytes: memoryBlocks(board, "flash")[0]?.bytes ?? null,
    ram_bytes: memoryBlocks(board, "ram")[0]?.bytes ?? null,
    clock_hz: board.clockHz ?? null,
    executes_on: isHost(board.target) ? "host" : machine.machine!.name,
    stand_in: machine.name !== board.name,
    zephyr: board.zephyr ?? null,
    arduino: board.arduino ?? null,
    platformio: board.platformio ?? null,
  };
}

/** All boards that Burin brings. */
export const boards = (): BoardInfo[] => allBoards().map(infoOf);

/** A clock as people write it; a dash where there is none. */
export const megahertz = (hz: number | null): string => hz === null ? "–" : `${hz / 1e6} MHz`;

const kilobytes = (bytes: number | null): string => bytes === null ? "–" : `${bytes >> 10}K`;

function main(args: Args): number {
  const list = boards();
  if (args.flag("json")) {
    printJson(list);
    return 0;
  }
  const rows = list.map((b) => [
    b.name,
    b.cpu,
    kilobytes(b.flash_bytes),
    kilobytes(b.ram_bytes),
    megahertz(b.clock_hz),
    b.executes_on + (b.stand_in ? " (stand-in)" : ""),
    b.zephyr ?? "–",
    b.title,
  ]);
  print(
    table([["NAME", "CORE", "FLASH", "RAM", "CLOCK", "EXECUTES ON", "ZEPHYR", ""], ...rows]),
  );
  return 0;
}

/** The command. */
export const command: Command = {
  name: "boards",
  summary: "List the boards that models can be compiled for.",
  operands: "",
  maxOperands: 0,
  options: { json: { kind: "flag", help: "print a JSON array" } },
  notes:
    "A board file of your own (boards/board.schema.json) is named by its path: --board ./my.json",
  main,
};
