import assert from "node:assert/strict";
import { BurinError } from "../util/errors.ts";
import { nearNames } from "../util/near.ts";
import { allBoards, boardNames, executingBoard, loadBoard, parseBoard } from "./boards.ts";
import { lacking } from "./isa.ts";
import { type Board, memoryBlocks } from "./target.ts";

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

Deno.test("boards: every file loads, and something with its instructions executes it", () => {
  for (const name of boardNames()) {
    const board = loadBoard(name);
    assert.equal(board.name, name);
    assert.deepEqual(lacking(executingBoard(board).target, board.target), []);
  }
  // Real boards: those that an emulator does not model, and two that it does.
  const real = allBoards().filter((b) => b.standIn || b.name === "microbit");
  assert(real.length >= 50, `${real.length}`);
  for (const b of real) assert(b.clockHz !== undefined && b.zephyr !== undefined, b.name);
});

Deno.test("boards: a stand-in without an instruction of the board is refused", () => {
  const refusal = (change: Partial<Board>) => {
    try {
      executingBoard({ ...loadBoard("nucleo_h743zi"), ...change });
    } catch (e) {
      assert(e instanceof BurinError);
      assert.equal(e.code, "board/no-machine");
      return e.message;
    }
    return "";
  };
  assert.equal(refusal({}), "");
  assert.match(refusal({ standIn: "mps2-an386" }), /mps2-an386 lacks .*FPv5, double precision/);
  assert.match(refusal({ standIn: "stm32f746" }), /stm32f746 has no machine of its own/);
  assert.match(refusal({ standIn: undefined }), /no machine and no stand-in/);
});

Deno.test("boards: names from elsewhere lead to the board", () => {
  const hint = (name: string) => {
    try {
      loadBoard(name);
    } catch (e) {
      assert(e instanceof BurinError);
      assert.equal(e.code, "usage/unknown-board");
      return e.hint;
    }
    return "";
  };
  for (
    const [typed, said] of [
      ["stm32f746g_disco", "that is Zephyr's name for stm32f746: write --board stm32f746"],
      ["nrf52840dk/nrf52840", "that is Zephyr's name for nrf52840dk: write --board nrf52840dk"],
      ["mps2/an385", "that is Zephyr's name for mps2-an385: write --board mps2-an385"],
      ["mps2_an385", "that is Zephyr's older name for mps2-an385: write --board mps2-an385"],
      ["disco_f746ng", "that is PlatformIO's name for stm32f746: write --board stm32f746"],
      [
        "arduino:mbed_nano:nano33ble",
        "that is Arduino's name for arduino_nano_33_ble: write --board arduino_nano_33_ble",
      ],
      [
        "STMicroelectronics:stm32:Nucleo_64:pnum=NUCLEO_F401RE,upload_method=swdMethod",
        "that is Arduino's name for nucleo_f401re: write --board nucleo_f401re",
      ],
      ["NUCLEO_F401RE", "did you mean nucleo_f401re?"],
      ["stm32f746g_dsico", "did you mean stm32f746 or stm32f4_disco?"],
      ["zzzzzzz", "`deno task boards` lists them"],
    ]
  ) assert.equal(hint(typed), said);
});

Deno.test("boards: no two share a name elsewhere but by intent", () => {
  for (const field of ["zephyr", "zephyrOld", "arduino", "platformio"] as const) {
    const names = allBoards().flatMap((b) => b[field] ?? []);
    assert.deepEqual(names.filter((n, i) => names.indexOf(n) !== i), [], field);
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
  assert.throws(
    () => loadBoard("zzzzzzzz"),
    (e) => (e as BurinError).hint!.includes("boards` lists"),
  );
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
  const region = (name: string, base: string, kind = "ram") =>
    faultOf((b) => (b.memory as unknown[]).push({ name, kind, base, bytes: "1M" })).message;
  assert.match(region("sram", "0x60000000"), /regions of the same name/);
  assert.match(region("flash", "0x60000000"), /name that the linker script needs/);
  assert.match(region("bss", "0x60000000"), /name that the linker script needs/);
  assert.match(region("far", "0xfff80000"), /beyond 32-bit addresses/);
  const words = (base: string) =>
    faultOf((b) => b.fixed = [{ what: "x", base, words: ["0x1"] }]).message;
  for (const base of ["0x08000402", "0x080003fc", "0x20000400", "0x08100000"]) {
    assert.match(words(base), /fixed has words/, base);
  }
  assert.match(faultOf((b) => b.title = "a*/b").message, /title has to be a line/);
  assert.match(faultOf((b) => b.zephyr = "a b").message, /zephyr has to be letters/);
  assert.match(faultOf((b) => b.arduino = "uno").message, /vendor:architecture:board/);
  assert.match(faultOf((b) => b.clockHz = 1.5).message, /clockHz has to be whole/);
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
