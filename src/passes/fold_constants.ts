/** Computes what depends on constants alone, as long as the image does not grow much by it. */
import { rebuild } from "../ir/build.ts";
import type { Graph } from "../ir/graph.ts";
import { evaluateNode } from "../ir/evaluate.ts";
import { bytesOfType } from "./folding_builder.ts";

/** What a folded tensor may have in bytes: weights that dequantise to four times their size fit. */
export const FOLD_BUDGET = 4 << 20;

/** @param budget largest result in bytes */
export function foldConstants(g: Graph, budget = FOLD_BUDGET): Graph {
  return rebuild(g, (n, b) => {
    if (
      n.op.check || n.bodies.length || n.op.body.kind === "scan" || !n.ins.some((v) => v) ||
      n.ins.some((v) => v && !v.data)
    ) {
      return undefined;
    }
    if (n.outs.reduce((sum, v) => sum + bytesOfType(v.type), 0) > budget) return undefined;
    return evaluateNode(n.op, n.attrs, n.ins.map((v) => v?.data ?? null))
      .map((data, i) => b.constant(data, n.outs[i].name));
  });
}
