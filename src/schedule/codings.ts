/** Which constants take fewer bits than the programs that read them want, and what is stored of them. */
import { type DType, DTYPES } from "../util/dtype.ts";
import { tensor, type TensorData } from "../util/tensor.ts";
import type { Buffer } from "../tir/stmt.ts";
import { type Coding, FLOATS, spreadOf } from "../tir/unpack.ts";

/**
 * Where a stream of words for columns holds its constants: a head, then blocks of starts, constants
 * and scales. Constants are two halfwords a word, either two bytes each, e + 256·o, or a value.
 */
export interface StreamParts {
  readonly head: number;
  readonly blocks: number;
  readonly starts: number;
  readonly constants: number;
  readonly scales: number;
  /** A halfword is a value. */
  readonly wide: boolean;
}

/** A constant that is a stream. */
export interface StreamBuffer extends Buffer {
  readonly parts: StreamParts;
}

/** How a constant is stored. */
export type Storing =
  | { readonly k: "integers"; readonly coding: Coding }
  | { readonly k: "stream"; readonly coding: Coding; readonly parts: StreamParts }
  | { readonly k: "floats"; readonly dtype: "float16" | "bfloat16" };

/** Bytes of a constant from which on it is worth a call. */
const LEAST = 256;

export const partsOf = (b: Buffer): StreamParts | null =>
  (b as Partial<StreamBuffer>).parts ?? null;

/** Words of a block. */
export const blockOf = (p: StreamParts): number => p.starts + p.constants + p.scales;
/** Words of a whole stream; a constant may hold several, one after the other. */
export const streamWords = (p: StreamParts): number => p.head + p.blocks * blockOf(p);

/** Stored words of a block's constants. */
export const storedConstants = (p: StreamParts, c: Coding): number =>
  Math.ceil(p.constants / spreadOf(c));
/** Words of a stored block. */
export const storedBlock = (p: StreamParts, c: Coding): number =>
  p.starts + storedConstants(p, c) + p.scales;

function codingFor(
  lane: 8 | 16,
  values: Iterable<number>,
  pairs = false,
): Coding | null {
  let lo = Infinity, hi = -Infinity;
  for (const v of values) {
    if (v < lo) lo = v;
    if (v > hi) hi = v;
    if (hi - lo > 15) return null;
  }
  // A pair's least lane has to be one of 16 bits.
  if (lo > hi || (pairs && lo < -127)) return null;
  return { lane, bits: hi - lo <= 3 ? 2 : 4, lo, pairs };
}

/** The two bytes that a halfword stands for. */
function pairOf(half: number): [even: number, odd: number] {
  const even = (half << 24) >> 24, v = (half << 16) >> 16;
  return [even, (v - even) / 256];
}

/** The values that the words of a stream's constants hold. */
function* streamValues(data: ArrayLike<number>, p: StreamParts): Generator<number> {
  const row = streamWords(p), block = blockOf(p);
  for (let r = 0; r < data.length; r += row) {
    for (let b = 0; b < p.blocks; b++) {
      const from = r + p.head + b * block + p.starts;
      for (let i = from; i < from + p.constants; i++) {
        for (const half of [data[i], data[i] >> 16]) {
          if (p.wide) yield (half << 16) >> 16;
          else yield* pairOf(half);
        }
      }
    }
  }
}

const isHalf = (values: Float32Array): boolean =>
  values.every((v) => Number.isFinite(v) && Math.f16round(v) === v);
const isBrain = ({ buffer, byteOffset, length }: Float32Array): boolean =>
  new Uint32Array(buffer, byteOffset, length).every((u) =>
    (u & 0xffff) === 0 && (u & 0x7f800000) !== 0x7f800000
  );

/** How a constant can be stored in fewer bits; null where it cannot, or is small. */
export function storingOf(b: Buffer): Storing | null {
  const { data, dtype } = b, parts = partsOf(b);
  if (!data || b.length * DTYPES[dtype].bytes < LEAST) return null;
  if (parts) {
    const values = streamValues(data.data as Int32Array, parts);
    const coding = codingFor(parts.wide ? 16 : 8, values, !parts.wide);
    return coding && { k: "stream", coding, parts };
  }
  switch (dtype) {
    case "int8":
    case "uint8":
    case "int16":
    case "uint16": {
      const coding = codingFor(dtype.endsWith("8") ? 8 : 16, data.data as Int16Array);
      return coding && { k: "integers", coding };
    }
    case "float32": {
      const values = data.data as Float32Array;
      if (isHalf(values)) return { k: "floats", dtype: "float16" };
      return isBrain(values) ? { k: "floats", dtype: "bfloat16" } : null;
    }
    default:
      return null;
  }
}

/** Whether a constant of a definition can be stored in fewer bits, in whatever order it is read. */
export const fitsCompact = (data: TensorData): boolean =>
  storingOf({
    name: "",
    scope: "param",
    strides: [],
    offset: 0,
    align: 1,
    length: data.data.length,
    dtype: data.dtype,
    shape: data.shape,
    data,
  }) !== null;

/** The element type of what is stored. */
export const storedType = (s: Storing): DType =>
  s.k === "floats"
    ? s.dtype
    : s.k === "stream"
    ? "int32"
    : s.coding.lane === 8
    ? "uint8"
    : "uint16";

/** Elements that a whole call brings; a row is a multiple of it. */
export function quantumOf(s: Storing): number {
  if (s.k === "floats") return FLOATS;
  return s.k === "stream" ? 1 : 32 / s.coding.lane * spreadOf(s.coding);
}

/** Rows of equally many elements as they are stored, one after the other. */
export function stored(s: Storing, rows: readonly ArrayLike<number>[]): TensorData {
  if (s.k === "floats") return floats(s.dtype, rows);
  const each = rows.map((row) => integers(s, row));
  return tensor(storedType(s), [rows.length, each[0].length], each.flat());
}

function integers(
  s: Exclude<Storing, { k: "floats" }>,
  row: ArrayLike<number>,
): number[] {
  if (s.k === "integers") {
    const lanes = 32 / s.coding.lane;
    const value = (i: number): number => (i < row.length ? row[i] : s.coding.lo) - s.coding.lo;
    return packed(s.coding, lanes, Math.ceil(row.length / quantumOf(s)), value);
  }
  const { parts, coding } = s, length = streamWords(parts);
  return Array.from({ length: row.length / length }, (_, i) => i * length)
    .flatMap((from) => stream(parts, coding, (i) => row[from + i]));
}

/** The words of a stream as they are stored. */
function stream(p: StreamParts, c: Coding, at: (i: number) => number): number[] {
  const some = (from: number, n: number): number[] =>
    Array.from({ length: n }, (_, i) => at(from + i));
  const out = some(0, p.head);
  for (let b = 0; b < p.blocks; b++) {
    const starts = p.head + b * blockOf(p), constants = starts + p.starts;
    /** A word's lanes, less the smallest value. */
    const word = (i: number): number => {
      if (i >= p.constants) return 0;
      const v = at(constants + i);
      const half = (h: number): number => {
        if (p.wide) return ((h << 16) >> 16) - c.lo;
        const [even, odd] = pairOf(h);
        return (even - c.lo) | (odd - c.lo) << 8;
      };
      return half(v) | half(v >> 16) << 16;
    };
    out.push(
      ...some(starts, p.starts),
      ...packed(c, 1, storedConstants(p, c), word).map((v) => v | 0),
      ...some(constants + p.constants, p.scales),
    );
  }
  return out;
}

/** Stored elements: `lanes` of them a word, each holding the same lane of the words that follow. */
function packed(
  c: Coding,
  lanes: number,
  words: number,
  value: (i: number) => number,
): number[] {
  const times = spreadOf(c);
  return Array.from({ length: words * lanes }, (_, at) => {
    const word = Math.floor(at / lanes), lane = at % lanes;
    let bits = 0;
    for (let k = 0; k < times; k++) {
      bits |= value((word * times + k) * lanes + lane) << (k * c.bits);
    }
    return bits;
  });
}

function floats(dtype: "float16" | "bfloat16", rows: readonly ArrayLike<number>[]): TensorData {
  const length = Math.ceil(rows[0].length / FLOATS) * FLOATS;
  const all = new Float32Array(rows.length * length);
  rows.forEach((row, r) => all.set(row, r * length));
  const words = new Uint32Array(all.buffer);
  const data = dtype === "float16"
    ? new Uint16Array(new Float16Array(all).buffer)
    : new Uint16Array(words.length).map((_, i) => words[i] >>> 16);
  return { dtype, shape: [rows.length, length], data };
}
