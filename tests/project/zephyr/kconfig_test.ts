/** The module's Kconfig in every combination that matters, and what each makes of the library. */
import assert from "node:assert/strict";
import { join } from "@std/path";
import { execute } from "../../../src/run/process.ts";
import { findToolchain } from "../../../src/run/toolchain.ts";
import { loadBoard } from "../../../src/target/boards.ts";
import type { Board } from "../../../src/target/target.ts";
import { inFolder } from "../../../src/util/testing.ts";
import {
  buildApplication,
  coreSymbols,
  executeApplication,
  kconfigValues,
  makeModule,
  root,
} from "./support.ts";

const DIGITS = root("examples/digits/digits_int8.onnx");
const MOTION = root("examples/motion/motion_int8.onnx");

/** Sections of the module's objects, name → bytes, of all files together. */
async function librarySections(build: string, library: string, board: Board) {
  const tools = await findToolchain(board.target);
  const archive = join(build, `module/lib${library}.a`);
  const { stdout } = await execute(tools.readelf, ["-SW", archive]);
  const sections = new Map<string, number>();
  for (const [, name, size] of stdout.matchAll(/\] (\S+) +\S+ +[0-9a-f]+ [0-9a-f]+ ([0-9a-f]+)/g)) {
    sections.set(name, (sections.get(name) ?? 0) + parseInt(size, 16));
  }
  return sections;
}

Deno.test("zephyr Kconfig: symbols are prefixed, defaults are the documented ones", () =>
  inFolder(async (folder) => {
    const { board } = await makeModule(folder, { model: DIGITS, board: "mps2-an385" });
    const off = await kconfigValues(folder, board.target);
    assert(Object.keys(off).every((name) => /^DIGITS_INT8(_|$)/.test(name)));
    assert.equal(Object.keys(off).length, 14);
    assert(Object.values(off).every((value) => value === "n" || value === ""));
    const on = await kconfigValues(folder, board.target, { conf: ["CONFIG_DIGITS_INT8=y"] });
    const chosen = Object.keys(on).filter((name) => on[name] !== "n" && on[name] !== "");
    assert.deepEqual(chosen, [
      "DIGITS_INT8",
      "DIGITS_INT8_ARENA_PLACEMENT",
      "DIGITS_INT8_ARENA_BSS",
      "DIGITS_INT8_SPEED",
    ]);
  }));

Deno.test("zephyr Kconfig: what cannot be is refused", () =>
  inFolder(async (folder) => {
    const { board: { target } } = await makeModule(folder, { model: DIGITS, board: "stm32f746" });
    const on = "CONFIG_DIGITS_INT8=y";
    const rejects = (conf: string[], symbols: string[], what: RegExp) =>
      assert.rejects(kconfigValues(folder, target, { conf, symbols }), what);
    const core = coreSymbols(target);
    await rejects(["CONFIG_DIGITS_INT9=y"], core, /undefined symbol DIGITS_INT9/);
    await rejects([on, "CONFIG_DIGITS_INT8_ARENA_DTCM=y"], core, /DIGITS_INT8_ARENA_DTCM/);
    await rejects(
      [on, "CONFIG_DIGITS_INT8_ARENA_CALLER=y", "CONFIG_DIGITS_INT8_SELFTEST=y"],
      core,
      /DIGITS_INT8_SELFTEST/,
    );
    // A Cortex-M3, a Cortex-M4 without FPU, a Cortex-M33 without DSP.
    for (const missing of ["CPU_CORTEX_M7", "CPU_HAS_FPU", "ARMV7_M_ARMV8_M_MAINLINE"]) {
      await rejects([on], core.filter((s) => s !== missing), /DIGITS_INT8 was set to y/);
    }
    await kconfigValues(folder, target, {
      conf: [on],
      symbols: [...core.filter((s) => s !== "CPU_CORTEX_M7"), "ARMV8_M_DSP"],
    });
  }));

Deno.test("zephyr Kconfig: the generated symbols are complete: a missing one is noticed", () =>
  inFolder(async (folder) => {
    const { board: { target } } = await makeModule(folder, { model: DIGITS, board: "stm32f746" });
    const path = join(folder, "module/zephyr/Kconfig");
    Deno.writeTextFileSync(
      path,
      Deno.readTextFileSync(path).replace("select FPU\n", "select FPV\n"),
    );
    await assert.rejects(kconfigValues(folder, target), /undefined symbol FPV/);
  }));

/** Choice, chosen properties of the devicetree, section of the arena (null: no arena at all). */
const PLACEMENTS: readonly (readonly [string, readonly string[], RegExp | null])[] = [
  ["BSS", [], /^\.bss/],
  ["NOINIT", [], /^\.noinit$/],
  ["DTCM", ["zephyr,dtcm"], /^\.dtcm_noinit$/],
  ["CCM", ["zephyr,ccm"], /^\.ccm_noinit$/],
  ["REGION", ["digits-int8,arena"], /^digits_int8_arena$/],
  ["SECTION", [], /^\.noinit\.digits_int8_arena$/],
  ["CALLER", [], null],
];

for (const [choice, chosen, wanted] of PLACEMENTS) {
  Deno.test(`zephyr Kconfig, stand-in, not Zephyr: arena placed by ${choice}`, () =>
    inFolder(async (folder) => {
      const { artifact, board } = await makeModule(folder, { model: DIGITS, board: "mps2-an385" });
      const conf = [
        `CONFIG_DIGITS_INT8_ARENA_${choice}=y`,
        ...(choice === "CALLER" ? ["CONFIG_DIGITS_INT8_SELFTEST=n"] : []),
      ];
      const build = await buildApplication(folder, "samples/digits-int8", board, { conf, chosen });
      const sections = await librarySections(build, "digits_int8", board);
      // The self-test's outputs are in .bss too.
      const holding = [...sections].filter(([name, bytes]) =>
        bytes >= artifact.arenaBytes && !/^\.(text|rodata|debug|ARM|rel|symtab|strtab)/.test(name)
      );
      assert.equal(holding.length, wanted === null ? 0 : 1, JSON.stringify([...sections]));
      if (wanted !== null) assert.match(holding[0][0], wanted);
      const { code, lines } = await executeApplication(build, board);
      assert.equal(code, 0);
      const first = choice === "CALLER" ? /^digits_int8 window 1: / : /^BURIN digits_int8 PASS /;
      assert.match(lines[0], first);
    }));
}

Deno.test("zephyr Kconfig, stand-in, not Zephyr: constants in a section of their own, -O level", () =>
  inFolder(async (folder) => {
    const { artifact, board } = await makeModule(folder, { model: DIGITS, board: "mps2-an385" });
    const small = "CONFIG_DIGITS_INT8_SPEED=n";
    const section = [
      "CONFIG_DIGITS_INT8_WEIGHTS_SECTION=y",
      'CONFIG_DIGITS_INT8_WEIGHTS_SECTION_NAME=".rodata.far"',
    ];
    const build = await buildApplication(folder, "samples/digits-int8", board, {
      conf: [small, ...section],
    });
    const sections = await librarySections(build, "digits_int8", board);
    assert(sections.get(".rodata.far")! >= artifact.paramsBytes);
    assert.equal(sections.get(".rodata.digits_int8_params"), undefined);
    const { lines } = await executeApplication(build, board);
    assert.match(lines[0], /^BURIN digits_int8 PASS mismatches=0 instructions=/);
    const commands = Deno.readTextFileSync(join(build, "build.ninja"));
    const flags = commands.match(/FLAGS = .*placement\.h.*/g)!;
    assert.equal(flags.length, 5);
    assert(flags.every((line) => !line.includes("-O2") && line.includes("-ffp-contract=off")));
  }));

for (const shareArena of [false, true]) {
  const how = shareArena ? "one arena" : "an arena each";
  Deno.test(`zephyr, stand-in, not Zephyr: two models with ${how}`, () =>
    inFolder(async (folder) => {
      const { board, models } = await makeModule(folder, {
        model: DIGITS,
        others: [MOTION],
        board: "mps2-an385",
        shareArena,
        name: "both",
      });
      const build = await buildApplication(folder, "samples/both", board);
      const { code, lines } = await executeApplication(build, board);
      assert.equal(code, 0, lines.join("\n"));
      assert.match(lines[0], /^BURIN digits_int8 PASS mismatches=0 instructions=\d+$/);
      assert.match(lines[1], /^BURIN motion_int8 PASS mismatches=0 instructions=\d+$/);
      assert.match(lines[2], /^digits_int8 window 1: /);
      assert.match(lines[3], /^motion_int8 window 1: /);
      const bss = [...await librarySections(build, "both", board)]
        .filter(([name]) => /^\.bss/.test(name)).reduce((sum, [, bytes]) => sum + bytes, 0);
      const needs = models.map((m) => m.arenaBytes);
      const arena = shareArena ? Math.max(...needs) : needs[0] + needs[1];
      assert(bss >= arena && bss < arena + Math.min(...needs), `${bss} bytes`);
      const tests = await buildApplication(folder, "tests/both", board);
      const ran = await executeApplication(tests, board);
      assert.equal(ran.code, 0, ran.lines.join("\n"));
      assert.equal(ran.lines.at(-1), "8 tests, 0 failures");

      const symbol = shareArena ? "BOTH_ARENA" : "BOTH_MOTION_INT8_ARENA";
      const values = await kconfigValues(folder, board.target, {
        conf: ["CONFIG_BOTH=y", `CONFIG_${symbol}_CALLER=y`],
      });
      assert.equal(values[`${symbol}_BSS`], "n");
    }));
}

Deno.test("zephyr, stand-in, not Zephyr: a wrong weight makes sample and tests fail", () =>
  inFolder(async (folder) => {
    const board = loadBoard("mps2-an385");
    await makeModule(folder, { model: DIGITS, board: "mps2-an385" });
    const path = join(folder, "module/src/digits_int8_params.c");
    const text = Deno.readTextFileSync(path);
    const broken = text.replace(/(int8_t \w+weight\w*\[\d+\] = \{\s*)(-?\d+)/, "$1 3 + $2");
    assert.notEqual(broken, text);
    Deno.writeTextFileSync(path, broken);
    const sample = await buildApplication(folder, "samples/digits-int8", board);
    const { lines } = await executeApplication(sample, board);
    assert.match(lines[0], /^BURIN digits_int8 FAIL mismatches=[1-9]/);
    const tests = await buildApplication(folder, "tests/digits-int8", board);
    const ran = await executeApplication(tests, board);
    assert.equal(ran.code, 1);
    assert(ran.lines.includes("FAIL - digits_int8.test_golden_vectors"), ran.lines.join("\n"));
  }));

Deno.test("zephyr, stand-in, not Zephyr: without golden vectors the sample runs windows alone", () =>
  inFolder(async (folder) => {
    const { board } = await makeModule(folder, {
      model: DIGITS,
      board: "mps2-an385",
      golden: 0,
    });
    const build = await buildApplication(folder, "samples/digits-int8", board);
    const { code, lines } = await executeApplication(build, board);
    assert.equal(code, 0);
    assert.match(lines[0], /^digits_int8 window 1: /);
    const yaml = Deno.readTextFileSync(join(folder, "module/samples/digits-int8/sample.yaml"));
    assert(!yaml.includes("BURIN"));
  }));
