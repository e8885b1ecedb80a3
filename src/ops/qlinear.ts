/**
 * onnxruntime's operators on stored integers. Each is what its QDQ form is: dequantise, compute,
 * quantise; so that one pass (passes/integerize.ts) makes integer operators of every style.
 */
import type { DType } from "../util/dtype.ts";
import { numbers, sizeOf, tensor } from "../util/tensor.ts";
import type { Builder } from "../ir/build.ts";
import { evaluateNode } from "../ir/evaluate.ts";
import { dims, type TensorType, type Value } from "../ir/graph.ts";
import { type AttrReader, type OpDef, OpError } from "../ir/opdef.ts";
import { ops as activations } from "./activation.ts";
import { channelsLast } from "./channels_last.ts";
import { concat } from "./concat.ts";
import { conv, readConv } from "./conv.ts";
import { add, mul, where } from "./elementwise.ts";
import { gemm, type GemmAttrs, matmul } from "./matmul.ts";
import { expand } from "./movement.ts";
import { averagePool } from "./pool.ts";
import { dequantizeLinear, quantizeLinear } from "./quantize.ts";
import { reduceMean } from "./reduce.ts";
import { softmax, type SoftmaxAttrs } from "./softmax.ts";

type Input = Value | null | undefined;
const MICROSOFT = "com.microsoft";

/** The float of stored integers, behind their scale and zero point. */
export function dequantized(b: Builder, x: Value, scale: Input, zero: Input, axis = 1): Value {
  if (!scale) throw new OpError("one of its scales is missing", "give the node all of its inputs");
  const ins = zero ? [x, scale, zero] : [x, scale];
  return b.node(dequantizeLinear, { axis, scale: null, zero: null }, ins)[0];
}

function quantized(b: Builder, y: Value, scale: Input, zero: Input, dtype: DType): Value {
  if (!scale) throw new OpError("one of its scales is missing", "give the node all of its inputs");
  const ins = zero ? [y, scale, zero] : [y, scale];
  return b.node(quantizeLinear, { axis: 1, dtype, scale: null, zero: null }, ins)[0];
}

const asFloat = (t: TensorType | null | undefined): TensorType => {
  if (!t) throw new OpError("one of its inputs is missing", "give the node all of its inputs");
  return { dtype: "float32", shape: t.shape };
};

/** What an operator on stored integers is made of. */
interface Stored<A> {
  readonly name: string;
  readonly domain?: string;
  readonly since?: number;
  readonly attrs: (r: AttrReader) => A;
  /** Positions of the stored operands; the scale and the zero point of each follow it. */
  readonly operands: (count: number) => readonly number[];
  /** Position of the result's scale; its zero point follows. */
  readonly result: number | ((count: number) => number);
  // deno-lint-ignore no-explicit-any
  readonly op: OpDef<any>;
}

/** An operator whose operands are all quantised per tensor, around a float operator. */
function stored<A>(d: Stored<A>): OpDef<A> {
  const resultAt = (n: number): number => typeof d.result === "number" ? d.result : d.result(n);
  const dtypeOf = (ins: readonly (TensorType | null)[]): DType =>
    (ins[resultAt(ins.length) + 1] ?? ins[d.operands(ins.length)[0]])!.dtype;
  return {
    name: d.name,
    onnx: [{ domain: d.domain ?? MICROSOFT, type: d.name, since: d.since ?? 1, attrs: d.attrs }],
    infer(a, ins) {
      const floats = d.operands(ins.length).map((i) => asFloat(ins[i]));
      const [y] = d.op.infer(a, floats, () => undefined);
      return [{ dtype: dtypeOf(ins), shape: y.shape }];
    },
    body: {
      kind: "expand",
      rewrite(a, ins, outs, b) {
        const floats = d.operands(ins.length).map((i) =>
          dequantized(b, ins[i]!, ins[i + 1], ins[i + 2])
        );
        const [y] = b.node(d.op, a, floats);
        const at = resultAt(ins.length);
        return [quantized(b, y, ins[at], ins[at + 1], outs[0].dtype)];
      },
    },
  };
}

/** How the float operator itself is read. */
// deno-lint-ignore no-explicit-any
const attrsOf = (op: OpDef<any>): (r: AttrReader) => unknown => op.onnx[0].attrs;
const activation = (name: string): OpDef<unknown> => activations.find((o) => o.name === name)!;

const globalPool = reduceMean.onnx.find((o) => o.type === "GlobalAveragePool")!;

const one = () => [0];
const two = () => [0, 3];
const unary = { operands: one, result: 3 };
const binary = { operands: two, result: 6 };

/** The scale of an accumulator of stored integers, float32(sx·sw). */
function productScale(b: Builder, sx: Input, sw: Input): Value {
  if (!sx || !sw) {
    throw new OpError("one of its scales is missing", "give the node all of its inputs");
  }
  if (!sx.data || !sw.data) return b.node(mul, null, [sx, sw])[0];
  const x = numbers(sx.data)[0];
  return b.constant(tensor("float32", sw.data.shape, numbers(sw.data).map((w) => x * w)));
}

/** Inputs x, sx, zx, w, sw, zw, sy, zy, bias (int32 with scale sx·sw). */
// deno-lint-ignore no-explicit-any
const qlinearConv: OpDef<any> = {
  name: "QLinearConv",
  onnx: [{ domain: "", type: "QLinearConv", since: 10, attrs: (r) => readConv(r, 3) }],
  infer(a, ins) {
    const bias = ins[8] ? asFloat(ins[8]) : null;
    const [y] = conv.infer(a, [asFloat(ins[0]), asFloat(ins[3]), bias], () => undefined);
    return [{ dtype: (ins[7] ?? ins[0])!.dtype, shape: y.shape }];
  },
  body: {
    kind: "expand",
    rewrite(a, ins, outs, b) {
      const x = dequantized(b, ins[0]!, ins[1], ins[2]);
      const w = dequantized(b, ins[3]!, ins[4], ins[5], 0);
      const bias = ins[8] ? dequantized(b, ins[8], productScale(b, ins[1], ins[4]), null, 0) : null;
      const [y] = b.node(conv, a, [x, w, bias]);
      return [quantized(b, y, ins[6], ins[7], outs[0].dtype)];
    },
  },
};

/** Inputs a, sa, za, b, sb, zb, sy, zy; the scale of b may be one for every column. */
const qlinearMatMul: OpDef<unknown> = {
  name: "QLinearMatMul",
  onnx: [{ domain: "", type: "QLinearMatMul", since: 10, attrs: matmul.onnx[0].attrs }],
  infer(a, ins) {
    const [y] = matmul.infer(a as never, [asFloat(ins[0]), asFloat(ins[3])], () => undefined);
    return [{ dtype: (ins[7] ?? ins[0])!.dtype, shape: y.shape }];
  },
  body: {
    kind: "expand",
    rewrite(a, ins, outs, b) {
      const x = dequantized(b, ins[0]!, ins[1], ins[2], -2);
      const w = dequantized(b, ins[3]!, ins[4], ins[5], -1);
      const [y] = b.node(matmul, a as never, [x, w]);
      return [quantized(b, y, ins[6], ins[7], outs[0].dtype)];
    },
  },
};

/** A bias with an element for each column, as scales of columns need it. */
function forColumns(b: Builder, c: Value, columns: number): Value {
  const from = dims(c.type);
  if ((from.at(-1) ?? 1) === columns) return c;
  const shape = [...from.slice(0, -1), columns];
  const [wide] = b.node(expand, { shape }, [c]);
  return c.data ? b.constant(evaluateNode(expand, { shape }, [c.data])[0]) : wide;
}

/** Inputs a, sa, za, b, sb, zb, c (int32 with scale sa·sb), sy, zy; float without sy. */
const qgemm: OpDef<GemmAttrs> = {
  name: "QGemm",
  onnx: [{
    domain: MICROSOFT,
    type: "QGemm",
    since: 1,
    attrs: (r) => ({
      alpha: r.float("alpha", 1),
      beta: 1,
      transA: r.int("transA", 0) !== 0,
      transB: r.int("transB", 0) !== 0,
    }),
  }],
  infer(a, ins) {
    const c = ins[6] ? asFloat(ins[6]) : null;
    const [y] = gemm.infer(a, [asFloat(ins[0]), asFloat(ins[3]), c], () => undefined);
    return [{ dtype: ins[7] ? (ins[8] ?? ins[0])!.dtype : "float32", shape: y.shape }];
  },
  body: {
    kind: "expand",
    rewrite(a, ins, outs, b) {
      const axis = a.transB ? 0 : 1;
      // alpha multiplies the sum with its bias: it belongs to the scale.
      const sw = a.alpha === 1 ? ins[4] : productScale(b, scalar(b, a.alpha), ins[4]);
      const x = dequantized(b, ins[0]!, ins[1], ins[2]);
      const w = dequantized(b, ins[3]!, sw, ins[5], axis);
      const columns = sizeOf(dims(ins[4]!.type));
      const bias = ins[6] && columns > 1 ? forColumns(b, ins[6], columns) : ins[6];
      const c = bias
        ? dequantized(b, bias, productScale(b, ins[1], sw), null, dims(bias.type).length - 1)
        : null;
      const [y] = b.node(gemm, { ...a, alpha: 1 }, [x, w, c]);
      return [ins[7] ? quantized(b, y, ins[7], ins[8], outs[0].dtype) : y];
    },
  },
};
const scalar = (b: Builder, v: number): Value => b.constant(tensor("float32", [], [v]));

/** The operator set decides what the axis means; it is an attribute here. */
const softmaxAttrs = (r: AttrReader): SoftmaxAttrs => {
  const flatten = r.int("opset", 13) < 13;
  return { axis: r.int("axis", flatten ? 1 : -1), flatten };
};

/** An operator of channels in either place; the one that has them second is read by no name. */
const layouts = <A>(op: OpDef<A>): OpDef<unknown>[] => [
  channelsLast(op) as OpDef<unknown>,
  { ...op, onnx: [] } as OpDef<unknown>,
];

/** Inputs condition, x, sx, zx, y, sy, zy, s, z. */
const qlinearWhere: OpDef<null> = {
  name: "QLinearWhere",
  onnx: [{ domain: MICROSOFT, type: "QLinearWhere", since: 1, attrs: () => null }],
  infer(_, ins) {
    const [y] = where.infer(null, [ins[0], asFloat(ins[1]), asFloat(ins[4])], () => undefined);
    return [{ dtype: (ins[8] ?? ins[1])!.dtype, shape: y.shape }];
  },
  body: {
    kind: "expand",
    rewrite(_, ins, outs, b) {
      const x = dequantized(b, ins[1]!, ins[2], ins[3]);
      const y = dequantized(b, ins[4]!, ins[5], ins[6]);
      const [chosen] = b.node(where, null, [ins[0]!, x, y]);
      return [quantized(b, chosen, ins[7], ins[8], outs[0].dtype)];
    },
  },
};

export const ops: readonly OpDef<unknown>[] = ([
  qlinearConv,
  qlinearMatMul,
  qgemm,
  qlinearWhere,
  stored({ name: "QLinearAdd", attrs: attrsOf(add), op: add, ...binary }),
  stored({ name: "QLinearMul", attrs: attrsOf(mul), op: mul, ...binary }),
  channelsLast(qlinearConv, { domain: MICROSOFT, type: "QLinearConv", since: 1 }),
  ...layouts(
    stored({ name: "QLinearAveragePool", attrs: attrsOf(averagePool), op: averagePool, ...unary }),
  ),
  ...layouts(
    stored({
      name: "QLinearGlobalAveragePool",
      attrs: globalPool.attrs,
      op: reduceMean,
      ...unary,
    }),
  ),
  ...["Sigmoid", "LeakyRelu"].map((name) =>
    stored({
      name: `QLinear${name}`,
      attrs: attrsOf(activation(name)),
      op: activation(name),
      ...unary,
    })
  ),
  stored({ name: "QLinearSoftmax", attrs: softmaxAttrs, op: softmax, ...unary }),
  stored({
    name: "QLinearConcat",
    attrs: attrsOf(concat),
    op: concat,
    operands: (n) => Array.from({ length: (n - 2) / 3 }, (_, i) => 2 + 3 * i),
    result: 0,
  }),
] as OpDef<unknown>[]).map((op) => ({ ...op, postTraining: { integers: true } }));
