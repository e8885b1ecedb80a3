/** Convolution over 1 to 3 spatial axes: one definition for floats and for integers. */
import { type DType, isFloat } from "../util/dtype.ts";
import { axis, type Compute, compute, sum, type Tensor } from "../te/compute.ts";
import { add, cast, type Expr, floordiv, ge, imm, load, lt, mul, sub } from "../te/expr.ts";
import { type AttrReader, type OpDef, OpError } from "../ir/opdef.ts";
import { dims, type TensorType } from "../ir/graph.ts";
import type { Acc, QuantRule } from "../ir/quant.ts";
import { spatialNames } from "./axes.ts";
import { accumulate, constantZeros, type IntegerAttrs, zeroPoint } from "./integer.ts";

const AUTO_PADS = ["NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"] as const;
export type AutoPad = typeof AUTO_PADS[number];

/**
 * Inputs x [N, Cin, spatial…], w [Cout, Cin/group, kernel…], bias [Cout] or null, and, where they
 * are only known at run time, the zero points of x [] and w ([] or [Cout]).
 */
export interface ConvAttrs extends IntegerAttrs {
  /** Empty: 1 along every axis. */
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  /** Begin of every spatial axis, then their ends; empty: 0. */
  readonly pads: readonly number[];
  readonly autoPad: AutoPad;
  readonly group: number;
}

/** A window's position along each spatial axis, resolved for concrete shapes. */
export interface Geometry {
  readonly size: readonly number[];
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly begin: readonly number[];
  readonly end: readonly number[];
  readonly out: readonly number[];
}

/** Resolves padding and the output's size. */
export function geometry(
  a: Pick<ConvAttrs, "strides" | "dilations" | "pads" | "autoPad">,
  size: readonly number[],
  kernel: readonly number[],
): Geometry {
  const nd = size.length;
  const or = (xs: readonly number[], fallback: number): readonly number[] =>
    xs.length ? xs : size.map(() => fallback);
  const strides = or(a.strides, 1), dilations = or(a.dilations, 1);
  for (const [what, xs] of [["strides", strides], ["dilations", dilations]] as const) {
    if (xs.length !== nd || xs.some((v) => v < 1)) {
      throw new OpError(`its ${what} [${xs}] do not fit ${nd} spatial axes`);
    }
  }
  if (kernel.some((k) => k < 1)) throw new OpError(`its kernel [${kernel}] is empty`);
  if (!AUTO_PADS.includes(a.autoPad)) {
    throw new OpError(`its auto_pad is '${a.autoPad}'`, `it is one of ${AUTO_PADS.join(", ")}`);
  }
  const reach = kernel.map((k, i) => (k - 1) * dilations[i] + 1);
  let begin = size.map(() => 0), end = size.map(() => 0);
  if (a.autoPad === "SAME_UPPER" || a.autoPad === "SAME_LOWER") {
    const total = size.map((n, i) =>
      Math.max((Math.ceil(n / strides[i]) - 1) * strides[i] + reach[i] - n, 0)
    );
    const small = total.map((t) => Math.floor(t / 2)), large = total.map((t) => Math.ceil(t / 2));
    [begin, end] = a.autoPad === "SAME_UPPER" ? [small, large] : [large, small];
  } else if (a.autoPad === "NOTSET" && a.pads.length) {
    if (a.pads.length !== 2 * nd || a.pads.some((p) => p < 0)) {
      throw new OpError(`its pads [${a.pads}] do not fit ${nd} spatial axes`);
    }
    [begin, end] = [a.pads.slice(0, nd), a.pads.slice(nd)];
  }
  const out = size.map((n, i) => Math.floor((n + begin[i] + end[i] - reach[i]) / strides[i]) + 1);
  if (out.some((n) => n < 1)) {
    throw new OpError(`its kernel [${kernel}] is larger than the padded input [${size}]`);
  }
  return { size, kernel, strides, dilations, begin, end, out };
}

/** The geometry of a convolution from the types of its inputs. */
export function convGeometry(a: ConvAttrs, x: TensorType, w: TensorType): Geometry {
  const xs = dims(x), ws = dims(w), nd = xs.length - 2;
  if (nd < 1 || nd > 3 || ws.length !== xs.length) {
    throw new OpError(`its input [${xs}] and weight [${ws}] are not of 1 to 3 spatial axes`);
  }
  if (xs[1] !== ws[1] * a.group || ws[0] % a.group !== 0) {
    throw new OpError(`its weight [${ws}] does not fit ${xs[1]} channels in ${a.group} groups`);
  }
  return geometry(a, xs.slice(2), ws.slice(2));
}

function infer(a: ConvAttrs, ins: readonly (TensorType | null)[]): readonly TensorType[] {
  const [x, w, bias] = ins;
  if (!x || !w) throw new OpError("its input or weight is missing");
  const g = convGeometry(a, x, w), cout = dims(w)[0];
  if (bias && (bias.shape.length !== 1 || bias.shape[0] !== cout)) {
    throw new OpError(`its bias is not [${cout}]`);
  }
  if (isFloat(x.dtype) && w.dtype !== x.dtype) {
    throw new OpError(`its input is ${x.dtype} but its weight ${w.dtype}`);
  }
  const dtype: DType = isFloat(x.dtype) ? x.dtype : a.acc;
  return [{ dtype, shape: [x.shape[0], cout, ...g.out] }];
}

function define(
  a: ConvAttrs,
  ins: readonly (Tensor | null)[],
  [out]: readonly TensorType[],
): readonly Compute[] {
  const [x, w, bias] = ins as readonly [Tensor, Tensor, Tensor | null];
  const g = convGeometry(a, x, w);
  const nd = g.size.length, [cout, perGroup] = w.shape, groupOut = cout / a.group;
  const kernel = spatialNames("k", nd).map((n, i) => axis(n, g.kernel[i]));
  const inner = perGroup === 1 ? [] : [axis("ci", perGroup)];
  const dtype = out.dtype;
  return [compute("y", dtype, dims(out), (n, co, ...o) => {
    const at = o.map((v, i) =>
      sub(add(mul(v, g.strides[i]), mul(kernel[i].v, g.dilations[i])), g.begin[i])
    );
    const where = at.flatMap((e, i): Expr[] => {
      const last = (g.out[i] - 1) * g.strides[i] + (g.kernel[i] - 1) * g.dilations[i] - g.begin[i];
      return [
        ...(g.begin[i] > 0 ? [ge(e, 0)] : []),
        ...(last >= g.size[i] ? [lt(e, g.size[i])] : []),
      ];
    });
    const ci = inner[0]?.v ?? imm(0);
    const c = a.group === 1 ? ci : add(mul(floordiv(co, groupOut), perGroup), ci);
    const xe = zeroPoint(cast(dtype, load(x, [n, c, ...at])), a.xZero, ins[3], []);
    const we = zeroPoint(
      cast(dtype, load(w, [co, ci, ...kernel.map((k) => k.v)])),
      a.wZero,
      ins[4],
      [co],
    );
    const init = bias ? cast(dtype, load(bias, [co])) : imm(0, dtype);
    return sum([...kernel, ...inner], mul(xe, we), { init, where });
  }, ["n", "co", ...spatialNames("o", nd)])];
}

/** Deq × Deq gives an accumulator with scale float32(sx·sw), the bias inside. */
const quantized: QuantRule<ConvAttrs> = (a, [x, w, bias], ctx): Acc | null => {
  if (x?.k !== "deq" || w?.k !== "deq") return null;
  const per = dims(w.q.type).slice(1).reduce((p, n) => p * n, 1);
  const r = accumulate({ x, w, bias: bias ?? null, terms: per, channelAxis: 0 }, ctx);
  if (!r) return null;
  const [acc] = ctx.b.node(conv, { ...a, ...r.attrs }, [r.x, r.w, r.bias]);
  return { k: "acc", acc, scale: r.scale, axis: 1, lo: null, hi: null };
};

/** @param weight the weight's position among the inputs */
export function readConv(r: AttrReader, weight = 1): ConvAttrs {
  const kernel = r.ints("kernel_shape", []), w = r.type(weight)?.shape.slice(2);
  if (kernel.length && w && (kernel.length !== w.length || kernel.some((k, i) => k !== w[i]))) {
    throw new OpError(`its kernel_shape [${kernel}] is not its weight's [${w}]`);
  }
  return {
    strides: r.ints("strides", []),
    dilations: r.ints("dilations", []),
    pads: r.ints("pads", []),
    autoPad: r.string("auto_pad", "NOTSET") as AutoPad,
    group: r.int("group", 1),
    xZero: 0,
    wZero: 0,
    acc: "int32",
  };
}

export const conv: OpDef<ConvAttrs> = {
  name: "Conv",
  channelsLast: true,
  postTraining: {
    range: "own",
    operands: 2,
    weight: { channelAxis: () => 0, reads: "windows", bias: 2 },
    takesClamp: true,
  },
  onnx: [{ domain: "", type: "Conv", since: 1, attrs: (r) => readConv(r), inputs: 3 }],
  infer,
  body: { kind: "compute", define },
  quantized,
  cost: (_, { ins, outs }) => ({
    macs: dims(outs[0]).concat(dims(ins[1]!).slice(1)).reduce((p, n) => p * n, 1),
  }),
};

/** Integer convolution of stored integers; zero points are inputs 2 and 3. */
export const convInteger: OpDef<ConvAttrs> = {
  name: "ConvInteger",
  postTraining: { integers: true },
  onnx: [{ domain: "", type: "ConvInteger", since: 10, attrs: (r) => readConv(r) }],
  infer: (a, [x, w]) => infer(a, [x, w, null]),
  body: {
    kind: "expand",
    rewrite(a, [x, w, xZero = null, wZero = null], _, b) {
      const z = constantZeros(b, w!, [xZero, wZero], 0);
      return b.node(conv, { ...a, ...z.attrs }, [x, z.w, null, ...z.inputs]);
    },
  },
};

export const ops: readonly OpDef<unknown>[] = [conv, convInteger] as OpDef<unknown>[];
