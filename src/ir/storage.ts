/** Where the elements of a value lie, apart from its type: layout, ownership, alignment. */
import { bytesOf, type DType } from "../util/dtype.ts";
import { rowMajor, sizeOf } from "../util/tensor.ts";
import { dims, type TensorType, type Value } from "./graph.ts";

export interface Storage {
  /** Element type in memory; wider or narrower than the value's where a pass decided so. */
  readonly dtype: DType;
  /** Elements between neighbours along each logical axis. */
  readonly strides: readonly number[];
  /** Elements before the first one, from the start of the owner's memory. */
  readonly offset: number;
  /** Elements kept around the data, before and after along each axis; empty: none. */
  readonly halo: readonly (readonly [number, number])[];
  /** In bytes. */
  readonly align: number;
  /** Region that must hold it; null: the planner chooses. */
  readonly region: string | null;
  /** Whose memory it is: the value itself, or the one that it is a view of. */
  readonly owner: Value;
}

/** Dense memory of a value's own. */
export function ownStorage(v: Value, strides: readonly number[]): Storage {
  return {
    dtype: v.type.dtype,
    strides,
    offset: 0,
    halo: [],
    align: Math.max(4, bytesOf(v.type.dtype)),
    region: null,
    owner: v,
  };
}

/** Row-major strides, or with axis 1 innermost (NHWC and its like). */
export function denseStrides(t: TensorType, channelsLast: boolean): number[] {
  const shape = dims(t), rank = shape.length;
  if (!channelsLast || rank < 3) return rowMajor(shape);
  const order = [0, ...Array.from({ length: rank - 2 }, (_, i) => i + 2), 1];
  const packed = rowMajor(order.map((a) => shape[a]));
  const strides = new Array<number>(rank);
  order.forEach((a, i) => strides[a] = packed[i]);
  return strides;
}

/** Whether two strides reach the same elements (axes of one element do not matter). */
export const sameStrides = (
  shape: readonly number[],
  a: readonly number[],
  b: readonly number[],
): boolean => shape.every((n, i) => n === 1 || a[i] === b[i]);

/** Bytes of the memory that an owner needs. */
export const storageBytes = (v: Value): number => sizeOf(dims(v.type)) * bytesOf(v.type.dtype);
