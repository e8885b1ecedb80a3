/** What lowering knows of a stage while it emits the stage's nest. */
import type { Expr, Var } from "../te/expr.ts";
import { conjuncts } from "./conditions.ts";
import { ancestry } from "./domain.ts";
import type { Box } from "./region.ts";
import { type Loop, refuse, type Split, type Stage } from "./state.ts";

/** What is known while a stage's nest is emitted; immutable, each level makes its own. */
export interface Frame {
  readonly stage: Stage;
  /** The part of the stage that is computed here. */
  readonly box: Box;
  /** Values of the loops entered so far. */
  readonly values: ReadonlyMap<Loop, Expr>;
  /** Splits whose remainder is being emitted. */
  readonly tails: ReadonlySet<Split>;
  /** Loops whose value can pass their extent inside a guarded split. */
  readonly guards: readonly { readonly loop: Loop; readonly total: number }[];
  /** What is left of the definition after conditions were hoisted. */
  readonly body: Expr;
  readonly where: readonly Expr[];
  /** Stages whose conditions hold throughout. */
  readonly unconditional: ReadonlySet<string>;
  /** Loops stay as they are where they could be matched with what is computed inside of them. */
  readonly plain?: boolean;
}

/** The conditions under which a stage reads its operands. */
export function conditionsOf({ compute: { body } }: Stage): readonly Expr[] {
  if (body.k === "reduce") return body.where;
  return body.k === "select" ? conjuncts(body.cond) : [];
}

/** What is left of a definition where its conditions hold. */
export function unconditionalBody({ compute: { body } }: Stage): Pick<Frame, "body" | "where"> {
  if (body.k === "reduce") return { body: body.body, where: [] };
  return { body: body.k === "select" ? body.a : body, where: [] };
}

export const reduceExtents = ({ compute: { body } }: Stage): [Var, number][] =>
  body.k === "reduce" ? body.axes.map((a) => [a.v, a.extent]) : [];

/** What is behind a cut has its own inner loop, so that loop cannot stand outside. */
export function checkCut(split: Split, f: Frame): void {
  for (const { name, domain } of ancestry(f.values.keys())) {
    if (domain.d !== "inner" || domain.split !== split) continue;
    refuse(
      `split ${split.of.name} by ${split.factor}`,
      `${name} stands outside of the loop that is cut`,
      "choose the tail 'guard', or leave the inner loop inside",
    );
  }
}

/** How many iterations a loop has where a frame stands. */
export function extentOf(loop: Loop, f: Frame): number {
  const d = loop.domain;
  switch (d.d) {
    case "axis": {
      const { axes, body } = f.stage.compute;
      const i = axes.indexOf(d.v);
      if (i >= 0) return f.box.extent[i];
      if (body.k !== "reduce") throw new TypeError(`${d.v.name} is no axis`);
      return body.axes.find((a) => a.v === d.v)!.extent;
    }
    case "fuse":
      return d.parts.reduce((n, p) => n * extentOf(p, f), 1);
    case "outer": {
      const total = extentOf(d.split.of, f);
      if (total % d.split.factor) {
        refuse(
          `split ${d.split.of.name} by ${d.split.factor}`,
          `it does not divide ${total}, and ${loop.name} is not a loop of its own`,
          "split, fuse and attach to what divides",
        );
      }
      return total / d.split.factor;
    }
    case "inner": {
      const total = extentOf(d.split.of, f);
      return f.tails.has(d.split) ? total % d.split.factor : Math.min(total, d.split.factor);
    }
  }
}
