/** `compile --ci`: what a workflow has to know, and what of an earlier one is kept. */
import { basename, join } from "@std/path";
import { type Lock, LOCK_FILE, parseLock } from "../lock/lock.ts";
import { type Ci, CI_SERVICES, IGNORE_FILE } from "../project/ci.ts";
import type { ProjectFiles } from "../project/mod.ts";
import { writtenFiles } from "../project/write.ts";
import { named, toolsFor } from "../run/toolchain.ts";
import { executingBoard } from "../target/boards.ts";
import type { Board } from "../target/target.ts";
import { BurinError } from "../util/errors.ts";
import { readUserFile } from "./paths.ts";

/** What is asked for. */
interface CiRequest {
  readonly ci?: string;
  readonly board: string;
  readonly golden?: number;
  readonly out?: string;
}

/** Where a board file of the user's lies in the project. */
const boardFile = (board: string): string => `board/${basename(board)}`;

/**
 * Looks at a request for a workflow, before anything is compiled.
 * @throws BurinError `usage/*`, `board/no-machine` where nothing executes for the board
 */
export function ciOf(request: CiRequest, board: Board): Ci | undefined {
  const { ci: service } = request;
  if (service === undefined) return undefined;
  const refuse = (code: string, why: string, hint: string) =>
    new BurinError(`usage/${code}`, `Cannot write a workflow for ${service} as ${why}`, hint);
  if (!CI_SERVICES[service]) {
    throw refuse(
      "unknown-ci",
      `the services are ${Object.keys(CI_SERVICES).join(", ")}`,
      "name one of them with --ci",
    );
  }
  if (request.out?.endsWith(".tar")) {
    throw refuse("ci-archive", "an archive is no repository", "name a folder with --out");
  }
  if (request.golden === 0) {
    throw refuse("ci-golden", "there are no golden vectors to run", "leave --golden 0 out");
  }
  executingBoard(board);
  const packages = named(toolsFor(board.target)).flatMap((t) => t.packages);
  const own = request.board.endsWith(".json");
  return { service, packages, board: own ? boardFile(request.board) : board.name };
}

/** The board file that the lock names, where it is one of the user's. */
export const ciExtras = (request: CiRequest): ProjectFiles =>
  request.ci !== undefined && request.board.endsWith(".json")
    ? new Map([[boardFile(request.board), readUserFile(request.board)]])
    : new Map();

function read(path: string): Uint8Array | null {
  try {
    return Deno.readFileSync(path);
  } catch {
    return null;
  }
}

/**
 * What an earlier `--ci` wrote into the folder and the user may have changed since: the lock stays,
 * and so does the workflow unless it is asked for again. What the user wrote there instead is never
 * replaced.
 * @throws BurinError `usage/ci-exists` where the workflow itself is the user's
 */
export function keptFiles(folder: string, ci: string | undefined): ProjectFiles {
  const workflows = Object.entries(CI_SERVICES).filter(([name]) => name !== ci);
  const paths = [LOCK_FILE, IGNORE_FILE, ...workflows.map(([, { file }]) => file)];
  const ours = writtenFiles(folder) ?? [];
  const { file } = CI_SERVICES[ci ?? ""] ?? { file: null };
  if (file !== null && !ours.includes(file) && read(join(folder, file)) !== null) {
    throw new BurinError(
      "usage/ci-exists",
      `Cannot write a workflow for ${ci} as ${file} in ${basename(folder)} is not Burin's`,
      "name another folder with --out, and include its workflow in yours",
    );
  }
  const wanted = paths.filter((p) => ours.includes(p) || (ci && !p.endsWith(".yml")));
  return new Map(wanted.flatMap((path) => {
    const contents = read(join(folder, path));
    return contents === null ? [] : [[path, contents] as const];
  }));
}

/** What is to be done with the lock of a project that has just been written; null for nothing. */
export function lockNote(files: ProjectFiles, ci: Ci, shown: string): string | null {
  const lock = files.get(LOCK_FILE)!;
  const text = typeof lock === "string" ? lock : new TextDecoder().decode(lock);
  let entries: Lock["entries"];
  try {
    ({ entries } = parseLock(text, LOCK_FILE));
  } catch (e) {
    return `${LOCK_FILE} was kept as it is: ${(e as Error).message}`;
  }
  const own = entries.find((e) => e.project === ".");
  if (own?.board !== ci.board) {
    const what = own ? `its project is for board ${own.board}` : "it does not name the project";
    return `${LOCK_FILE} was kept as it is, but ${what}: it should have the entry ` +
      JSON.stringify({ project: ".", board: ci.board });
  }
  if (own.recorded) return null;
  return `${LOCK_FILE} records nothing yet: deno task verify ${shown} --update, then commit it`;
}
