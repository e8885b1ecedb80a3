/** What a report says of a compiled model beyond its artifact, as plain data. */
import type { DType } from "../util/dtype.ts";
import { intRange, isInt } from "../util/dtype.ts";
import { numbers, sizeOf } from "../util/tensor.ts";
import { dims, type Graph, type Node, producers, typeText, type Value } from "../ir/graph.ts";
import { storageBytes } from "../ir/storage.ts";
import type { LinearAttrs } from "../ops/quantize.ts";
import { expand } from "../passes/expand.ts";
import { groupInputs } from "../passes/fuse.ts";
import type { Compilation } from "../compile.ts";

/** A box of the drawn graph: an input, an output, a kernel with its fused operators, a view. */
export interface FlowNode {
  readonly id: string;
  readonly kind: "input" | "output" | "kernel" | "view";
  /** Index of the kernel. */
  readonly step?: number;
  /** Name of the port, or of what the view does. */
  readonly title: string;
  /** Fused operators in order, each with the ONNX nodes that it came from. */
  readonly ops: readonly { readonly op: string; readonly origin: readonly string[] }[];
}

/** A tensor on its way from one box to another. */
export interface FlowEdge {
  readonly from: string;
  readonly to: string;
  /** Name of the tensor. */
  readonly name: string;
  /** `int8[1,64,25,5]` */
  readonly type: string;
}

/** The compiled graph, one box a kernel. */
export interface Flow {
  readonly nodes: readonly FlowNode[];
  readonly edges: readonly FlowEdge[];
}

/** A quantised tensor of the model as its file states it. */
export interface QuantTensor {
  readonly name: string;
  readonly role: "input" | "output" | "activation" | "weights" | "bias";
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** One, or one a channel. */
  readonly scales: readonly number[];
  /** As many as scales, or one. */
  readonly zeroPoints: readonly number[];
  /** Smallest and largest value that the type and the scales can express; null for biases. */
  readonly range: readonly [number, number] | null;
  /** Smallest and largest value of a constant. */
  readonly used: readonly [number, number] | null;
}

/** Bytes that a kernel reads and writes of tensors that are not constant. */
export interface Traffic {
  readonly readBytes: number;
  readonly writtenBytes: number;
}

/** All of it. */
export interface ReportFacts {
  readonly flow: Flow;
  readonly tensors: readonly QuantTensor[];
  /** By kernel. */
  readonly traffic: readonly Traffic[];
}

/** Collects what a report needs of a compilation. */
export function reportFacts(c: Compilation): ReportFacts {
  return {
    flow: flowOf(c),
    tensors: quantTensors(expand(c.imported.graph)),
    traffic: c.kernels.map(({ group }) => ({
      readBytes: groupInputs(group).filter((v) => !v.data)
        .reduce((sum, v) => sum + storageBytes(v), 0),
      writtenBytes: group.nodes.at(-1)!.outs.reduce((sum, v) => sum + storageBytes(v), 0),
    })),
  };
}

function flowOf({ layout: { graph, free }, kernels }: Compilation): Flow {
  const id = new Map<Node, string>();
  kernels.forEach(({ group }, i) => group.nodes.forEach((n) => id.set(n, `k${i}`)));
  const views = graph.nodes.filter((n) => free.has(n) && !id.has(n));
  views.forEach((n, i) => id.set(n, `v${i}`));
  const made = producers(graph);
  const source = (v: Value): string | null => {
    const by = made.get(v), input = graph.inputs.indexOf(v);
    return by ? id.get(by) ?? null : input >= 0 ? `i${input}` : null;
  };
  const op = (n: Node) => ({ op: n.op.name, origin: n.origin });
  const nodes: FlowNode[] = [
    ...graph.inputs.map((v, i): FlowNode => ({
      id: `i${i}`,
      kind: "input",
      title: v.name,
      ops: [],
    })),
    ...kernels.map(({ group, kernel }, i): FlowNode => ({
      id: `k${i}`,
      kind: "kernel",
      step: i,
      title: kernel.name,
      ops: group.nodes.map(op),
    })),
    ...views.map((n, i): FlowNode => ({
      id: `v${i}`,
      kind: "view",
      title: n.op.name,
      ops: [op(n)],
    })),
    ...graph.outputNames.map((title, i): FlowNode => ({
      id: `o${i}`,
      kind: "output",
      title,
      ops: [],
    })),
  ];
  const edge = (v: Value, to: string): FlowEdge[] => {
    const from = source(v);
    return from === null || from === to ? [] : [{ from, to, name: v.name, type: typeText(v.type) }];
  };
  const read = (n: Node): Value[] => [...new Set(n.ins)].filter((v): v is Value => v !== null);
  const edges = [
    ...kernels.flatMap(({ group }, i) => groupInputs(group).flatMap((v) => edge(v, `k${i}`))),
    ...views.flatMap((n, i) => read(n).flatMap((v) => edge(v, `v${i}`))),
    ...graph.outputs.flatMap((v, i) => edge(v, `o${i}`)),
  ];
  return { nodes, edges };
}

/** The integer tensors that operators between them and real numbers make or read, each once. */
function quantTensors(g: Graph): QuantTensor[] {
  const found = new Map<Value, QuantTensor>();
  for (const n of g.nodes) {
    if (!n.op.quantizes) continue;
    const makes = n.op.quantizes === "output";
    const v = makes ? n.outs[0] : n.ins[0];
    if (!v || found.has(v) || !isInt(v.type.dtype)) continue;
    const q = parametersOf(n);
    if (q) found.set(v, describe(g, v, q));
  }
  const order: QuantTensor["role"][] = ["input", "output", "activation", "weights", "bias"];
  return [...found.values()].sort((a, b) => order.indexOf(a.role) - order.indexOf(b.role));
}

interface Parameters {
  readonly scales: readonly number[];
  readonly zeroPoints: readonly number[];
  readonly axis: number;
}

function parametersOf(n: Node): Parameters | null {
  const attrs = n.attrs as LinearAttrs;
  const [, scale, zero] = n.ins;
  if (scale && !scale.data) return null;
  const scales = scale ? numbers(scale.data!) : attrs.scale === null ? [] : [attrs.scale];
  if (scales.length === 0) return null;
  return {
    scales,
    zeroPoints: zero?.data ? numbers(zero.data) : [attrs.zero ?? 0],
    axis: attrs.axis,
  };
}

function describe(g: Graph, v: Value, q: Parameters): QuantTensor {
  const shape = dims(v.type), { dtype } = v.type;
  const isBias = v.data !== undefined && dtype === "int32";
  const role = g.inputs.includes(v)
    ? "input"
    : g.outputs.includes(v)
    ? "output"
    : isBias
    ? "bias"
    : v.data
    ? "weights"
    : "activation";
  const { scales, zeroPoints } = q;
  const zeroOf = (i: number): number => zeroPoints[zeroPoints.length === 1 ? 0 : i];
  const bounds = (low: number, high: number): [number, number] => {
    const ends = scales.flatMap((s, i) => [low, high].map((x) => (x - zeroOf(i)) * s));
    return [least(ends), most(ends)];
  };
  const { min, max } = dtype === "int8" || dtype === "uint8" || dtype === "int16" ||
      dtype === "uint16"
    ? intRange(dtype)
    : { min: 0, max: 0 };
  return {
    name: v.name,
    role,
    dtype,
    shape,
    scales,
    zeroPoints,
    range: min === max ? null : bounds(min, max),
    used: v.data ? usedRange(numbers(v.data), shape, q) : null,
  };
}

const least = (xs: readonly number[]): number => xs.reduce((a, b) => Math.min(a, b), Infinity);
const most = (xs: readonly number[]): number => xs.reduce((a, b) => Math.max(a, b), -Infinity);

/** Smallest and largest real value of a constant. */
function usedRange(
  values: readonly number[],
  shape: readonly number[],
  { scales, zeroPoints, axis }: Parameters,
): [number, number] | null {
  if (values.length === 0) return null;
  const along = axis < 0 ? axis + shape.length : axis;
  const inner = sizeOf(shape.slice(along + 1));
  const channel = (i: number): number =>
    scales.length === 1 ? 0 : Math.floor(i / inner) % scales.length;
  let low = Infinity, high = -Infinity;
  values.forEach((x, i) => {
    const c = channel(i);
    const real = (x - zeroPoints[zeroPoints.length === 1 ? 0 : c]) * scales[c];
    low = Math.min(low, real);
    high = Math.max(high, real);
  });
  return [low, high];
}
