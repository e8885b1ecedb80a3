/** Verdicts by operator, as docs/operators.md shows them. */
import type { CaseResult } from "./run.ts";
import { modelOf, operatorsOf, type SuiteCase } from "./suite.ts";

/** What became of the cases of one operator. */
export interface OperatorResult {
  readonly passed: number;
  readonly refused: number;
  /** Why cases are refused, each reason once; names of values left out. */
  readonly reasons: readonly string[];
}

/** By operator, in the order of the alphabet. */
export type Results = Readonly<Record<string, OperatorResult>>;

/** The operator that a case is about: that of its only node, or of the case that it expands. */
function operatorOf(c: SuiteCase, byName: ReadonlyMap<string, SuiteCase>): string {
  const whole = byName.get(c.name.replace(/_expanded.*$/, "")) ?? c;
  return operatorsOf(modelOf(whole)).at(-1) ?? "none";
}

const general = (reason: string): string =>
  reason.replace(/^[\w.:]+: /, "").replace(/ ?\('?[^)]*'?\)/g, "").replace(/ '[^']*'/g, "");

/**
 * Counts cases by the operator that they are about.
 * @param suite the whole suite, where an expanded case finds the one that it expands
 */
export function byOperator(
  cases: readonly SuiteCase[],
  results: readonly CaseResult[],
  suite: readonly SuiteCase[] = cases,
): Results {
  const byName = new Map(suite.map((c) => [c.name, c]));
  const counts = new Map<string, { passed: number; refused: number; reasons: Set<string> }>();
  cases.forEach((c, i) => {
    const { verdict, reason } = results[i], op = operatorOf(c, byName);
    const entry = counts.get(op) ?? { passed: 0, refused: 0, reasons: new Set<string>() };
    counts.set(op, entry);
    if (verdict === "passed") entry.passed++;
    if (verdict === "refused") {
      entry.refused++;
      entry.reasons.add(general(reason));
    }
  });
  const names = [...counts.keys()].sort();
  return Object.fromEntries(names.map((name) => {
    const { passed, refused, reasons } = counts.get(name)!;
    return [name, { passed, refused, reasons: [...reasons].sort() }];
  }));
}
