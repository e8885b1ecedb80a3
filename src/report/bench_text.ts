/** The benchmark as tables: the cells, for a terminal and for the page. */
import type { BenchLayer, BenchRow } from "./bench_row.ts";
import { grouped, tableLines } from "./table.ts";

const count = (n: number | null): string => n === null ? "–" : grouped(n);
const decimals = (n: number | null): string => n === null ? "–" : n.toFixed(n < 0.1 ? 3 : 2);
const perMac = (n: number | null, macs: number): string =>
  n === null || macs === 0 ? "–" : (n / macs).toFixed(n / macs < 0.1 ? 4 : 3);

/** Head of the table of models. */
export const ROW_HEAD = [
  "model",
  "board",
  "outputs",
  "instructions",
  "cycles",
  "a MAC",
  "limit",
  "flash",
  "code",
  "arena",
  "RAM",
] as const;

/** One model on one board. */
export function rowCells(r: BenchRow): string[] {
  const outputs = r.right === null ? "not compared" : r.right ? "right" : "wrong";
  if (r.error !== null) return [r.model, r.board, r.error, ...Array(8).fill("–")];
  return [
    r.model,
    r.board,
    outputs,
    count(r.instructions),
    count(r.cycles),
    perMac(r.instructions, r.macs),
    perMac(r.limit, r.macs),
    count(r.flash_bytes),
    count(r.code_bytes),
    count(r.arena_bytes),
    count(r.ram_bytes),
  ];
}

/** Head of the table of ratios. */
export const RATIO_HEAD = [
  "model",
  "core",
  "other system",
  "instructions",
  "cycles",
  "flash",
  "arena",
] as const;

/** Ratios to all baselines of a row. */
export const ratioCells = (r: BenchRow): string[][] =>
  r.ratios.map((x) => [
    r.model,
    r.core,
    x.system,
    decimals(x.instructions),
    decimals(x.cycles),
    decimals(x.flash),
    decimals(x.arena),
  ]);

/** Head of a table of layers. */
export const LAYER_HEAD = [
  "layer",
  "operators",
  "MACs",
  "instructions",
  "share",
  "a MAC",
  "limit",
  "cycles",
  "loads",
  "stores",
  "bytes",
] as const;

/** One layer; its number stands for its C function's name. */
export const layerCells = (l: BenchLayer, index: number): string[] => [
  String(index),
  l.ops.join(", "),
  count(l.macs),
  count(l.instructions),
  `${(100 * l.share).toFixed(1)} %`,
  perMac(l.instructions, l.macs),
  perMac(l.limit, l.macs),
  count(l.cycles),
  count(l.loads),
  count(l.stores),
  count(l.bytes),
];

/** Why there are no cycles, once a reason, with where. */
export function cycleNotes(rows: readonly BenchRow[]): string[] {
  const reasons = new Map<string, Set<string>>();
  for (const r of rows) {
    if (r.no_cycles === null) continue;
    reasons.set(r.no_cycles, (reasons.get(r.no_cycles) ?? new Set()).add(r.board));
  }
  return [...reasons].map(([why, boards]) => `no cycles on ${[...boards].join(", ")}: ${why}`);
}

const WIDTH = 160;

const rightAligned = (rows: readonly (readonly string[])[], from: number): string[][] => {
  const width = rows[0].map((_, c) => Math.max(...rows.map((r) => r[c].length)));
  return rows.map((r) => r.map((cell, c) => c < from ? cell : cell.padStart(width[c])));
};

function lines(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  from: number,
): string[] {
  const [first, ...others] = rightAligned([head, ...rows], from);
  return tableLines(first, others, WIDTH);
}

/** Everything as text. */
export function benchText(rows: readonly BenchRow[]): string {
  const ratios = rows.flatMap(ratioCells);
  const refused = rows.filter((r) => r.error === null && r.right !== true)
    .map((r) => `${r.model} on ${r.board}: no ratios, as its outputs are ${rowCells(r)[2]}`);
  const parts = [
    lines(ROW_HEAD, rows.map(rowCells), 3),
    [...cycleNotes(rows), ...refused],
    ratios.length === 0 ? [] : ["ours divided by theirs", ...lines(RATIO_HEAD, ratios, 3)],
    ...rows.filter((r) => r.layers !== null).map((r) => [
      `${r.model} on ${r.board}`,
      ...lines(LAYER_HEAD, r.layers!.map(layerCells), 2),
    ]),
  ];
  return parts.filter((p) => p.length > 0).map((p) => p.join("\n")).join("\n\n") + "\n";
}
