import assert from "node:assert/strict";
import { BurinError } from "../util/errors.ts";
import { nearNames } from "../util/near.ts";
import { boardNames, executingBoard, loadBoard, parseBoard } from "./boards.ts";
import { memoryBlocks } from "./target.ts";

const fileOf = (name: string): Record<string, unknown> =>
  JSON.parse(Deno.readTextFileSync(new URL(`../../boards/${name}.json`, import.meta.url)));

/** The error that parsing a changed copy of stm32f746 ends in. */
function faultOf(change: (board: Record<string, unknown>) => void): BurinError {
  const board = fileOf("stm32f746");
  change(board);
  try {
    parseBoard(JSON.stringify(board), "x", "x.json");
  } catch (e) {
    assert(e instanceof BurinError);
    assert.equal(e.code, "board/invalid");
    return e;
  }
  throw new assert.AssertionError({ message: "the board was accepted" });
}

Deno.test("boards: every file loads, and something executes it", () => {
  for (const name of boardNames()) {
    const board = loadBoard(name);
    assert.equal(board.name, name);
    assert.equal(executingBoard(board).target.cpu, board.target.cpu);
  }
});

Deno.test("boards: stm32f746 has its memory map and its stand-in", () => {
  const board = loadBoard("stm32f746");
  assert.deepEqual(memoryBlocks(board, "ram"), [
    { name: "dtcm", kind: "ram", base: 0x20000000, bytes: 320 * 1024, latency: 2 },
  ]);
  assert.equal(memoryBlocks(board, "flash")[0].bytes, 1 << 20);
  assert.equal(executingBoard(board).machine?.name, "mps2-an500");
});

Deno.test("boards: memories that do not touch stay apart, the first listed leads", () => {
  const blocks = memoryBlocks(loadBoard("netduinoplus2"), "ram");
  assert.deepEqual(blocks.map((b) => b.name), ["sram", "ccm"]);
});

Deno.test("boards: an unknown name is answered with near ones", () => {
  assert.throws(() => loadBoard("stm32f764"), (e) => {
    assert(e instanceof BurinError);
    assert.equal(e.code, "usage/unknown-board");
    assert.equal(e.exitCode, 2);
    assert.equal(e.hint, "did you mean stm32f746?");
    return true;
  });
  assert.deepEqual(nearNames("an500", boardNames()), ["mps2-an500"]);
  assert.throws(() => loadBoard("zzzzzzzz"), (e) => (e as BurinError).hint!.includes("host"));
  assert.throws(() => loadBoard("./no-such.json"), /there is no such file/);
});

Deno.test("boards: a bad file names each field at fault", () => {
  assert.match(faultOf((b) => delete b.title).message, /as title is missing$/);
  assert.match(faultOf((b) => b.colour = "red").message, /colour is not a field/);
  assert.match(faultOf((b) => b.memory = []).message, /at least one flash and one ram/);
  const target = fileOf("stm32f746").target as Record<string, unknown>;
  const e = faultOf((b) => {
    b.target = { ...target, features: ["dps"], cflags: ["-o/etc/passwd"] };
    (b.memory as { bytes: string }[])[0].bytes = "1 MB";
  });
  assert.match(e.message, /target\.features\.0 has to be one of dsp/);
  assert.match(e.message, /target\.cflags\.0 has to be a -m flag/);
  assert.match(e.message, /memory\.0\.bytes has to be a size/);
  assert.match(
    faultOf((b) => (b.memory as unknown[]).push((b.memory as unknown[])[0])).message,
    /overlap/,
  );
  assert.throws(() => parseBoard("{", "x", "x.json"), /Cannot read board file x\.json/);
});

Deno.test("boards: the JSON schema names the same fields as the loader", () => {
  const schema = fileOf("board.schema");
  const properties = Object.keys(schema.properties as object);
  for (const name of boardNames()) {
    assert.deepEqual(Object.keys(fileOf(name)).filter((k) => !properties.includes(k)), []);
  }
  const e = faultOf((b) => Object.keys(b).forEach((k) => delete b[k]));
  for (const field of schema.required as string[]) {
    assert(e.message.includes(`${field} is missing`));
  }
});
