/** A requantised sum inside a larger expression as a stage of its own. */
import { compute } from "../te/compute.ts";
import { type Expr, load, rewrite, substitute, type Var } from "../te/expr.ts";
import { REQUANTIZE } from "../te/rounding.ts";
import { plainStage, refuse, type Stage, stageOf, type State } from "./state.ts";

/**
 *     y[n, c, h, w] = f(int8(requantize(acc[n, c, h, w], …)), …)
 *   →
 *     acc_q[n, h, w, c] = int8(requantize(acc[n, c, h, w], …))
 *     y[n, c, h, w] = f(acc_q[n, h, w, c], …)
 */
export interface KeepStep {
  readonly do: "keep";
  /** The stage that sums. */
  readonly stage: string;
  /** Axes of the output's stage in the order in which the new stage lies in memory. */
  readonly order: readonly string[];
}

/** What requantises the sums of a stage in another's expression, where that does more with it. */
export function requantized(out: Stage, of: Stage): Expr | null {
  let found: Expr | null = null;
  rewrite(out.compute.body, (e) => {
    const own = e.k === "cast" && e.a.k === "call" && e.a.fn === REQUANTIZE &&
      e.a.args[0].k === "load" && e.a.args[0].src === of.compute.out;
    if (own) found ??= e;
    return undefined;
  });
  return found === out.compute.body ? null : found;
}

export function keep(s: State, step: KeepStep): State {
  const of = stageOf(s, step.stage), out = s.stages.at(-1)!;
  const part = requantized(out, of);
  if (!part) {
    refuse(`keep ${step.stage} apart`, "nothing requantises it on the way", "compute it as it is");
  }
  const { axes } = out.compute;
  const order = step.order.map((n) => axes.findIndex((v) => v.name === n));
  if (order.length !== axes.length || order.some((i) => i < 0)) {
    refuse(`keep ${step.stage} apart`, "its order names other axes", "name each axis once");
  }
  const q = compute(
    `${of.name}_q`,
    part.dtype,
    order.map((i) => out.compute.out.shape[i]),
    (...at) => substitute(part, new Map<Var, Expr>(order.map((a, i) => [axes[a], at[i]]))),
    step.order,
  );
  const body = rewrite(
    out.compute.body,
    (e) => e === part ? load(q.out, order.map((i) => axes[i])) : undefined,
  );
  return {
    ...s,
    stages: s.stages.flatMap((x) =>
      x === out ? [plainStage(q), { ...out, compute: { ...out.compute, body } }] : [x]
    ),
  };
}
