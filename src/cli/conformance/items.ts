/** Sequences and optionals of test data (onnx-data.proto), which onnx-proto does not know. */
import type { Elements } from "../../onnx/import.ts";
import { readTensor } from "../../onnx/reader.ts";
import { tensorData } from "../../onnx/tensors.ts";
import { malformed } from "../../onnx/wire.ts";
import type { TensorData } from "../../util/tensor.ts";

/** A tensor, the elements of a sequence, or null of an empty optional. */
export type Datum = TensorData | null | readonly Datum[];

interface Field {
  readonly number: number;
  readonly value: number;
  readonly bytes: Uint8Array;
}

/** The fields of a message whose numbers are varints and whose others have a length. */
function fieldsOf(bytes: Uint8Array): Field[] {
  const fields: Field[] = [];
  let at = 0;
  const varint = (): number => {
    for (let value = 0, factor = 1;; factor *= 128) {
      if (at >= bytes.length || factor > 2 ** 49) throw malformed("a number in its data ends");
      const byte = bytes[at++];
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const tag = varint(), wire = tag % 8, value = varint();
    if (wire !== 0 && wire !== 2) throw malformed("its data holds no sequence");
    const end = wire === 2 ? at + value : at;
    if (end > bytes.length) throw malformed("a field of its data is longer than the file");
    fields.push({ number: Math.floor(tag / 8), value, bytes: bytes.subarray(at, end) });
    at = end;
  }
  return fields;
}

const tensorOf = (bytes: Uint8Array): TensorData => tensorData(readTensor(bytes));

/** SequenceProto: tensors in field 3, sequences in 5, optionals in 7. */
function sequenceOf(bytes: Uint8Array): Datum {
  return fieldsOf(bytes).flatMap(({ number, bytes }): Datum[] => {
    if (number === 3) return [tensorOf(bytes)];
    if (number === 5) return [sequenceOf(bytes)];
    return number === 7 ? [optionalOf(bytes)] : [];
  });
}

/** OptionalProto: a tensor in field 3, a sequence in 5, an optional in 7; none where its kind is 0. */
function optionalOf(bytes: Uint8Array): Datum {
  const fields = fieldsOf(bytes), last = fields.at(-1);
  const kind = fields.find((f) => f.number === 2)?.value ?? 0;
  if (kind === 0 || !last) return null;
  if (last.number === 3) return tensorOf(last.bytes);
  if (last.number === 5) return sequenceOf(last.bytes);
  return last.number === 7 ? optionalOf(last.bytes) : null;
}

/** The data of a value of this kind. */
export function datumOf(bytes: Uint8Array, kind: string | undefined): Datum {
  if (kind === "sequence") return sequenceOf(bytes);
  return kind === "optional" ? optionalOf(bytes) : tensorOf(bytes);
}

/** The tensors in it, in order. */
export const tensorsIn = (d: Datum): TensorData[] =>
  d === null ? [] : "dtype" in d ? [d] : d.flatMap(tensorsIn);

/** The types of what it holds. */
export const elementsOf = (d: Datum): Elements =>
  d === null ? null : "dtype" in d ? { dtype: d.dtype, shape: d.shape } : d.map(elementsOf);
