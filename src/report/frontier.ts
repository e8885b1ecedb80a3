/** What less memory costs, as a table. */
import type { MemoryPoint } from "../codegen/artifact.ts";
import { grouped, tableLines } from "./table.ts";

/** Columns for the name of a node. */
const NAME = 28;

/** The end of a name, which tells more of most models than its begin. */
const short = (name: string): string => name.length <= NAME ? name : `…${name.slice(1 - NAME)}`;

const heldText = (nodes: readonly string[]): string =>
  nodes.length < 3
    ? nodes.map(short).join(", ")
    : `${short(nodes[0])} to ${short(nodes.at(-1)!)}, ${nodes.length} nodes`;

/** The points as lines, the one that was taken marked. */
export const frontierLines = (points: readonly MemoryPoint[], width: number): string[] =>
  tableLines(
    ["arena", "instructions", "", "held up by"],
    points.map((p) => [
      grouped(p.arenaBytes),
      grouped(p.instructions),
      p.chosen ? "taken" : "",
      heldText(p.heldBy),
    ]),
    width,
  );
