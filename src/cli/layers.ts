/** Instructions of each generated kernel: predicted while compiling, measured on the machine. */
import type { KernelInfo } from "../project/mod.ts";
import { grouped, table } from "./terminal.ts";

/** One kernel's figures; the fields are those of `run --layers --json`. */
export interface LayerFigures {
  /** Its C function. */
  readonly kernel: string;
  /** ONNX nodes that it computes. */
  readonly nodes: readonly string[];
  /** Multiply-accumulates of one run. */
  readonly macs: number;
  /** Instructions of one run as the compiler expects them. */
  readonly predicted: number;
  /** Instructions as counted, the mean over the samples; null on this computer. */
  readonly measured: number | null;
}

/** The figures of all kernels, in the order in which they run. */
export const layerFigures = (
  kernels: readonly KernelInfo[],
  measured: readonly number[] | null,
): LayerFigures[] =>
  kernels.map((k, i) => ({
    kernel: k.name,
    nodes: k.nodes,
    macs: k.macs,
    predicted: k.predictedInstructions,
    measured: measured?.[i] ?? null,
  }));

/** Longest text of the column with the nodes; converters of TensorFlow models join many names. */
const NODES = 44;

/** A name of a node, cut in the middle. */
export const shortened = (text: string): string =>
  text.length <= NODES ? text : `${text.slice(0, NODES / 2 - 1)}…${text.slice(-NODES / 2)}`;

/** The figures as a table, with what each kernel takes of the whole. */
export function layerTable(layers: readonly LayerFigures[]): string {
  const count = (l: LayerFigures) => l.measured ?? l.predicted;
  const total = layers.reduce((sum, l) => sum + count(l), 0);
  const sum = (of: (l: LayerFigures) => number) => grouped(layers.reduce((s, l) => s + of(l), 0));
  const any = layers.some((l) => l.measured !== null);
  const cells = (l: LayerFigures) => [
    grouped(l.macs),
    grouped(l.predicted),
    l.measured === null ? "–" : grouped(l.measured),
    l.macs === 0 ? "" : (count(l) / l.macs).toFixed(2),
    total === 0 ? "" : `${(100 * count(l) / total).toFixed(1)} %`,
  ];
  const rows = [
    ["MACs", "predicted", "measured", "instr/MAC", "share"],
    ...layers.map(cells),
    [sum((l) => l.macs), sum((l) => l.predicted), any ? sum((l) => l.measured ?? 0) : "–", "", ""],
  ];
  const width = [0, 1, 2, 3, 4].map((c) => Math.max(...rows.map((r) => r[c].length)));
  const text = ["nodes", ...layers.map((l) => shortened(l.nodes.join(", "))), "all"];
  return table(rows.map((r, i) => [
    i === 0 ? "  step" : i > layers.length ? "" : `  ${String(i - 1).padStart(4)}`,
    ...r.map((cell, c) => cell.padStart(width[c])),
    text[i],
  ]));
}
