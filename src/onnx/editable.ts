/**
 * A model that can be changed and written again. What nobody touches keeps every field that
 * onnx-proto knows: names, documentation, metadata, declared types.
 */
import proto from "onnx-proto";
import { BurinError } from "../util/errors.ts";
import { numberOfDType, packedBits } from "../util/dtype.ts";
import { bytes as bytesOfTensor, type TensorData } from "../util/tensor.ts";
import { ops } from "../ops/mod.ts";
import { readModel, type TensorView } from "./reader.ts";
import { tensorData } from "./tensors.ts";
import { typeName } from "./unsupported.ts";
import { malformed } from "./wire.ts";

const literals = new Set(
  ops.filter((op) => op.literal).flatMap((op) => op.onnx.map((b) => typeName(b.domain, b.type))),
);

/** Whether a node is nothing but a tensor, which an attribute holds. */
export const isLiteral = (n: { readonly domain: string; readonly opType: string }): boolean =>
  literals.has(typeName(n.domain, n.opType));

type Attribute = proto.onnx.IAttributeProto;

/** A node whose fields may be assigned. */
export interface EditableNode {
  name: string;
  opType: string;
  /** "" for ai.onnx. */
  domain: string;
  inputs: string[];
  outputs: string[];
  attributes: Attribute[];
}

/** An attribute of one integer. */
export const intAttribute = (name: string, i: number): Attribute => ({ name, i, type: 2 });

/** An attribute of several integers. */
export const intsAttribute = (name: string, ints: readonly number[]): Attribute => ({
  name,
  ints: [...ints],
  type: 7,
});

type Long = { readonly low: number; readonly high: number };
const integer = (x: number | Long | null | undefined): number =>
  typeof x === "number" ? x : x ? x.high * 2 ** 32 + (x.low >>> 0) : 0;

const attributeOf = (n: EditableNode, name: string): Attribute | undefined =>
  n.attributes.find((a) => a.name === name);

/** An integer attribute, or what stands for it where it is left out. */
export function intOf(n: EditableNode, name: string, fallback: number): number {
  const a = attributeOf(n, name);
  return a ? integer(a.i as number | Long) : fallback;
}

/** The same for several integers. */
export function intsOf(n: EditableNode, name: string, fallback: readonly number[]): number[] {
  const a = attributeOf(n, name);
  return a?.ints?.length ? a.ints.map((i) => integer(i as number | Long)) : [...fallback];
}

/** The same for a float. */
export const floatOf = (n: EditableNode, name: string, fallback: number): number =>
  attributeOf(n, name)?.f ?? fallback;

/** The same for a string. */
export function stringOf(n: EditableNode, name: string, fallback: string): string {
  const s = attributeOf(n, name)?.s;
  return s ? new TextDecoder().decode(s) : fallback;
}

/** Two elements a byte, the first in the low half (ONNX, TensorProto.raw_data). */
function nibbles(t: TensorData): Uint8Array {
  const all = bytesOfTensor(t);
  return Uint8Array.from(
    { length: Math.ceil(all.length / 2) },
    (_, i) => all[2 * i] & 15 | (all[2 * i + 1] ?? 0) << 4,
  );
}

/** TensorProto of a tensor, its elements as raw bytes. */
export const tensorProto = (name: string, t: TensorData): proto.onnx.ITensorProto => ({
  name,
  dims: [...t.shape],
  dataType: numberOfDType(t.dtype),
  rawData: packedBits(t.dtype) === 4 ? nibbles(t) : bytesOfTensor(t).slice(),
});

/** A model read from a file, its main graph open to changes. */
export class EditableModel {
  /** In an order in which every node stands behind what it reads. */
  nodes: EditableNode[];
  readonly #model: proto.onnx.IModelProto;
  readonly #views: ReadonlyMap<string, TensorView>;
  readonly #changed = new Map<string, TensorData>();

  private constructor(model: proto.onnx.IModelProto, views: ReadonlyMap<string, TensorView>) {
    this.#model = model;
    this.#views = views;
    this.nodes = (model.graph!.node ?? []).map((n) => ({
      name: n.name ?? "",
      opType: n.opType ?? "",
      domain: n.domain === "ai.onnx" ? "" : n.domain ?? "",
      inputs: [...n.input ?? []],
      outputs: [...n.output ?? []],
      attributes: [...n.attribute ?? []],
    }));
  }

  /**
   * @throws BurinError `model/malformed`, `model/external-data` for elements in another file,
   * `model/unsupported-functions` for fields that onnx-proto would lose
   */
  static read(file: Uint8Array): EditableModel {
    const view = readModel(file);
    const later = view.functions.find((f) => f.overload !== "" || f.defaults.length > 0);
    if (later) {
      throw new BurinError(
        "model/unsupported-functions",
        `Cannot change the model as its function '${later.name}' has overloads or default values`,
        "inline the functions with onnx.inliner.inline_local_functions",
      );
    }
    const model = proto.onnx.ModelProto.decode(file);
    if (model.graph === null || model.graph === undefined) throw malformed("it has no graph");
    const constants = view.graph.initializers.map((t) => [t.name, t] as const);
    for (const n of view.graph.nodes) {
      const value = isLiteral(n) && n.attributes.find((a) => a.kind === "tensor");
      if (value && n.outputs[0]) constants.push([n.outputs[0], value.value as TensorView]);
    }
    return new EditableModel(model, new Map(constants));
  }

  /** An independent copy. */
  clone(): EditableModel {
    return EditableModel.read(this.encode());
  }

  /** Version of ai.onnx's operator set. */
  get opset(): number {
    const own = this.#model.opsetImport?.find((o) => !o.domain || o.domain === "ai.onnx");
    return integer(own?.version as number | Long);
  }

  set opset(version: number) {
    const others = (this.#model.opsetImport ?? []).filter((o) =>
      o.domain && o.domain !== "ai.onnx"
    );
    this.#model.opsetImport = [{ domain: "", version }, ...others];
  }

  /** The version of the file format; writers of newer operator sets must raise it. */
  raiseIrVersion(least: number): void {
    this.#model.irVersion = Math.max(integer(this.#model.irVersion as number | Long), least);
  }

  /** Names of the inputs that a user feeds. */
  get inputs(): string[] {
    return (this.#model.graph!.input ?? []).map((v) => v.name ?? "")
      .filter((name) => !this.#views.has(name));
  }

  /** Names of the outputs. */
  get outputs(): string[] {
    return (this.#model.graph!.output ?? []).map((v) => v.name ?? "");
  }

  /** The constant of a name, be it an initializer or a Constant node's; undefined for others. */
  constant(name: string): TensorData | undefined {
    const changed = this.#changed.get(name);
    if (changed) return changed;
    const view = this.#views.get(name);
    return view && tensorData(view);
  }

  /** Whether a name is a constant's. */
  isConstant(name: string): boolean {
    return this.#changed.has(name) || this.#views.has(name);
  }

  /** Adds an initializer or replaces one. */
  setConstant(name: string, t: TensorData): void {
    this.#changed.set(name, t);
  }

  /** Adds a float output of a name that a node computes, its shape left open. */
  addOutput(name: string): void {
    this.#model.graph!.output!.push({ name, type: { tensorType: { elemType: 1 } } });
  }

  /** Declares another element type for an input or output. */
  retype(name: string, dtype: TensorData["dtype"]): void {
    const { input, output } = this.#model.graph!;
    for (const v of [...input ?? [], ...output ?? []]) {
      if (v.name === name && v.type?.tensorType) v.type.tensorType.elemType = numberOfDType(dtype);
    }
  }

  /** The file; constants that nobody reads any more are left out. */
  encode(): Uint8Array {
    const graph = this.#model.graph!;
    const read = new Set([
      ...this.nodes.flatMap((n) => [...n.inputs, ...captured(n)]),
      ...this.outputs,
    ]);
    const kept = (graph.initializer ?? [])
      .filter((t) => read.has(t.name ?? "") && !this.#changed.has(t.name ?? ""));
    const written = [...this.#changed].filter(([name]) => read.has(name));
    const initializers = new Set((graph.initializer ?? []).map((t) => t.name ?? ""));
    const gone = (name: string) => initializers.has(name) && !kept.some((t) => t.name === name);
    return proto.onnx.ModelProto.encode({
      ...this.#model,
      graph: {
        ...graph,
        node: this.nodes.filter((n) => !isLiteral(n) || read.has(n.outputs[0]))
          .filter((n) => !isLiteral(n) || !this.#changed.has(n.outputs[0]))
          .map(({ inputs, outputs, attributes, ...n }) => ({
            ...n,
            input: inputs,
            output: outputs,
            attribute: attributes,
          })),
        initializer: [...kept, ...written.map(([name, t]) => tensorProto(name, t))],
        // Old files list initializers among the inputs; a replaced one has another type.
        input: (graph.input ?? []).filter((v) => !gone(v.name ?? "")),
      },
    }).finish();
  }
}

/** Names that nested graphs read, those of their own included: too many is harmless. */
function captured(n: EditableNode): string[] {
  const graphs = n.attributes.flatMap((a) => [...a.g ? [a.g] : [], ...a.graphs ?? []]);
  const names = (g: proto.onnx.IGraphProto): string[] => [
    ...(g.node ?? []).flatMap((m) => [
      ...m.input ?? [],
      ...(m.attribute ?? []).flatMap((a) => a.g ? names(a.g) : []),
    ]),
    ...(g.output ?? []).map((v) => v.name ?? ""),
  ];
  return graphs.flatMap(names);
}
