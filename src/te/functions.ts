/**
 * Scalar functions that expressions may call. A function is either straight-line code of basic
 * operations, and then the same bits everywhere, or one of libm, and then the report says so.
 */
import type { DType } from "../util/dtype.ts";
import type { Expr, Var } from "./expr.ts";

/** Straight-line code: each variable is defined once, in order. */
export interface StraightLine {
  readonly kind: "code";
  readonly params: readonly Var[];
  readonly lets: readonly (readonly [Var, Expr])[];
  readonly result: Expr;
}
/** A function of libm; not the same bits on every target. */
export interface Libm {
  readonly kind: "libm";
  readonly c: string;
  readonly js: (...args: number[]) => number;
}
export interface ScalarFn {
  readonly name: string;
  /** Type of the result. */
  readonly dtype: DType;
  readonly def: StraightLine | Libm;
}
