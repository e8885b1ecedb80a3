/** Typing commands in tests. */
import { fileURLToPath } from "node:url";

const CONFIG = fileURLToPath(new URL("../../deno.json", import.meta.url));

/** What a command answered. */
export interface Answer {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Types `deno task …` in a folder, with the permissions that deno.json gives the task. */
export async function typeTask(
  args: readonly string[],
  options: { cwd?: string; env?: Record<string, string> } = {},
): Promise<Answer> {
  // Where the tests are a task themselves, their own INIT_CWD would be passed on.
  const { INIT_CWD: _, ...env } = Deno.env.toObject();
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["task", "--quiet", "--config", CONFIG, ...args],
    cwd: options.cwd,
    clearEnv: true,
    env: { ...env, NO_COLOR: "1", ...options.env },
    stdin: "null",
  }).output();
  const text = new TextDecoder();
  return { code, out: text.decode(stdout), err: text.decode(stderr) };
}
