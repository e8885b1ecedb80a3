/** Arenas in several memories of a board: the same bits, what is hot lies in what is fast. */
import assert from "node:assert/strict";
import { compileStages } from "../../src/compile.ts";
import type { Artifact } from "../../src/codegen/artifact.ts";
import { compileLibrary } from "../../src/run/build.ts";
import { linkFirmware } from "../../src/run/firmware.ts";
import { execute } from "../../src/run/process.ts";
import { findToolchain } from "../../src/run/toolchain.ts";
import { withWorkDir } from "../../src/run/workdir.ts";
import type { Board } from "../../src/target/target.ts";
import { assertSameBits, board, compile, defaults, outputsOn, ownNet } from "./support.ts";

const NETS = ["tf_conv_dense", "tf_residual"].map(ownNet);

/** Nets on boards whose RAM is in pieces, with the first one too small for all of the arena. */
for (const name of ["stm32f746", "host", "mps3-an547"]) {
  Deno.test(`arenas in two memories of ${name} give the same bits`, async () => {
    const on = board(name);
    const rams = on.memory.filter((m) => m.kind === "ram")
      .toSorted((a, b) => a.latency - b.latency).map((m) => m.name);
    const [fast, slow] = rams.length > 0 ? rams : ["fast", "slow"];
    for (const net of NETS) {
      for (const io of ["caller", "arena"] as const) {
        const whole = await compile(net.bytes, on, { io });
        const arena = [
          { region: fast, bytes: Math.floor(whole.arenaBytes / 2) },
          { region: slow, bytes: whole.arenaBytes + 64 },
        ];
        // A board says itself which of its memories is fast.
        if (rams.length > 0) arena.reverse();
        const c = await compileStages(net.bytes, { ...defaults(on), io, arena });
        const { artifact } = c;
        assert.deepEqual(artifact.regions.map((r) => r.name), [fast, slow]);
        assert.ok(artifact.regions[0].bytes <= whole.arenaBytes / 2);
        assert.match(
          artifact.sources.get("include/net.h")!,
          new RegExp(`void \\*${artifact.regions[0].name};`),
        );
        const samples = net.samples.slice(0, 2);
        const want = samples.map((s) => whole.interpret(s));
        assertSameBits(samples.map((s) => artifact.interpret(s)), want, `${net.name} ${io}`);
        assertSameBits(await outputsOn(artifact, on, samples), want, `${net.name} ${io} ${name}`);
      }
    }
  });
}

Deno.test("what lies in the fast memory is accessed more often by the byte", async () => {
  const on = board("stm32f746");
  const { bytes } = ownNet("tf_conv_dense");
  const whole = await compile(bytes, on);
  const arena = [
    { region: "dtcm", bytes: Math.floor(whole.arenaBytes / 3) },
    { region: "sram", bytes: whole.arenaBytes },
  ];
  const { artifact } = await compileStages(bytes, { ...defaults(on), arena });
  const scratch = artifact.buffers.filter((b) => b.name.startsWith("step "));
  assert.ok(scratch.some((b) => b.region === "dtcm"));
  assert.ok(artifact.buffers.some((b) => b.region === "sram"));
});

/** The symbols of a firmware for a board, as readelf lists them. */
async function firmwareSymbols(artifact: Artifact, on: Board): Promise<string> {
  const tools = await findToolchain(on.target);
  return await withWorkDir(async (folder) => {
    const library = await compileLibrary(artifact, on.target, tools, folder);
    await linkFirmware(artifact, library, on, tools, folder, 4096);
    return (await execute(tools.readelf, ["-sW", "firmware.elf"], { cwd: folder })).stdout;
  });
}

/** The memory of the board in which a symbol lies. */
function memoryOf(symbols: string, symbol: string, on: Board): string | undefined {
  const row = new RegExp(`([0-9a-f]{8}) +\\d+ OBJECT .* ${symbol}$`, "m").exec(symbols);
  const address = parseInt(row?.[1] ?? "", 16);
  return on.memory.find((m) => address >= m.base && address < m.base + m.bytes)?.name;
}

Deno.test("a firmware has arenas and constants in the memories of their names", async () => {
  const { bytes } = ownNet("tf_conv_dense");
  for (
    const [name, weights] of [["stm32f746", "sram"], ["stm32f746", "dtcm"], ["mps3-an547", "dtcm"]]
  ) {
    const on = board(name);
    const whole = await compile(bytes, on);
    const [fast, slow] = on.memory.filter((m) => m.kind === "ram")
      .toSorted((a, b) => a.latency - b.latency).map((m) => m.name);
    const arena = [
      { region: fast, bytes: Math.floor(whole.arenaBytes / 2) },
      { region: slow, bytes: whole.arenaBytes },
    ];
    const artifact = await compile(bytes, on, { arena, weights });
    const symbols = await firmwareSymbols(artifact, on);
    assert.equal(memoryOf(symbols, `net_static_${fast}`, on), fast);
    assert.equal(memoryOf(symbols, `net_static_${slow}`, on), slow);
    assert.equal(memoryOf(symbols, "net_weights\\w+", on), weights);
    const plain = await firmwareSymbols(whole, on);
    assert.equal(
      on.memory.find((m) => m.name === memoryOf(plain, "net_weights\\w+", on))?.kind,
      "flash",
    );
    // The run's image takes its memory from the C library's linker script.
    const inputs = ownNet("tf_conv_dense").samples.slice(0, 1);
    const want = inputs.map((s) => whole.interpret(s));
    assertSameBits(await outputsOn(artifact, on, inputs), want, `${name} ${weights}`);
  }
});

Deno.test("memories that the board does not have are refused", async () => {
  const { bytes } = ownNet("tf_pools");
  const refused = (limits: [string, number][], message: RegExp) =>
    assert.rejects(
      compile(bytes, board("stm32f746"), {
        arena: limits.map(([region, size]) => ({ region, bytes: size })),
      }),
      { code: "usage/arena", message },
    );
  await refused([["ccm", 100]], /ccm=100 as stm32f746 has no such RAM/);
  await refused([["flash", 100]], /no such RAM/);
  await refused([["dtcm", 65537]], /stm32f746 has 65536 bytes of it/);
  await refused([["dtcm", 10], ["dtcm", 20]], /named twice/);
  await assert.rejects(
    compile(bytes, board("host"), { arena: [{ region: "Fast", bytes: 10 }] }),
    { code: "usage/arena", message: /lowercase/ },
  );
  await assert.rejects(compile(bytes, board("stm32f746"), { weights: "ccm" }), {
    code: "usage/weights",
    message: /constants into ccm as stm32f746 has no such RAM/,
  });
  await assert.rejects(
    compile(bytes, board("stm32f746"), { arena: [{ region: "dtcm", bytes: 8 }] }),
    { code: "model/does-not-fit", message: /in dtcm \(8 bytes\)/ },
  );
});
