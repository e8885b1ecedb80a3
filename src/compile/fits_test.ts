import assert from "node:assert/strict";
import { allBoards, loadBoard } from "../target/boards.ts";
import { BurinError } from "../util/errors.ts";
import { checkFits, checkRamBudget, type Needs } from "./fits.ts";

const port = (name: string, bytes: number): Needs["inputs"][number] => ({
  name,
  bytes,
  placement: { where: "caller" },
});

const buffer = (name: string, bytes: number, firstStep: number, lastStep: number) => ({
  name,
  bytes,
  firstStep,
  lastStep,
  region: "arena",
  offset: 0,
  owner: "arena",
});

const FITTING: Needs = {
  arena: 10_000,
  params: 20_000,
  inputs: [port("x", 1000)],
  outputs: [port("y", 100)],
  buffers: [],
  frontier: [],
  otherArenas: () => ({ withPorts: 1e6, withoutScratch: 1e6 }),
};

/** The error for a board of 20 KB of RAM and 128 KB of flash; null where the model fits. */
function refusal(needs: Partial<Needs>, board = "nucleo_f103rb", boards = allBoards) {
  try {
    checkFits(loadBoard(board), { ...FITTING, ...needs }, boards);
    return null;
  } catch (e) {
    assert(e instanceof BurinError);
    return e;
  }
}

Deno.test("fits: what fits exactly is not refused, a byte more is", () => {
  assert.equal(refusal({}), null);
  assert.equal(refusal({ arena: 20 * 1024 - 100 }), null);
  assert.equal(refusal({ params: 128 * 1024 }), null);
  assert.equal(refusal({ arena: 20 * 1024 - 99 })?.code, "model/does-not-fit");
  assert.equal(refusal({ params: 128 * 1024 + 1 })?.code, "model/does-not-fit");
  // Inputs may lie in flash, outputs may not.
  assert.equal(refusal({ inputs: [port("x", 1e6)] }), null);
  assert.equal(refusal({ outputs: [port("y", 1e6)] })?.code, "model/does-not-fit");
  assert.equal(refusal({ arena: 2 ** 30, params: 2 ** 30 }, "host"), null);
  assert.equal(refusal({ arena: 2 ** 31 }, "host")?.code, "model/too-large");
});

Deno.test("fits: an arena lies in one piece, outputs may lie elsewhere", () => {
  // 96 KB and 32 KB that do not touch.
  assert.equal(refusal({ arena: 96 * 1024 }, "nucleo_l476rg"), null);
  assert.match(
    refusal({ arena: 96 * 1024 + 1 }, "nucleo_l476rg")!.message,
    /its arena takes 98,305 bytes where the board has 98,304 bytes of RAM in one piece/,
  );
});

Deno.test("fits: the message has all numbers, the largest buffers and boards with room", () => {
  const e = refusal({
    arena: 33_000,
    params: 140_000,
    buffers: [
      buffer("early", 9000, 0, 1),
      buffer("a".repeat(60), 20_000, 2, 4),
      { ...buffer("guest", 20_000, 5, 6), owner: "a".repeat(60) },
      buffer("late", 12_000, 6, 7),
      { ...buffer("x", 1000, 0, 0), owner: "caller", region: "caller" },
    ],
  })!;
  assert.equal(
    e.message,
    "Cannot compile the model for nucleo_f103rb as its arena takes 33,000 bytes where the board " +
      `has 20,480 bytes of RAM (at the peak '${"a".repeat(39)}…' 20,000 bytes, ` +
      "'late' 12,000 bytes), and its constants take 140,000 bytes where the board has " +
      "131,072 bytes of flash",
  );
  assert.equal(
    e.hint,
    "boards with room, the smallest first: nrf52dk (64 KB of RAM, 512 KB of flash), " +
      "arduino_due (96 KB of RAM, 512 KB of flash), nucleo_f401re (96 KB of RAM, 512 KB of flash)",
  );
});

Deno.test("fits: boards are proposed with stack and code in mind, machines of QEMU last", () => {
  const named = (needs: Partial<Needs>) => refusal(needs)!.hint!.match(/[\w-]+(?= \(\d)/g) ?? [];
  const exact = 64 * 1024 - 2048 - 1100;
  assert.equal(named({ arena: exact })[0], "nrf52dk");
  assert.notEqual(named({ arena: exact + 1 })[0], "nrf52dk");
  assert.deepEqual(named({ arena: 2_000_000 }), ["mps3-an547", "mps2-an385", "mps2-an386"]);
  assert.match(refusal({ arena: 1e9 })!.hint!, /none of `deno task boards` has room/);
  const none = refusal({ arena: 30_000 }, "nucleo_f103rb", () => [])!;
  assert.match(none.hint!, /make the model smaller/);
});

Deno.test("fits: options are named where the planner says that they do", () => {
  const hint = (withPorts: number, withoutScratch: number) =>
    refusal({ arena: 20_400, otherArenas: () => ({ withPorts, withoutScratch }) })!.hint!;
  assert.match(
    hint(18_000, 20_400),
    /^--io arena takes 18,000 bytes for arena, inputs and outputs/,
  );
  assert.match(hint(20_400, 17_000), /^-O1 takes an arena of 17,000 bytes, without scratch/);
  assert.match(hint(18_432, 17_332), /^--io arena .*; -O1 .*; boards with room/);
  // A byte more leaves less than 2 KB for the stack.
  assert.match(hint(18_433, 17_333), /^boards with room/);
  const flashOnly = refusal({
    params: 200_000,
    otherArenas: () => {
      throw new Error("RAM is not what lacks");
    },
  })!;
  assert.match(flashOnly.hint!, /^boards with room/);
});

const point = (arenaBytes: number, instructions: number, heldBy: readonly string[]) => ({
  arenaBytes,
  instructions,
  heldBy,
  chosen: false,
});
const FRONTIER = [point(9_000, 3_000, ["a", "b"]), point(15_000, 2_000, ["c"])];

Deno.test("fits: the cheapest plan that fits is proposed with what it costs", () => {
  const e = refusal({ arena: 30_000, frontier: FRONTIER })!;
  assert.match(
    e.hint!,
    /^--ram-budget 17332 takes an arena of 15,000 bytes, for about 2,000 instr/,
  );
  const ports = { inputs: [port("x", 3_000)] };
  const less = refusal({ arena: 30_000, frontier: FRONTIER, ...ports })!;
  assert.match(less.hint!, /^--ram-budget 15332 takes an arena of 15,000 bytes/);
  const least = refusal({ arena: 30_000, frontier: FRONTIER, inputs: [port("x", 3_400)] })!;
  assert.match(least.hint!, /^--ram-budget 14932 takes an arena of 9,000 bytes, for about 3,000/);
  assert.doesNotMatch(e.message, /the smallest/);
  // Nothing that was found fits.
  const none = refusal({ arena: 90_000, frontier: [point(40_000, 1, ["a", "b", "c", "d"])] })!;
  assert.match(
    none.message,
    /; the smallest takes 40,000 bytes, held up by 4 nodes from 'a' to 'd'\)/,
  );
  assert.match(none.hint!, /^boards with room/);
});

Deno.test("fits: a budget of RAM refuses with the smallest arena and what holds it up", () => {
  const refused = (arena: number, optLevel = 3, frontier = FRONTIER) => {
    try {
      checkRamBudget({ ramBudget: 8_000, optLevel }, arena, frontier, [buffer("x", 9_000, 0, 0)]);
      return null;
    } catch (e) {
      assert(e instanceof BurinError);
      return e;
    }
  };
  assert.equal(refused(8_000), null);
  checkRamBudget({ optLevel: 3 }, 1e9, FRONTIER, []);
  const e = refused(8_001)!;
  assert.equal(e.code, "model/does-not-fit");
  assert.equal(
    e.message,
    "Cannot compile the model into an arena of 8,000 bytes as the smallest plan takes 8,001 " +
      "bytes, held up by 'a', 'b'",
  );
  assert.equal(e.hint, "--ram-budget 8001 fits");
  assert.match(refused(9_000, 1, [])!.message, /takes 9,000 bytes \(at the peak 'x' 9,000 bytes\)/);
  assert.match(refused(9_000, 1, [])!.hint!, /^-O2 passes rows/);
});
