/** Tensor expressions: what each element of a tensor is, without saying how it is computed. */
import { type DType, isStored } from "../util/dtype.ts";
import {
  and,
  bin,
  type Expr,
  imm,
  type Indexable,
  type Reduce,
  REDUCE_STEP,
  type ReduceAxis,
  type ReduceOp,
  rewrite,
  select,
  substitute,
  type Var,
  variable,
} from "./expr.ts";

/** A tensor in a definition: an input, or the result of a {@link Compute}. Compared by identity. */
export interface Tensor extends Indexable {
  readonly shape: readonly number[];
}

/** One stage: `out[axes] = body`. A reduction stands only at the top of a body. */
export interface Compute {
  readonly out: Tensor;
  readonly axes: readonly Var[];
  readonly body: Expr;
}

/** A tensor placeholder. */
export const placeholder = (name: string, dtype: DType, shape: readonly number[]): Tensor => ({
  name,
  dtype,
  shape,
});

/**
 * Defines a tensor element by element.
 *
 * @param names names of the axes, outermost first; missing ones are called `i0`, `i1`, …
 */
export function compute(
  name: string,
  dtype: DType,
  shape: readonly number[],
  body: (...axes: Var[]) => Expr,
  names: readonly string[] = [],
): Compute {
  const axes = shape.map((_, i) => variable(names[i] ?? `i${i}`));
  const e = body(...axes);
  if (e.dtype !== dtype) throw new TypeError(`${name} is ${dtype} but its body is ${e.dtype}`);
  return { out: { name, dtype, shape }, axes, body: e };
}

/** A reduction axis. */
export const axis = (name: string, extent: number): ReduceAxis => ({ v: variable(name), extent });

/** A reduction over `axes`; see {@link Reduce} for what `where` and `init` mean. */
export function reduce(
  op: ReduceOp,
  axes: readonly ReduceAxis[],
  body: Expr,
  options: { init: Expr; where?: readonly Expr[] },
): Expr {
  if (options.init.dtype !== body.dtype) {
    throw new TypeError("reduce: init and body differ in type");
  }
  if (isStored(body.dtype)) throw new TypeError(`reduce of ${body.dtype}, which is storage only`);
  const where = (options.where ?? []).filter((w) => !(w.k === "imm" && w.value));
  if (axes.length === 0) {
    // Nothing is repeated: one step, as an expression.
    const once = bin(REDUCE_STEP[op], options.init, body);
    return where.length === 0 ? once : select(and(...where), once, options.init);
  }
  const r: Reduce = { k: "reduce", dtype: body.dtype, op, axes, init: options.init, where, body };
  return r;
}

/** A sum that starts with `init` (zero by default). */
export const sum = (
  axes: readonly ReduceAxis[],
  body: Expr,
  options: { init?: Expr; where?: readonly Expr[] } = {},
): Expr =>
  reduce("sum", axes, body, { init: options.init ?? imm(0, body.dtype), where: options.where });

/** An expression that computes the elements of an element-wise stage where it reads them. */
export const inlined = (e: Expr, { out, axes, body }: Compute): Expr =>
  rewrite(
    e,
    (x) =>
      x.k === "load" && x.src === out
        ? substitute(body, new Map(axes.map((v, i) => [v, x.idx[i]])))
        : undefined,
  );
