import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { architectureOf } from "../target/architecture.ts";
import { loadBoard } from "../target/boards.ts";
import { boardsThatDiffer } from "../target/testing.ts";
import { BurinError } from "../util/errors.ts";
import { runOnBoard } from "./mod.ts";
import { TINY_SAMPLES, tinyArtifact } from "./tiny_artifact.ts";

const samples = TINY_SAMPLES;

/** Runs the tiny library on a board and compares with its interpreter. */
function run(name: string, edit?: (source: string) => string, extraFlags: string[] = []) {
  const artifact = tinyArtifact(name, edit);
  const expected = samples.map((s) => tinyArtifact(name).interpret(s));
  return runOnBoard(artifact, loadBoard(name), samples, { expected, extraFlags });
}

/** The code of the error that running a broken library ends in. */
async function codeOf(name: string, edit: (source: string) => string): Promise<string> {
  try {
    await run(name, edit);
  } catch (e) {
    if (e instanceof BurinError) return `${e.code}: ${e.message}`;
    throw e;
  }
  return "no error";
}

for (const name of boardsThatDiffer()) {
  Deno.test(`run: ${name} executes the generated C and gives the interpreter's bits`, async () => {
    const { result, passes, firmware } = await run(name);
    assert(passes);
    assert.deepEqual(result.match, {
      out0: { max_abs: 0, max_lsb: 0, mismatched: 0, elements: 6 },
      out1: { max_abs: 0, max_lsb: null, mismatched: 0, elements: 3 },
    });
    assert.equal(result.samples, 3);
    assert.equal(result.arena_bytes, 16);
    assert.equal(result.params_bytes, 2);
    assert.equal(result.flash_bytes, result.code_bytes + 2);
    assert(result.code_bytes > 40);
    if (name === "host") {
      assert.equal(result.instructions, null);
      assert.equal(result.stack_bytes, null);
      assert.equal(result.ram_bytes, 16 + 2 + 6);
      return;
    }
    const stack = result.stack_bytes!;
    assert(stack > 0 && stack < 400, `stack of ${stack} bytes`);
    assert.equal(result.ram_bytes, 16 + 2 + 6 + stack);
    for (const n of result.instructions!) assert(n > 20 && n < 400, `${n} instructions`);
    assert(firmware!.flashUsed > result.flash_bytes && firmware!.ramUsed > result.ram_bytes);
  });
}

/** A loop of two instructions a turn, by architecture. */
const LOOPS: Readonly<Record<string, string>> = {
  arm: `".syntax unified\\n1: subs %0, %0, #1\\n bne 1b" : "+l"(n) : : "cc"`,
  riscv: `"1: addi %0, %0, -1\\n bnez %0, 1b" : "+r"(n)`,
};

/** Makes the library of a board turn in that loop before it copies. */
const spin = (name: string, turns: number) => (source: string) => {
  const loop = LOOPS[architectureOf(loadBoard(name).target)!.name];
  return source.replace("memcpy", `uint32_t n = ${turns}u; __asm__ volatile(${loop}); memcpy`);
};

Deno.test("run: instructions are exact: 1000 more loop turns are 2000 more instructions", async () => {
  const machines = [
    "mps2-an386",
    "mps2-an500",
    "mps3-an547",
    "microbit",
    "netduinoplus2",
    "lm3s6965evb",
    "qemu-rv32imc",
  ];
  for (const name of machines) {
    const short = await run(name, spin(name, 1000));
    const long = await run(name, spin(name, 2000));
    const more = long.result.instructions![0] - short.result.instructions![0];
    assert(Math.abs(more - 2000) <= 8, `${name}: ${more}`);
  }
});

Deno.test("run: a stand-in of a larger core takes the same instructions", async () => {
  // Both are compiled for a Cortex-M0; one runs on it, the other on a Cortex-M3 with more memory.
  const [own, other] = [await run("microbit"), await run("nucleo_f091rc")];
  assert.match(other.result.engine, /mps2-an385 as stand-in for nucleo_f091rc$/);
  assert.deepEqual(other.outputs, own.outputs);
  own.result.instructions!.forEach((n, i) => {
    const more = other.result.instructions![i] - n;
    assert(Math.abs(more) <= 8, `${more} more instructions`);
  });
});

Deno.test("run: runs of hundreds of millions of instructions do not wrap", async () => {
  for (const name of ["mps2-an386", "microbit", "qemu-rv32imc"]) {
    const [counted] = (await run(name, spin(name, 5e7))).result.instructions!;
    assert(Math.abs(counted - 1e8) < 1000, `${name}: ${counted}`);
  }
});

Deno.test("run: a stack is measured to the byte", async () => {
  const use = (bytes: number) => (source: string) =>
    source.replace("memcpy", `volatile char big[${bytes}]; big[0] = 1; (void)big[0]; memcpy`);
  for (const name of ["mps2-an386", "qemu-rv32imc"]) {
    const small = await run(name, use(800));
    const large = await run(name, use(1600));
    assert.equal(large.result.stack_bytes! - small.result.stack_bytes!, 800);
  }
});

Deno.test("run: on this computer under -O0 and the sanitizers", async () => {
  for (const flags of [["-O0"], ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]]) {
    assert((await run("host", undefined, flags)).passes);
  }
});

Deno.test("run: what the library does wrong is seen", async () => {
  const replace = (from: string, to: string) => (s: string) => s.replace(from, to);
  const cases: [string, (s: string) => string, RegExp][] = [
    ["host", replace("return TINY_OK", "out->y[2] = 0; return TINY_OK"), /internal\/run.*outside/],
    ["host", replace("return TINY_OK", "return TINY_ERR_SHAPE"), /returned status 3/],
    [
      "mps2-an386",
      replace("memcpy", "((int8_t *)(intptr_t)in->x)[0] ^= 1; memcpy"),
      /wrote to the caller's inputs/,
    ],
    ["mps2-an386", replace("memcpy", `__asm__ volatile("udf #0"); memcpy`), /took a fault/],
    ["mps2-an386", replace("int32_t sum = 0", "int32_t sum"), /internal\/c-compiler.*src\/tiny\.c/],
    ["host", replace("memcpy(", "copy[0] = in->x[0] * 300; memcpy("), /conversion/i],
  ];
  for (const [board, edit, message] of cases) {
    assert.match((await codeOf(board, edit)).replaceAll("\n", " "), message);
  }
});

Deno.test("run: a RISC-V machine has no instructions that its core lacks", async () => {
  const doing = (word: string) => (s: string) =>
    s.replace("memcpy", `__asm__ volatile(".word ${word}" ::: "memory"); memcpy`);
  const [unimp, fadd, amoadd] = ["0xc0001073", "0x00007053", "0x0001202f"];
  for (const name of ["qemu-rv32imc", "qemu-rv32imac"]) {
    for (const word of [unimp, fadd]) {
      assert.match(await codeOf(name, doing(word)), /took a fault/, `${word} on ${name}`);
    }
  }
  assert.match(await codeOf("qemu-rv32imc", doing(amoadd)), /took a fault/);
  assert.equal(await codeOf("qemu-rv32imac", doing(amoadd)), "no error");
});

Deno.test("run: a wrong result is a mismatch, not an error", async () => {
  const { passes, result } = await run("host", (s) => s.replace("2 * copy[i]", "3 * copy[i]"));
  assert(!passes);
  assert.equal(result.match!.out0.mismatched, 2);
  assert.equal(result.match!.out0.max_lsb, 2);
});

Deno.test("run: what does not fit on the board is said", async () => {
  const big = (s: string) =>
    s.replace("tiny_status tiny", "static volatile char huge[400000];\ntiny_status tiny")
      .replace("memcpy", "huge[0] = 1; memcpy");
  assert.match(
    await codeOf("stm32f746", big),
    /board\/does-not-fit: Cannot link for stm32f746 as the firmware takes 40\d,\d+ bytes of RAM where there are 327,680 bytes/,
  );
});

Deno.test("run: nothing is left behind", async () => {
  const before = [...Deno.readDirSync(Deno.env.get("TMPDIR") ?? "/tmp")].map((e) => e.name);
  await run("host");
  const after = [...Deno.readDirSync(Deno.env.get("TMPDIR") ?? "/tmp")].map((e) => e.name);
  assert.deepEqual(after.filter((n) => n.startsWith("burin-") && !before.includes(n)), []);
});

Deno.test("run: an endless run is ended, with a message", async () => {
  const artifact = tinyArtifact("mps2-an386", (s) => s.replace("memcpy", "for (;;) {} memcpy"));
  const board = loadBoard("mps2-an386");
  await assert.rejects(runOnBoard(artifact, board, samples, { timeoutSeconds: 2 }), (e) => {
    assert(e instanceof BurinError);
    assert.equal(e.code, "tool/timeout");
    return true;
  });
});

Deno.test("run: Ctrl-C ends the emulator and leaves nothing behind", async () => {
  const folder = Deno.makeTempDirSync();
  const script = `
    import { runOnBoard } from ${JSON.stringify(new URL("./mod.ts", import.meta.url).href)};
    import * as tiny from ${JSON.stringify(new URL("./tiny_artifact.ts", import.meta.url).href)};
    import { loadBoard } from ${
    JSON.stringify(new URL("../target/boards.ts", import.meta.url).href)
  };
    const artifact = tiny.tinyArtifact("mps2-an386", (s) => s.replace("memcpy", "for (;;) {} memcpy"));
    const progress = (doing) => console.log(doing);
    await runOnBoard(artifact, loadBoard("mps2-an386"), tiny.TINY_SAMPLES, { progress });`;
  const config = fileURLToPath(new URL("../../deno.json", import.meta.url));
  const child = new Deno.Command(Deno.execPath(), {
    args: ["eval", "--quiet", "--config", config, script],
    env: { TMPDIR: folder },
    stdin: "null",
    stdout: "piped",
  }).spawn();
  try {
    const decoder = new TextDecoder();
    for await (const chunk of child.stdout) {
      if (!decoder.decode(chunk, { stream: true }).includes("running")) continue;
      setTimeout(() => child.kill("SIGINT"), 300);
    }
    assert.equal((await child.status).code, 130);
    assert.deepEqual([...Deno.readDirSync(folder)], []);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

Deno.test("run: inputs and outputs may live in the arena", async () => {
  const base = tinyArtifact("mps2-an386");
  const at = (offset: number) => ({ where: "arena", region: "arena", offset } as const);
  const artifact = {
    ...base,
    inputs: [{ ...base.inputs[0], placement: at(4) }],
    outputs: base.outputs.map((p, i) => ({ ...p, placement: at(8 + 4 * i) })),
  };
  const expected = samples.map((s) => base.interpret(s));
  for (const name of ["host", "mps2-an386"]) {
    const { result, passes } = await runOnBoard(artifact, loadBoard(name), samples, { expected });
    assert(passes);
    assert.equal(result.ram_bytes, 16 + (result.stack_bytes ?? 0));
  }
});

Deno.test("run: flags that the C compiler does not know are the board file's fault", async () => {
  const board = loadBoard("mps2-an386");
  const target = { ...board.target, cflags: ["-mcpu=cortex-m99", "-mthumb"] };
  await assert.rejects(runOnBoard(tinyArtifact("x"), { ...board, target }, samples), (e) => {
    assert(e instanceof BurinError);
    assert.equal(e.code, "board/flags");
    return true;
  });
});
