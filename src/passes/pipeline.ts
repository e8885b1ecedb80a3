/** The passes over graphs in their order. Each is lossless; what changes bits is an option elsewhere. */
import type { Graph } from "../ir/graph.ts";
import { checksFirst } from "./checks_first.ts";
import { denseToConv } from "./dense_to_conv.ts";
import { commonSubexpressions } from "./common_subexpressions.ts";
import { distinctNames } from "./distinct_names.ts";
import { deadChannels } from "./dead_channels.ts";
import { expand } from "./expand.ts";
import { foldBatchNorm } from "./fold_batch_norm.ts";
import { mergePad } from "./merge_pad.ts";
import { foldConstants } from "./fold_constants.ts";
import { hoistQuantize } from "./hoist_quantize.ts";
import { integerize } from "./integerize.ts";
import { mergeBias } from "./merge_bias.ts";
import { simplify } from "./simplify.ts";

/** A named step; it runs at its -O level and above. */
export interface Pass {
  readonly name: string;
  readonly level: 0 | 1 | 2 | 3;
  run(g: Graph): Graph;
}

/** Level 0 holds what the meaning of a graph needs; quantised graphs are integer at every level. */
export const PASSES: readonly Pass[] = [
  { name: "expand", level: 0, run: expand },
  { name: "simplify", level: 1, run: simplify },
  { name: "fold-batch-norm", level: 1, run: foldBatchNorm },
  { name: "merge-bias", level: 0, run: mergeBias },
  { name: "hoist-quantize", level: 1, run: hoistQuantize },
  { name: "integerize", level: 0, run: integerize },
  { name: "fold-constants", level: 1, run: foldConstants },
  { name: "simplify-again", level: 1, run: simplify },
  { name: "merge-pad", level: 1, run: mergePad },
  { name: "dense-to-conv", level: 1, run: denseToConv },
  { name: "dead-channels", level: 3, run: deadChannels },
  { name: "common-subexpressions", level: 1, run: commonSubexpressions },
  { name: "checks-first", level: 0, run: checksFirst },
];

export interface PipelineOptions {
  /** -O level, 3 by default. */
  readonly level?: number;
  /** Sees the graph after every pass: inspection, counting, verification. */
  readonly observe?: (pass: string, g: Graph) => void;
}

/** Runs the passes of a level. */
export function runPasses(g: Graph, { level = 3, observe }: PipelineOptions = {}): Graph {
  for (const p of PASSES) {
    if (p.level > level) continue;
    g = distinctNames(p.run(g));
    observe?.(p.name, g);
  }
  return g;
}
