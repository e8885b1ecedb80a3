/** Short names for the nodes that definitions by other operators are made of. */
import { sizeOf, tensor } from "../util/tensor.ts";
import type { DType } from "../util/dtype.ts";
import type { Builder } from "../ir/build.ts";
import { dims, type Value } from "../ir/graph.ts";
import type { OpDef } from "../ir/opdef.ts";
import { cast } from "./cast.ts";
import { concat } from "./concat.ts";
import * as elementwise from "./elementwise.ts";
import { matmul, PLAIN } from "./matmul.ts";
import { slice, transpose } from "./movement.ts";
import { reshape } from "./reshape.ts";

/** Adds nodes to a builder, each with one output. */
export interface Building {
  readonly b: Builder;
  /** A scalar constant. */
  scalar(value: number, dtype: DType): Value;
  /** A constant of equal elements. */
  fill(value: number, dtype: DType, shape: readonly number[]): Value;
  add(x: Value, y: Value): Value;
  sub(x: Value, y: Value): Value;
  mul(x: Value, y: Value): Value;
  div(x: Value, y: Value): Value;
  /** x · y over the last two axes, or x · yᵀ. */
  matmul(x: Value, y: Value, transposed?: boolean): Value;
  reshape(x: Value, shape: readonly number[]): Value;
  transpose(x: Value, perm: readonly number[]): Value;
  concat(xs: readonly Value[], axis: number): Value;
  /** The elements from `start` to before `end`, every `step`-th. */
  slice(x: Value, axis: number, start: number, end: number, step?: number): Value;
  where(condition: Value, x: Value, y: Value): Value;
  cast(x: Value, to: DType): Value;
  /** Any operator of one output. */
  apply<A>(op: OpDef<A>, attrs: A, ...xs: (Value | null | undefined)[]): Value;
}

/** @param b where the nodes go */
export function building(b: Builder): Building {
  const apply = <A>(op: OpDef<A>, attrs: A, ...xs: (Value | null | undefined)[]): Value =>
    b.node(op, attrs, xs.map((x) => x ?? null))[0];
  const same = (x: Value, shape: readonly number[]): boolean =>
    dims(x.type).length === shape.length && dims(x.type).every((n, i) => n === shape[i]);
  return {
    b,
    apply,
    scalar: (value, dtype) => b.constant(tensor(dtype, [], [value])),
    fill: (value, dtype, shape) =>
      b.constant(tensor(dtype, shape, new Array(sizeOf(shape)).fill(value))),
    add: (x, y) => apply(elementwise.add, null, x, y),
    sub: (x, y) => apply(elementwise.sub, null, x, y),
    mul: (x, y) => apply(elementwise.mul, null, x, y),
    div: (x, y) => apply(elementwise.div, null, x, y),
    matmul: (x, y, transB = false) => apply(matmul, { ...PLAIN, transB }, x, y),
    reshape: (x, shape) => same(x, shape) ? x : apply(reshape, { shape, allowZero: true }, x),
    transpose: (x, perm) => apply(transpose, { perm }, x),
    concat: (xs, axis) => xs.length === 1 ? xs[0] : apply(concat, { axis }, ...xs),
    slice: (x, axis, start, end, step = 1) =>
      apply(slice, { starts: [start], ends: [end], axes: [axis], steps: [step] }, x),
    where: (condition, x, y) => apply(elementwise.where, null, condition, x, y),
    cast: (x, to) => x.type.dtype === to ? x : apply(cast, { to }, x),
  };
}
