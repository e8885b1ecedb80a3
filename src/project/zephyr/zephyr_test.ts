/** What the Zephyr writer decides; tests/project/zephyr builds and executes what it writes. */
import assert from "node:assert/strict";
import { tinyArtifact } from "../../run/tiny_artifact.ts";
import { boardNames, loadBoard } from "../../target/boards.ts";
import type { Board } from "../../target/target.ts";
import type { Artifact } from "../../codegen/artifact.ts";
import type { Bundle } from "../bundle.ts";
import { writeZephyr } from "./zephyr.ts";
import { coreConditions, integrationPlatforms, neededModules, twisterFilter } from "./core.ts";
import { arenasOf, needsLibm, quickMemory } from "./facts.ts";
import { moduleNames } from "./names.ts";

const artifact = (over: Partial<Artifact> = {}): Artifact => ({
  ...tinyArtifact("mps2-an385"),
  ...over,
});

const bundle = (board: Board, over: Partial<Bundle> = {}): Bundle => ({
  name: "tiny",
  models: [artifact()],
  board,
  sharedMemory: [],
  command: ["compile"],
  ...over,
});

const target = (board: string) => loadBoard(board).target;

Deno.test("zephyr: names keep clear of Zephyr's own", () => {
  assert.deepEqual(moduleNames({ name: "Kws_2" }), {
    id: "kws_2",
    module: "kws-2",
    prefix: "KWS_2",
  });
  assert.equal(moduleNames({ name: "sensor" }).prefix, "SENSOR_MODEL");
  assert.equal(moduleNames({ name: "__" }).module, "model");
  assert.equal(moduleNames({ name: "_a__b" }).module, "a-b");
});

Deno.test("zephyr: a core's instructions become conditions and choose an emulated board", () => {
  assert.deepEqual(coreConditions(target("microbit")), []);
  assert.deepEqual(coreConditions(target("mps2-an385")), ["ARMV7_M_ARMV8_M_MAINLINE"]);
  assert.equal(
    twisterFilter(target("stm32f746")),
    "CONFIG_ARMV7_M_ARMV8_M_MAINLINE and (CONFIG_CPU_CORTEX_M4 or CONFIG_CPU_CORTEX_M7 or " +
      "CONFIG_ARMV8_M_DSP) and CONFIG_CPU_HAS_FPU",
  );
  assert.deepEqual(integrationPlatforms(target("mps2-an385"), 64, 256), ["qemu_cortex_m3"]);
  assert.deepEqual(integrationPlatforms(target("mps2-an385"), 65, 256), ["mps2/an385"]);
  assert.deepEqual(integrationPlatforms(target("rpi_pico"), 16, 100), ["qemu_cortex_m0"]);
  assert.deepEqual(integrationPlatforms(target("rpi_pico"), 17, 100), ["qemu_cortex_m3"]);
  assert.deepEqual(integrationPlatforms(target("nrf52840dk"), 64, 256), ["mps3/corstone300/an547"]);
  assert.deepEqual(integrationPlatforms(target("stm32f746"), 64, 256), ["mps3/corstone300/an547"]);
  assert.deepEqual(integrationPlatforms(target("nrf5340dk"), 64, 256), ["mps3/corstone300/an547"]);
  assert.deepEqual(integrationPlatforms(target("mps3-an547"), 600, 256), []);
  const plain = { ...target("nrf5340dk"), features: target("mps2-an385").features };
  assert.deepEqual(integrationPlatforms(plain, 64, 256), ["mps2/an521/cpu0"]);
});

Deno.test("zephyr: modules that a board needs beside Zephyr", () => {
  assert.deepEqual(neededModules("nucleo_l4r5zi"), ["cmsis", "cmsis_6", "hal_stm32", "picolibc"]);
  assert.deepEqual(neededModules("arduino_nano_33_iot")[2], "hal_atmel");
  assert.deepEqual(neededModules("arduino_nano_33_ble")[2], "hal_nordic");
  assert.deepEqual(neededModules("qemu_cortex_m3"), ["cmsis", "cmsis_6", "picolibc"]);
  assert.deepEqual(neededModules(undefined), []);
  assert.deepEqual(neededModules("of_somebody"), []);
});

Deno.test("zephyr: a full C library is asked for only where one is called", () => {
  const withKernel = (text: string) => artifact({ sources: new Map([["src/k.c", text]]) });
  const include = "#include <math.h>\n";
  assert(!needsLibm(withKernel(`${include}float f(void) { return -INFINITY; }`)));
  assert(!needsLibm(withKernel(`${include}y = sqrtf(x) + fabsf(x);`)));
  for (const call of ["fmodf(x, y)", "floor(x)", "lroundf(x)", "acosh(x)", "log1pf(x)"]) {
    assert(needsLibm(withKernel(`${include}y = ${call};`)), call);
  }
});

Deno.test("zephyr: the tightly coupled memory is chosen only where the main one is too small", () => {
  const ram = (name: string, kib: number) =>
    ({ name, kind: "ram", base: 0, bytes: kib * 1024, latency: 1 }) as const;
  const on = (main: number, coupled: ReturnType<typeof ram>, kib: number) => {
    const board = { ...loadBoard("stm32f4_disco"), memory: [ram("sram", main), coupled] };
    const m = artifact();
    const regions = [{ name: "arena", bytes: kib * 1024, align: 16 }];
    return bundle(board, { models: [{ ...m, regions, arenaBytes: kib * 1024 }] });
  };
  assert.equal(quickMemory(on(64, ram("ccm", 64), 32)), null);
  assert.equal(quickMemory(on(64, ram("ccm", 32), 60)), null);
  assert.match(quickMemory(on(64, ram("ccm", 64), 60))!, /^CONFIG_TINY_ARENA_CCM=y$/m);
  assert.match(quickMemory(on(64, ram("dtcm", 64), 60))!, /^CONFIG_TINY_ARENA_DTCM=y$/m);
  const files = writeZephyr(on(64, ram("ccm", 64), 60));
  assert(files.has("samples/tiny/boards/stm32f4_disco.conf"));
});

Deno.test("zephyr: models that share memory have one choice of it, others one each", () => {
  const board = loadBoard("mps2-an385");
  const models = [artifact(), { ...artifact(), name: "other" }];
  const apart = arenasOf(bundle(board, { name: "both", models }));
  assert.deepEqual(apart.map((a) => a.symbol), ["BOTH_TINY_ARENA", "BOTH_OTHER_ARENA"]);
  assert.deepEqual(apart.map((a) => a.sections), [["TINY_ARENA"], ["OTHER_ARENA"]]);
  const sharedMemory = [{ region: "arena", symbol: "both_arena", bytes: 99, align: 16 }];
  const [shared, ...more] = arenasOf(bundle(board, { name: "both", models, sharedMemory }));
  assert.deepEqual(more, []);
  assert.equal(shared.bytes, 99);
  assert.deepEqual(shared.sections, ["BOTH_ARENA"]);
  assert.deepEqual(shared.sources, [
    "src/both_memory.c",
    "src/tiny_static.c",
    "src/other_static.c",
  ]);
});

Deno.test("zephyr: every board has a module of text without holes", () => {
  for (const name of boardNames()) {
    for (const [path, contents] of writeZephyr(bundle(loadBoard(name)))) {
      assert(typeof contents === "string" && contents.endsWith("\n"), `${name}: ${path}`);
      assert(!/undefined|\[object|\{\{/.test(contents), `${name}: ${path}`);
    }
  }
});
