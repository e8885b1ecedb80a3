/** Operators before and after every pass, as a table. */
import type { OperatorCounts } from "../compile/inspect.ts";
import { tableLines } from "./table.ts";
import { wrapLine } from "./wrap.ts";

const same = (a: ReadonlyMap<string, number>, b: ReadonlyMap<string, number>): boolean =>
  a.size === b.size && [...a].every(([op, n]) => b.get(op) === n);

/**
 * One column a step, one row an operator. Passes that change no count stand in a line beneath; the
 * first two steps (the file, its import) are always columns.
 */
export function countLines(steps: readonly OperatorCounts[], width: number): string[] {
  const shown = steps.filter((s, i) => i < 2 || !same(s.counts, steps[i - 1].counts));
  const idle = steps.filter((s) => !shown.includes(s)).map((s) => s.step);
  const names = [...new Set(shown.flatMap((s) => [...s.counts.keys()]))].sort();
  const total = (s: OperatorCounts): number => [...s.counts.values()].reduce((a, b) => a + b, 0);
  const rows = [
    ...names.map((op) => [op, ...shown.map((s) => String(s.counts.get(op) ?? ""))]),
    ["all", ...shown.map((s) => String(total(s)))],
  ];
  const head = ["operators", ...shown.map((s) => s.step.replaceAll("-", "-\n"))];
  const note = idle.length > 0 ? `no count changed: ${idle.join(", ")}` : null;
  return [
    ...tableLines(head, rows, width),
    ...(note === null ? [] : ["", ...wrapLine(note, width)]),
  ];
}
