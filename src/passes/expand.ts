/** Replaces operators that are defined by other operators, until none is left. */
import { BurinError } from "../util/errors.ts";
import { rebuild } from "../ir/build.ts";
import type { Graph } from "../ir/graph.ts";

/** More levels than any chain of definitions has; a cycle would never end. */
const MAX_DEPTH = 8;

/** Expands every node whose body says so; what it becomes carries its name and origin. */
export function expand(g: Graph): Graph {
  for (let depth = 0; g.nodes.some((n) => n.op.body.kind === "expand"); depth++) {
    if (depth === MAX_DEPTH) {
      throw new BurinError(
        "internal/expansion",
        `Cannot expand '${g.nodes.find((n) => n.op.body.kind === "expand")!.op.name}' ` +
          `as its definition leads back to itself`,
        "please report this with the model",
      );
    }
    g = rebuild(
      g,
      (n, b) =>
        n.op.body.kind === "expand"
          ? n.op.body.rewrite(n.attrs, n.ins, n.outs.map((v) => v.type), b)
          : undefined,
    );
  }
  return g;
}
