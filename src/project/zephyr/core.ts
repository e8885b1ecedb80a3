/** What a board's core means in Zephyr: conditions in Kconfig, machines that Twister can emulate. */
import type { Feature, Target } from "../../target/target.ts";

/** A board of Zephyr that QEMU executes. */
interface Platform {
  readonly name: string;
  readonly cpu: string;
  readonly features: readonly Feature[];
  /** KiB. */
  readonly ram: number;
  /** KiB. */
  readonly flash: number;
}

const MAINLINE: readonly Feature[] = ["clz", "umull", "div", "sat"];

/**
 * Zephyr's boards that QEMU executes, the smaller first. (Its mps2/an386 and mps2/an500 need Arm's
 * own models.)
 */
const PLATFORMS: readonly Platform[] = [
  { name: "qemu_cortex_m0", cpu: "cortex-m0", features: [], ram: 16, flash: 256 },
  { name: "qemu_cortex_m3", cpu: "cortex-m3", features: MAINLINE, ram: 64, flash: 256 },
  { name: "mps2/an385", cpu: "cortex-m3", features: MAINLINE, ram: 4096, flash: 4096 },
  { name: "mps2/an521/cpu0", cpu: "cortex-m33", features: MAINLINE, ram: 4096, flash: 4096 },
  {
    name: "mps3/corstone300/an547",
    cpu: "cortex-m55",
    features: [...MAINLINE, "dsp", "fpu", "mve"],
    ram: 512,
    flash: 512,
  },
];

const isArm = (t: Target): boolean => t.cpu.startsWith("cortex-m");
const isRiscv = (t: Target): boolean => t.prefix.startsWith("riscv");

/** Features that show in the code: instructions that other cores lack. */
const needed = (t: Target): readonly Feature[] => t.features.filter((f) => f !== "fpu64");

/**
 * Emulated boards that Twister takes in integration mode: one of the same core where that has room,
 * else the smallest that executes the same instructions.
 */
export function integrationPlatforms(t: Target, ram: number, flash: number): string[] {
  if (isRiscv(t)) return ["qemu_riscv32"];
  const able = PLATFORMS.filter((p) =>
    needed(t).every((f) => p.features.includes(f)) && p.ram >= ram && p.flash >= flash
  );
  const best = able.find((p) => p.cpu === t.cpu) ?? able[0];
  return best ? [best.name] : [];
}

/**
 * Conditions under which the code can run, in symbols that Zephyr has had since 3.3. A core without
 * the named instructions would refuse the code at build time or at run time.
 */
export function coreConditions(t: Target): string[] {
  if (isRiscv(t)) return ["RISCV"];
  if (!isArm(t)) return [];
  const conditions: readonly (readonly [readonly Feature[], string])[] = [
    [["clz", "umull", "div", "sat"], "ARMV7_M_ARMV8_M_MAINLINE"],
    [["dsp"], "CPU_CORTEX_M4 || CPU_CORTEX_M7 || ARMV8_M_DSP"],
    [["fpu"], "CPU_HAS_FPU"],
    [["mve"], "ARMV8_1_M_MVEI"],
  ];
  return conditions.flatMap(([features, condition]) =>
    features.some((f) => t.features.includes(f)) ? [condition] : []
  );
}

/** The same as an expression over CONFIG_ symbols, as Twister filters by; empty where any core will do. */
export const twisterFilter = (t: Target): string =>
  coreConditions(t).map((c) => {
    const text = c.replace(/[A-Z]\w+/g, "CONFIG_$&").replaceAll("||", "or");
    return text.includes(" or ") ? `(${text})` : text;
  }).join(" and ");

/** Modules with the vendors' drivers, by how the names of boards begin. */
const HALS: readonly (readonly [RegExp, readonly string[]])[] = [
  [/^(stm32|nucleo|disco|blackpill|arduino_portenta|b_)/, ["hal_stm32"]],
  [/^(nrf|bbc_microbit|arduino_nano_33_ble|xiao_ble)/, ["hal_nordic"]],
  [/^rpi_pico/, ["hal_rpi_pico"]],
  [/^(teensy|mimxrt|frdm|lpcxpresso)/, ["hal_nxp"]],
  [/^(ek_ra|arduino_uno_r4)/, ["hal_renesas"]],
  [/^(adafruit_itsybitsy_m4|arduino_due|arduino_nano_33_iot|arduino_zero|atsam|sam_)/, [
    "hal_atmel",
  ]],
  [/^(qemu|mps)/, []],
];

/** Modules that Zephyr needs for a board; empty where that is not known, so that all are fetched. */
export function neededModules(board: string | undefined): string[] {
  const hal = HALS.find(([pattern]) => board !== undefined && pattern.test(board));
  return hal ? ["cmsis", "cmsis_6", ...hal[1], "picolibc"] : [];
}
