/** TensorProto to TensorData: every element type of util/dtype.ts, from raw bytes or typed lists. */
import { BurinError } from "../util/errors.ts";
import { type DType, dtypeByNumber, DTYPES, packedBits } from "../util/dtype.ts";
import {
  allocate,
  bytes as bytesView,
  type ElementArray,
  type TensorData,
} from "../util/tensor.ts";
import type { TensorView } from "./reader.ts";
import { malformed } from "./wire.ts";

/** Names of the types that are read but not supported, for messages. */
const OTHERS: Readonly<Record<number, string>> = {
  8: "string",
  14: "complex64",
  15: "complex128",
};

/** More elements than any int32 index reaches. */
const MAX_ELEMENTS = 2 ** 31 - 1;

/**
 * The element type of a TensorProto.DataType.
 *
 * @param what what has this type, for the message
 * @throws BurinError `model/unsupported-type`, or `model/malformed` for no type at all
 */
export function dtypeOf(dataType: number, what: string): DType {
  const d = dtypeByNumber(dataType);
  if (d) return d;
  if (dataType === 0) throw malformed(`${what} has no element type`);
  throw new BurinError(
    "model/unsupported-type",
    `Cannot use ${what} as its element type is ${unsupportedType(dataType)}`,
    TYPES_HINT,
  );
}

/** The name of an element type that cannot be used, null for one that can or is missing. */
export function unsupportedType(dataType: number): string | null {
  return dataType === 0 || dtypeByNumber(dataType) !== undefined
    ? null
    : OTHERS[dataType] ?? `number ${dataType}`;
}

/** What to do about an unsupported element type. */
export const TYPES_HINT = "supported are bool, integers of 2 to 64 bits and floats of 4 to 64 bits";

/**
 * The number of elements of a declared shape.
 *
 * @throws BurinError `model/malformed` where a dimension is negative or the product too large
 */
export function elementCount(dims: readonly number[], what: string): number {
  let n = 1;
  for (const d of dims) {
    if (!Number.isSafeInteger(d) || d < 0) throw malformed(`${what} has the dimension ${d}`);
    if (d > 0) n *= d;
  }
  // Strides are products too, whether or not a further dimension is 0.
  if (n > MAX_ELEMENTS) throw malformed(`${what} has ${n} elements`);
  return dims.includes(0) ? 0 : n;
}

/**
 * Converts a tensor; the result does not alias the file.
 *
 * @throws BurinError `model/external-data`, `model/unsupported-type`, `model/malformed`
 */
export function tensorData(t: TensorView): TensorData {
  const what = t.name === "" ? "a tensor" : `the tensor '${t.name}'`;
  if (t.external) {
    const location = t.external.location ?? "";
    throw new BurinError(
      "model/external-data",
      `Cannot read ${what} as its elements lie in another file ('${location}')`,
      "add --external-data to read files in the model's own folder, or save the model in one " +
        "file: onnx.save(onnx.load(path), path, save_as_external_data=False)",
    );
  }
  if (t.segmented) throw malformed(`${what} is stored in segments`);
  const dtype = dtypeOf(t.dataType, what);
  const n = elementCount(t.dims, what);
  return {
    dtype,
    shape: t.dims,
    data: t.raw ? raw(t.raw, dtype, n, what) : typed(t, dtype, n, what),
  };
}

function raw(source: Uint8Array, dtype: DType, n: number, what: string): ElementArray {
  const expected = Math.ceil(n * packedBits(dtype) / 8);
  if (source.length !== expected) {
    throw malformed(`${what} holds ${source.length} bytes where its shape needs ${expected}`);
  }
  if (packedBits(dtype) < 8) return unpacked(source, dtype, n);
  const data = allocate(dtype, n);
  const target = bytesView({ dtype, shape: [n], data });
  target.set(source);
  if (dtype === "bool") { for (let i = 0; i < n; i++) target[i] = target[i] ? 1 : 0; }
  return data;
}

/** Elements of 4 or 2 bits, the first in the lowest ones, each in a byte of its own. */
function unpacked(source: ArrayLike<number>, dtype: DType, n: number): ElementArray {
  const data = allocate(dtype, n) as Int8Array, bits = packedBits(dtype), each = 8 / bits;
  const signed = DTYPES[dtype].kind === "int", half = 2 ** (bits - 1);
  for (let i = 0; i < n; i++) {
    const x = source[Math.floor(i / each)] >> (i % each * bits) & (2 ** bits - 1);
    data[i] = signed ? (x ^ half) - half : x;
  }
  return data;
}

function typed(t: TensorView, dtype: DType, n: number, what: string): ElementArray {
  const source = listOf(t, dtype);
  if (packedBits(dtype) < 8 && source.length === Math.ceil(n * packedBits(dtype) / 8)) {
    return unpacked(source as readonly number[], dtype, n);
  }
  if (source.length !== n) {
    throw malformed(`${what} holds ${source.length} elements where its shape needs ${n}`);
  }
  const data = allocate(dtype, n) as { [i: number]: number | bigint } & ElementArray;
  if (dtype === "bool") {
    for (let i = 0; i < n; i++) data[i] = source[i] ? 1 : 0;
  } else if (dtype === "uint32") {
    for (let i = 0; i < n; i++) data[i] = Number(source[i]);
  } else {
    for (let i = 0; i < n; i++) data[i] = source[i];
  }
  return data;
}

/** The list that holds the elements of a type (onnx.proto, TensorProto). */
function listOf(t: TensorView, dtype: DType): readonly (number | bigint)[] {
  switch (dtype) {
    case "float32":
      return t.floats;
    case "float64":
      return t.doubles;
    case "int64":
      return t.int64s;
    case "uint32":
    case "uint64":
      return t.uint64s;
    default:
      return t.int32s;
  }
}
