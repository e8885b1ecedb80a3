/** Boards are JSON files: those that Burin brings (boards/) and a user's own, given by its path. */
import { basename } from "@std/path";
import * as v from "valibot";
import { BurinError } from "../util/errors.ts";
import { bytesOfSize } from "../util/size.ts";
import { aliasHint } from "./aliases.ts";
import { ARCHITECTURES } from "./architecture.ts";
import { lacking } from "./isa.ts";
import type { Board, Feature } from "./target.ts";

const FOLDER = new URL("../../boards/", import.meta.url);
const FEATURES = [
  "dsp",
  "fpu",
  "fpu64",
  "mve",
  "clz",
  "umull",
  "div",
  "sat",
] as const satisfies readonly Feature[];

const text = v.pipe(v.string("has to be text"), v.minLength(1, "has to say something"));
const address = v.pipe(
  v.string("has to be text such as 0x20000000"),
  v.regex(/^0x[0-9a-fA-F]{1,8}$/, "has to be an address such as 0x20000000"),
  v.transform(Number),
);
const size = v.pipe(
  v.string("has to be text such as 256K"),
  v.transform(bytesOfSize),
  v.number("has to be a size such as 262144, 256K or 1M"),
  v.maxValue(2 ** 32, "has to be at most 4096M"),
);
const oneOf = <const T extends readonly string[]>(names: T) =>
  v.picklist(names, `has to be one of ${names.join(", ")}`);

/** Text that ends no comment, string or line of the files that it is written into. */
const line = v.pipe(
  text,
  v.regex(/^[^"$*\\{}\p{Cc}]+$/u, 'has to be a line of text without " $ * \\ { }'),
);
const nameElsewhere = v.pipe(
  text,
  v.regex(/^[A-Za-z0-9_./@-]+$/, "has to be letters, digits and _ . / @ -"),
);

/** Names that the linker script gives a meaning of its own. */
const LINKER_NAMES = ["text", "rodata", "data", "bss", "stack", "vectors", "init_array"];

const memorySchema = v.strictObject({
  name: v.pipe(text, v.regex(/^[a-z][a-z0-9_]*$/, "has to be a lowercase name")),
  kind: oneOf(["flash", "ram"]),
  base: address,
  bytes: size,
  latency: v.optional(v.pipe(v.number("has to be a number"), v.minValue(1)), 1),
});

/** Room that fixed words leave to the vector table at the start of the flash. */
const VECTOR_BYTES = 0x400;

const fixedSchema = v.strictObject({
  what: line,
  base: address,
  words: v.pipe(v.array(address), v.minLength(1, "has to have at least one word")),
});

const machineSchema = v.strictObject({
  name: v.pipe(text, v.regex(/^[a-z0-9][a-z0-9.-]*$/, "has to be the name of a machine of QEMU")),
  cpu: v.optional(
    v.pipe(text, v.regex(/^[a-z0-9][a-z0-9.,=_-]*$/, "has to be a processor of QEMU")),
  ),
  counter: v.strictObject({
    kind: oneOf(["systick", "cmsdk-timer", "sse-counter", "minstret"]),
    hz: v.pipe(v.number("has to be a number"), v.integer("has to be whole"), v.minValue(1)),
    base: v.optional(address),
    shift: v.pipe(v.number("has to be a number"), v.integer(), v.minValue(0), v.maxValue(10)),
  }),
});

const boardSchema = v.pipe(
  v.strictObject({
    $schema: v.optional(v.string()),
    title: line,
    target: v.strictObject({
      cpu: text,
      prefix: oneOf([...ARCHITECTURES.map((a) => a.prefix), ""]),
      cflags: v.array(
        v.pipe(text, v.regex(/^-m[a-z0-9-]+(=[A-Za-z0-9_.+-]+)?$/, "has to be a -m flag of gcc")),
      ),
      features: v.array(oneOf(FEATURES)),
      pointerBytes: v.picklist([4, 8], "has to be 4 or 8"),
    }),
    memory: v.array(memorySchema),
    fixed: v.optional(v.array(fixedSchema)),
    clockHz: v.optional(
      v.pipe(v.number("has to be a number"), v.integer("has to be whole"), v.minValue(1)),
    ),
    machine: v.optional(machineSchema),
    standIn: v.optional(text),
    zephyr: v.optional(nameElsewhere),
    zephyrOld: v.optional(nameElsewhere),
    arduino: v.optional(
      v.pipe(
        text,
        v.regex(/^[\w.-]+:[\w.-]+:[\w.:=,-]+$/, "has to be vendor:architecture:board"),
      ),
    ),
    platformio: v.optional(nameElsewhere),
    source: line,
    note: v.optional(line),
  }),
  v.check(
    ({ machine }) =>
      !machine || !["cmsdk-timer", "sse-counter"].includes(machine.counter.kind) ||
      machine.counter.base !== undefined,
    "machine.counter needs its base address",
  ),
  v.check(
    ({ target, memory }) =>
      target.prefix === "" ||
      (memory.some((m) => m.kind === "flash") && memory.some((m) => m.kind === "ram")),
    "memory needs at least one flash and one ram",
  ),
  v.check(
    ({ memory }) =>
      memory.every((a, i) =>
        memory.every((b, j) => i === j || a.base + a.bytes <= b.base || b.base + b.bytes <= a.base)
      ),
    "memory has regions that overlap",
  ),
  v.check(
    ({ fixed = [], memory }) =>
      fixed.every(({ base, words }) =>
        base % 4 === 0 &&
        memory.some((m) =>
          m.kind === "flash" && m.base + VECTOR_BYTES <= base &&
          base + 4 * words.length <= m.base + m.bytes
        )
      ),
    "fixed has words that are not aligned, or not in flash behind the vector table (0x400 bytes)",
  ),
  v.check(
    ({ memory }) => memory.every((m) => m.base + m.bytes <= 2 ** 32),
    "memory has a region beyond 32-bit addresses",
  ),
  v.check(
    ({ memory }) => new Set(memory.map((m) => m.name)).size === memory.length,
    "memory has regions of the same name",
  ),
  v.check(
    ({ memory }) =>
      memory.every((m) =>
        !LINKER_NAMES.includes(m.name) &&
        (m.name !== "flash" && m.name !== "ram" ||
          memory.find((other) => other.kind === m.name) === m)
      ),
    "memory has a region with a name that the linker script needs: flash and ram are for the first " +
      `of their kind, ${LINKER_NAMES.join(", ")} for none`,
  ),
);

/** Names of the boards that Burin brings, sorted. */
export function boardNames(): string[] {
  return [...Deno.readDirSync(FOLDER)]
    .filter((e) => e.isFile && e.name.endsWith(".json") && e.name !== "board.schema.json")
    .map((e) => e.name.slice(0, -".json".length))
    .sort();
}

/**
 * Checks the text of a board file.
 * @param name the board's name; @param where the file, for messages
 * @throws BurinError `board/invalid` that lists every field at fault
 */
export function parseBoard(json: string, name: string, where: string): Board {
  let data: unknown;
  try {
    data = JSON.parse(json);
  } catch (e) {
    const why = (e as Error).message;
    throw new BurinError("board/invalid", `Cannot read board file ${where} as ${why}`);
  }
  const parsed = v.safeParse(boardSchema, data);
  if (!parsed.success) {
    const faults = parsed.issues.map((issue) => {
      const path = v.getDotPath(issue);
      const unknown = issue.type === "strict_object" && issue.expected === "never";
      const missing = issue.received === "undefined";
      const what = unknown ? "is not a field" : missing ? "is missing" : issue.message;
      return path === null ? issue.message : `${path} ${what}`;
    });
    throw new BurinError(
      "board/invalid",
      `Cannot use board file ${where} as ${faults.join("; ")}`,
      "boards/board.schema.json describes the fields",
    );
  }
  const { $schema: _, ...board } = parsed.output;
  return { name, ...board };
}

/**
 * Finds a board by its name, or reads a board file by its path (it ends in .json), whose stem is the
 * board's name.
 * @throws BurinError `usage/unknown-board` with near names, `board/invalid`, `usage/no-board-file`
 */
export function loadBoard(nameOrPath: string): Board {
  if (nameOrPath.endsWith(".json")) {
    let text: string;
    try {
      text = Deno.readTextFileSync(nameOrPath);
    } catch (e) {
      const why = e instanceof Deno.errors.NotFound ? "there is no such file" : `${e}`;
      throw new BurinError(
        "usage/no-board-file",
        `Cannot read board file ${nameOrPath} as ${why}`,
        "`deno task boards` lists the boards that need no file",
      );
    }
    // The name becomes part of the names of files and of symbols.
    const name = basename(nameOrPath, ".json").replaceAll(/[^A-Za-z0-9_.-]/g, "_");
    return parseBoard(text, name, nameOrPath);
  }
  if (!boardNames().includes(nameOrPath)) {
    throw new BurinError(
      "usage/unknown-board",
      `Cannot find board ${nameOrPath} as no board has that name`,
      aliasHint(nameOrPath, allBoards()) ?? "`deno task boards` lists them",
    );
  }
  return ownBoard(nameOrPath);
}

/** The board whose name is that of a file in boards/. */
const ownBoard = (name: string): Board =>
  parseBoard(
    Deno.readTextFileSync(new URL(`${name}.json`, FOLDER)),
    name,
    `boards/${name}.json`,
  );

/** All boards that Burin brings, by name. */
export const allBoards = (): Board[] => boardNames().map(ownBoard);

/**
 * The board whose machine executes programs for `board`: itself or its stand-in, which has to have
 * every instruction that the board's flags allow.
 * @throws BurinError `board/no-machine` where there is neither
 */
export function executingBoard(board: Board): Board {
  if (board.machine || board.target.prefix === "") return board;
  const refusal = (why: string) =>
    new BurinError(
      "board/no-machine",
      `Cannot execute on board ${board.name} as ${why}`,
      "add machine or standIn to its file; mps2-an385, mps2-an386, mps2-an500, mps2-an505 and " +
        "mps3-an547 stand in for Cortex-M0 to M3, M4, M7, M33 and M55, qemu-rv32imc and " +
        "qemu-rv32imac for RISC-V",
    );
  if (board.standIn === undefined) throw refusal("it names no machine and no stand-in");
  const standIn = loadBoard(board.standIn);
  if (!standIn.machine) throw refusal(`its stand-in ${standIn.name} has no machine of its own`);
  const missing = lacking(standIn.target, board.target);
  if (missing.length === 0) return standIn;
  throw refusal(`its stand-in ${standIn.name} lacks ${missing.join(", ")}`);
}
