/**
 * Nets of int8 layers in sizes that no benchmark has: odd channel counts and maps, dilation, groups,
 * one dimension. Each layer stands alone between an input and an output whose channels are innermost,
 * as inside a larger net, or the input's as at its beginning; weights are drawn so that every channel
 * takes part.
 */
import type proto from "onnx-proto";
import { sizeOf, tensor as data, type TensorData } from "../../src/util/tensor.ts";
import { model, node, tensor, value } from "../onnx_builder.ts";
import { random } from "../properties/random.ts";

/** What the instructions of a layer are compared by. */
export type LayerClass = "convolution" | "pointwise" | "depthwise" | "first" | "dense";

/** A convolution, or a dense layer: a window of 1 on a map of 1. */
export interface Layer {
  readonly of: LayerClass;
  /** Height and width of the input; one number for one dimension. */
  readonly map: readonly number[];
  readonly cin: number;
  readonly cout: number;
  readonly kernel: readonly number[];
  /** Of all axes, or axis by axis. */
  readonly stride?: number | readonly number[];
  readonly dilation?: number;
  readonly group?: number;
  /** Zeros at each border; default as many as keep the map at stride 1. */
  readonly pad?: readonly number[];
  /** Weights are uint8 with this zero point instead of int8. */
  readonly weightZero?: number;
  /** The operand has its channels outermost, as ONNX has them. */
  readonly channelsOuter?: boolean;
}

/** A convolution of `channels` input and output channels. */
export const conv = (
  map: readonly number[],
  channels: readonly [number, number],
  kernel: readonly number[],
  more: Partial<Layer> = {},
): Layer => ({ of: "convolution", map, cin: channels[0], cout: channels[1], kernel, ...more });

/** A convolution of each channel on its own. */
export const depthwise = (
  map: readonly number[],
  channels: number,
  kernel: readonly number[],
  more: Partial<Layer> = {},
): Layer => conv(map, [channels, channels], kernel, { of: "depthwise", group: channels, ...more });

const stridesOf = ({ map, stride = 1 }: Layer): number[] =>
  map.map((_, d) => typeof stride === "number" ? stride : stride[d]);

/** What a layer is, for messages. */
export function textOf(l: Layer): string {
  const more = [
    stridesOf(l).some((s) => s > 1) ? `stride ${[l.stride].flat().join("x")}` : "",
    l.dilation && l.dilation > 1 ? `dilation ${l.dilation}` : "",
    l.group && l.group > 1 && l.of !== "depthwise" ? `${l.group} groups` : "",
    l.weightZero === undefined ? "" : `weights less ${l.weightZero}`,
    l.channelsOuter ? "channels outermost" : "",
  ].filter((t) => t);
  const head = `${l.of} ${l.kernel.join("x")} ${l.cin}→${l.cout} on ${l.map.join("x")}`;
  return [head, ...more].join(", ");
}

/** Multiply-accumulates of one output element: those that meet no border. */
export const taps = (l: Layer): number => sizeOf(l.kernel) * l.cin / (l.group ?? 1);

/** A net of layers, and a sample. */
export interface LayerNet {
  readonly bytes: Uint8Array;
  readonly sample: readonly TensorData[];
}

/** Positions of the axes when the channels go last, and back. */
const channelsLast = (rank: number): number[] => [0, ...range(2, rank), 1];
const channelsFirst = (rank: number): number[] => [0, rank - 1, ...range(1, rank - 1)];
const range = (lo: number, hi: number): number[] =>
  Array.from({ length: hi - lo }, (_, i) => lo + i);

/** Elements of a layer's output along each axis of its map. */
export const mapOf = (l: Layer): readonly number[] => {
  const { dilation = 1 } = l, strides = stridesOf(l), { before, behind } = padsOf(l);
  return l.map.map((n, d) =>
    Math.floor((n + before[d] + behind[d] - (l.kernel[d] - 1) * dilation - 1) / strides[d]) + 1
  );
};

/** Zeros before and behind each axis. */
function padsOf({ kernel, dilation = 1, pad }: Layer) {
  const before = pad ?? kernel.map((k) => Math.floor((k - 1) * dilation / 2));
  return { before, behind: pad ?? kernel.map((k, d) => (k - 1) * dilation - before[d]) };
}

/** Scale of activations; their zero point is that of a Relu's output. */
const SCALE = 0.05, ZERO = -128;

/**
 * Builds the net of some layers, side by side, each with an input and an output of its own.
 *
 * @param joined each takes the output of the one before
 */
export function layerNet(layers: readonly Layer[], seed = 1, joined = false): LayerNet {
  const nodes: proto.onnx.INodeProto[] = [], initializers: proto.onnx.ITensorProto[] = [];
  const inputs: proto.onnx.IValueInfoProto[] = [], outputs: proto.onnx.IValueInfoProto[] = [];
  const sample: TensorData[] = [];
  const r = random(seed);
  initializers.push(
    tensor("scale", "float32", [], [SCALE]),
    tensor("zero", "int8", [], [ZERO]),
  );
  let from = { name: "", scale: "scale", steps: SCALE };
  layers.forEach((l, i) => {
    const rank = l.map.length + 2, group = l.group ?? 1, per = l.cin / group;
    const { dilation = 1 } = l, strides = stridesOf(l), { before, behind } = padsOf(l);
    const begins = !joined || i === 0, ends = !joined || i === layers.length - 1;
    if (begins) from = { name: "", scale: "scale", steps: SCALE };
    const xShape = l.channelsOuter ? [1, l.cin, ...l.map] : [1, ...l.map, l.cin];
    const wShape = [l.cout, per, ...l.kernel];
    const name = (what: string) => `layer${i}/${what}`;
    const scales = Array.from({ length: l.cout }, () => r.int(500, 1500) / 1e6);
    const { weightZero = 0 } = l, wType = l.weightZero === undefined ? "int8" : "uint8";
    const [least, most] = wType === "int8" ? [-127, 127] : [0, 255];
    const weights = Array.from({ length: sizeOf(wShape) }, () => r.int(least, most));
    const bias = Array.from({ length: l.cout }, () => r.int(-4000, 4000));
    // As many steps as a sum of such products spreads over.
    const steps = from.steps * 0.001 * 40 * Math.sqrt(taps(l));
    if (begins) {
      inputs.push(value(name("x"), "int8", xShape));
      sample.push(data(
        "int8",
        xShape,
        Int8Array.from({ length: sizeOf(xShape) }, () => r.int(-128, 127)),
      ));
    }
    initializers.push(
      tensor(name("weights"), wType, wShape, weights),
      tensor(name("scales"), "float32", [l.cout], scales),
      tensor(name("zeros"), wType, [l.cout], scales.map(() => weightZero)),
      tensor(name("bias"), "int32", [l.cout], bias),
      tensor(
        name("bias_scales"),
        "float32",
        [l.cout],
        scales.map((s) => Math.fround(s * Math.fround(from.steps))),
      ),
      tensor(name("bias_zeros"), "int32", [l.cout], scales.map(() => 0)),
      tensor(name("y_scale"), "float32", [], [steps]),
    );
    const dequantised = (x: string, s: string, z: string, axis: number): string => {
      nodes.push(node("DequantizeLinear", [x, s, z], [`${x}_f`], axis < 0 ? {} : { axis }));
      return `${x}_f`;
    };
    if (begins && !l.channelsOuter) {
      nodes.push(
        node("Transpose", [name("x")], [name("first")], { perm: channelsFirst(rank) }),
      );
    }
    const source = begins ? name(l.channelsOuter ? "x" : "first") : from.name;
    const x = dequantised(source, from.scale, "zero", -1);
    const w = dequantised(name("weights"), name("scales"), name("zeros"), 0);
    const b = dequantised(name("bias"), name("bias_scales"), name("bias_zeros"), 0);
    nodes.push(
      node("Conv", [x, w, b], [name("conv")], {
        kernel_shape: l.kernel,
        strides,
        dilations: l.map.map(() => dilation),
        pads: [...before, ...behind],
        group,
      }),
      node("Relu", [name("conv")], [name("relu")]),
      node("QuantizeLinear", [name("relu"), name("y_scale"), "zero"], [name("quantised")]),
    );
    from = { name: name("quantised"), scale: name("y_scale"), steps };
    if (!ends) return;
    outputs.push(value(name("y"), "int8", [1, ...mapOf(l), l.cout]));
    nodes.push(
      node("Transpose", [name("quantised")], [name("y")], { perm: channelsLast(rank) }),
    );
  });
  return { bytes: model({ nodes, initializers, inputs, outputs }), sample };
}
