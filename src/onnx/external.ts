/** Tensors whose elements lie in files beside the model. What is read is decided here, not how. */
import { BurinError } from "../util/errors.ts";
import { bytesOf } from "../util/dtype.ts";
import type { AttributeView, GraphView, ModelView, TensorView } from "./reader.ts";
import { dtypeOf, elementCount } from "./tensors.ts";
import { malformed } from "./wire.ts";

/**
 * Reads a whole file of the model's folder.
 *
 * @param location path relative to that folder, `/` between its parts, none of them `..`
 * @param limit the most bytes that may be read
 * @throws BurinError `model/external-data` where the file cannot be used
 */
export type ExternalFiles = (location: string, limit: number) => Uint8Array;

/** More than the flash of any microcontroller; a small file can name the same bytes many times. */
export const LARGEST_EXTERNAL = 2 ** 28;

/** The error about a tensor that lies outside: `why` goes on from "as". */
export const externalError = (what: string, why: string, hint: string): BurinError =>
  new BurinError("model/external-data", `Cannot read ${what} as ${why}`, hint);

/**
 * The model with every external tensor read.
 *
 * @param notes one sentence a file is added
 * @throws BurinError `model/external-data`, `model/malformed`
 */
export function withExternalData(
  model: ModelView,
  files: ExternalFiles,
  notes: string[],
): ModelView {
  const reader = new Reader(files);
  const graph = reader.graph(model.graph);
  for (const [location, n] of reader.tensors) {
    notes.push(`the elements of ${n} tensor${n === 1 ? "" : "s"} were read from '${location}'`);
  }
  return { ...model, graph };
}

class Reader {
  /** Tensors read, by file. */
  readonly tensors = new Map<string, number>();
  readonly #files = new Map<string, Uint8Array>();
  #left = LARGEST_EXTERNAL;

  constructor(readonly read: ExternalFiles) {}

  graph(g: GraphView): GraphView {
    return {
      ...g,
      initializers: g.initializers.map((t) => this.#tensor(t)),
      nodes: g.nodes.map((n) => ({ ...n, attributes: n.attributes.map((a) => this.#attr(a)) })),
    };
  }

  #attr(a: AttributeView): AttributeView {
    switch (a.kind) {
      case "tensor":
        return { ...a, value: this.#tensor(a.value as TensorView) };
      case "tensors":
        return { ...a, value: (a.value as TensorView[]).map((t) => this.#tensor(t)) };
      case "graph":
        return { ...a, value: this.graph(a.value as GraphView) };
      case "graphs":
        return { ...a, value: (a.value as GraphView[]).map((g) => this.graph(g)) };
      default:
        return a;
    }
  }

  #tensor(t: TensorView): TensorView {
    if (!t.external) return t;
    const what = t.name === "" ? "a tensor" : `the tensor '${t.name}'`;
    const bytes = elementCount(t.dims, what) * bytesOf(dtypeOf(t.dataType, what));
    const location = relative(t.external.location ?? "", what);
    const offset = number(t.external.offset, "offset", what) ?? 0;
    const length = number(t.external.length, "length", what) ?? bytes;
    if (length !== bytes) {
      throw malformed(
        `${what} has ${length} bytes in '${location}' where its shape needs ${bytes}`,
      );
    }
    const file = this.#file(location, what);
    if (offset + length > file.length) {
      throw malformed(
        `${what} reaches from byte ${offset} to ${offset + length} of '${location}', ` +
          `which has ${file.length}`,
        "check that the file is complete and belongs to this model",
      );
    }
    this.#take(bytes, what);
    this.tensors.set(location, (this.tensors.get(location) ?? 0) + 1);
    return { ...t, external: null, raw: file.subarray(offset, offset + length) };
  }

  #file(location: string, what: string): Uint8Array {
    const known = this.#files.get(location);
    if (known) return known;
    try {
      const file = this.read(location, this.#left);
      this.#files.set(location, file);
      return file;
    } catch (e) {
      if (!(e instanceof BurinError)) throw e;
      throw externalError(what, e.message, e.hint ?? "save the model in one file");
    }
  }

  #take(bytes: number, what: string): void {
    this.#left -= bytes;
    if (this.#left >= 0) return;
    throw externalError(
      what,
      `the model's external tensors take more than ${LARGEST_EXTERNAL} bytes together`,
      "no supported board holds as much",
    );
  }
}

/** A path inside the folder, whatever the system: nothing absolute, no step up, no odd character. */
function relative(location: string, what: string): string {
  const parts = location.split("/").filter((p) => p !== ".");
  // deno-lint-ignore no-control-regex -- a name that ends early for the system names another file
  const odd = /[\\:\x00-\x1f]/.test(location);
  if (odd || parts.some((p) => p === "" || p === "..") || parts.length === 0) {
    throw externalError(
      what,
      `its location '${printable(location)}' is no path inside the model's folder`,
      "put the file beside the model and save the model with that name as location",
    );
  }
  return parts.join("/");
}

const printable = (text: string): string =>
  // deno-lint-ignore no-control-regex
  text.replace(/[\x00-\x1f\x7f-\x9f]/g, "?").slice(0, 200);

function number(text: string | undefined, name: string, what: string): number | null {
  if (text === undefined) return null;
  const n = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(n)) {
    throw malformed(`${what} has the ${name} '${printable(text)}' in its file`);
  }
  return n;
}
