/** Which boards have room for what a model needs. */
import { type Board, memoryBlocks } from "./target.ts";

/** Bytes that have to be there, each in one piece. */
export interface Room {
  readonly ram: number;
  readonly flash: number;
}

/** Boards that a message names. */
const NAMED = 3;

/** The memories of a board that a program uses: its first RAM and its first flash. */
export const roomOf = (board: Board): Room => ({
  ram: memoryBlocks(board, "ram")[0]?.bytes ?? 0,
  flash: memoryBlocks(board, "flash")[0]?.bytes ?? 0,
});

/**
 * Boards with room that the tools of `like` compile for, the smallest first; machines of an emulator
 * come behind real boards.
 */
export function boardsWithRoom(boards: readonly Board[], needed: Room, like: Board): Board[] {
  const emulated = (b: Board) => b.machine ? 1 : 0;
  return boards
    .filter((b) => b.target.prefix === like.target.prefix)
    .map((board) => ({ board, room: roomOf(board) }))
    .filter(({ room }) => room.ram >= needed.ram && room.flash >= needed.flash)
    .sort((a, b) =>
      emulated(a.board) - emulated(b.board) || a.room.ram - b.room.ram ||
      a.room.flash - b.room.flash || (a.board.name < b.board.name ? -1 : 1)
    )
    .map(({ board }) => board);
}

const kilobytes = (bytes: number): string => `${Math.floor(bytes / 1024)} KB`;

/** The boards with room as a hint says them, the nearest by size; or that there is none. */
export function roomHint(boards: readonly Board[], needed: Room, like: Board): string {
  const found = boardsWithRoom(boards, needed, like).slice(0, NAMED);
  if (found.length === 0) return "none of `deno task boards` has room: make the model smaller";
  const named = found.map((b) => {
    const { ram, flash } = roomOf(b);
    return `${b.name} (${kilobytes(ram)} of RAM, ${kilobytes(flash)} of flash)`;
  });
  return `boards with room, the smallest first: ${named.join(", ")}`;
}
