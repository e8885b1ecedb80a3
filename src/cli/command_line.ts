/** The command that makes a project again, as it is written into the project. */
import { basename } from "@std/path";
import type { NormalizedOptions } from "../project/mod.ts";
import type { ProjectRequest } from "./compile.ts";

/** Words of the command, without folders, so that it reads the same wherever it was typed. */
export function commandLine(
  request: ProjectRequest,
  models: readonly string[],
  options: NormalizedOptions,
): string[] {
  const value = (flag: string, given: string | number | undefined) =>
    given === undefined ? [] : [flag, String(given)];
  const file = (flag: string, given: string | undefined) =>
    given === undefined ? [] : [flag, basename(given)];
  const dims = Object.entries(options.dims).sort(([a], [b]) => a < b ? -1 : 1);
  return [
    ...["deno", "task", "compile", ...models],
    ...file("--board", request.board),
    ...value("--name", request.name),
    ...value("--project", request.project),
    ...(request.sketches ?? []).flatMap((path) => file("--sketch", path)),
    ...(options.optLevel === 3 ? [] : [`-O${options.optLevel}`]),
    ...(options.optimize === "balanced" ? [] : ["--optimize", options.optimize]),
    ...value("--flash-budget", options.flashBudget),
    ...value("--ram-budget", options.ramBudget),
    ...(options.requant === "exact" ? [] : ["--requant", options.requant]),
    ...(options.io === "caller" ? [] : ["--io", options.io]),
    ...(options.arena ?? []).flatMap((l) => ["--arena", `${l.region}=${l.bytes}`]),
    ...value("--weights", options.weights),
    ...dims.flatMap(([name, size]) => ["--dim", `${name}=${size}`]),
    ...(request.externalData ? ["--external-data"] : []),
    ...file("--inputs", request.inputs),
    ...file("--expect", request.expect),
    ...value("--golden", request.golden),
    ...value("--ci", request.ci),
    ...(request.shareArena ? ["--share-arena"] : []),
  ];
}
