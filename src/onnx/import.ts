/** An ONNX file to a graph: what the file says, with shapes bound and constants computed. */
import type { Graph, TensorType } from "../ir/graph.ts";
import type { Item } from "../ir/items.ts";
import { ops as allOps } from "../ops/mod.ts";
import { Names } from "../util/names.ts";
import { bindDims } from "./dims.ts";
import { type ExternalFiles, withExternalData } from "./external.ts";
import { inlineFunctions } from "./functions.ts";
import { GraphImporter } from "./nodes.ts";
import { checkOutputs } from "./outputs.ts";
import { readModel, type ValueInfoView } from "./reader.ts";
import { type Port, portOf } from "./scope.ts";
import { type AnyOp, OpTable, UnsupportedNodes } from "./unsupported.ts";
import { malformed } from "./wire.ts";

export interface ImportOptions {
  /** Sizes of symbolic dimensions by name; those of anonymous ones as `input.axis`. */
  readonly dims?: Readonly<Record<string, number>>;
  /**
   * What inputs hold that are sequences or optionals, which are refused without it; of a tensor the
   * type in place of the declared one.
   */
  readonly elements?: Readonly<Record<string, Elements>>;
  /** Name of the graph; the file's own by default. */
  readonly name?: string;
  /** Reads files that hold tensors of the model; such models are refused without it. */
  readonly externalFiles?: ExternalFiles;
  /** The operators to read with; all by default. */
  readonly ops?: readonly AnyOp[];
}

/** The type of a tensor or of an optional's element, null of an empty optional, or what a sequence holds in order. */
export type Elements = TensorType | null | readonly Elements[];

/**
 * An input that is given as its elements: a value each, named after it with a number behind.
 * @param names of all inputs
 */
function portOfElements(name: string, e: Elements, names: Names): Port {
  const item = (own: string, held: Elements): Item => {
    if (held === null) return { items: null };
    if (!("dtype" in held)) {
      return { items: held.map((x, i) => item(names.unique(`${own}_${i}`), x)) };
    }
    return { name: own, type: held };
  };
  return { name, item: item(name, e) };
}

export interface Imported {
  readonly graph: Graph;
  /** What the user should know: assumed sizes, dropped attributes and fields. One sentence each. */
  readonly notes: readonly string[];
  /**
   * Nodes in the file by operator (`Conv`, `com.microsoft:QGemm`), nested graphs included, and those
   * of functions once a call.
   */
  readonly opCounts: ReadonlyMap<string, number>;
  readonly producer: string;
  readonly irVersion: number;
  /** Version by domain, "" for ai.onnx. */
  readonly opsets: ReadonlyMap<string, number>;
}

/**
 * Reads an ONNX model.
 *
 * Every dimension of the result is a number. Functions of the model are inlined. Nodes whose inputs are all constant are computed away,
 * within a budget, except where the operator wants to stay.
 *
 * @throws BurinError `model/malformed`, `model/unsupported-operators` (an {@link UnsupportedNodes}
 * that names them all), `model/unsupported-type`, `model/external-data`, `model/unbound-dimension`,
 * `model/unknown-shape`, `model/output-mismatch`, `usage/unknown-dimension`, `usage/bad-dimension`
 */
export function importModel(bytes: Uint8Array, options: ImportOptions = {}): Imported {
  const notes: string[] = [];
  const inFile = inlineFunctions(readModel(bytes));
  const { externalFiles } = options;
  const model = externalFiles ? withExternalData(inFile, externalFiles, notes) : inFile;
  const initialized = new Set(model.graph.initializers.map((t) => t.name));
  const all = model.graph.inputs.filter((v) => !initialized.has(v.name));
  const elements = new Map(Object.entries(options.elements ?? {}));
  const given = (v: ValueInfoView): boolean => elements.has(v.name);
  const inputs = all.filter((v) => !given(v));
  if (model.graph.outputs.length === 0) throw malformed("its graph has no outputs");
  if (model.unknownFields.length) {
    notes.push(`fields of a newer ONNX are not read: ${model.unknownFields.join(", ")}`);
  }
  const { sizes, types } = bindDims(model.graph, inputs, options.dims ?? {}, notes);
  const importer = new GraphImporter(model, new OpTable(options.ops ?? allOps), sizes, notes);
  const names = new Names();
  for (const v of all) names.unique(v.name);
  const values = all.map((v) =>
    given(v)
      ? portOfElements(v.name, elements.get(v.name)!, names)
      : portOf({ name: v.name, type: types[inputs.indexOf(v)] })
  );
  const graph = importer.graph(model.graph, values, options.name ?? model.graph.name);
  if (graph === null) throw new UnsupportedNodes(importer.problems, importer.total);
  notes.push(...checkOutputs(graph, model.graph.outputs, sizes));
  return {
    graph,
    notes: [...notes, ...importer.droppedAttributes()],
    opCounts: importer.opCounts,
    producer: model.producer,
    irVersion: model.irVersion,
    opsets: model.opsets,
  };
}

export { UnsupportedNodes };
