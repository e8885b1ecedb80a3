/** The profiler on the emulator: loops of known content, and what happens where a tool is absent. */
import assert from "node:assert/strict";
import { loadBoard } from "../target/boards.ts";
import { inFolder } from "../util/testing.ts";
import { runOnBoard } from "./mod.ts";
import { findProgram } from "./process.ts";
import { TINY_SAMPLES, tinyArtifact } from "./tiny_artifact.ts";

/** One turn of a loop on memory at `%1`, with what the model of a Cortex-M4 gives it. */
const TURN = {
  code: [
    "ldr r2, [%1]",
    "ldrh r3, [%1, #4]",
    "add r3, r3, r2",
    "ldrd r2, r3, [%1, #8]",
    "strd r2, r3, [%1, #8]",
    "ldmia %1, {r2, r3, r4, r5}",
    "stmia %1, {r2, r3, r4, r5}",
    "str r2, [%1]",
    "ldrb r3, [%1]",
    "udiv r3, r2, r3",
    "subs %0, %0, #1",
    "bne.n 1b",
  ],
  cycles: 2 + 1 + 1 + 3 + 2 + 5 + 5 + 1 + 1 + 7 + 1 + 1 + 2,
  loads: 1 + 1 + 2 + 4 + 1,
  stores: 2 + 4 + 1,
  bytes: 4 + 2 + 8 + 8 + 16 + 16 + 4 + 1,
};

const profiled = async (board: string, turns: number) => {
  const loop = `uint32_t n = ${turns}u; uint32_t words[4] = {1u, 1u, 1u, 1u};
    uint32_t *at = words; __asm__ volatile(".syntax unified\\n1: ${TURN.code.join("\\n")}"
    : "+l"(n), "+l"(at) : : "r2", "r3", "r4", "r5", "cc", "memory"); memcpy`;
  const artifact = tinyArtifact(board, (s) => s.replace("memcpy", loop));
  const options = { profile: true };
  return await runOnBoard(artifact, loadBoard(board), TINY_SAMPLES, options);
};

for (const board of ["mps2-an385", "mps2-an386", "mps2-an500", "mps2-an505", "mps3-an547"]) {
  Deno.test(`profile: 1000 more turns of a loop on ${board} are as many more of its content`, async () => {
    const [short, long] = [await profiled(board, 1000), await profiled(board, 2000)];
    const [a, b] = [short, long].map((e) => {
      assert.equal(e.profiled!.absent, null);
      return e.profiled!.profile!;
    });
    const more = (of: "instructions" | "loads" | "stores" | "bytes") => b[of] - a[of];
    assert.equal(more("instructions"), 1000 * TURN.code.length);
    assert.equal(more("loads"), 1000 * TURN.loads);
    assert.equal(more("stores"), 1000 * TURN.stores);
    assert.equal(more("bytes"), 1000 * TURN.bytes);
    if (board === "mps2-an386") assert.equal(b.cycles! - a.cycles!, 1000 * TURN.cycles);
    else assert.equal(a.cycles, null);
    // Exactly what the timer counted, as near as its ticks show.
    assert(Math.abs(a.instructions - short.result.instructions![0]) <= 40);
  });
}

/** Runs with the tools of a folder alone on PATH; returns why there is no profile. */
async function withTools(
  tools: readonly string[],
  scripts: Readonly<Record<string, string>>,
): Promise<string | null> {
  let why: string | null = null;
  await inFolder(async (folder) => {
    for (const tool of tools) Deno.symlinkSync(findProgram(tool)!, `${folder}/${tool}`);
    for (const [name, text] of Object.entries(scripts)) {
      Deno.writeTextFileSync(`${folder}/${name}`, text, { mode: 0o755 });
    }
    const before = Deno.env.get("PATH")!;
    Deno.env.set("PATH", folder);
    try {
      const { profiled: p, passes } = await profiled("mps2-an386", 10);
      assert(passes);
      assert.equal(p!.profile, null);
      why = p!.absent;
    } finally {
      Deno.env.set("PATH", before);
    }
  });
  return why;
}

const CROSS = ["arm-none-eabi-gcc", "arm-none-eabi-readelf"];

Deno.test("profile: without gcc, objdump or plugins there is a reason in its place", async () => {
  const qemu = findProgram("qemu-system-arm")!;
  assert.match(
    (await withTools([...CROSS, "arm-none-eabi-objdump", "qemu-system-arm"], {}))!,
    /^gcc for this computer is not installed/,
  );
  assert.match((await withTools([...CROSS, "qemu-system-arm", "gcc"], {}))!, /objdump is not/);
  const script = `#!/bin/sh
for arg in "$@"; do
  if [ "$arg" = -plugin ]; then echo "qemu-system-arm: -plugin: invalid option" >&2; exit 1; fi
done
exec ${qemu} "$@"
`;
  const tools = [...CROSS, "arm-none-eabi-objdump", "gcc", "as", "ld"];
  assert.match(
    (await withTools(tools, { "qemu-system-arm": script }))!,
    /^qemu-system-arm runs no plugin: qemu-system-arm: -plugin: invalid option/,
  );
});

Deno.test("profile: this computer and other architectures have a reason too", async () => {
  for (const board of ["host", "qemu-rv32imc"]) {
    const run = await runOnBoard(tinyArtifact(board), loadBoard(board), TINY_SAMPLES, {
      profile: true,
    });
    assert.match(run.profiled!.absent!, /not profiled|not classified/);
  }
});
