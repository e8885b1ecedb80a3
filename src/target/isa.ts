/** What a core executes, read from the flags that gcc compiles with. */
import type { Target } from "./target.ts";

/** Instruction sets and extensions, by Arm's names; a larger core has those of the smaller ones. */
const V6M = ["ARMv6-M"];
const V7M = [...V6M, "ARMv7-M"];
const V8M_BASE = [...V6M, "ARMv8-M Baseline"];
const V8M = [...V7M, "ARMv8-M Baseline", "ARMv8-M Mainline"];
const DSP = "DSP instructions";
const MVE = "MVE";

const CORES: Readonly<Record<string, readonly string[]>> = {
  "cortex-m0": V6M,
  "cortex-m0plus": V6M,
  "cortex-m3": V7M,
  "cortex-m4": [...V7M, DSP],
  "cortex-m7": [...V7M, DSP],
  "cortex-m23": V8M_BASE,
  "cortex-m33": [...V8M, DSP],
  "cortex-m55": [...V8M, "ARMv8.1-M", DSP, MVE],
};

const SINGLE = "an FPU (FPv4, single precision)";
const SINGLE_V5 = "an FPU (FPv5, single precision)";
const DOUBLE = "an FPU (FPv5, double precision)";

const FPUS: Readonly<Record<string, readonly string[]>> = {
  "fpv4-sp-d16": [SINGLE],
  "fpv5-sp-d16": [SINGLE, SINGLE_V5],
  "fpv5-d16": [SINGLE, SINGLE_V5, DOUBLE],
};

/** What gcc takes for the FPU of a core where no flag names one. */
const OWN_FPU: Readonly<Record<string, string>> = {
  "cortex-m4": "fpv4-sp-d16",
  "cortex-m7": "fpv5-d16",
  "cortex-m33": "fpv5-sp-d16",
  "cortex-m55": "fpv5-d16",
};

const valueOf = (cflags: readonly string[], name: string): string | undefined =>
  cflags.findLast((f) => f.startsWith(`${name}=`))?.slice(name.length + 1);

/** Everything that a program compiled with the target's flags may use; null for flags not known. */
export function instructionsOf({ cflags }: Target): ReadonlySet<string> | null {
  const [core, ...changes] = valueOf(cflags, "-mcpu")?.split("+") ?? [];
  const base = CORES[core];
  if (!base || valueOf(cflags, "-march") !== undefined) return null;
  const has = new Set(base);
  if ((valueOf(cflags, "-mfloat-abi") ?? "soft") !== "soft") {
    const named = valueOf(cflags, "-mfpu") ?? "auto";
    const fpu = FPUS[named === "auto" ? OWN_FPU[core] : named];
    if (!fpu) return null;
    fpu.forEach((f) => has.add(f));
  }
  for (const change of changes) {
    if (change === "nodsp") has.delete(DSP);
    else if (change === "nomve") has.delete(MVE);
    else if (change === "nofp") [SINGLE, SINGLE_V5, DOUBLE].forEach((f) => has.delete(f));
    else return null;
  }
  return has;
}

/**
 * What a program compiled for `program` may use and `machine` does not have; empty where `machine`
 * executes every such program. Flags that are not known have to be the same ones.
 */
export function lacking(machine: Target, program: Target): string[] {
  const [there, needed] = [instructionsOf(machine), instructionsOf(program)];
  if (there && needed) return [...needed].filter((i) => !there.has(i));
  const same = machine.cpu === program.cpu &&
    [...machine.cflags].sort().join(" ") === [...program.cflags].sort().join(" ");
  return same ? [] : [`the flags ${program.cflags.join(" ")}`];
}
