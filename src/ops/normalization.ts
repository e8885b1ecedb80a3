/** Normalisations at inference. */
import { numbers, tensor, type TensorData } from "../util/tensor.ts";
import { type Compute, compute, sum, type Tensor } from "../te/compute.ts";
import * as te from "../te/expr.ts";
import { add, div, type Expr, imm, load, mul, sqrt, sub } from "../te/expr.ts";
import { type AttrReader, type OpDef, OpError } from "../ir/opdef.ts";
import { dims, type TensorType, type Value } from "../ir/graph.ts";
import type { Builder } from "../ir/build.ts";
import { affineNormalisation } from "./affine.ts";
import { axisNames } from "./axes.ts";
import {
  axisIndex,
  broadcastLoad,
  broadcastShapes,
  fn,
  onnx,
  operand,
  type Types,
} from "./common.ts";
import * as elementwise from "./elementwise.ts";
import { building } from "./building.ts";
import { reduced, reduceMean } from "./reduce.ts";
import { reshape } from "./reshape.ts";
import { squareRoot } from "./unary.ts";

interface EpsilonAttrs {
  readonly epsilon: number;
}

/** One parameter for each channel of x [N, C, …]; a vector may be numbers of one channel. */
function channelParameters(ins: Types, from: number, to: number, vector = false): TensorType {
  const x = operand(ins, 0, "float"), c = vector && x.shape.length === 1 ? 1 : dims(x)[1];
  if (c === undefined) throw new OpError(`its input [${dims(x)}] has no channels`, "reshape it");
  for (let i = from; i <= to; i++) {
    const p = dims(operand(ins, i, "float"));
    if (p.length !== 1 || p[0] !== c) {
      throw new OpError(
        `its input ${i} of shape [${p}] is not [${c}]`,
        "give one for every channel",
      );
    }
  }
  return x;
}

/** scale/√(var+ε) and bias − mean·that, in float64 and rounded once. */
function foldedParameters(epsilon: number, [scale, bias, mean, variance]: readonly TensorData[]) {
  const [s, b, m, v] = [scale, bias, mean, variance].map(numbers);
  const factor = s.map((x, i) => x / Math.sqrt(v[i] + epsilon));
  return { factor, offset: b.map((x, i) => x - m[i] * factor[i]) };
}

function expandBatchNorm(
  { epsilon }: EpsilonAttrs,
  ins: readonly (Value | null)[],
  b: Builder,
): Value[] {
  const [x, scale, bias, mean, variance] = ins as readonly Value[];
  const { dtype } = x.type, c = dims(x.type)[1];
  const shape = [c, ...new Array<number>(x.type.shape.length - 2).fill(1)];
  const data = [scale, bias, mean, variance].flatMap((v) => v.data ?? []);
  if (data.length === 4) {
    const { factor, offset } = foldedParameters(epsilon, data);
    const [scaled] = b.node(elementwise.mul, null, [x, b.constant(tensor(dtype, shape, factor))]);
    return b.node(elementwise.add, null, [scaled, b.constant(tensor(dtype, shape, offset))]);
  }
  const apply = (op: OpDef<null>, ...xs: Value[]): Value => b.node(op, null, xs)[0];
  const wide = (v: Value): Value => b.node(reshape, { shape, allowZero: true }, [v])[0];
  const shifted = apply(elementwise.add, variance, b.constant(tensor(dtype, [], [epsilon])));
  const factor = apply(elementwise.div, scale, apply(squareRoot, shifted));
  const offset = apply(elementwise.sub, bias, apply(elementwise.mul, mean, factor));
  return [apply(elementwise.add, apply(elementwise.mul, x, wide(factor)), wide(offset))];
}

interface BatchNormAttrs extends EpsilonAttrs {
  /** The share that running mean and variance keep, where the batch's own are used; else null. */
  readonly momentum: number | null;
}

function readBatchNorm(r: AttrReader): BatchNormAttrs {
  const training = r.int("training_mode", 0) !== 0;
  if (!training && r.outputCount > 1) {
    throw new OpError("it is in training mode", "export the model for inference");
  }
  const momentum = r.float("momentum", 0.9);
  return { epsilon: r.float("epsilon", 1e-5), momentum: training ? momentum : null };
}

/** Before operator set 7 the attribute is_test, and the number of outputs, tell what it is for. */
function readOldBatchNorm(r: AttrReader): BatchNormAttrs {
  if (r.int("is_test", 0) === 0 && r.outputCount > 1) {
    throw new OpError("it is in training mode", "export the model for inference");
  }
  if (r.int("spatial", 1) === 0) {
    throw new OpError("its statistics are of single places", "use spatial = 1");
  }
  return { epsilon: r.float("epsilon", 1e-5), momentum: null };
}

/** By the batch's own mean and variance; outputs the result, and what the running ones become. */
function expandTraining(
  a: BatchNormAttrs,
  momentum: number,
  ins: readonly (Value | null)[],
  b: Builder,
): Value[] {
  const [x, scale, bias, mean, variance] = ins as readonly Value[], g = building(b);
  const axes = dims(x.type).flatMap((_, i) => i === 1 ? [] : [i]);
  const average = (v: Value, keepDims: boolean): Value =>
    g.apply(reduceMean, { axes, keepDims }, v);
  const d = g.sub(x, average(x, true));
  const own = [average(x, false), average(g.mul(d, d), false)];
  const share = (old: Value, now: Value): Value =>
    g.add(
      g.mul(old, g.scalar(momentum, old.type.dtype)),
      g.mul(now, g.scalar(1 - momentum, now.type.dtype)),
    );
  const [y] = expandBatchNorm(a, [x, scale, bias, ...own], b);
  return [y, share(mean, own[0]), share(variance, own[1])];
}

/** Inputs x [N, C, …], scale, bias, mean, variance [C]: a factor and an offset per channel. */
const batchNormalization: OpDef<BatchNormAttrs> = {
  name: "BatchNormalization",
  postTraining: { affine: affineNormalisation },
  onnx: [
    onnx("BatchNormalization", 1, readOldBatchNorm),
    onnx("BatchNormalization", 7, readBatchNorm),
  ],
  infer(a, ins) {
    const x = channelParameters(ins, 1, 4, true);
    return a.momentum === null ? [x] : [x, ins[3]!, ins[4]!];
  },
  body: {
    kind: "expand",
    rewrite(a, [x, ...params], _, b) {
      const g = building(b), shape = dims(x!.type), flat = shape.length === 1;
      const ins = [flat ? g.reshape(x!, [...shape, 1]) : x, ...params];
      const [y, ...running] = a.momentum === null
        ? expandBatchNorm(a, ins, b)
        : expandTraining(a, a.momentum, ins, b);
      return [flat ? g.reshape(y, shape) : y, ...running];
    },
  },
};

interface LrnAttrs {
  readonly size: number;
  readonly alpha: number;
  readonly beta: number;
  readonly bias: number;
}

/** x / (bias + alpha/size · Σ x²)^beta, the sum over `size` channels around each. */
const lrn: OpDef<LrnAttrs> = {
  name: "LRN",
  onnx: [onnx("LRN", 1, (r) => ({
    size: r.int("size"),
    alpha: r.float("alpha", 1e-4),
    beta: r.float("beta", 0.75),
    bias: r.float("bias", 1),
  }))],
  infer: (_, ins) => [channelParameters(ins, 1, 0)],
  body: {
    kind: "compute",
    define({ size, alpha, beta, bias }, [x], [out]) {
      const shape = dims(out), { dtype } = out, names = axisNames(shape.length);
      const before = Math.floor((size - 1) / 2);
      const squares = compute("squares", dtype, shape, (n, c, ...at) => {
        const ci = { v: te.variable("ci"), extent: size };
        const channel = sub(add(c, ci.v), before), e = load(x!, [n, channel, ...at]);
        return sum([ci], mul(e, e), { where: [te.ge(channel, 0), te.lt(channel, shape[1])] });
      }, names);
      const y = compute("y", dtype, shape, (...at) => {
        const base = add(mul(load(squares.out, at), imm(alpha / size, dtype)), imm(bias, dtype));
        return div(load(x!, at), fn("pow", base, imm(beta, dtype)));
      }, names);
      return [squares, y];
    },
  },
};

/** Mean and 1/√(variance + ε) over axes that keep their place with size 1. */
function moments(x: Tensor, axes: readonly number[], epsilon: number): {
  stages: Compute[];
  mean: Tensor;
  inverse: Tensor;
} {
  const { dtype } = x, shape = x.shape.map((n, i) => axes.includes(i) ? 1 : n);
  const names = axisNames(shape.length), over = { axes, keepDims: true };
  const count = imm(axes.reduce((n, i) => n * x.shape[i], 1), dtype);
  const stage = (name: string, body: (at: readonly Expr[]) => Expr): Compute =>
    compute(name, dtype, shape, (...at) => body(at), names);
  const total = stage("sum", (at) => {
    const r = reduced(over, x, at);
    return sum(r.axes, r.element);
  });
  const mean = stage("mean", (at) => div(load(total.out, at), count));
  const squares = stage("squares", (at) => {
    const r = reduced(over, x, at), d = sub(r.element, load(mean.out, at));
    return sum(r.axes, mul(d, d));
  });
  const inverse = stage("inverse", (at) => {
    const variance = div(load(squares.out, at), count);
    return div(imm(1, dtype), sqrt(add(variance, imm(epsilon, dtype))));
  });
  return { stages: [total, mean, squares, inverse], mean: mean.out, inverse: inverse.out };
}

/** Inputs x [N, C, spatial…], scale, bias [C]: normalised over the spatial axes. */
const instanceNormalization: OpDef<EpsilonAttrs> = {
  name: "InstanceNormalization",
  onnx: [onnx("InstanceNormalization", 1, (r) => ({ epsilon: r.float("epsilon", 1e-5) }))],
  infer: (_, ins) => [channelParameters(ins, 1, 2)],
  body: {
    kind: "compute",
    define({ epsilon }, ins, [out]) {
      const [x, scale, bias] = ins as readonly Tensor[], shape = dims(out);
      const m = moments(x, shape.flatMap((_, i) => i >= 2 ? [i] : []), epsilon);
      const y = compute("y", out.dtype, shape, (...at) => {
        const normal = mul(
          sub(load(x, at), broadcastLoad(m.mean, at)),
          broadcastLoad(m.inverse, at),
        );
        return add(mul(normal, load(scale, [at[1]])), load(bias, [at[1]]));
      }, axisNames(shape.length));
      return [...m.stages, y];
    },
  },
};

interface LayerAttrs extends EpsilonAttrs {
  readonly axis: number;
  /** 1: y; 2: also the mean; 3: also 1/√(variance + ε). */
  readonly outputs: number;
}

/** Inputs x, scale, bias or none: normalised over the axes from `axis` on. */
export const layerNormalization: OpDef<LayerAttrs> = {
  name: "LayerNormalization",
  // Before set 17 it is onnxruntime's own, which puts it together when it saves a model.
  onnx: [onnx("LayerNormalization", 1, (r) => ({
    epsilon: r.float("epsilon", 1e-5),
    axis: r.int("axis", -1),
    outputs: r.outputCount,
  }))],
  infer(a, ins) {
    const x = operand(ins, 0, "float32"), shape = dims(x);
    const parameters = [operand(ins, 1, "float32"), ...ins[2] ? [ins[2]] : []];
    if (broadcastShapes([shape, ...parameters.map(dims)]).length !== shape.length) {
      throw new OpError(`its parameters have more axes than its input [${shape}]`);
    }
    const axis = axisIndex(a.axis, shape.length);
    const moment = { dtype: x.dtype, shape: shape.map((n, i) => i < axis ? n : 1) };
    return [x, moment, moment].slice(0, a.outputs);
  },
  body: {
    kind: "compute",
    define(a, ins, outs) {
      const [x, scale, bias] = ins as readonly [Tensor, Tensor, Tensor | null | undefined];
      const shape = dims(outs[0]), { dtype } = outs[0], names = axisNames(shape.length);
      const axis = axisIndex(a.axis, shape.length);
      const m = moments(x, shape.flatMap((_, i) => i >= axis ? [i] : []), a.epsilon);
      const y = compute("y", dtype, shape, (...at) => {
        const normal = mul(
          sub(load(x, at), broadcastLoad(m.mean, at)),
          broadcastLoad(m.inverse, at),
        );
        const scaled = mul(normal, broadcastLoad(scale, at));
        return bias ? add(scaled, broadcastLoad(bias, at)) : scaled;
      }, names);
      const copies = [m.mean, m.inverse].slice(0, a.outputs - 1).map((t, i) =>
        compute(["mean_out", "inverse_out"][i], dtype, t.shape, (...at) => load(t, at), names)
      );
      return [...m.stages, y, ...copies];
    },
  },
};

export const ops = [
  batchNormalization,
  lrn,
  instanceNormalization,
  layerNormalization,
] as OpDef<unknown>[];
