/** The firmware of plain projects: its place in memory, its console, and what it says of faults. */
import assert from "node:assert/strict";
import { join } from "@std/path";
import { findToolchain } from "../../../src/run/toolchain.ts";
import { loadBoard } from "../../../src/target/boards.ts";
import { memoryBlocks } from "../../../src/target/target.ts";
import { inFolder } from "../../../src/util/testing.ts";
import { build, cmake, ctest, linesOf, makeProject, root, start } from "./support.ts";

const digits = { model: root("examples/digits/digits_int8.onnx") };

interface Segment {
  readonly physical: number;
  readonly virtual: number;
  readonly inFile: number;
  readonly inMemory: number;
}

/** The segments that an image is loaded and runs in. */
async function segments(image: string, prefix: string, cwd: string): Promise<Segment[]> {
  const { code, text } = await start(`${prefix}readelf`, ["-lW", image], cwd);
  assert.equal(code, 0, text);
  const row = /LOAD +0x\w+ 0x(\w+) 0x(\w+) 0x(\w+) 0x(\w+)/g;
  return [...text.matchAll(row)].map((m) => m.slice(1).map((hex) => parseInt(hex, 16)))
    .map(([virtual, physical, inFile, inMemory]) => ({ virtual, physical, inFile, inMemory }))
    .filter((s) => s.inMemory > 0);
}

/** Addresses of all bytes that an Intel HEX file holds, and the bytes. */
function readHex(text: string): Map<number, number> {
  const bytes = new Map<number, number>();
  let high = 0;
  for (const line of text.trim().split(/\r?\n/)) {
    const record = line.slice(1).match(/../g)!.map((pair) => parseInt(pair, 16));
    assert.equal(record.reduce((sum, b) => (sum + b) & 255, 0), 0, "checksum");
    const [count, upper, lower, type, ...data] = record;
    if (type === 4) high = (data[0] << 8 | data[1]) * 0x10000;
    if (type !== 0) continue;
    data.slice(0, count).forEach((b, i) => bytes.set(high + (upper << 8 | lower) + i, b));
  }
  return bytes;
}

for (const name of ["stm32f746", "nrf52840dk", "rpi_pico", "qemu-rv32imac"]) {
  Deno.test(`plain: the firmware of ${name} lies inside the board's memory`, async () => {
    await inFolder(async (folder) => {
      const project = await makeProject(folder, { ...digits, board: name });
      await build(project, "board");
      const files = join(project.out, "build", "board", "firmware");
      const image = join(files, "digits_int8_firmware.elf");
      const { board } = project;
      const [flash] = memoryBlocks(board, "flash");
      const [ram] = memoryBlocks(board, "ram");
      const inside = (m: { base: number; bytes: number }, at: number, bytes: number) =>
        at >= m.base && at + bytes <= m.base + m.bytes;
      const found = await segments(image, board.target.prefix, files);
      assert(found.some((s) => inside(flash, s.virtual, s.inMemory)));
      for (const s of found) {
        const where = `0x${s.virtual.toString(16)}, ${s.inMemory} bytes`;
        assert(inside(flash, s.virtual, s.inMemory) || inside(ram, s.virtual, s.inMemory), where);
        if (s.inFile > 0) assert(inside(flash, s.physical, s.inFile), where);
      }
      const bin = Deno.readFileSync(join(files, "digits_int8_firmware.bin"));
      const hex = readHex(Deno.readTextFileSync(join(files, "digits_int8_firmware.hex")));
      assert.deepEqual([...hex.keys()][0], flash.base);
      for (const [at, byte] of hex) assert.equal(bin[at - flash.base], byte);
      assert(hex.size > project.artifact.paramsBytes);
      assert.match(Deno.readTextFileSync(join(files, "digits_int8_firmware.map")), /\.vectors/);
      if (board.target.prefix !== "arm-none-eabi-") return;
      const words = new DataView(bin.buffer);
      assert.equal(words.getUint32(0, true), ram.base + ram.bytes, "the stack starts at the end");
      const reset = words.getUint32(4, true);
      assert.equal(reset & 1, 1, "Thumb");
      assert(inside(flash, reset - 1, 2));
    });
  });
}

Deno.test("plain: a stack that does not fit fails the link", async () => {
  await inFolder(async (folder) => {
    const { out } = await makeProject(folder, { ...digits, board: "microbit" });
    await cmake(out, "--preset", "board", "-DDIGITS_INT8_STACK_BYTES=16000");
    const { code, text } = await start("cmake", ["--build", "--preset", "board"], out);
    assert.notEqual(code, 0);
    assert.match(text, /region `RAM' overflowed/);
  });
});

Deno.test("plain: the arena goes to another memory by its section's name", async () => {
  await inFolder(async (folder) => {
    const project = await makeProject(folder, { ...digits, board: "mps3-an547" });
    const lists = join(project.out, "CMakeLists.txt");
    const placed = 'DIGITS_INT8_ARENA_SECTION=__attribute__((section(".dtcm")))';
    const line = `\ntarget_compile_definitions(digits_int8 PRIVATE [[${placed}]])\n`;
    Deno.writeTextFileSync(lists, Deno.readTextFileSync(lists) + line);
    await build(project, "qemu");
    const { code, text } = await ctest(project.out, "--preset", "qemu");
    assert.equal(code, 0, text);
    const image = "build/qemu/firmware/digits_int8_firmware.elf";
    const symbols = (await start("arm-none-eabi-nm", [image], project.out)).text;
    const dtcm = project.board.memory.find((m) => m.name === "dtcm")!;
    const at = parseInt(/^(\w+) b digits_int8_static_arena$/m.exec(symbols)![1], 16);
    assert(at >= dtcm.base && at < dtcm.base + dtcm.bytes, symbols);
  });
});

/** Starts QEMU on an image until it has printed a line, and ends it. */
async function untilLine(board: string, args: readonly string[]): Promise<string> {
  const tools = await findToolchain(loadBoard(board).target);
  const child = new Deno.Command(tools.qemu!, {
    args: ["-display", "none", "-monitor", "none", "-nic", "none", ...args],
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const timer = setTimeout(() => child.kill("SIGKILL"), 30_000);
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of child.stdout) {
    text += decoder.decode(chunk, { stream: true });
    if (!text.includes("\n")) continue;
    child.kill("SIGKILL");
    break;
  }
  clearTimeout(timer);
  await child.status;
  return text;
}

Deno.test("plain: the board's own image prints over a UART by a board_putc of the user's", async () => {
  await inFolder(async (folder) => {
    const project = await makeProject(folder, { ...digits, board: "mps2-an385" });
    Deno.writeTextFileSync(
      join(project.out, "firmware", "uart.c"),
      `#include "board.h"
#define UART ((volatile uint32_t *)0x40004000u) /* CMSDK: DATA, STATE, CTRL, INT, BAUDDIV */
void board_putc(char c)
{
    UART[4] = 16;
    UART[2] = 1;
    while ((UART[1] & 1u) != 0u) {
    }
    UART[0] = (uint8_t)c;
}
`,
    );
    const lists = join(project.out, "firmware", "CMakeLists.txt");
    const add = "\ntarget_sources(digits_int8_firmware PRIVATE uart.c)\n";
    Deno.writeTextFileSync(lists, Deno.readTextFileSync(lists) + add);
    await build(project, "board");
    const image = join(project.out, "build/board/firmware/digits_int8_firmware.elf");
    // QEMU has no DWT: the firmware notices and counts nothing.
    const args = ["-M", "mps2-an385", "-kernel", image, "-serial", "stdio"];
    assert.equal(await untilLine("mps2-an385", args), "BURIN digits_int8 PASS mismatches=0\n");
  });
});

for (const io of ["caller", "arena"] as const) {
  Deno.test(`plain: RISC-V firmware links wherever its code comes to lie, --io ${io}`, async () => {
    await inFolder(async (folder) => {
      const model = root("tests/models/float_mlp.onnx");
      await build(await makeProject(folder, { model, board: "longan_nano", io }), "board");
    });
  });
}

const NO_DEBUGGER = [
  ["microbit", "Cortex-M0", /Taking exception 7 \[Breakpoint\]/g],
  ["qemu-rv32imc", "RISC-V core", /cause:0+3,/g],
] as const;

for (const [board, core, breakpoint] of NO_DEBUGGER) {
  Deno.test(`plain: without a debugger a ${core} steps over semihosting and goes on`, async () => {
    await inFolder(async (folder) => {
      const project = await makeProject(folder, { ...digits, board });
      await build(project, "board");
      const image = join(project.out, "build/board/firmware/digits_int8_firmware.elf");
      const { prefix } = project.board.target;
      const { text } = await start(`${prefix}nm`, [image], folder);
      const run = /^(\w+) T digits_int8_run$/m.exec(text)![1];
      const tools = await findToolchain(project.board.target);
      const { name, cpu } = project.board.machine!;
      // The log counts how often the model starts, and the faults that breakpoints are.
      const child = new Deno.Command(tools.qemu!, {
        args: [
          ...["-M", name, ...(cpu ? ["-cpu", cpu, "-bios", "none"] : [])],
          ...["-device", `loader,file=${image},cpu-num=0`],
          ..."-display none -monitor none -serial none -d exec,nochain,int -D log".split(" "),
          ...["-dfilter", `0x${run}+2`],
        ],
        cwd: folder,
        stdin: "null",
        stdout: "null",
        stderr: "null",
      }).spawn();
      const log = () => {
        try {
          // A program that went wrong may fill the disk with its faults: their start says enough.
          const file = Deno.openSync(join(folder, "log"));
          const bytes = new Uint8Array(100_000);
          const length = file.readSync(bytes) ?? 0;
          file.close();
          return new TextDecoder().decode(bytes.subarray(0, length));
        } catch {
          return "";
        }
      };
      const wanted = project.artifact.golden.length + 3;
      const runs = () => log().match(/^Trace/gm)?.length ?? 0;
      for (let i = 0; i < 100 && runs() < wanted && log().length < 100_000; i++) {
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      child.kill("SIGKILL");
      await child.status;
      assert(runs() >= wanted, `${runs()} runs`);
      assert.equal(log().match(breakpoint)?.length, 1, "one line is one breakpoint");
    });
  });
}

/** Flips a bit of the first element of an array in a C file. */
function flip(path: string, array: RegExp, bit: number): void {
  const text = Deno.readTextFileSync(path);
  const at = array.exec(text);
  assert(at, `${array} in ${path}`);
  const from = at.index + at[0].length;
  const changed = text.slice(from).replace(/-?\d+/, (n) => `${Number(n) ^ bit}`);
  Deno.writeTextFileSync(path, text.slice(0, from) + changed);
}

const FLIPS = [
  ["golden vector", "selftest/motion_int8_selftest.c", /out_logits_0\[4\] = \{/, 1],
  ["weight", "src/motion_int8_params.c", /motion_int8_weights0\[\d+\] = \{/, 64],
] as const;

for (const [what, file, array, bit] of FLIPS) {
  Deno.test(`plain: a flipped bit of a ${what} is a FAIL, and the test fails`, async () => {
    await inFolder(async (folder) => {
      const model = root("examples/motion/motion_int8.onnx");
      const project = await makeProject(folder, { model, board: "stm32f746" });
      flip(join(project.out, file), array, bit);
      await build(project, "qemu");
      const { code, text } = await ctest(project.out, "--preset", "qemu");
      assert.notEqual(code, 0);
      const line = /^BURIN motion_int8 FAIL mismatches=[1-9]\d* instructions=\d+$/;
      assert.match(linesOf(text)[0], line);
      assert.match(text, /The self-test ended with 1/);
    });
  });
}

Deno.test("plain: a fault ends the run with a code of its own", async () => {
  await inFolder(async (folder) => {
    for (const [board, instruction] of [["microbit", "udf #0"], ["qemu-rv32imc", "unimp"]]) {
      const project = await makeProject(folder, { ...digits, board }, board);
      const main = join(project.out, "firmware", "main.c");
      const text = Deno.readTextFileSync(main);
      Deno.writeTextFileSync(
        main,
        text.replace("board_init();", `board_init();\n    __asm__ volatile("${instruction}");`),
      );
      await build(project, "qemu");
      const answer = await ctest(project.out, "--preset", "qemu");
      assert.notEqual(answer.code, 0);
      assert.match(answer.text, /The self-test ended with 9/, board);
    }
  });
});

Deno.test("plain: several models in one image, each tested, in memory of their own or shared", async () => {
  await inFolder(async (folder) => {
    const request = {
      model: root("examples/digits/digits_int8.onnx"),
      others: [root("examples/motion/motion_int8.onnx")],
      board: "stm32f746",
      name: "both",
    };
    const size = async (shareArena: boolean) => {
      const name = shareArena ? "shared" : "apart";
      const project = await makeProject(folder, { ...request, shareArena }, name);
      await build(project, "qemu");
      const { code, text } = await ctest(project.out, "--preset", "qemu");
      assert.equal(code, 0, text);
      const lines = linesOf(text).map((line) => line.replace(/\d+$/, "N"));
      assert.deepEqual(lines, [
        "BURIN digits_int8 PASS mismatches=0 instructions=N",
        "BURIN motion_int8 PASS mismatches=0 instructions=N",
      ]);
      const image = "build/qemu/firmware/both_firmware.elf";
      const sizes = (await start("arm-none-eabi-size", [image], project.out)).text;
      return { bss: Number(/^\s*\d+\s+\d+\s+(\d+)/m.exec(sizes)![1]), project };
    };
    const apart = await size(false);
    const shared = await size(true);
    const arenas = apart.project.models.map((m) => m.arenaBytes);
    assert(apart.bss - shared.bss >= Math.min(...arenas) - 64, `${apart.bss}, ${shared.bss}`);
  });
});
