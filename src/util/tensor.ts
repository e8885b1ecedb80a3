/** Dense row-major tensors that hold constants, samples and the interpreter's values. */
import type { DType } from "./dtype.ts";

/** Element storage; 64-bit integers are BigInt, floats of at most 16 bits are bit patterns. */
export type ElementArray =
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array
  | Float32Array
  | Float64Array;

/** A tensor with its elements, row-major. A scalar has shape []. */
export interface TensorData {
  /** Element type. */
  readonly dtype: DType;
  /** Dimensions. */
  readonly shape: readonly number[];
  /** Elements, row-major. */
  readonly data: ElementArray;
}

type ArrayConstructor = {
  new (length: number): ElementArray;
  new (buffer: ArrayBufferLike, byteOffset: number, length: number): ElementArray;
};

const ARRAYS: Record<DType, ArrayConstructor> = {
  bool: Uint8Array,
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
  float16: Uint16Array,
  bfloat16: Uint16Array,
  float32: Float32Array,
  float64: Float64Array,
  float8e4m3fn: Uint8Array,
  float8e4m3fnuz: Uint8Array,
  float8e5m2: Uint8Array,
  float8e5m2fnuz: Uint8Array,
  float8e8m0: Uint8Array,
  float4e2m1: Uint8Array,
  int4: Int8Array,
  uint4: Uint8Array,
  int2: Int8Array,
  uint2: Uint8Array,
};

/** Number of elements of a shape. */
export const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** Row-major strides in elements. */
export function rowMajor(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length).fill(1);
  for (let i = shape.length - 2; i >= 0; i--) strides[i] = strides[i + 1] * shape[i + 1];
  return strides;
}

/** An element array of `length` zeros. */
export const allocate = (dtype: DType, length: number): ElementArray => new ARRAYS[dtype](length);

/** `length` elements in a buffer, without a copy; `byteOffset` must be aligned for the type. */
export const arrayOver = (
  dtype: DType,
  buffer: ArrayBufferLike,
  byteOffset: number,
  length: number,
): ElementArray => new ARRAYS[dtype](buffer, byteOffset, length);

/** A tensor of zeros. */
export const zeros = (dtype: DType, shape: readonly number[]): TensorData => ({
  dtype,
  shape,
  data: allocate(dtype, sizeOf(shape)),
});

/** A tensor from numbers (converted to BigInt for 64-bit integers). */
export function tensor(
  dtype: DType,
  shape: readonly number[],
  values: Iterable<number | bigint>,
): TensorData {
  const data = allocate(dtype, sizeOf(shape));
  let i = 0;
  const big = data instanceof BigInt64Array || data instanceof BigUint64Array;
  for (const v of values) (data as { [i: number]: unknown })[i++] = big ? BigInt(v) : Number(v);
  if (i !== data.length) throw new RangeError(`${i} values for shape [${shape}]`);
  return { dtype, shape, data };
}

/** The elements as JS numbers (64-bit integers lose precision beyond 2^53). */
export const numbers = (t: TensorData): number[] =>
  Array.from(t.data as ArrayLike<number | bigint>, Number);

/** The elements as raw little-endian bytes, without a copy. */
export const bytes = (t: TensorData): Uint8Array =>
  new Uint8Array(t.data.buffer as ArrayBuffer, t.data.byteOffset, t.data.byteLength);

/** Tensors of one type and shape as one, along a new first axis. */
export function stack(parts: readonly TensorData[]): TensorData {
  const { dtype, shape } = parts[0];
  const data = allocate(dtype, parts.length * sizeOf(shape));
  parts.forEach((t, i) => data.set(t.data as never, i * sizeOf(shape)));
  return { dtype, shape: [parts.length, ...shape], data };
}
