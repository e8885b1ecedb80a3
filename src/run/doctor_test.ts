import assert from "node:assert/strict";
import { readiness, sufficient, type ToolReport } from "./doctor.ts";
import { TOOLS } from "./toolchain.ts";

/** Reports of a computer that lacks the named tools. */
const without = (...missing: string[]): ToolReport[] =>
  TOOLS.map(({ name, purpose, minimum }) => {
    const ok = !missing.includes(name);
    const version = ok ? minimum : null;
    return {
      tool: name,
      purpose,
      minimum,
      ok,
      version,
      path: ok ? `/${name}` : null,
      install: null,
    };
  });

Deno.test("doctor: the tools of one architecture and of this computer suffice", () => {
  assert.equal(sufficient(without()), true);
  assert.equal(sufficient(without("riscv64-unknown-elf-gcc", "qemu-system-riscv32")), true);
  assert.equal(sufficient(without("arm-none-eabi-gcc")), true);
  assert.equal(sufficient(without("picolibc", "qemu-system-riscv32")), false);
  assert.equal(sufficient(without("gcc")), false);
});

Deno.test("doctor: what cannot be built for is named", () => {
  assert.deepEqual(readiness(without("picolibc-riscv64")), [
    { boards: "boards with Cortex-M cores", ready: true },
    { boards: "boards with RISC-V cores", ready: false },
    { boards: "host, this computer", ready: true },
  ]);
});
