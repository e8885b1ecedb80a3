/**
 * What ONNX 1.16 added to functions and onnx-proto 8 drops: overloads, and default values of
 * attributes. Both are found while the wire format is walked.
 */
import type { Visit } from "./wire.ts";

/** Fields of one FunctionProto, as bytes. */
export interface LaterFunction {
  overload: Uint8Array;
  readonly attributes: Uint8Array[];
}

/** Tags of fields with a length: the number times 8, plus 2. */
const DOC_STRING = 0x32, OVERLOAD = 0x42, NOT_READ = 0x7a;

/** Gathers the fields of a model; `visit` is for `checkWire`. */
export class LaterFields {
  /** In the order of the model's functions. */
  readonly functions: LaterFunction[] = [];
  readonly #moved: { readonly at: number; readonly tag: number }[] = [];

  constructor(readonly bytes: Uint8Array) {}

  readonly visit: Visit = (message, number, tag, from, to) => {
    const id = `${message}.${number}`;
    if (id === "Model.25") this.functions.push({ overload: new Uint8Array(), attributes: [] });
    if (id === "Function.11") this.functions.at(-1)!.attributes.push(this.bytes.slice(from, to));
    if (id === "Function.13") this.functions.at(-1)!.overload = this.bytes.slice(from, to);
    const here = this.bytes[tag];
    if (id === "Node.6" && here === DOC_STRING) this.#moved.push({ at: tag, tag: NOT_READ });
    if (id === "Node.8" && here === OVERLOAD) this.#moved.push({ at: tag, tag: DOC_STRING });
  };

  /**
   * The file with the overloads of nodes as their documentation, which onnx-proto reads and nobody
   * else wants: tags of one byte each, so that nothing moves.
   */
  renumbered(): Uint8Array {
    if (this.#moved.length === 0) return this.bytes;
    const copy = this.bytes.slice();
    for (const { at, tag } of this.#moved) copy[at] = tag;
    return copy;
  }
}
