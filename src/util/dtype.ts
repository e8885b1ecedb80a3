/** Element types, by their numpy names, and what the C and the interpreter need to know of each. */

/**
 * Element types that tensors may have. Floats of at most 16 bits and integers of less than 8 are
 * storage: nothing computes with them but conversions (see te/stored.ts).
 */
export type DType =
  | "bool"
  | "int8"
  | "uint8"
  | "int16"
  | "uint16"
  | "int32"
  | "uint32"
  | "int64"
  | "uint64"
  | "float16"
  | "bfloat16"
  | "float32"
  | "float64"
  | "float8e4m3fn"
  | "float8e4m3fnuz"
  | "float8e5m2"
  | "float8e5m2fnuz"
  | "float8e8m0"
  | "float4e2m1"
  | "int4"
  | "uint4"
  | "int2"
  | "uint2";

/** Facts of one element type; `min` and `max` are absent for floats. */
export interface DTypeInfo {
  readonly bytes: number;
  readonly kind: "bool" | "int" | "uint" | "float";
  readonly cType: string;
  readonly min?: bigint;
  readonly max?: bigint;
  /** The integer type that holds the bits of a type that is storage only. */
  readonly carrier?: "int8" | "uint8" | "uint16";
}

function integer(bytes: number, signed: boolean): DTypeInfo {
  const bits = BigInt(bytes * 8);
  return {
    bytes,
    kind: signed ? "int" : "uint",
    cType: `${signed ? "" : "u"}int${bits}_t`,
    min: signed ? -(1n << (bits - 1n)) : 0n,
    max: signed ? (1n << (bits - 1n)) - 1n : (1n << bits) - 1n,
  };
}

const small = (carrier: "uint8" | "uint16"): DTypeInfo => ({
  bytes: carrier === "uint8" ? 1 : 2,
  kind: "float",
  cType: `${carrier}_t`,
  carrier,
});

/** Less than a byte in a file, a byte an element in memory, sign-extended. */
const nibble = (bits: number, signed: boolean): DTypeInfo => ({
  bytes: 1,
  kind: signed ? "int" : "uint",
  cType: signed ? "int8_t" : "uint8_t",
  min: signed ? BigInt(-(2 ** (bits - 1))) : 0n,
  max: BigInt(2 ** (signed ? bits - 1 : bits) - 1),
  carrier: signed ? "int8" : "uint8",
});

/** The table of element types. */
export const DTYPES: Readonly<Record<DType, DTypeInfo>> = {
  bool: { bytes: 1, kind: "bool", cType: "uint8_t" },
  int8: integer(1, true),
  uint8: integer(1, false),
  int16: integer(2, true),
  uint16: integer(2, false),
  int32: integer(4, true),
  uint32: integer(4, false),
  int64: integer(8, true),
  uint64: integer(8, false),
  float16: small("uint16"),
  bfloat16: small("uint16"),
  float32: { bytes: 4, kind: "float", cType: "float" },
  float64: { bytes: 8, kind: "float", cType: "double" },
  float8e4m3fn: small("uint8"),
  float8e4m3fnuz: small("uint8"),
  float8e5m2: small("uint8"),
  float8e5m2fnuz: small("uint8"),
  float8e8m0: small("uint8"),
  float4e2m1: small("uint8"),
  int4: nibble(4, true),
  uint4: nibble(4, false),
  int2: nibble(2, true),
  uint2: nibble(2, false),
};

/** TensorProto.DataType of each element type. */
const NUMBERS: Readonly<Record<DType, number>> = {
  float32: 1,
  uint8: 2,
  int8: 3,
  uint16: 4,
  int16: 5,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
  float64: 11,
  uint32: 12,
  uint64: 13,
  bfloat16: 16,
  float8e4m3fn: 17,
  float8e4m3fnuz: 18,
  float8e5m2: 19,
  float8e5m2fnuz: 20,
  uint4: 21,
  int4: 22,
  float4e2m1: 23,
  float8e8m0: 24,
  uint2: 25,
  int2: 26,
};
const BY_NUMBER = new Map(Object.entries(NUMBERS).map(([d, n]) => [n, d as DType]));

/** The element type that ONNX numbers so (TensorProto.DataType); undefined for any other number. */
export const dtypeByNumber = (n: number): DType | undefined => BY_NUMBER.get(n);

/** The number that ONNX has for an element type (TensorProto.DataType). */
export const numberOfDType = (d: DType): number => NUMBERS[d];

/** Bytes of one element. */
export const bytesOf = (d: DType): number => DTYPES[d].bytes;
/** Whether the type is a floating point type. */
export const isFloat = (d: DType): boolean => DTYPES[d].kind === "float";
/** Whether the type is storage only. */
export const isStored = (d: DType): boolean => DTYPES[d].carrier !== undefined;
/** Bits of one element in a file, where they are fewer than a byte. */
export const packedBits = (d: DType): number =>
  d.endsWith("int4") || d === "float4e2m1" ? 4 : d.endsWith("int2") ? 2 : 8 * bytesOf(d);
/** Whether the type is a signed or unsigned integer (bool is not). */
export const isInt = (d: DType): boolean => DTYPES[d].kind === "int" || DTYPES[d].kind === "uint";

/** Smallest and largest value of an integer type of at most 32 bits, as numbers. */
export function intRange(d: DType): { min: number; max: number } {
  const { min, max } = DTYPES[d];
  if (min === undefined || max === undefined) throw new TypeError(`${d} has no integer range`);
  return { min: Number(min), max: Number(max) };
}
