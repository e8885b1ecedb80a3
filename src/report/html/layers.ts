/** The table of kernels. */
import { bar } from "./bars.ts";
import type { ReportData } from "./data.ts";
import { deviation, grouped, lastName, percent, shortened } from "./text.ts";

/** Longest name of a node that a cell shows; the whole name is one tap away. */
const NAME = 56;

/** Longest name that is shown at all. */
const WHOLE = 300;

/** A cell with a number, a bar below it, and the number to sort by. */
const cell = (value: number, largest: number, kind: string) => ({
  value,
  text: grouped(value),
  bar: bar(value, largest, kind),
});

/** The first node of a kernel, and all of them where that does not say everything. */
function nodesContext(nodes: readonly string[]) {
  const [first = ""] = nodes;
  const node = shortened(lastName(first), NAME);
  return {
    node,
    more: nodes.length > 1 || node !== first,
    count: nodes.length === 1 ? "the whole name" : `all ${nodes.length} nodes`,
    nodes: nodes.map((n) => shortened(n, WHOLE)),
  };
}

/** Instructions of a kernel as far as they are known best. */
export const instructionsOf = ({ artifact, measured }: ReportData, step: number): number =>
  measured?.layers[step] ?? artifact.kernels[step].predictedInstructions;

/** What the template shows of the kernels. */
export function layersContext(data: ReportData): Record<string, unknown> {
  const { artifact: { kernels }, facts, measured } = data;
  const sum = (of: (i: number) => number) => kernels.reduce((s, _, i) => s + of(i), 0);
  const most = (of: (i: number) => number) => kernels.reduce((s, _, i) => Math.max(s, of(i)), 0);
  const best = (i: number) => instructionsOf(data, i);
  const all = sum(best);
  const columns = {
    macs: (i: number) => kernels[i].macs,
    predicted: (i: number) => kernels[i].predictedInstructions,
    measured: (i: number) => measured?.layers[i] ?? 0,
    params: (i: number) => kernels[i].paramsBytes,
    scratch: (i: number) => kernels[i].scratchBytes,
    activations: (i: number) => facts.traffic[i].readBytes + facts.traffic[i].writtenBytes,
  };
  // Both kinds of instructions on one scale, so that their bars can be compared.
  const instructions = Math.max(most(columns.predicted), most(columns.measured));
  return {
    is_measured: measured !== null,
    layers: kernels.map((k, i) => ({
      step: i,
      kernel: k.name,
      ops: k.ops.join(" + "),
      ...nodesContext(k.nodes),
      macs: cell(k.macs, most(columns.macs), "s-macs"),
      predicted: cell(k.predictedInstructions, instructions, "s-predicted"),
      measured: cell(columns.measured(i), instructions, "s-measured"),
      error: measured ? deviation(k.predictedInstructions, measured.layers[i]) : "",
      per_mac: k.macs === 0 ? "" : (best(i) / k.macs).toFixed(2),
      share: percent(best(i), all),
      share_value: best(i),
      params: cell(k.paramsBytes, most(columns.params), "s-params"),
      scratch: cell(k.scratchBytes, most(columns.scratch), "s-stack"),
      activations: cell(columns.activations(i), most(columns.activations), "s-arena"),
    })),
    totals: {
      macs: grouped(sum(columns.macs)),
      predicted: grouped(sum(columns.predicted)),
      measured: grouped(sum(columns.measured)),
      params: grouped(sum(columns.params)),
    },
  };
}
