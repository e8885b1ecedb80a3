/** The options that compile, run and inspect share. */
import { dirname } from "@std/path";
import { DEFAULTS } from "../compile/defaults.ts";
import { allBoards, loadBoard } from "../target/boards.ts";
import { BurinError } from "../util/errors.ts";
import { bytesOfSize } from "../util/size.ts";
import type { Args, OptionSpec } from "./args.ts";
import { folderFiles } from "./external.ts";
import { stemOf, userPath } from "./paths.ts";
import type { CompileOptions } from "./compiler.ts";

/** What to compile and how, as a program or a command line gives it. */
export interface CompileRequest {
  /** Path of the ONNX file; default the bundled example. */
  readonly model?: string;
  /** A board's name or the path of a board file (it ends in .json). */
  readonly board: string;
  /** Prefix of every C symbol; default the file's stem made C-safe. */
  readonly name?: string;
  /** How much is transformed; default 3. */
  readonly optLevel?: 0 | 1 | 2 | 3;
  /** What to trade for what; default balanced. */
  readonly optimize?: "balanced" | "speed" | "ram" | "flash";
  /** Bytes of code and constants up to which flash is spent for speed; default by `optimize`. */
  readonly flashBudget?: number;
  /** Bytes that the arena may take: the plan with the fewest instructions that keeps to them. */
  readonly ramBudget?: number;
  /** Rounding of requantisation; `fast` may differ by one step; default exact. */
  readonly requant?: "exact" | "fast";
  /** Where inputs and outputs live; default caller. */
  readonly io?: "caller" | "arena";
  /** Memories of the board that the arena may use, bytes by name; default one region. */
  readonly arena?: readonly { readonly region: string; readonly bytes: number }[];
  /** Memory of the board that the constants are copied into at start; default none. */
  readonly weights?: string;
  /** Read tensors from files in the model's own folder; default false. */
  readonly externalData?: boolean;
  /** Sizes of symbolic dimensions. */
  readonly dims?: Readonly<Record<string, number>>;
}

/** Options of the command line for a {@link CompileRequest}. */
export const COMPILE_OPTIONS: Readonly<Record<string, OptionSpec>> = {
  board: { kind: "value", value: "NAME", help: "a board of `deno task boards`, or a .json file" },
  name: { kind: "value", value: "N", help: "prefix of every C symbol; default the file's stem" },
  dim: { kind: "list", value: "batch=1", help: "size of a symbolic dimension; may be repeated" },
  "external-data": {
    kind: "flag",
    help: "read tensors from files in the model's own folder",
  },
  O: {
    kind: "value",
    value: "0..3",
    help: "how much is transformed; default 3",
    choices: [..."0123"],
  },
  optimize: {
    kind: "value",
    value: "GOAL",
    help: "what to trade for what; default balanced",
    choices: ["balanced", "speed", "ram", "flash"],
  },
  "flash-budget": {
    kind: "value",
    value: "BYTES",
    help: "spend flash for speed up to so much; default none, for speed half of the board's",
  },
  "ram-budget": {
    kind: "value",
    value: "BYTES",
    help: "let the arena take so much at most, for as few instructions as that needs",
  },
  requant: {
    kind: "value",
    value: "HOW",
    help: "rounding; fast may differ by one step; default exact",
    choices: ["exact", "fast"],
  },
  io: {
    kind: "value",
    value: "WHERE",
    help: "where inputs and outputs live; default caller",
    choices: ["caller", "arena"],
  },
  arena: {
    kind: "list",
    value: "dtcm=64K",
    help: "use so much of a memory of the board, the fastest first; may be repeated",
  },
  weights: {
    kind: "value",
    value: "REGION",
    help: "copy the constants into this RAM of the board at start; default flash",
  },
};

/** Regions from `REGION=BYTES`. @throws BurinError `usage/bad-value` */
export function arenaOf(list: readonly string[]): { region: string; bytes: number }[] {
  return list.map((text) => {
    const [, region, size = ""] = /^([^=]+)=(.*)$/.exec(text) ?? [], bytes = bytesOfSize(size);
    if (region === undefined || bytes === null) {
      throw new BurinError(
        "usage/bad-value",
        `Cannot set --arena to ${text} as it takes REGION=BYTES`,
        "write --arena dtcm=64K",
      );
    }
    return { region, bytes };
  });
}

/** Sizes of dimensions from `NAME=SIZE`. @throws BurinError `usage/bad-value` */
export function dimsOf(list: readonly string[]): Record<string, number> {
  return Object.fromEntries(list.map((text) => {
    const at = text.lastIndexOf("=");
    const size = Number(text.slice(at + 1));
    if (at < 1 || !Number.isSafeInteger(size) || size < 1) {
      throw new BurinError(
        "usage/bad-value",
        `Cannot set --dim to ${text} as it takes NAME=SIZE with a size of at least 1`,
        "write --dim batch=1",
      );
    }
    return [text.slice(0, at), size];
  }));
}

/** The bytes of `--flash-budget` or `--ram-budget`; throws `usage/bad-value`. */
export function budgetOf(
  option: "flash-budget" | "ram-budget",
  text: string | undefined,
): number | undefined {
  if (text === undefined) return undefined;
  const bytes = bytesOfSize(text);
  if (bytes === null) {
    throw new BurinError(
      "usage/bad-value",
      `Cannot set --${option} to ${text} as it takes a number of bytes, or one with K or M`,
      `write --${option} ${option === "ram-budget" ? 16384 : 1048576}`,
    );
  }
  return bytes;
}

/**
 * The request that a command line states; `--board` may be absent where `board` is given.
 * @throws BurinError `usage/no-board`, `usage/bad-value`
 */
export function requestOf(args: Args, board = args.value("board")): CompileRequest {
  if (board === undefined) {
    throw new BurinError(
      "usage/no-board",
      "Cannot compile as no board is named",
      "add --board stm32f746; `deno task boards` lists the boards",
    );
  }
  const level = args.value("O");
  return {
    model: args.operands[0],
    board,
    name: args.value("name"),
    optLevel: level === undefined ? undefined : Number(level) as 0 | 1 | 2 | 3,
    optimize: args.value("optimize") as CompileRequest["optimize"],
    flashBudget: budgetOf("flash-budget", args.value("flash-budget")),
    ramBudget: budgetOf("ram-budget", args.value("ram-budget")),
    requant: args.value("requant") as CompileRequest["requant"],
    io: args.value("io") as CompileRequest["io"],
    arena: arenaOf(args.list("arena")),
    weights: args.value("weights"),
    externalData: args.flag("external-data"),
    dims: dimsOf(args.list("dim")),
  };
}

/**
 * The compiler's options for a request, defaults filled in.
 * @param path the model's, whose stem is the default name
 * @throws BurinError `usage/unknown-board`, `board/invalid`
 */
export function compileOptions(request: CompileRequest, path: string): CompileOptions {
  const { board, name } = request;
  return {
    board: loadBoard(board.endsWith(".json") ? userPath(board) : board),
    fileStem: stemOf(path),
    ...(name === undefined ? {} : { name }),
    optLevel: request.optLevel ?? DEFAULTS.optLevel,
    optimize: request.optimize ?? DEFAULTS.optimize,
    ...(request.flashBudget === undefined ? {} : { flashBudget: request.flashBudget }),
    ...(request.ramBudget === undefined ? {} : { ramBudget: request.ramBudget }),
    requant: request.requant ?? DEFAULTS.requant,
    io: request.io ?? DEFAULTS.io,
    ...(request.arena?.length ? { arena: request.arena } : {}),
    ...(request.weights === undefined ? {} : { weights: request.weights }),
    dims: request.dims ?? DEFAULTS.dims,
    boards: allBoards,
    ...(request.externalData ? { externalFiles: folderFiles(dirname(userPath(path))) } : {}),
  };
}
