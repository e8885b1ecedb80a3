/**
 * The protobuf wire format, walked before protobufjs decodes it: protobufjs takes a field of the
 * wrong wire type for what it expects, lets a message reach beyond the one that holds it, recurses
 * without limit and drops fields that it does not know without a word.
 */
import { BurinError } from "../util/errors.ts";

/** What a field holds: v varint, f 32 bits, d 64 bits, b bytes or text, or the name of a message. */
type Field = "v" | "f" | "d" | "b" | MessageName;
export type MessageName =
  | "Model"
  | "OperatorSetId"
  | "StringStringEntry"
  | "Training"
  | "Function"
  | "Graph"
  | "Node"
  | "Attribute"
  | "Tensor"
  | "SparseTensor"
  | "Segment"
  | "ValueInfo"
  | "Annotation"
  | "Type"
  | "TensorType"
  | "SequenceType"
  | "MapType"
  | "Shape"
  | "Dimension";

/**
 * The messages of ONNX by field number: what onnx-proto 8 knows, and what later.ts adds of functions
 * (Node 8, Function 11 and 13).
 */
const MESSAGES: Readonly<Record<MessageName, Readonly<Record<number, Field>>>> = {
  Model: {
    1: "v",
    2: "b",
    3: "b",
    4: "b",
    5: "v",
    6: "b",
    7: "Graph",
    8: "OperatorSetId",
    14: "StringStringEntry",
    20: "Training",
    25: "Function",
  },
  OperatorSetId: { 1: "b", 2: "v" },
  StringStringEntry: { 1: "b", 2: "b" },
  Training: { 1: "Graph", 2: "Graph", 3: "StringStringEntry", 4: "StringStringEntry" },
  Function: {
    1: "b",
    2: "v",
    3: "v",
    4: "b",
    5: "b",
    6: "b",
    7: "Node",
    8: "b",
    9: "OperatorSetId",
    10: "b",
    11: "Attribute",
    13: "b",
  },
  Graph: {
    1: "Node",
    2: "b",
    5: "Tensor",
    10: "b",
    11: "ValueInfo",
    12: "ValueInfo",
    13: "ValueInfo",
    14: "Annotation",
    15: "SparseTensor",
  },
  Node: { 1: "b", 2: "b", 3: "b", 4: "b", 5: "Attribute", 6: "b", 7: "b", 8: "b" },
  Attribute: {
    1: "b",
    2: "f",
    3: "v",
    4: "b",
    5: "Tensor",
    6: "Graph",
    7: "f",
    8: "v",
    9: "b",
    10: "Tensor",
    11: "Graph",
    13: "b",
    14: "Type",
    15: "Type",
    20: "v",
    21: "b",
    22: "SparseTensor",
    23: "SparseTensor",
  },
  Tensor: {
    1: "v",
    2: "v",
    3: "Segment",
    4: "f",
    5: "v",
    6: "b",
    7: "v",
    8: "b",
    9: "b",
    10: "d",
    11: "v",
    12: "b",
    13: "StringStringEntry",
    14: "v",
  },
  SparseTensor: { 1: "Tensor", 2: "Tensor", 3: "v" },
  Segment: { 1: "v", 2: "v" },
  ValueInfo: { 1: "b", 2: "Type", 3: "b" },
  Annotation: { 1: "b", 2: "StringStringEntry" },
  Type: {
    1: "TensorType",
    4: "SequenceType",
    5: "MapType",
    6: "b",
    8: "TensorType",
    9: "SequenceType",
  },
  TensorType: { 1: "v", 2: "Shape" },
  SequenceType: { 1: "Type" },
  MapType: { 1: "v", 2: "Type" },
  Shape: { 1: "Dimension" },
  Dimension: { 1: "v", 2: "b", 3: "b" },
};

/** Later fields that carry no meaning for a compiler: metadata_props, types within functions. */
const IGNORED = new Set([
  "Graph.16",
  "Node.9",
  "Tensor.16",
  "ValueInfo.4",
  "Function.12",
  "Function.14",
]);

/** Wire types: 0 varint, 1 64 bits, 2 length-delimited, 5 32 bits. */
const WIRE: Readonly<Record<"v" | "d" | "b" | "f", number>> = { v: 0, d: 1, b: 2, f: 5 };

/** A graph in a graph takes three levels; deeper than this is no model. */
const MAX_DEPTH = 64;

/** The error of a file that is not a well-formed model. */
export const malformed = (why: string, hint?: string): BurinError =>
  new BurinError(
    "model/malformed",
    `Cannot read the model as ${why}`,
    hint ?? "check that the file is a complete ONNX model, for example with onnx.checker",
  );

/**
 * Told of every field of a known message that has a length, in the order of the file, a message
 * before its own fields.
 *
 * @param tag where the field begins
 * @param from where its content begins
 * @param to behind it
 */
export type Visit = (
  message: MessageName,
  number: number,
  tag: number,
  from: number,
  to: number,
) => void;

/**
 * Checks the structure of a serialised message, a model by default, and names the fields that are not read.
 *
 * @returns unknown fields as `Message.number`, sorted
 * @throws BurinError `model/malformed`
 */
export function checkWire(
  bytes: Uint8Array,
  message: "Model" | "Tensor" = "Model",
  visit: Visit = () => {},
): string[] {
  const unknown = new Set<string>();
  new Walker(bytes, unknown, visit).message(message, 0, bytes.length, 0);
  return [...unknown].sort();
}

class Walker {
  #pos = 0;
  constructor(
    readonly bytes: Uint8Array,
    readonly unknown: Set<string>,
    readonly visit: Visit,
  ) {}

  message(name: MessageName, start: number, end: number, depth: number): void {
    if (depth > MAX_DEPTH) throw malformed(`its messages are nested deeper than ${MAX_DEPTH}`);
    this.#pos = start;
    const fields = MESSAGES[name];
    while (this.#pos < end) {
      const start = this.#pos, tag = this.#varint(end);
      const number = Math.floor(tag / 8), wire = tag % 8;
      if (number < 1 || number > 0x1fffffff) {
        throw malformed(`a field of ${name} at byte ${this.#pos} has the number ${number}`);
      }
      this.#field(name, number, wire, fields[number], start, end, depth);
    }
  }

  #field(
    name: MessageName,
    number: number,
    wire: number,
    field: Field | undefined,
    start: number,
    end: number,
    depth: number,
  ): void {
    const at = this.#pos;
    if (field === undefined) {
      const id = `${name}.${number}`;
      if (!IGNORED.has(id)) this.unknown.add(id);
    } else {
      const scalar = field === "v" || field === "f" || field === "d";
      const expected = scalar || field === "b" ? WIRE[field] : 2;
      // Repeated scalars may come packed, whether the schema says so or not.
      if (wire !== expected && !(scalar && wire === 2)) {
        throw malformed(`field ${number} of ${name} at byte ${at} has the wire type ${wire}`);
      }
    }
    switch (wire) {
      case 0:
        this.#varint(end);
        return;
      case 1:
        this.#skip(8, end);
        return;
      case 5:
        this.#skip(4, end);
        return;
      case 2: {
        const length = this.#varint(end);
        const from = this.#pos;
        this.#skip(length, end);
        this.visit(name, number, start, from, from + length);
        if (field !== undefined && field.length > 1) {
          this.message(field as MessageName, from, from + length, depth + 1);
        }
        return;
      }
      default:
        throw malformed(`field ${number} of ${name} at byte ${at} has the wire type ${wire}`);
    }
  }

  #skip(n: number, end: number): void {
    if (n > end - this.#pos) throw this.#truncated(end);
    this.#pos += n;
  }

  /** A varint as a number; beyond 2^53 its value is not exact, which no length or tag is. */
  #varint(end: number): number {
    let value = 0, scale = 1;
    for (let i = 0; i < 10; i++) {
      if (this.#pos >= end) throw this.#truncated(end);
      const byte = this.bytes[this.#pos++];
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 128;
    }
    throw malformed(`a number at byte ${this.#pos} does not end`);
  }

  #truncated(end: number): BurinError {
    return malformed(
      end === this.bytes.length
        ? `it ends too early: something at byte ${this.#pos} reaches beyond its ${end} bytes`
        : `something at byte ${this.#pos} reaches beyond the message that holds it`,
    );
  }
}
