/** Loop programs taken apart: what a nest of constant loops does at which strides. */
import { type Expr, imm, substitute, type Var } from "../te/expr.ts";
import { coefficient, keyOf, type Linear, linear, simplify } from "../te/linear.ts";
import { type Access, addressOf, type Buffer, type For, type Stmt } from "../tir/stmt.ts";

/** A loop: where it begins and how far it goes. */
export interface Turn {
  readonly v: Var;
  readonly from: number;
  readonly extent: number;
}

/** The loops around a statement that is no loop, outermost first; null where one has bounds that change. */
export function turnsAround(s: Stmt): { turns: Turn[]; body: Stmt } | null {
  const turns: Turn[] = [];
  let body = s;
  while (body.k === "for") {
    const { lo, hi, v }: For = body;
    if (lo.k !== "imm" || hi.k !== "imm") return null;
    turns.push({ v, from: Number(lo.value), extent: Number(hi.value) - Number(lo.value) });
    body = body.body;
  }
  return { turns, body };
}

/** Position in the memory behind a buffer. */
export const flat = (buf: Buffer, idx: readonly Expr[]): Linear => linear(addressOf(buf, idx));

/** How far a position moves with each turn of loops; null where it is not linear in one. */
export function stepsOf(l: Linear, turns: readonly Turn[]): number[] | null {
  const steps = turns.map((t) => coefficient(l, t.v));
  return steps.some((c) => c === null) ? null : steps as number[];
}

/** One loop in place of several, where every step of the outer ones is a whole round of the inner. */
export function mergeTurns(
  extents: readonly number[],
  ...steps: readonly (readonly number[])[]
): { extent: number; steps: number[] } | null {
  let extent = 1;
  let first = steps.map(() => 0);
  for (let i = extents.length - 1; i >= 0; i--) {
    if (extents[i] === 1) continue;
    if (extent === 1) first = steps.map((s) => s[i]);
    else if (steps.some((s, j) => s[i] !== first[j] * extent)) return null;
    extent *= extents[i];
  }
  return { extent, steps: first };
}

/** An access where all loops begin. */
export function begin(buf: Buffer, idx: readonly Expr[], turns: readonly Turn[]): Access {
  const first = new Map<Var, Expr>(turns.map((t) => [t.v, imm(t.from)]));
  const axis = buf.strides.lastIndexOf(1);
  return {
    buf,
    idx: idx.map((e) => simplify(substitute(e, first))),
    axis: axis < 0 ? idx.length - 1 : axis,
  };
}

/** Whether two lists of indices are the same. */
export const sameIndices = (a: readonly Expr[], b: readonly Expr[]): boolean =>
  a.length === b.length && a.every((e, i) => keyOf(simplify(e)) === keyOf(simplify(b[i])));
