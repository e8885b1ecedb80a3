/** What tests of several folders share. */
import { allBoards, executingBoard } from "./boards.ts";

/** One board, the first by name, for each machine and set of flags: what compiled code runs on. */
export function boardsThatDiffer(): string[] {
  const found = new Map<string, string>();
  for (const board of allBoards()) {
    const machine = executingBoard(board);
    const key = `${machine.name} ${board.target.cflags.join(" ")} ${
      board.target.features.join(" ")
    }`;
    // A machine's own board comes before those that it stands in for.
    if (!found.has(key) || machine === board) found.set(key, board.name);
  }
  return [...found.values()].sort();
}
