/** Starting tools: a minimal environment, a time limit, nothing left running behind. */
import { BurinError } from "../util/errors.ts";

/** What a tool answered. */
export interface Finished {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Where and for how long a tool runs. */
export interface ExecuteOptions {
  /** Working folder; temporary files of the tool go there too. */
  readonly cwd?: string;
  /** Default 120. */
  readonly timeoutSeconds?: number;
}

const running = new Set<Deno.ChildProcess>();

/** Ends every tool that is running: called where Burin itself is interrupted. */
export function endAll(): void {
  for (const child of running) {
    try {
      child.kill("SIGKILL");
    } catch { // It has ended meanwhile.
    }
  }
}

/** Folders that tools are looked for in. */
export const searchPath = (): string[] =>
  (Deno.env.get("PATH") ?? "").split(Deno.build.os === "windows" ? ";" : ":").filter(Boolean);

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

/** Full path of a program on PATH, or null. */
export function findProgram(name: string): string | null {
  const file = Deno.build.os === "windows" ? `${name}.exe` : name;
  return searchPath().map((folder) => `${folder}/${file}`).find(isFile) ?? null;
}

/**
 * Runs a program to its end with an empty standard input. The environment holds what tools need and
 * no more: a library path inherited from the caller would change what they load, and Deno refuses
 * to pass it on to them.
 * @throws BurinError `tool/cannot-start`, `tool/timeout`
 */
export async function execute(
  program: string,
  args: readonly string[],
  options: ExecuteOptions = {},
): Promise<Finished> {
  const { cwd, timeoutSeconds = 120 } = options;
  const env: Record<string, string> = { PATH: searchPath().join(":"), LC_ALL: "C" };
  if (cwd !== undefined) env.TMPDIR = cwd;
  let child: Deno.ChildProcess;
  try {
    child = new Deno.Command(program, {
      args: [...args],
      cwd,
      clearEnv: true,
      env,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
  } catch (e) {
    throw new BurinError(
      "tool/cannot-start",
      `Cannot start ${program} as ${(e as Error).message}`,
      "`deno task doctor` shows what is installed",
    );
  }
  running.add(child);
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    child.kill("SIGKILL");
  }, timeoutSeconds * 1000);
  try {
    const { code, stdout, stderr } = await child.output();
    if (late) {
      throw new BurinError(
        "tool/timeout",
        `Cannot wait longer for ${program} as ${timeoutSeconds} seconds have passed`,
      );
    }
    const text = new TextDecoder();
    return { code, stdout: text.decode(stdout), stderr: text.decode(stderr) };
  } finally {
    clearTimeout(timer);
    running.delete(child);
  }
}
