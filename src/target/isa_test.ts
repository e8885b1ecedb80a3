import assert from "node:assert/strict";
import { loadBoard } from "./boards.ts";
import { instructionsOf, lacking } from "./isa.ts";
import type { Target } from "./target.ts";

const flags = (text: string): Target => ({
  ...loadBoard("microbit").target,
  cpu: /-m(?:cpu|arch)=([a-z0-9-]+)/.exec(text)![1],
  cflags: text.split(" "),
});

const M0 = flags("-mcpu=cortex-m0 -mthumb -mfloat-abi=soft");
const M0PLUS = flags("-mcpu=cortex-m0plus -mthumb -mfloat-abi=soft");
const M3 = flags("-mcpu=cortex-m3 -mthumb -mfloat-abi=soft");
const M4 = flags("-mcpu=cortex-m4 -mthumb -mfpu=fpv4-sp-d16 -mfloat-abi=hard");
const M4_SOFT = flags("-mcpu=cortex-m4 -mthumb -mfloat-abi=soft");
const M7_SINGLE = flags("-mcpu=cortex-m7 -mthumb -mfpu=fpv5-sp-d16 -mfloat-abi=hard");
const M7 = flags("-mcpu=cortex-m7 -mthumb -mfpu=fpv5-d16 -mfloat-abi=hard");
const M33 = flags("-mcpu=cortex-m33 -mthumb -mfpu=fpv5-sp-d16 -mfloat-abi=hard");
const M33_BARE = flags("-mcpu=cortex-m33+nodsp -mthumb -mfloat-abi=soft");
const M55 = flags("-mcpu=cortex-m55 -mthumb -mfloat-abi=hard");

const DSP = "DSP instructions";
const FPV4 = "an FPU (FPv4, single precision)";
const FPV5 = "an FPU (FPv5, single precision)";
const DOUBLE = "an FPU (FPv5, double precision)";

/** Machine, program, what the machine lacks: Arm's table of which core has which instructions. */
const CASES: readonly (readonly [Target, Target, readonly string[]])[] = [
  [M0, M0PLUS, []],
  [M0PLUS, M0, []],
  [M3, M0PLUS, []],
  [M0, M3, ["ARMv7-M"]],
  [M3, M4_SOFT, [DSP]],
  [M3, M4, [DSP, FPV4]],
  [M4, M3, []],
  [M4, M7_SINGLE, [FPV5]],
  [M7, M4, []],
  [M7, M7_SINGLE, []],
  [M7_SINGLE, M7, [DOUBLE]],
  [M7, M33, ["ARMv8-M Baseline", "ARMv8-M Mainline"]],
  [M33, M4, []],
  [M33, M7, [DOUBLE]],
  [M33, M33_BARE, []],
  [M33_BARE, M33, [DSP, FPV4, FPV5]],
  [M55, M7, []],
  [M55, M33, []],
  [M33, M55, ["ARMv8.1-M", "MVE", DOUBLE]],
];

Deno.test("isa: a machine executes what it has every instruction of", () => {
  for (const [machine, program, missing] of CASES) {
    const what = `${program.cflags[0]} on ${machine.cflags[0]}`;
    assert.deepEqual(lacking(machine, program).sort(), [...missing].sort(), what);
  }
});

Deno.test("isa: an FPU that no flag names is the core's own", () => {
  const own = flags("-mcpu=cortex-m7 -mthumb -mfloat-abi=hard");
  assert.deepEqual(instructionsOf(own), instructionsOf(M7));
  assert.deepEqual(lacking(M7, flags("-mcpu=cortex-m7 -mthumb -mfpu=auto -mfloat-abi=hard")), []);
});

Deno.test("isa: flags that are not known have to be the same", () => {
  const a = flags("-march=armv7e-m -mthumb"), b = flags("-mcpu=cortex-m85 -mthumb");
  assert.equal(instructionsOf(a), null);
  assert.equal(instructionsOf(b), null);
  assert.equal(instructionsOf(flags("-mcpu=cortex-m4+crypto -mthumb")), null);
  assert.deepEqual(lacking(b, flags("-mthumb -mcpu=cortex-m85")), []);
  assert.deepEqual(lacking(M55, b), ["the flags -mcpu=cortex-m85 -mthumb"]);
  assert.deepEqual(lacking(a, M4), [`the flags ${M4.cflags.join(" ")}`]);
});
