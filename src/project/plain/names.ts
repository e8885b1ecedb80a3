/** What the files of a plain project call things, and what they have to know of the board. */
import { executingBoard } from "../../target/boards.ts";
import { type Architecture, architectureOf } from "../../target/architecture.ts";
import type { Board } from "../../target/target.ts";
import { BurinError } from "../../util/errors.ts";
import { type Bundle, librarySources } from "../bundle.ts";
import { ABI_VERSION } from "../model_json.ts";

/** A plain project, with what its files have in common. */
export interface Plain {
  readonly bundle: Bundle;
  readonly board: Board;
  /** Prefix of CMake's options. */
  readonly macro: string;
  /** Version of the package: the library's interface is all that users of it can rely on. */
  readonly version: string;
  /** Null where the project is for this computer. */
  readonly architecture: Architecture | null;
  /** The board whose machine runs the program under QEMU; null where there is none. */
  readonly machineBoard: Board | null;
  /** Whether any C compiler takes the library: it holds no instructions of the core. */
  readonly portable: boolean;
  /** Presets, the one to try first in front. */
  readonly presets: readonly string[];
}

function machineOf(board: Board): Board | null {
  try {
    const found = executingBoard(board);
    return found.machine === undefined ? null : found;
  } catch (e) {
    if (e instanceof BurinError && e.code === "board/no-machine") return null;
    throw e;
  }
}

/** Looks at the models' sources and their board. */
export function plainOf(bundle: Bundle): Plain {
  const { board } = bundle;
  const architecture = architectureOf(board.target);
  const machineBoard = architecture === null ? null : machineOf(board);
  const portable = ![...librarySources(bundle).values()].some((text) => text.includes("__asm__"));
  return {
    bundle,
    board,
    macro: bundle.name.toUpperCase(),
    version: `${ABI_VERSION}.0.0`,
    architecture,
    machineBoard,
    portable: portable || architecture === null,
    presets: [
      ...(machineBoard ? ["qemu"] : []),
      ...(architecture ? ["board"] : []),
      ...(portable || architecture === null ? ["host"] : []),
    ],
  };
}

/** A core's name where files and CMake can take it: a user's board file may say anything. */
export const cpuName = (board: Board): string =>
  board.target.cpu.replace(/[^A-Za-z0-9.+_-]+/g, "-");

/** What a core is called in texts: `Cortex-M7`, `rv32imc`. */
export const coreName = (board: Board): string =>
  cpuName(board).replace(/^cortex-m/, "Cortex-M").replace("plus", "+");

/** Path of the toolchain file. */
export const toolchainFile = (p: Plain): string => `cmake/toolchain-${cpuName(p.board)}.cmake`;
