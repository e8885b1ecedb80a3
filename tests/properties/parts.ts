/**
 * Random pieces of models with their outputs computed here in plain loops, from DESIGN's formulas and
 * nothing of the compiler's. Several pieces make one model, so that one build runs them all.
 */
import type proto from "onnx-proto";
import fc from "fast-check";
import type { DType } from "../../src/util/dtype.ts";
import { tensor as data, type TensorData } from "../../src/util/tensor.ts";
import { model, node, tensor, value } from "../onnx_builder.ts";
import { type Byte, bytesOf, type Random, random, RANGE } from "./random.ts";

/** Nodes with inputs of their own, and what their outputs have to be. */
export interface Part {
  readonly nodes: readonly proto.onnx.INodeProto[];
  readonly initializers: readonly proto.onnx.ITensorProto[];
  readonly inputs: readonly { readonly name: string; readonly data: TensorData }[];
  readonly outputs: readonly { readonly name: string; readonly expected: TensorData }[];
  /** For messages. */
  readonly text: string;
}

/** A model of several parts. */
export const modelOf = (parts: readonly Part[]): Uint8Array =>
  model({
    nodes: parts.flatMap((p) => p.nodes),
    initializers: parts.flatMap((p) => p.initializers),
    inputs: parts.flatMap((p) =>
      p.inputs.map(({ name, data: d }) => value(name, d.dtype, [...d.shape]))
    ),
    outputs: parts.flatMap((p) =>
      p.outputs.map(({ name, expected: e }) => value(name, e.dtype, [...e.shape]))
    ),
    opsets: { "": 17, "com.microsoft": 1 },
  });

/** Round half to even. */
export function even(x: number): number {
  const f = Math.floor(x), d = x - f;
  return d < 0.5 ? f : d > 0.5 ? f + 1 : f % 2 === 0 ? f : f + 1;
}
const f32 = Math.fround;
const clamp = (v: number, [lo, hi]: readonly [number, number]): number =>
  Math.min(Math.max(v, lo), hi);
const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** saturate(rne(float32(acc) · s) + zero) */
const requantized = (acc: number, s: number, zero: number, dtype: Byte): number =>
  clamp(even(f32(f32(acc) * s)) + zero, RANGE[dtype]);

/** Multi-index of every element of a shape, in order. */
function* indices(shape: readonly number[]): Generator<number[]> {
  const at = shape.map(() => 0);
  for (let n = sizeOf(shape); n > 0; n--) {
    yield at;
    for (let i = shape.length - 1; i >= 0 && ++at[i] === shape[i]; i--) at[i] = 0;
  }
}
const flat = (shape: readonly number[], at: readonly number[]): number =>
  at.reduce((n, v, i) => n * shape[i] + v, 0);

const scalar = (name: string, dtype: string, v: number) => tensor(name, dtype, [], [v]);
const scaleOf = (r: Random): number => f32(r.int(1, 1000) / 2 ** r.int(8, 16));
const zeroOf = (r: Random, dtype: Byte): number =>
  r.pick([...RANGE[dtype], 0, r.int(RANGE[dtype][0], RANGE[dtype][1])]);

/** What fast-check draws, and shrinks, of a convolution. */
const convShape = fc.record({
  axes: fc.constantFrom(1, 2, 2, 2),
  kind: fc.constantFrom("plain", "plain", "pointwise", "depthwise", "multiplier", "grouped"),
  channels: fc.integer({ min: 1, max: 9 }),
  outputs: fc.integer({ min: 1, max: 9 }),
  size: fc.tuple(fc.integer({ min: 1, max: 8 }), fc.integer({ min: 1, max: 8 })),
  kernel: fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 4 })),
  strides: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
  dilations: fc.tuple(fc.integer({ min: 1, max: 2 }), fc.integer({ min: 1, max: 2 })),
  begin: fc.tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 3 })),
  end: fc.tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 3 })),
  bias: fc.boolean(),
  x: fc.constantFrom<Byte>("int8", "uint8"),
  w: fc.constantFrom<Byte>("int8", "int8", "uint8"),
  perChannel: fc.boolean(),
  seed: fc.integer(),
});
type ConvShape = typeof convShape extends fc.Arbitrary<infer T> ? T : never;

/** Shapes and window of a convolution; sizes that do not fit each other are adjusted. */
function geometry(s: ConvShape, r: Random) {
  const nd = s.axes, take = (xs: readonly number[]): number[] => xs.slice(0, nd);
  const kernel = s.kind === "pointwise" ? take([1, 1]) : take(s.kernel);
  const [strides, dilations] = [take(s.strides), take(s.dilations)];
  const reach = kernel.map((k, i) => (k - 1) * dilations[i] + 1);
  // Padding never reaches further than the window does, and the window fits.
  const begin = take(s.begin).map((p, i) => Math.min(p, reach[i] - 1));
  const end = take(s.end).map((p, i) => Math.min(p, reach[i] - 1));
  const size = take(s.size).map((n, i) => Math.max(n, reach[i] - begin[i] - end[i], 1));
  const group = s.kind === "depthwise" || s.kind === "multiplier"
    ? s.channels
    : s.kind === "grouped"
    ? r.int(2, 3)
    : 1;
  const cin = s.kind === "grouped" ? group * r.int(1, 3) : s.channels;
  const cout = s.kind === "depthwise"
    ? cin
    : s.kind === "multiplier"
    ? 2 * cin
    : s.kind === "grouped"
    ? group * r.int(1, 3)
    : s.outputs;
  const out = size.map((n, i) => Math.floor((n + begin[i] + end[i] - reach[i]) / strides[i]) + 1);
  const per = cin / group;
  return {
    ...{ kernel, strides, dilations, begin, size, group, cout, per },
    ...{ xShape: [1, cin, ...size], wShape: [cout, per, ...kernel], yShape: [1, cout, ...out] },
    attrs: { strides, dilations, pads: [...begin, ...end], group, kernel_shape: kernel },
    text: `${s.kind} [1,${cin},${size}] * [${cout},${per},${kernel}] strides ${strides}` +
      ` dilations ${dilations} pads ${begin} ${end}`,
  };
}
type Geometry = ReturnType<typeof geometry>;

/** Positions of x and w in the order in which an output element adds their products. */
function* taps(g: Geometry, co: number, o: readonly number[]): Generator<[number, number]> {
  const first = Math.floor(co / (g.cout / g.group)) * g.per;
  for (const at of indices([...g.kernel, g.per])) {
    const k = at.slice(0, -1), ci = at[at.length - 1];
    const pos = o.map((v, i) => v * g.strides[i] + k[i] * g.dilations[i] - g.begin[i]);
    if (pos.some((v, i) => v < 0 || v >= g.size[i])) continue;
    yield [flat(g.xShape, [0, first + ci, ...pos]), flat(g.wShape, [co, ci, ...k])];
  }
}

/** QLinearConv in plain loops. */
export const convPart: fc.Arbitrary<Part> = convShape.map((s) => conv(s));

function conv(s: ConvShape): Part {
  const r = random(s.seed), name = `conv${s.seed >>> 0}`;
  const g = geometry(s, r), { cout, xShape, wShape, yShape } = g;
  const xs = bytesOf(r, s.x, sizeOf(xShape)), ws = bytesOf(r, s.w, sizeOf(wShape));
  const zx = zeroOf(r, s.x), zw = s.perChannel ? (s.w === "int8" ? 0 : 128) : zeroOf(r, s.w);
  const sx = scaleOf(r);
  const sw = Array.from({ length: s.perChannel ? cout : 1 }, () => scaleOf(r));
  const zy = zeroOf(r, s.x), sy = f32(sx * sw[0] * (50 + r.int(0, 20000)));
  const bias = Array.from({ length: cout }, () => r.int(-20000, 20000));

  const expected: number[] = [];
  for (const [, co, ...o] of indices(yShape)) {
    let acc = s.bias ? bias[co] : 0;
    for (const [x, w] of taps(g, co, o)) acc += (xs[x] - zx) * (ws[w] - zw);
    const scale = f32(f32(sx * sw[s.perChannel ? co : 0]) / sy);
    expected.push(requantized(acc, scale, zy, s.x));
  }
  const id = (n: string): string => `${name}_${n}`;
  const vector = s.perChannel ? [cout] : [];
  return {
    text: `${g.text} ${s.x} ${s.w} zeros ${zx} ${zw} ${zy}, seed ${s.seed}`,
    nodes: [
      node(
        "QLinearConv",
        ["x", "sx", "zx", "w", "sw", "zw", "sy", "zy", ...(s.bias ? ["b"] : [])].map(id),
        [id("y")],
        g.attrs,
      ),
    ],
    initializers: [
      scalar(id("sx"), "float32", sx),
      scalar(id("zx"), s.x, zx),
      tensor(id("w"), s.w, wShape, ws),
      tensor(id("sw"), "float32", vector, sw),
      tensor(id("zw"), s.w, vector, sw.map(() => zw)),
      scalar(id("sy"), "float32", sy),
      scalar(id("zy"), s.x, zy),
      ...(s.bias ? [tensor(id("b"), "int32", [cout], bias)] : []),
    ],
    inputs: [{ name: id("x"), data: data(s.x as DType, xShape, xs) }],
    outputs: [{ name: id("y"), expected: data(s.x as DType, yShape, expected) }],
  };
}

/**
 * A float convolution with what stands around it: each product and sum is rounded to float32, sums run
 * over the window first and the channels inside, whatever the schedule.
 */
export const floatConvPart: fc.Arbitrary<Part> = convShape.map((s) => {
  const r = random(s.seed), id = (n: string): string => `float${s.seed >>> 0}_${n}`;
  const g = geometry(s, r),
    floats = (n: number) =>
      Array.from({ length: n }, () => f32(r.int(-999, 999) / r.pick([1, 3, 7, 1000])));
  const xs = floats(sizeOf(g.xShape)), ws = floats(sizeOf(g.wShape)), bias = floats(g.cout);
  const factor = f32(0.3);
  const expected: number[] = [];
  for (const [, co, ...o] of indices(g.yShape)) {
    let acc = s.bias ? bias[co] : 0;
    for (const [x, w] of taps(g, co, o)) acc = f32(acc + f32(xs[x] * ws[w]));
    const y = acc > 0 ? acc : 0;
    expected.push(f32(f32(y * factor) + y));
  }
  return {
    text: `float ${g.text}, seed ${s.seed}`,
    nodes: [
      node("Conv", [id("x"), id("w"), ...(s.bias ? [id("b")] : [])], [id("c")], g.attrs),
      node("Relu", [id("c")], [id("r")]),
      node("Mul", [id("r"), id("factor")], [id("m")]),
      node("Add", [id("m"), id("r")], [id("y")]),
    ],
    initializers: [
      tensor(id("w"), "float32", g.wShape, ws),
      ...(s.bias ? [tensor(id("b"), "float32", [g.cout], bias)] : []),
      tensor(id("factor"), "float32", [], [factor]),
    ],
    inputs: [{ name: id("x"), data: data("float32", g.xShape, xs) }],
    outputs: [{ name: id("y"), expected: data("float32", g.yShape, expected) }],
  };
});

const denseShape = fc.record({
  m: fc.integer({ min: 1, max: 5 }),
  k: fc.integer({ min: 1, max: 37 }),
  n: fc.integer({ min: 1, max: 13 }),
  x: fc.constantFrom<Byte>("int8", "uint8"),
  w: fc.constantFrom<Byte>("int8", "uint8"),
  seed: fc.integer(),
});

/** QLinearMatMul by constants in plain loops. */
export const densePart: fc.Arbitrary<Part> = denseShape.map(({ m, k, n, x, w, seed }) => {
  const r = random(seed), id = (s: string): string => `dense${seed >>> 0}_${s}`;
  const xs = bytesOf(r, x, m * k), ws = bytesOf(r, w, k * n);
  const zx = zeroOf(r, x), zw = zeroOf(r, w), zy = zeroOf(r, x);
  const sx = scaleOf(r), sw = scaleOf(r), sy = f32(sx * sw * (50 + r.int(0, 20000)));
  const expected: number[] = [];
  for (const [i, j] of indices([m, n])) {
    let acc = 0;
    for (let p = 0; p < k; p++) acc += (xs[i * k + p] - zx) * (ws[p * n + j] - zw);
    expected.push(requantized(acc, f32(f32(sx * sw) / sy), zy, x));
  }
  return {
    text: `${x}[${m},${k}] * ${w}[${k},${n}] zeros ${zx} ${zw} ${zy}, seed ${seed}`,
    nodes: [
      node(
        "QLinearMatMul",
        ["x", "sx", "zx", "w", "sw", "zw", "sy", "zy"].map(id),
        [id("y")],
      ),
    ],
    initializers: [
      scalar(id("sx"), "float32", sx),
      scalar(id("zx"), x, zx),
      tensor(id("w"), w, [k, n], ws),
      scalar(id("sw"), "float32", sw),
      scalar(id("zw"), w, zw),
      scalar(id("sy"), "float32", sy),
      scalar(id("zy"), x, zy),
    ],
    inputs: [{ name: id("x"), data: data(x, [m, k], xs) }],
    outputs: [{ name: id("y"), expected: data(x, [m, n], expected) }],
  };
});

const poolShape = fc.record({
  max: fc.boolean(),
  channels: fc.integer({ min: 1, max: 6 }),
  size: fc.tuple(fc.integer({ min: 1, max: 8 }), fc.integer({ min: 1, max: 8 })),
  kernel: fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 4 })),
  strides: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
  begin: fc.tuple(fc.integer({ min: 0, max: 2 }), fc.integer({ min: 0, max: 2 })),
  end: fc.tuple(fc.integer({ min: 0, max: 2 }), fc.integer({ min: 0, max: 2 })),
  includePad: fc.boolean(),
  x: fc.constantFrom<Byte>("int8", "uint8"),
  seed: fc.integer(),
});

/** Pools between DequantizeLinear and QuantizeLinear, in plain loops. */
export const poolPart: fc.Arbitrary<Part> = poolShape.map((s) => {
  const r = random(s.seed), id = (n: string): string => `pool${s.seed >>> 0}_${n}`;
  const begin = s.begin.map((p, i) => Math.min(p, s.kernel[i] - 1));
  const end = s.end.map((p, i) => Math.min(p, s.kernel[i] - 1));
  const size = s.size.map((n, i) => Math.max(n, s.kernel[i]));
  const out = size.map((n, i) =>
    Math.floor((n + begin[i] + end[i] - s.kernel[i]) / s.strides[i]) + 1
  );
  const xShape = [1, s.channels, ...size], yShape = [1, s.channels, ...out];
  const xs = bytesOf(r, s.x, sizeOf(xShape)), zx = zeroOf(r, s.x), sx = scaleOf(r);
  const zy = s.max ? zx : zeroOf(r, s.x), sy = s.max ? sx : f32(sx * (0.4 + r.int(0, 9) / 8));
  const expected: number[] = [];
  for (const [, c, ...o] of indices(yShape)) {
    let sum = 0, most = -Infinity, count = 0, window = 0;
    for (const k of indices(s.kernel)) {
      const at = o.map((v, i) => v * s.strides[i] + k[i] - begin[i]);
      // Positions beyond the declared padding count for nothing, not even as padding.
      if (at.every((v, i) => v < size[i] + end[i])) window++;
      if (at.some((v, i) => v < 0 || v >= size[i])) continue;
      const q = xs[flat(xShape, [0, c, ...at])];
      sum += q - zx;
      most = Math.max(most, q);
      count++;
    }
    const n = s.includePad ? window : count;
    const mean = even(f32(f32(f32(f32(sum) * sx) / n) / sy)) + zy;
    expected.push(s.max ? most : clamp(mean, RANGE[s.x]));
  }
  const attrs = { kernel_shape: s.kernel, strides: s.strides, pads: [...begin, ...end] };
  return {
    text: `${s.max ? "max" : "average"} ${s.x}[${xShape}] kernel ${s.kernel} strides ${s.strides}` +
      ` pads ${begin} ${end} counted ${s.includePad}, seed ${s.seed}`,
    nodes: [
      node("DequantizeLinear", [id("x"), id("sx"), id("zx")], [id("f")]),
      s.max
        ? node("MaxPool", [id("f")], [id("p")], attrs)
        : node("AveragePool", [id("f")], [id("p")], {
          ...attrs,
          count_include_pad: +s.includePad,
        }),
      node("QuantizeLinear", [id("p"), id("sy"), id("zy")], [id("y")]),
    ],
    initializers: [
      scalar(id("sx"), "float32", sx),
      scalar(id("zx"), s.x, zx),
      scalar(id("sy"), "float32", sy),
      scalar(id("zy"), s.x, zy),
    ],
    inputs: [{ name: id("x"), data: data(s.x, xShape, xs) }],
    outputs: [{ name: id("y"), expected: data(s.x, yShape, expected) }],
  };
});

const addShape = fc.record({
  mul: fc.boolean(),
  shape: fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 4 }),
  cut: fc.integer({ min: 0, max: 15 }),
  x: fc.constantFrom<Byte>("int8", "uint8"),
  relu: fc.boolean(),
  seed: fc.integer(),
});

/** Add and Mul of two quantised tensors that broadcast, in plain loops. */
export const elementwisePart: fc.Arbitrary<Part> = addShape.map((s) => {
  const r = random(s.seed), id = (n: string): string => `ew${s.seed >>> 0}_${n}`;
  const aShape = s.shape, bShape = s.shape.map((n, i) => s.cut >> i & 1 ? 1 : n);
  const as = bytesOf(r, s.x, sizeOf(aShape)), bs = bytesOf(r, s.x, sizeOf(bShape));
  const za = zeroOf(r, s.x), zb = zeroOf(r, s.x), zy = zeroOf(r, s.x);
  const sa = scaleOf(r), sb = scaleOf(r);
  const sy = f32(s.mul ? sa * sb * r.int(1, 300) : Math.max(sa, sb) * (0.5 + r.int(0, 9) / 7));
  const expected: number[] = [];
  for (const at of indices(aShape)) {
    const a = as[flat(aShape, at)] - za;
    const b = bs[flat(bShape, at.map((v, i) => bShape[i] === 1 ? 0 : v))] - zb;
    const [x, y] = [f32(f32(a) * sa), f32(f32(b) * sb)];
    const real = s.mul ? f32(x * y) : f32(x + y);
    expected.push(clamp(even(f32((s.relu ? Math.max(real, 0) : real) / sy)) + zy, RANGE[s.x]));
  }
  return {
    text: `${s.mul ? "mul" : "add"} ${s.x}[${aShape}] [${bShape}], seed ${s.seed}`,
    nodes: [
      node("DequantizeLinear", [id("a"), id("sa"), id("za")], [id("fa")]),
      node("DequantizeLinear", [id("b"), id("sb"), id("zb")], [id("fb")]),
      node(s.mul ? "Mul" : "Add", [id("fa"), id("fb")], [id("f")]),
      ...(s.relu ? [node("Relu", [id("f")], [id("r")])] : []),
      node("QuantizeLinear", [id(s.relu ? "r" : "f"), id("sy"), id("zy")], [id("y")]),
    ],
    initializers: [
      ...([["a", sa, za], ["b", sb, zb], ["y", sy, zy]] as const).flatMap(([n, scale, zero]) => [
        scalar(id(`s${n}`), "float32", scale),
        scalar(id(`z${n}`), s.x, zero),
      ]),
    ],
    inputs: [
      { name: id("a"), data: data(s.x, aShape, as) },
      { name: id("b"), data: data(s.x, bShape, bs) },
    ],
    outputs: [{ name: id("y"), expected: data(s.x, aShape, expected) }],
  };
});
