/**
 * Installing missing tools: without asking only as root, or where CI is set and sudo asks nothing;
 * a user at a terminal is asked once; otherwise nothing is touched.
 */
import { BurinError } from "../util/errors.ts";
import { canInstall } from "./doctor.ts";
import { findProgram, searchPath } from "./process.ts";
import { type Installable, installCommand, named, type Tool } from "./toolchain.ts";

/** How one program is started here: its output belongs on stderr, stdout may carry JSON. */
async function run(program: string, args: readonly string[], quiet = false): Promise<boolean> {
  const command = new Deno.Command(program, {
    args: [...args],
    clearEnv: true,
    env: { PATH: searchPath().join(":"), LC_ALL: "C", DEBIAN_FRONTEND: "noninteractive" },
    stdin: quiet ? "null" : "inherit",
    stdout: "piped",
    stderr: quiet ? "null" : "inherit",
  });
  try {
    return (await command.output()).success;
  } catch {
    return false;
  }
}

const isRoot = (): boolean => Deno.build.os !== "windows" && Deno.uid() === 0;
const inCi = (): boolean => (Deno.env.get("CI") ?? "") !== "";
const sudoAsksNothing = (): Promise<boolean> =>
  findProgram("sudo") === null ? Promise.resolve(false) : run("sudo", ["-n", "true"], true);

/** Whether the tools may be installed: the policy of this file. */
async function mayInstall(tools: readonly Installable[]): Promise<boolean> {
  if (!canInstall()) return false;
  if (isRoot()) return true;
  if (inCi()) return await sudoAsksNothing();
  if (!Deno.stdin.isTerminal() || !Deno.stderr.isTerminal()) return false;
  const names = tools.map((t) => t.name).join(", ");
  await Deno.stderr.write(
    new TextEncoder().encode(
      `Burin needs ${names}. May it run\n  ${installCommand(tools)}\n[y/N] `,
    ),
  );
  const answer = new Uint8Array(64);
  const read = await Deno.stdin.read(answer) ?? 0;
  return /^y(es)?\s*$/i.test(new TextDecoder().decode(answer.subarray(0, read)));
}

/** Installs those of the named tools that are missing; see {@linkcode install}. */
export const ensureTools = (names: readonly string[]): Promise<Tool[]> => install(named(names));

/**
 * Installs those of the tools that are missing, where that is allowed.
 * @returns the tools that are still missing
 * @throws BurinError `tool/install-failed` where apt-get was allowed to run and failed
 */
export async function install<T extends Installable>(tools: readonly T[]): Promise<T[]> {
  const absent = () => tools.filter((t) => t.find() === null);
  const missing = absent();
  if (missing.length === 0 || !await mayInstall(missing)) return missing;
  const packages = missing.flatMap((t) => t.packages);
  console.error(`Installing ${packages.join(" ")} …`);
  const apt = (...args: string[]) => {
    const full = ["-q", "-o", "DPkg::Lock::Timeout=300", ...args];
    return isRoot()
      ? run("apt-get", full)
      : run("sudo", ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", ...full]);
  };
  const done = await apt("update") &&
    await apt("install", "--yes", "--no-install-recommends", ...packages);
  const left = absent();
  if (!done || left.length > 0) {
    throw new BurinError(
      "tool/install-failed",
      `Cannot install ${packages.join(" ")} as apt-get failed (its messages stand above)`,
      installCommand(left.length > 0 ? left : missing),
    );
  }
  return [];
}
