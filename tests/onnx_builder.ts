/** Small ONNX files for tests, written field by field; shares nothing with the importer. */
import proto from "onnx-proto";

export type Attr = number | string | readonly number[] | proto.onnx.IAttributeProto;
type Dims = readonly (number | string | null)[];

/** TensorProto.DataType by name. */
export const TYPE: Readonly<Record<string, number>> = {
  float32: 1,
  uint8: 2,
  int8: 3,
  uint16: 4,
  int16: 5,
  int32: 6,
  int64: 7,
  string: 8,
  bool: 9,
  float16: 10,
  float64: 11,
  uint32: 12,
  uint64: 13,
  bfloat16: 16,
  float8e4m3fn: 17,
  float8e4m3fnuz: 18,
  float8e5m2: 19,
  float8e5m2fnuz: 20,
  uint4: 21,
  int4: 22,
  float4e2m1: 23,
  float8e8m0: 24,
  uint2: 25,
  int2: 26,
};

/** Attributes from plain values: integers and lists of them; anything else as a full message. */
function attribute(name: string, v: Attr): proto.onnx.IAttributeProto {
  const { AttributeType: T } = proto.onnx.AttributeProto;
  if (typeof v === "number") return { name, type: T.INT, i: v };
  if (typeof v === "string") return { name, type: T.STRING, s: new TextEncoder().encode(v) };
  if (Array.isArray(v)) return { name, type: T.INTS, ints: v as number[] };
  return { name, ...v as proto.onnx.IAttributeProto };
}

export const floatAttr = (f: number): proto.onnx.IAttributeProto => ({ type: 1, f });
export const tensorAttr = (t: proto.onnx.ITensorProto): proto.onnx.IAttributeProto => ({
  type: 4,
  t,
});
export const graphAttr = (g: proto.onnx.IGraphProto): proto.onnx.IAttributeProto => ({
  type: 5,
  g,
});

/** A node; `type` may carry a domain: `com.microsoft:QGemm`. The name is the first output's. */
export function node(
  type: string,
  input: string[],
  output: string[],
  attrs: Record<string, Attr> = {},
  name = `${output[0]}_node`,
): proto.onnx.INodeProto {
  const [opType, domain = ""] = type.split(":").reverse();
  return {
    name,
    opType,
    domain,
    input,
    output,
    attribute: Object.entries(attrs).map(([k, v]) => attribute(k, v)),
  };
}

/** A declared value; a null dimension is anonymous, null instead of a list means no known rank. */
export const value = (
  name: string,
  dtype: string,
  shape: Dims | null,
): proto.onnx.IValueInfoProto => ({
  name,
  type: {
    tensorType: {
      elemType: TYPE[dtype],
      ...(shape && {
        shape: {
          dim: shape.map((d) =>
            d === null ? {} : typeof d === "number" ? { dimValue: d } : { dimParam: d }
          ),
        },
      }),
    },
  },
});

/** A tensor in one of the typed lists. */
export function tensor(
  name: string,
  dtype: string,
  dims: number[],
  values: readonly number[],
): proto.onnx.ITensorProto {
  const field: Record<string, string> = {
    float32: "floatData",
    float64: "doubleData",
    int64: "int64Data",
    uint32: "uint64Data",
    uint64: "uint64Data",
  };
  return { name, dataType: TYPE[dtype], dims, [field[dtype] ?? "int32Data"]: [...values] };
}

/** A tensor of raw little-endian bytes. */
export const rawTensor = (
  name: string,
  dtype: string,
  dims: number[],
  rawData: Uint8Array,
): proto.onnx.ITensorProto => ({ name, dataType: TYPE[dtype], dims, rawData });

export interface ModelParts {
  readonly nodes?: Call[];
  readonly inputs?: proto.onnx.IValueInfoProto[];
  readonly outputs?: proto.onnx.IValueInfoProto[];
  readonly initializers?: proto.onnx.ITensorProto[];
  readonly valueInfo?: proto.onnx.IValueInfoProto[];
  readonly opsets?: Readonly<Record<string, number>>;
  readonly irVersion?: number;
  readonly functions?: readonly FunctionParts[];
}

/** A node that calls one of several functions of a name. */
export type Call = proto.onnx.INodeProto & { readonly overload?: string };

/** The parts of a FunctionProto. */
export interface FunctionParts {
  readonly name: string;
  readonly domain?: string;
  readonly overload?: string;
  readonly inputs?: string[];
  readonly outputs?: string[];
  readonly nodes: Call[];
  /** Attributes without default. */
  readonly attributes?: string[];
  readonly defaults?: Readonly<Record<string, Attr>>;
  readonly opsets?: Readonly<Record<string, number>>;
}

/** An attribute of a function's node whose value is that of the function's attribute. */
export const refAttr = (refAttrName: string, type: number): proto.onnx.IAttributeProto => ({
  refAttrName,
  type,
});

/** A graph message, for nested graphs. */
export const graph = (p: ModelParts): proto.onnx.IGraphProto => ({
  name: "g",
  node: p.nodes ?? [],
  input: p.inputs ?? [],
  output: p.outputs ?? [],
  initializer: p.initializers ?? [],
  valueInfo: p.valueInfo ?? [],
});

const opsetImport = (opsets: Readonly<Record<string, number>>) =>
  Object.entries(opsets).map(([domain, version]) => ({ domain, version }));

/** A field with a length, number and all: for what onnx-proto cannot write. */
function field(number: number, content: Uint8Array): number[] {
  const varint = (n: number): number[] =>
    n < 128 ? [n] : [(n & 127) | 128, ...varint(Math.floor(n / 128))];
  return [...varint(number * 8 + 2), ...varint(content.length), ...content];
}
const text = (s: string): Uint8Array => new TextEncoder().encode(s);

/** The bytes of a node; its overload is field 8. */
const nodeBytes = (n: Call): Uint8Array =>
  Uint8Array.from([
    ...proto.onnx.NodeProto.encode(n).finish(),
    ...n.overload ? field(8, text(n.overload)) : [],
  ]);

function functionBytes(f: FunctionParts): Uint8Array {
  const { FunctionProto, AttributeProto } = proto.onnx;
  return Uint8Array.from([
    ...FunctionProto.encode({
      name: f.name,
      domain: f.domain ?? "local",
      input: f.inputs ?? [],
      output: f.outputs ?? [],
      attribute: f.attributes ?? [],
      opsetImport: opsetImport(f.opsets ?? { "": 17 }),
    }).finish(),
    ...f.nodes.flatMap((n) => field(7, nodeBytes(n))),
    ...Object.entries(f.defaults ?? {}).flatMap(([name, a]) =>
      field(11, AttributeProto.encode(attribute(name, a)).finish())
    ),
    ...f.overload ? field(13, text(f.overload)) : [],
  ]);
}

/** The bytes of a model; operator set 17 of ai.onnx by default. */
export function model(p: ModelParts): Uint8Array {
  const { ModelProto, GraphProto } = proto.onnx;
  const parts = {
    irVersion: p.irVersion ?? 8,
    producerName: "test",
    opsetImport: opsetImport(p.opsets ?? { "": 17 }),
  };
  if (!p.functions) return ModelProto.encode({ ...parts, graph: graph(p) }).finish();
  const own = GraphProto.encode(graph({ ...p, nodes: [] })).finish();
  const nodes = (p.nodes ?? []).flatMap((n) => field(1, nodeBytes(n)));
  return Uint8Array.from([
    ...ModelProto.encode(parts).finish(),
    ...field(7, Uint8Array.from([...own, ...nodes])),
    ...p.functions.flatMap((f) => field(25, functionBytes(f))),
  ]);
}
