/** Networks of inverted residuals with random weights, quantised to int8, as ONNX files. */
import type proto from "onnx-proto";
import { model, node, tensor, value } from "./onnx_builder.ts";
import { random } from "./properties/random.ts";

/** A block: expansion to `times` the channels, a depthwise window, a projection. */
export interface Block {
  readonly times: number;
  readonly channels: number;
  readonly stride: 1 | 2;
  readonly kernel: 3 | 5;
}

/** A network: a strided window, blocks, a mean over the map, a dense layer. */
export interface Network {
  readonly seed: number;
  /** Height and width of its three planes. */
  readonly map: readonly [number, number];
  readonly stem: number;
  readonly blocks: readonly Block[];
  readonly classes: number;
}

interface Made {
  readonly name: string;
  readonly channels: number;
  readonly map: readonly [number, number];
}

const SCALE = 1 / 16;

/** The ONNX file. Every layer's sums are spread over most of int8, so that no channel is constant. */
export function invertedResiduals({ seed, map, stem, blocks, classes }: Network): Uint8Array {
  const r = random(seed), nodes: proto.onnx.INodeProto[] = [];
  const initializers: proto.onnx.ITensorProto[] = [];
  let count = 0;
  const constant = (dtype: string, dims: number[], values: readonly number[]): string => {
    initializers.push(tensor(`c${count++}`, dtype, dims, values));
    return `c${count - 1}`;
  };
  const scale = constant("float32", [], [SCALE]), zero = constant("int8", [], [0]);
  const low = constant("int8", [], [-128]);
  const add = (type: string, ins: string[], attrs = {}): string => {
    nodes.push(node(type, ins, [`v${count++}`], attrs));
    return `v${count - 1}`;
  };
  const conv = (
    x: Made,
    channels: number,
    kernel: number,
    { stride = 1, group = 1, relu = true }: { stride?: number; group?: number; relu?: boolean } =
      {},
  ): Made => {
    const each = x.channels / group, terms = each * kernel ** 2, pad = Math.floor(kernel / 2);
    const weights = Array.from({ length: channels * terms }, () => r.int(-127, 127));
    // Sums of `terms` products of about 73 by 73 steps come to about 50 steps.
    const scales = constant("float32", [], [50 / (73 * 73 * Math.sqrt(terms))]);
    const out = x.map.map((n) => Math.floor((n + 2 * pad - kernel) / stride) + 1);
    const y = add("QLinearConv", [
      x.name,
      scale,
      x.name === "x" || !isRelu.has(x.name) ? zero : low,
      constant("int8", [channels, each, kernel, kernel], weights),
      scales,
      zero,
      scale,
      relu ? low : zero,
      constant("int32", [channels], Array.from({ length: channels }, () => r.int(-9000, 9000))),
    ], {
      kernel_shape: [kernel, kernel],
      strides: [stride, stride],
      pads: [pad, pad, pad, pad],
      group,
    });
    if (relu) isRelu.add(y);
    return { name: y, channels, map: [out[0], out[1]] };
  };
  const isRelu = new Set<string>();
  const float = (x: string, of = zero) => add("DequantizeLinear", [x, scale, of]);
  let x = conv({ name: "x", channels: 3, map }, stem, 3, { stride: 2 });
  for (const { times, channels, stride, kernel } of blocks) {
    const wide = times === 1 ? x : conv(x, times * x.channels, 1);
    const deep = conv(wide, wide.channels, kernel, { stride, group: wide.channels });
    const y = conv(deep, channels, 1, { relu: false });
    const same = stride === 1 && channels === x.channels && !isRelu.has(x.name);
    if (!same) x = y;
    else {
      const sum = add("Add", [float(x.name), float(y.name)]);
      x = { ...y, name: add("QuantizeLinear", [sum, scale, zero]) };
    }
  }
  const mean = add("GlobalAveragePool", [float(x.name)]);
  const pooled: Made = { ...x, name: add("QuantizeLinear", [mean, scale, zero]), map: [1, 1] };
  const y = conv(pooled, classes, 1, { relu: false });
  return model({
    nodes,
    initializers,
    inputs: [value("x", "int8", [1, 3, ...map])],
    outputs: [value(y.name, "int8", [1, classes, 1, 1])],
  });
}
