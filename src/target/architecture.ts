/**
 * What differs between the processor architectures that firmware is built for: one record each. The
 * prefix of a target's tools chooses it, so that a further architecture is a further record, with
 * its templates.
 */
import startupArm from "../../templates/board/startup_arm.c" with { type: "text" };
import startupRiscv from "../../templates/board/startup_riscv.c" with { type: "text" };
import platformArm from "../../templates/qemu/platform_arm.h" with { type: "text" };
import platformRiscv from "../../templates/qemu/platform_riscv.h" with { type: "text" };
import type { Target } from "./target.ts";

/** A tool by the name that messages call it by, and the packages of Debian and Ubuntu with it. */
export interface ArchitectureTool {
  /** Name, for a program that of its file. */
  readonly name: string;
  /** Packages that bring it. */
  readonly packages: readonly string[];
  /** Oldest version that is known to do. */
  readonly minimum: string;
}

/** One architecture. */
export interface Architecture {
  /** Ends the names of its templates: `startup_arm.c`. */
  readonly name: string;
  /** Its cores as people call them. */
  readonly cores: string;
  /** Prefix of the tools; `Target.prefix` says it. */
  readonly prefix: string;
  /** The cross compiler. */
  readonly gcc: ArchitectureTool;
  /** The C library; its folder is named by the prefix. */
  readonly picolibc: ArchitectureTool;
  /** The emulator. */
  readonly qemu: ArchitectureTool;
  /** Arguments that start the emulator without firmware of its own. */
  readonly qemuArguments: readonly string[];
  /** Start-up code of a board, C. */
  readonly startup: string;
  /** What the harness of a run needs of the processor, C. */
  readonly platform: string;
}

/** All of them. */
export const ARCHITECTURES: readonly Architecture[] = [
  {
    name: "arm",
    cores: "Cortex-M",
    prefix: "arm-none-eabi-",
    gcc: { name: "arm-none-eabi-gcc", packages: ["gcc-arm-none-eabi"], minimum: "10" },
    picolibc: { name: "picolibc", packages: ["picolibc-arm-none-eabi"], minimum: "1.7" },
    qemu: { name: "qemu-system-arm", packages: ["qemu-system-arm"], minimum: "6" },
    qemuArguments: [],
    startup: startupArm,
    platform: platformArm,
  },
  {
    name: "riscv",
    cores: "RISC-V",
    prefix: "riscv64-unknown-elf-",
    gcc: { name: "riscv64-unknown-elf-gcc", packages: ["gcc-riscv64-unknown-elf"], minimum: "10" },
    picolibc: {
      name: "picolibc-riscv64",
      packages: ["picolibc-riscv64-unknown-elf"],
      minimum: "1.7",
    },
    qemu: { name: "qemu-system-riscv32", packages: ["qemu-system-misc"], minimum: "7" },
    qemuArguments: ["-bios", "none"],
    startup: startupRiscv,
    platform: platformRiscv,
  },
];

/** The target's architecture; null for this computer, whose own programs need nothing of it. */
export const architectureOf = (target: Target): Architecture | null =>
  ARCHITECTURES.find((a) => a.prefix === target.prefix) ?? null;
