/** Reading generated workflows, and running their steps in a repository as a service would. */
import assert from "node:assert/strict";
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import { join } from "@std/path";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";
import githubSchema from "./github_workflow.schema.json" with { type: "json" };
import gitlabSchema from "./gitlab_ci.schema.json" with { type: "json" };
import { CI_SERVICES } from "../../../src/project/ci.ts";

export const ROOT = fileURLToPath(new URL("../../../", import.meta.url));

/** One shell that a service starts: a name, what it is given. */
export interface Step {
  readonly name: string;
  /** `bash -e` on GitHub; GitLab takes what the image has, at least `sh`. */
  readonly shell: string;
  readonly script: string;
}

/** A workflow, read. */
export interface Workflow {
  readonly variables: Readonly<Record<string, string>>;
  readonly steps: readonly Step[];
}

interface Github {
  env: Record<string, string>;
  jobs: Record<string, { steps: { name?: string; run?: string }[] }>;
}

interface Gitlab {
  image: string;
  before_script?: string[];
  script: string[];
}

const ajv = new Ajv2020({ allErrors: true, allowUnionTypes: true, strictRequired: false });
const SCHEMAS = { github: ajv.compile(githubSchema), gitlab: ajv.compile(gitlabSchema) };

/** Parses a workflow, and checks it against the schema of its service. */
export function readWorkflow(service: string, text: string): Workflow {
  const yaml: unknown = parse(text, { strict: true, uniqueKeys: true });
  const valid: ValidateFunction = SCHEMAS[service as keyof typeof SCHEMAS];
  assert(valid(yaml), JSON.stringify(valid.errors, null, 2));
  if (service === "github") {
    const { env, jobs } = yaml as Github;
    const steps = Object.values(jobs).flatMap((job) => job.steps);
    return {
      variables: env,
      steps: steps.flatMap(({ name, run }) =>
        run === undefined ? [] : [{ name: name!, shell: "bash", script: run }]
      ),
    };
  }
  const { variables, ...jobs } = yaml as Record<string, Gitlab> & { variables: unknown };
  return {
    variables: variables as Record<string, string>,
    // All lines of a job are one script.
    steps: Object.entries(jobs).map(([name, job]) => ({
      name,
      shell: "sh",
      script: [...job.before_script ?? [], ...job.script].join("\n"),
    })),
  };
}

/** The workflow of a project's folder. */
export const workflowOf = (service: string, folder: string): Workflow =>
  readWorkflow(service, Deno.readTextFileSync(join(folder, CI_SERVICES[service].file)));

/** Runs a program in a folder; what it printed, and its exit code. */
export async function start(
  program: string,
  args: readonly string[],
  cwd: string,
  env: Readonly<Record<string, string>>,
): Promise<{ code: number; text: string }> {
  const command = new Deno.Command(program, {
    args: [...args],
    cwd,
    clearEnv: true,
    env,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
  const { code, stdout, stderr } = await command.output();
  const decoder = new TextDecoder();
  return { code, text: decoder.decode(stdout) + decoder.decode(stderr) };
}

/**
 * The environment of a runner: an empty home, a temporary folder, and an `npx` that starts the Deno
 * of this test in place of the one that it would fetch.
 */
export async function runner(folder: string): Promise<Record<string, string>> {
  for (const name of ["home", "tmp", "bin"]) Deno.mkdirSync(join(folder, name));
  const npx = `#!/bin/sh
[ "$1" = -y ] && [ "$2" = deno@2.9 ] || { echo "npx $*: not expected" >&2; exit 9; }
shift 2
INIT_CWD=$PWD exec '${Deno.execPath()}' "$@"
`;
  Deno.writeTextFileSync(join(folder, "bin/npx"), npx, { mode: 0o755 });
  const info = new Deno.Command(Deno.execPath(), { args: ["info", "--json"], stdout: "piped" });
  const { denoDir } = JSON.parse(new TextDecoder().decode((await info.output()).stdout));
  return {
    PATH: `${join(folder, "bin")}:${Deno.env.get("PATH")}`,
    HOME: join(folder, "home"),
    TMPDIR: join(folder, "tmp"),
    // What Deno has fetched already, since the registry is not what is tested.
    DENO_DIR: denoDir,
    NO_COLOR: "1",
    CI: "true",
  };
}

/** Runs the steps up to the first that fails; its name, or null, and all that was printed. */
export async function runSteps(
  workflow: Workflow,
  repository: string,
  env: Readonly<Record<string, string>>,
  variables: Readonly<Record<string, string>> = {},
): Promise<{ failed: string | null; text: string }> {
  let all = "";
  for (const { name, shell, script } of workflow.steps) {
    const full = { ...env, ...workflow.variables, ...variables };
    const { code, text } = await start(shell, ["-e", "-c", script], repository, full);
    all += text;
    if (code !== 0) return { failed: name, text: all };
  }
  return { failed: null, text: all };
}
