/**
 * ONNX bytes to a plain view of the model: absent fields have their defaults, numbers are numbers,
 * and what cannot be a model is refused. The one module that knows onnx-proto, beside
 * editable.ts, which writes.
 */
import proto from "onnx-proto";
import { foreignFormat } from "./foreign.ts";
import { LaterFields, type LaterFunction } from "./later.ts";
import { checkWire, malformed } from "./wire.ts";

/** A dimension as the file has it: a size, a name, or nothing. */
export type DimView = number | string | null;

/** The declared type of a value; kinds other than tensors carry nothing else. */
export interface TypeView {
  readonly kind: "tensor" | "sequence" | "map" | "optional" | "sparse" | "none";
  /** TensorProto.DataType. */
  readonly elemType: number;
  /** null: the rank is not declared. */
  readonly shape: readonly DimView[] | null;
}

export interface ValueInfoView {
  readonly name: string;
  readonly type: TypeView;
}

/** A tensor before its elements are converted (see tensors.ts). */
export interface TensorView {
  readonly name: string;
  readonly dims: readonly number[];
  /** TensorProto.DataType. */
  readonly dataType: number;
  /** Where the elements lie when they are not in this file. */
  readonly external: Readonly<Record<string, string>> | null;
  readonly segmented: boolean;
  /** Elements as little-endian bytes, null where one of the lists below has them. */
  readonly raw: Uint8Array | null;
  readonly floats: readonly number[];
  readonly int32s: readonly number[];
  readonly int64s: readonly bigint[];
  readonly doubles: readonly number[];
  readonly uint64s: readonly bigint[];
}

export interface AttributeView {
  readonly name: string;
  readonly kind: AttributeKind;
  /** number, string, TensorView, GraphView, or an array of one of them, by kind. */
  readonly value: unknown;
  /** In a function's node: the attribute of the function whose value this one has. */
  readonly ref?: string;
}
export type AttributeKind =
  | "float"
  | "int"
  | "string"
  | "tensor"
  | "graph"
  | "floats"
  | "ints"
  | "strings"
  | "tensors"
  | "graphs"
  | "other";

export interface NodeView {
  readonly name: string;
  readonly opType: string;
  /** "" for ai.onnx. */
  readonly domain: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: readonly AttributeView[];
  /** Which of several functions of one name a call means. */
  readonly overload?: string;
  /** The operator sets that the node is written for, where it comes from a function. */
  readonly opsets?: ReadonlyMap<string, number>;
}

/** A function that the model brings along: nodes that stand for one node. */
export interface FunctionView {
  readonly name: string;
  readonly domain: string;
  readonly overload: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Attributes that have a value where a call gives none. */
  readonly defaults: readonly AttributeView[];
  readonly opsets: ReadonlyMap<string, number>;
  readonly nodes: readonly NodeView[];
}

export interface GraphView {
  readonly name: string;
  readonly nodes: readonly NodeView[];
  readonly initializers: readonly TensorView[];
  readonly sparseInitializers: readonly string[];
  readonly inputs: readonly ValueInfoView[];
  readonly outputs: readonly ValueInfoView[];
  readonly valueInfo: readonly ValueInfoView[];
}

export interface ModelView {
  readonly irVersion: number;
  readonly producer: string;
  /** Version by domain, "" for ai.onnx. */
  readonly opsets: ReadonlyMap<string, number>;
  readonly graph: GraphView;
  readonly functions: readonly FunctionView[];
  /** Fields of a newer ONNX that were not read, as `Message.number`. */
  readonly unknownFields: readonly string[];
}

/** The fields that are not read; a file of another format is named as what it is. */
function checkFile(bytes: Uint8Array, { visit }: LaterFields): string[] {
  try {
    return checkWire(bytes, "Model", visit);
  } catch (e) {
    const foreign = foreignFormat(bytes);
    throw foreign === null ? e : malformed(`it is ${foreign.what}`, foreign.hint);
  }
}

/**
 * Reads a serialised ModelProto.
 *
 * @throws BurinError `model/malformed` for anything that is not a well-formed model
 */
export function readModel(bytes: Uint8Array): ModelView {
  if (bytes.length === 0) throw malformed("the file is empty");
  const later = new LaterFields(bytes);
  const unknownFields = checkFile(bytes, later);
  const model = decoded(() => proto.onnx.ModelProto.decode(later.renumbered()));
  if (!model.graph) throw malformed("it has no graph");
  const irVersion = int(model.irVersion);
  const opsets = opsetsOf(model.opsetImport);
  // Before IR version 3 a model named no operator sets and meant the first one.
  if (opsets.size === 0) {
    if (irVersion >= 3 || irVersion < 1) throw malformed("it imports no operator set");
    opsets.set("", 1);
  }
  return {
    irVersion,
    producer: [model.producerName, model.producerVersion].filter(Boolean).join(" "),
    opsets,
    graph: graphView(model.graph),
    functions: list(model.functions).map((f, i) => functionView(f, later.functions[i])),
    unknownFields,
  };
}

/**
 * Reads a serialised TensorProto, as test cases of ONNX store their data.
 *
 * @throws BurinError `model/malformed`
 */
export function readTensor(bytes: Uint8Array): TensorView {
  checkWire(bytes, "Tensor");
  return tensorView(decoded(() => proto.onnx.TensorProto.decode(bytes)));
}

function decoded<T>(decode: () => T): T {
  try {
    return decode();
  } catch (e) {
    throw malformed(`its protobuf does not decode (${(e as Error).message})`);
  }
}

const list = <T>(xs: readonly T[] | null | undefined): readonly T[] => xs ?? [];
const domainOf = (d: string | null | undefined): string => !d || d === "ai.onnx" ? "" : d;

/** int64 fields arrive as Long objects, or as numbers where they are left out. */
type Int = number | { readonly low: number; readonly high: number } | null | undefined;
const int = (x: Int): number =>
  typeof x === "number" ? x : x ? x.high * 4294967296 + (x.low >>> 0) : 0;
const big = (x: Int): bigint =>
  typeof x === "number" ? BigInt(x) : x ? (BigInt(x.high) << 32n) | BigInt(x.low >>> 0) : 0n;

function opsetsOf(
  imports: readonly proto.onnx.IOperatorSetIdProto[] | null | undefined,
): Map<string, number> {
  const opsets = new Map<string, number>();
  for (const o of list(imports)) {
    const version = int(o.version), domain = domainOf(o.domain);
    if (version < 1) throw malformed(`it imports version ${version} of operator set '${domain}'`);
    opsets.set(domain, Math.max(version, opsets.get(domain) ?? 0));
  }
  return opsets;
}

function functionView(f: proto.onnx.IFunctionProto, later: LaterFunction): FunctionView {
  return {
    name: f.name ?? "",
    domain: domainOf(f.domain),
    overload: UTF8.decode(later.overload),
    inputs: list(f.input),
    outputs: list(f.output),
    defaults: later.attributes.map((a) =>
      attributeView(decoded(() => proto.onnx.AttributeProto.decode(a)))
    ),
    opsets: opsetsOf(f.opsetImport),
    nodes: list(f.node).map(nodeView),
  };
}

function graphView(g: proto.onnx.IGraphProto): GraphView {
  return {
    name: g.name ?? "",
    nodes: list(g.node).map(nodeView),
    initializers: list(g.initializer).map(tensorView),
    sparseInitializers: list(g.sparseInitializer).map((s) => s.values?.name ?? ""),
    inputs: list(g.input).map(valueInfoView),
    outputs: list(g.output).map(valueInfoView),
    valueInfo: list(g.valueInfo).map(valueInfoView),
  };
}

function nodeView(n: proto.onnx.INodeProto): NodeView {
  if (!n.opType) throw malformed(`the node '${n.name ?? ""}' has no operator type`);
  return {
    name: n.name ?? "",
    opType: n.opType,
    domain: domainOf(n.domain),
    inputs: trimmed(list(n.input)),
    outputs: trimmed(list(n.output)),
    attributes: list(n.attribute).map(attributeView),
    // LaterFields puts it where the documentation of a node is.
    ...n.docString && { overload: n.docString },
  };
}

/** Optional values left out at the end carry nothing. */
export function trimmed(names: readonly string[]): readonly string[] {
  let n = names.length;
  while (n > 0 && names[n - 1] === "") n--;
  return names.slice(0, n);
}

/** AttributeProto.AttributeType. */
const KINDS: Readonly<Record<number, AttributeKind>> = {
  1: "float",
  2: "int",
  3: "string",
  4: "tensor",
  5: "graph",
  6: "floats",
  7: "ints",
  8: "strings",
  9: "tensors",
  10: "graphs",
};

function attributeView(a: proto.onnx.IAttributeProto): AttributeView {
  const name = a.name ?? "", kind = kindOf(a);
  if (a.refAttrName) return { name, kind, value: null, ref: a.refAttrName };
  return { name, kind, value: attributeValue(a, kind) };
}

function kindOf(a: proto.onnx.IAttributeProto): AttributeKind {
  if (a.type) return KINDS[a.type] ?? "other";
  // Files of IR version 1 carry no type: the field that is there says it.
  const has = (field: keyof proto.onnx.IAttributeProto): boolean => Object.hasOwn(a, field);
  if (has("f")) return "float";
  if (has("i")) return "int";
  if (has("s")) return "string";
  if (has("t")) return "tensor";
  if (has("g")) return "graph";
  if (a.floats?.length) return "floats";
  if (a.ints?.length) return "ints";
  if (a.strings?.length) return "strings";
  return "other";
}

const UTF8 = new TextDecoder();

function attributeValue(a: proto.onnx.IAttributeProto, kind: AttributeKind): unknown {
  switch (kind) {
    case "float":
      return a.f ?? 0;
    case "int":
      return int(a.i);
    case "string":
      return UTF8.decode(a.s ?? new Uint8Array());
    case "tensor":
      if (!a.t) throw malformed(`the attribute '${a.name}' has no tensor`);
      return tensorView(a.t);
    case "graph":
      if (!a.g) throw malformed(`the attribute '${a.name}' has no graph`);
      return graphView(a.g);
    case "floats":
      return list(a.floats);
    case "ints":
      return list(a.ints).map(int);
    case "strings":
      return list(a.strings).map((s) => UTF8.decode(s));
    case "tensors":
      return list(a.tensors).map(tensorView);
    case "graphs":
      return list(a.graphs).map(graphView);
    case "other":
      return null;
  }
}

function tensorView(t: proto.onnx.ITensorProto): TensorView {
  const outside = t.dataLocation === 1 || list(t.externalData).length > 0;
  return {
    name: t.name ?? "",
    dims: list(t.dims).map(int),
    dataType: t.dataType ?? 0,
    external: outside
      ? Object.fromEntries(list(t.externalData).map((e) => [e.key ?? "", e.value ?? ""]))
      : null,
    segmented: Boolean(t.segment),
    raw: Object.hasOwn(t, "rawData") ? t.rawData ?? null : null,
    floats: list(t.floatData),
    int32s: list(t.int32Data),
    int64s: list(t.int64Data).map(big),
    doubles: list(t.doubleData),
    uint64s: list(t.uint64Data).map(big),
  };
}

function valueInfoView(v: proto.onnx.IValueInfoProto): ValueInfoView {
  return { name: v.name ?? "", type: typeView(v.type) };
}

function typeView(t: proto.onnx.ITypeProto | null | undefined): TypeView {
  const none = { elemType: 0, shape: null };
  if (t?.sequenceType) return { kind: "sequence", ...none };
  if (t?.mapType) return { kind: "map", ...none };
  if (t?.optionalType) return { kind: "optional", ...none };
  if (t?.sparseTensorType) return { kind: "sparse", ...none };
  if (!t?.tensorType) return { kind: "none", ...none };
  const { elemType, shape } = t.tensorType;
  return {
    kind: "tensor",
    elemType: elemType ?? 0,
    shape: shape
      ? list(shape.dim).map((d) => {
        if (Object.hasOwn(d, "dimValue")) return int(d.dimValue);
        return Object.hasOwn(d, "dimParam") && d.dimParam ? d.dimParam : null;
      })
      : null,
  };
}
