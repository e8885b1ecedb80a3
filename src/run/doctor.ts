/** What `deno task doctor` shows: each tool, its version, what it is for, how to get it. */
import { ARCHITECTURES } from "../target/architecture.ts";
import { findProgram } from "./process.ts";
import { installCommand, recentEnough, TOOLS } from "./toolchain.ts";

/** One tool as it was found. */
export interface ToolReport {
  /** Name of the tool. */
  readonly tool: string;
  /** What it is for. */
  readonly purpose: string;
  /** Null where it is not installed. */
  readonly path: string | null;
  /** Null where it is not installed or does not start. */
  readonly version: string | null;
  /** Oldest version that does. */
  readonly minimum: string;
  /** Whether it can be used. */
  readonly ok: boolean;
  /** The command that installs it; null where nothing is to do. */
  readonly install: string | null;
}

/** Looks at every tool. A tool that does not start counts as missing. */
export function examineTools(): Promise<ToolReport[]> {
  return Promise.all(TOOLS.map(async (tool) => {
    const path = tool.find();
    const version = path === null ? null : await tool.version(path).catch(() => null);
    const ok = version !== null && recentEnough(version, tool.minimum);
    const { name, purpose, minimum } = tool;
    const install = ok ? null : installCommand([tool]);
    return { tool: name, purpose, path, version, minimum, ok, install };
  }));
}

/** Whether everything is there that building and executing for some boards needs. */
export interface Readiness {
  /** The boards, in words. */
  readonly boards: string;
  readonly ready: boolean;
}

/** What can be built and executed: for the cores of each architecture, then for this computer. */
export function readiness(reports: readonly ToolReport[]): Readiness[] {
  const all = (names: readonly string[]): boolean =>
    names.every((name) => reports.some((r) => r.tool === name && r.ok));
  return [
    ...ARCHITECTURES.map(({ cores, gcc, picolibc, qemu }) => ({
      boards: `boards with ${cores} cores`,
      ready: all([gcc.name, picolibc.name, qemu.name]),
    })),
    { boards: "host, this computer", ready: all(["gcc"]) },
  ];
}

/**
 * Whether the tools suffice: this computer's, and those of one architecture. Hardly anybody has
 * boards of every architecture, so that the tools of the others are offered and not demanded.
 */
export function sufficient(reports: readonly ToolReport[]): boolean {
  const states = readiness(reports).map(({ ready }) => ready);
  return states.at(-1)! && states.slice(0, -1).includes(true);
}

/** The one command that installs everything that is missing or too old; null where nothing is. */
export function installAll(reports: readonly ToolReport[]): string | null {
  const wanted = TOOLS.filter((t) => reports.some((r) => r.tool === t.name && !r.ok));
  return wanted.length === 0 ? null : installCommand(wanted);
}

/** Whether the system's package manager is one that `setup` can drive. */
export const canInstall = (): boolean => findProgram("apt-get") !== null;
