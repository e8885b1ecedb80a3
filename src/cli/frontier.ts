/** What less memory would cost, for people who asked for little of it. */
import type { Artifact } from "../codegen/artifact.ts";
import { frontierLines } from "../report/frontier.ts";
import { say } from "./terminal.ts";

/** Columns of the table. */
const WIDTH = 100;

/** Prints the frontier of a model that was compiled for little memory. */
export function sayFrontier({ options, frontier }: Artifact): void {
  if (options.optimize !== "ram" && options.ramBudget === undefined) return;
  if (frontier.length === 0) return;
  say("arena and instructions that could be had, estimated:");
  frontierLines(frontier, WIDTH).forEach((line) => say(`  ${line}`));
}
