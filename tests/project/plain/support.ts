/** Building plain projects as their users do: CMake, Ninja, CTest, and QEMU where CTest starts it. */
import assert from "node:assert/strict";
import { join } from "@std/path";
import { fileURLToPath } from "node:url";
import { compile, type Project, type ProjectRequest } from "../../../src/cli/compile.ts";
import { findProgram, searchPath } from "../../../src/run/process.ts";
import { findToolchain } from "../../../src/run/toolchain.ts";
import { loadBoard } from "../../../src/target/boards.ts";
import { testTool } from "../../../tools/test_tools.ts";

/** What the C of a project has to be clean under; the flags of the toolchain file come on top. */
export const STRICT = "-Wall -Wextra -Wpedantic -Wconversion -Werror";

/** Path of a file of the repository. */
export const root = (path: string): string =>
  fileURLToPath(new URL(`../../../${path}`, import.meta.url));

/** What a tool printed, both streams, and how it ended. */
export interface Answer {
  readonly code: number;
  readonly text: string;
}

/** Starts a tool in a folder, with the flags for C in the environment. */
export async function start(
  program: string,
  args: readonly string[],
  cwd: string,
  cflags = STRICT,
): Promise<Answer> {
  const { code, stdout, stderr } = await new Deno.Command(program, {
    args: [...args],
    cwd,
    clearEnv: true,
    env: { PATH: searchPath().join(":"), LC_ALL: "C", CFLAGS: cflags },
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  return { code, text: decoder.decode(stdout) + decoder.decode(stderr) };
}

/** Starts CMake (or CTest beside it) and expects it to succeed. */
export async function cmake(cwd: string, ...args: string[]): Promise<string> {
  testTool("ninja");
  const answer = await start(testTool("cmake"), args, cwd);
  assert.equal(answer.code, 0, `cmake ${args.join(" ")}\n${answer.text}`);
  return answer.text;
}

/** Starts CTest, which may fail. */
export function ctest(cwd: string, ...args: string[]): Promise<Answer> {
  testTool("cmake");
  return start(findProgram("ctest")!, args, cwd);
}

/** Compiles a model to a plain project in a new folder under `folder`. */
export async function makeProject(
  folder: string,
  request: ProjectRequest,
  name = "a project",
): Promise<Project> {
  await findToolchain(loadBoard(request.board!).target);
  return await compile({ ...request, project: "plain", out: join(folder, name) });
}

/** Configures and builds with a preset. */
export async function build(project: Project, preset: string, ...options: string[]): Promise<void> {
  await cmake(project.out, "--preset", preset, ...options);
  await cmake(project.out, "--build", "--preset", preset);
}

/** The lines that the self-tests print. */
export const linesOf = (text: string): string[] =>
  [...text.matchAll(/BURIN .*/g)].map(([line]) => line.trim());
