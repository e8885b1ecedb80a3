/** The command line as a user types it, with the permissions that deno.json gives each task. */
import assert from "node:assert/strict";
import { delimiter, dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { writeNpz } from "../util/npz.ts";
import { tensor } from "../util/tensor.ts";
import { inFolder, namesIn } from "../util/testing.ts";
import { type Answer, typeTask as type } from "./testing.ts";

const MODEL = fileURLToPath(new URL("../../examples/digits/digits_int8.onnx", import.meta.url));

/** Checks exit code, message and that nothing but the message was printed. */
function refused(answer: Answer, code: number, message: RegExp): void {
  assert.match(answer.err, message);
  assert.equal(answer.code, code);
  assert.equal(answer.out, "");
  assert(!/^\s+at /m.test(answer.err), `a stack trace: ${answer.err}`);
}

/** A PATH on which Deno is found and no tool is. */
const bare = { PATH: [dirname(Deno.execPath())].join(delimiter), CI: "" };

Deno.test("cli: --help of every command names its options", async () => {
  for (
    const name of ["compile", "run", "verify", "inspect", "example", "bench", "boards", "doctor"]
  ) {
    const { code, out, err } = await type([name, "--help"]);
    assert.equal(code, 0, err);
    assert.match(out, new RegExp(`^Usage: deno task ${name}`, "m"));
    assert.match(out, /^ {2}--json|--stage/m);
  }
});

Deno.test("cli: a wrong flag, value or argument is answered with what is near", async () => {
  const cases: [string[], RegExp][] = [
    [
      ["compile", "--borad", "host"],
      /--borad.*\n {2}did you mean --board\?\n {2}\[usage\/unknown-flag\]/,
    ],
    [["compile", "--board", "stm32f764"], /did you mean stm32f746\?\n {2}\[usage\/unknown-board\]/],
    [["compile"], /no board is named\n.*--board stm32f746/],
    [["compile", "--board"], /its value is missing/],
    [["compile", "--board", "host", "--optimize", "sped"], /did you mean speed\?/],
    [["compile", "--board", "host", "-O4"], /Cannot set -O to 4 as it takes 0, 1, 2, 3/],
    [["compile", "--board", "host", "--force=1"], /it is a switch/],
    [["compile", "--board", "host", "--dim", "batch"], /NAME=SIZE/],
    [
      ["compile", "--board", "host", "--ram-budget", "8KB"],
      /--ram-budget to 8KB.*a number of bytes/,
    ],
    [["run", "a.onnx", "b.onnx", "--board", "host"], /Cannot use b\.onnx/],
    [["run", "--board", "host"], /no model is named/],
    [["run", "m.onnx", "--board", "host", "--max-lsb", "x"], /at least 0/],
    [["inspect", "m.onnx"], /no --stage is named/],
    [["inspect", "m.onnx", "--stage", "tri"], /did you mean tir/],
    [["boards", "all"], /takes no argument/],
    [["example", "digit"], /did you mean digits\?/],
  ];
  for (const [args, message] of cases) refused(await type(args), 2, message);
});

Deno.test("cli: a file that is missing, a folder, or no board file", () =>
  inFolder(async (cwd) => {
    Deno.copyFileSync(MODEL, `${cwd}/model.onnx`);
    const near = await type(["compile", "modle.onnx", "--board", "host"], { cwd });
    refused(near, 1, /no such file\n {2}did you mean model\.onnx\?\n {2}\[data\/no-file\]/);
    refused(await type(["compile", ".", "--board", "host"], { cwd }), 1, /it is a folder/);
    const board = await type(["compile", "model.onnx", "--board", "./my.json"], { cwd });
    refused(board, 2, /my\.json as there is no such file/);
    Deno.writeTextFileSync(`${cwd}/bad.json`, `{"title": "x"}`);
    const bad = await type(["compile", "model.onnx", "--board", "bad.json"], { cwd });
    refused(bad, 1, /target is missing; memory is missing; source is missing/);
    assert.deepEqual(namesIn(cwd), ["bad.json", "model.onnx"]);
  }));

Deno.test("cli: an .npz that is none", () =>
  inFolder(async (cwd) => {
    Deno.writeTextFileSync(`${cwd}/x.npz`, "not a zip");
    const args = ["run", MODEL, "--board", "host", "--inputs", "x.npz"];
    refused(await type(args, { cwd }), 1, /Cannot read x\.npz as it is no \.npz archive/);
    Deno.writeFileSync(
      `${cwd}/x.npz`,
      writeNpz(new Map([["in0", tensor("int8", [3], [1, 2, 3])]])),
    );
    refused(await type(args, { cwd }), 1, /has shape \[3\]/);
  }));

Deno.test("cli: boards as a table and as JSON", async () => {
  assert.match(
    (await type(["boards"])).out,
    /^stm32f746 .*1024K .*320K .*216 MHz .*mps2-an500 \(stand-in\) +stm32f746g_disco /m,
  );
  const list: { name: string }[] = JSON.parse((await type(["boards", "--json"])).out);
  assert.deepEqual(list.find((b) => b.name === "nucleo_f401re"), {
    name: "nucleo_f401re",
    title: "ST NUCLEO-F401RE (STM32F401RE, Cortex-M4 with FPU)",
    cpu: "cortex-m4",
    features: ["dsp", "fpu", "clz", "umull", "div", "sat"],
    flash_bytes: 512 * 1024,
    ram_bytes: 96 * 1024,
    clock_hz: 84e6,
    executes_on: "mps2-an386",
    stand_in: true,
    zephyr: "nucleo_f401re",
    arduino: "STMicroelectronics:stm32:Nucleo_64:pnum=NUCLEO_F401RE",
    platformio: "nucleo_f401re",
  });
});

Deno.test("cli: doctor names versions, or the one command that installs", async () => {
  const { code, out } = await type(["doctor"]);
  assert.equal(code, 0, out);
  assert.match(out, /✓ +qemu-system-arm +\d+\.\d+/);
  assert.match(out, /^ready +boards with Cortex-M cores$/m);
  const missing = await type(["doctor"], { env: bare });
  assert.equal(missing.code, 3);
  assert.match(missing.out, /✗ +arm-none-eabi-gcc +missing/);
  assert.match(missing.out, /^not ready +boards with RISC-V cores$/m);
  assert.match(missing.out, /apt-get install|package manager/);
});

Deno.test("cli: a missing tool ends in the command that installs it", async () => {
  const { code, err } = await type(["run", MODEL, "--board", "mps2-an386"], { env: bare });
  assert.match(err, /Cannot build for cortex-m4 as arm-none-eabi-gcc/);
  assert.match(err, /\[tool\/missing\]/);
  assert.equal(code, 3);
});

Deno.test("cli: the memory plan has the most stack beside it, where a compiler tells", async () => {
  const args = ["inspect", MODEL, "--board", "mps2-an386", "--stage", "memory"];
  const counted = await type(args), without = await type(args, { env: bare });
  assert.equal(counted.code, 0, counted.err);
  const [, bytes] = /^stack: at most (\d+) bytes\n {2}\w+_run_in: \1, /m.exec(counted.err)!;
  assert.ok(Number(bytes) <= 512);
  assert.equal(without.code, 0, without.err);
  assert.match(without.err, /^stack: not bounded \(.*arm-none-eabi-gcc/m);
  assert.match(without.out, /^arena and instructions that could be had/m);
  assert.equal(counted.out, without.out);
});
