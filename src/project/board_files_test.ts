import assert from "node:assert/strict";
import { loadBoard } from "../target/boards.ts";
import { linkerScript, startupFiles } from "./board_files.ts";

Deno.test("board files: the linker script has the board's memories, the stack and aligned vectors", () => {
  const text = linkerScript(loadBoard("netduinoplus2"), 2048);
  assert.match(text, /FLASH \(rx\) : ORIGIN = 0x08000000, LENGTH = 1048576/);
  assert.match(text, /RAM \(rwx\) : ORIGIN = 0x20000000, LENGTH = 131072/);
  assert.match(text, /CCM \(rwx\) : ORIGIN = 0x10000000, LENGTH = 65536/);
  assert.match(text, /\.ccm \(NOLOAD\) : \{ \*\(\.ccm [^}]*_arena\.ccm\) \} > CCM AT > CCM :ccm/);
  // What arenas are planned for is a piece of its own, though the memories are neighbours.
  const joined = linkerScript(loadBoard("stm32f746"), 2048);
  assert.match(joined, /RAM \(rwx\) : ORIGIN = 0x20000000, LENGTH = 327680/);
  const apart = linkerScript(loadBoard("stm32f746"), 2048, {
    arenas: ["dtcm", "sram"],
    weights: [],
  });
  assert.match(apart, /RAM \(rwx\) : ORIGIN = 0x20000000, LENGTH = 65536/);
  assert.match(apart, /SRAM \(rwx\) : ORIGIN = 0x20010000, LENGTH = 262144/);
  assert.match(text, /STACK_BYTES : 2048;/);
  assert.match(text, /\.vectors : ALIGN\(1024\)/);
  assert.match(linkerScript(loadBoard("microbit"), 2048), /\.vectors : ALIGN\(256\)/);
});

/** The slots of a vector table as its text lists them. */
function slots(name: string): string[] {
  const text = startupFiles(loadBoard(name)).get("vectors.c")!;
  const table = /to \d+ \*\/\n([^]*?)\n {4}\},/.exec(text)![1];
  return table.split(",").map((slot) => slot.trim()).filter(Boolean);
}

Deno.test("board files: every exception has the slot that the architecture gives it", () => {
  const large = slots("stm32f746");
  assert.equal(large.length, 15 + 160);
  const at = (list: string[], number: number) => list[number - 1];
  const names = {
    1: "Reset_Handler",
    2: "NMI_Handler",
    3: "HardFault_Handler",
    4: "MemManage_Handler",
    5: "BusFault_Handler",
    6: "UsageFault_Handler",
    8: "0",
    11: "SVC_Handler",
    12: "DebugMon_Handler",
    14: "PendSV_Handler",
    15: "SysTick_Handler",
    16: "IRQ0_Handler",
    175: "IRQ159_Handler",
  };
  for (const [number, name] of Object.entries(names)) assert.equal(at(large, +number), name);
  const small = slots("microbit");
  assert.equal(small.length, 15 + 32);
  for (const number of [4, 5, 6, 7, 12]) assert.equal(at(small, number), "0");
  for (const number of [1, 2, 3, 11, 14, 15, 16] as const) {
    assert.equal(at(small, number), names[number]);
  }
});

Deno.test("board files: a RISC-V core has start-up code without a table", () => {
  assert.deepEqual([...startupFiles(loadBoard("qemu-rv32imc")).keys()], ["startup.c"]);
});

Deno.test("board files: words with an address of their own have a section and a place", () => {
  const board = loadBoard("frdm_k64f");
  const text = startupFiles(board).get("fixed.c")!;
  assert.match(text, /section\("\.fixed_0"\)/);
  assert.match(text, /\n {4}0xffffffffu, 0xffffffffu, 0xffffffffu, 0xfffffffeu,\n/);
  const script = linkerScript(board, 2048);
  assert.match(script, /\.fixed_0 0x00000400 : \{ KEEP\(\*\(\.fixed_0\)\) \} > FLASH/);
  assert.doesNotMatch(linkerScript(loadBoard("stm32f746"), 2048), /fixed/);
  assert(!startupFiles(loadBoard("stm32f746")).has("fixed.c"));
});
