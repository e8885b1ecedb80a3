/** Element types, by their numpy names, and what the C and the interpreter need to know of each. */

/** Element types that tensors may have. The float16 kinds are storage only. */
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
  | "float64";

/** Facts of one element type; `min` and `max` are absent for floats. */
export interface DTypeInfo {
  readonly bytes: number;
  readonly kind: "bool" | "int" | "uint" | "float";
  readonly cType: string;
  readonly min?: bigint;
  readonly max?: bigint;
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
  float16: { bytes: 2, kind: "float", cType: "uint16_t" },
  bfloat16: { bytes: 2, kind: "float", cType: "uint16_t" },
  float32: { bytes: 4, kind: "float", cType: "float" },
  float64: { bytes: 8, kind: "float", cType: "double" },
};

/** Bytes of one element. */
export const bytesOf = (d: DType): number => DTYPES[d].bytes;
/** Whether the type is a floating point type. */
export const isFloat = (d: DType): boolean => DTYPES[d].kind === "float";
/** Whether the type is a signed or unsigned integer (bool is not). */
export const isInt = (d: DType): boolean => DTYPES[d].kind === "int" || DTYPES[d].kind === "uint";

/** Smallest and largest value of an integer type of at most 32 bits, as numbers. */
export function intRange(d: DType): { min: number; max: number } {
  const { min, max } = DTYPES[d];
  if (min === undefined || max === undefined) throw new TypeError(`${d} has no integer range`);
  return { min: Number(min), max: Number(max) };
}
