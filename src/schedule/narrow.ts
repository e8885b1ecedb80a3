/** The requantised sums of rows by columns as bytes of their own, where more is made of them. */
import { compute } from "../te/compute.ts";
import {
  type Call,
  call,
  cast,
  type Expr,
  load,
  rewrite,
  substitute,
  type Var,
  visit,
} from "../te/expr.ts";
import { variables } from "../te/analyze.ts";
import { simplify } from "../te/linear.ts";
import { REQUANTIZE } from "../te/rounding.ts";
import { type DType, intRange } from "../util/dtype.ts";
import { plainStage, refuse, type Stage, stageOf, type State } from "./state.ts";

/**
 *     y[…] = f(requantize(acc[row(…), col(…)], …), …)
 *   →
 *     acc_q[row, col] = int8(requantize(acc[row, col], …))
 *     y[…] = f(int32(acc_q[row(…), col(…)]), …)
 */
export interface NarrowStep {
  readonly do: "narrow";
  /** The product, by rows and columns; the last stage reads it. */
  readonly stage: string;
}

/** A requantised sum in an expression. */
interface Part {
  readonly call: Call;
  readonly dtype: DType;
  /** The place of the sum. */
  readonly at: readonly Expr[];
}

/** The type of bytes that holds what is saturated to some bounds; null: none does. */
function typeOf({ args }: Call): DType | null {
  const [lo, hi] = args.slice(-2).map((e) => e.k === "imm" ? Number(e.value) : NaN);
  const fits = (t: DType): boolean => lo >= intRange(t).min && hi <= intRange(t).max;
  return (["int8", "uint8"] as const).find(fits) ?? null;
}

/** What requantises the sums of a stage in another's expression, if that is all that reads them. */
export function narrowable(out: Stage, of: Stage): Part | null {
  const parts: Part[] = [];
  let reads = 0;
  visit(out.compute.body, (e) => {
    if (e.k === "load" && e.src === of.compute.out) reads++;
    if (e.k !== "call" || e.fn !== REQUANTIZE) return;
    const [sum, , zero] = e.args, dtype = typeOf(e);
    if (sum.k !== "load" || sum.src !== of.compute.out || zero.k !== "imm" || !dtype) return;
    parts.push({ call: e, dtype, at: sum.idx });
  });
  return parts.length === 1 && reads === 1 ? parts[0] : null;
}

export function narrow(s: State, step: NarrowStep): State {
  const of = stageOf(s, step.stage), out = s.stages.at(-1)!;
  const part = narrowable(out, of);
  if (!part || of.compute.axes.length !== 2) {
    refuse(
      `narrow ${step.stage}`,
      "it is no product whose sums are requantised once",
      "compute what reads it from its sums",
    );
  }
  const { call: { args: [, scale, ...bounds] }, dtype, at } = part;
  const col = simplify(at[1]);
  const own = variables(scale);
  if (own.size > 0 && (col.k !== "var" || own.size > 1 || !own.has(col))) {
    refuse(`narrow ${step.stage}`, "its scales follow no column", "keep its sums");
  }
  const q = compute(
    `${of.name}_q`,
    dtype,
    of.compute.out.shape,
    (r, c) => {
      const there = new Map<Var, Expr>(col.k === "var" ? [[col, c]] : []);
      const sum = load(of.compute.out, [r, c]);
      return cast(dtype, call(REQUANTIZE, sum, substitute(scale, there), ...bounds));
    },
    ["row", "col"],
  );
  const body = rewrite(
    out.compute.body,
    (e) => e === part.call ? cast("int32", load(q.out, at)) : undefined,
  );
  return {
    ...s,
    stages: s.stages.flatMap((x) =>
      x === out ? [plainStage(q), { ...out, compute: { ...out.compute, body } }] : [x]
    ),
  };
}
