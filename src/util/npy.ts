/**
 * NumPy's .npy format, versions 1 to 3: a magic, a header in Python syntax, raw elements.
 * Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
 */
import { type DType, DTYPES } from "./dtype.ts";
import { BurinError } from "./errors.ts";
import { arrayOver, bytes, sizeOf, type TensorData } from "./tensor.ts";

const MAGIC = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59];

/** numpy's letter and size of each element type; bfloat16 has none. */
const DESCR: Readonly<Partial<Record<DType, string>>> = {
  bool: "b1",
  int8: "i1",
  uint8: "u1",
  int16: "i2",
  uint16: "u2",
  int32: "i4",
  uint32: "u4",
  int64: "i8",
  uint64: "u8",
  float16: "f2",
  float32: "f4",
  float64: "f8",
};

const BY_DESCR = new Map(Object.entries(DESCR).map(([d, code]) => [code, d as DType]));

function fail(where: string, why: string, hint?: string): never {
  throw new BurinError("data/npy", `Cannot read ${where} as ${why}`, hint);
}

/** The elements of `file` from `at`, reversed where they are big-endian, aligned for their type. */
function elements(file: Uint8Array, at: number, dtype: DType, count: number, bigEndian: boolean) {
  const { bytes: size } = DTYPES[dtype];
  const raw = file.slice(at, at + count * size);
  if (bigEndian && size > 1) {
    for (let i = 0; i < raw.length; i += size) raw.subarray(i, i + size).reverse();
  }
  return arrayOver(dtype, raw.buffer, 0, count);
}

/** Column-major elements in row-major order. */
function fromFortran(t: TensorData): TensorData {
  const source = t.data as unknown as ArrayLike<number>;
  const data = t.data.slice() as unknown as { [i: number]: number };
  const index = new Array<number>(t.shape.length).fill(0);
  for (let i = 0; i < source.length; i++) {
    let from = 0;
    for (let axis = t.shape.length - 1; axis >= 0; axis--) {
      from = from * t.shape[axis] + index[axis];
    }
    data[i] = source[from];
    for (let axis = t.shape.length - 1; axis >= 0 && ++index[axis] === t.shape[axis]; axis--) {
      index[axis] = 0;
    }
  }
  return { ...t, data: data as unknown as TensorData["data"] };
}

/**
 * Reads one .npy file.
 * @param where name for messages
 * @throws BurinError `data/npy` where the file is not one or holds elements Burin has no type for
 */
export function readNpy(file: Uint8Array, where = "the array"): TensorData {
  if (!MAGIC.every((b, i) => file[i] === b)) fail(where, "it is no .npy file");
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const wide = file[6] >= 2;
  if (file.length < 12) fail(where, "it ends inside its header");
  const headerBytes = wide ? view.getUint32(8, true) : view.getUint16(8, true);
  const start = (wide ? 12 : 10) + headerBytes;
  if (start > file.length) fail(where, "it ends inside its header");
  const header = new TextDecoder().decode(file.subarray(wide ? 12 : 10, start));
  const descr = /'descr'\s*:\s*'([^']*)'/.exec(header)?.[1];
  const fortran = /'fortran_order'\s*:\s*(True|False)/.exec(header)?.[1];
  const dims = /'shape'\s*:\s*\(([^)]*)\)/.exec(header)?.[1];
  if (descr === undefined || fortran === undefined || dims === undefined) {
    fail(where, "its header is not numpy's");
  }
  const dtype = BY_DESCR.get(descr.slice(1));
  if (!dtype || !"<>|=".includes(descr[0])) {
    fail(where, `its element type is '${descr}'`, "save it as an integer or float type");
  }
  const shape = dims.split(",").map((s) => s.trim()).filter((s) => s !== "").map(Number);
  if (!shape.every((n) => Number.isSafeInteger(n) && n >= 0)) fail(where, `its shape is (${dims})`);
  const count = sizeOf(shape);
  if (count * DTYPES[dtype].bytes > file.length - start) {
    fail(where, `it holds ${file.length - start} bytes of ${count} elements of ${dtype}`);
  }
  const t = { dtype, shape, data: elements(file, start, dtype, count, descr[0] === ">") };
  return fortran === "True" && shape.length > 1 ? fromFortran(t) : t;
}

/** Writes one .npy file, version 1, row-major, little-endian. */
export function writeNpy(t: TensorData): Uint8Array {
  const code = DESCR[t.dtype];
  if (!code) throw new BurinError("data/npy", `Cannot write ${t.dtype} as numpy has no such type`);
  const order = DTYPES[t.dtype].bytes === 1 ? "|" : "<";
  const dims = t.shape.length === 1 ? `${t.shape[0]},` : t.shape.join(", ");
  const text = `{'descr': '${order}${code}', 'fortran_order': False, 'shape': (${dims}), }`;
  const padded = text.padEnd(Math.ceil((text.length + 11) / 64) * 64 - 11) + "\n";
  const header = new TextEncoder().encode(padded);
  const out = new Uint8Array(10 + header.length + t.data.byteLength);
  out.set([...MAGIC, 1, 0, header.length & 255, header.length >> 8]);
  out.set(header, 10);
  out.set(bytes(t), 10 + header.length);
  return out;
}
