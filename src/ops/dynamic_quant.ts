/** onnxruntime's matrix products whose left operand is quantised while the model runs. */
import { type OpDef, OpError } from "../ir/opdef.ts";
import type { Builder } from "../ir/build.ts";
import { evaluateNode } from "../ir/evaluate.ts";
import { dims, type TensorType, type Value } from "../ir/graph.ts";
import { building } from "./building.ts";
import { add, mul } from "./elementwise.ts";
import { matmul, matmulInteger, PLAIN } from "./matmul.ts";
import { transpose } from "./movement.ts";
import { dequantizeAcc, dequantizeLinear, dynamicQuantizeLinear } from "./quantize.ts";
import { read, type RecurrentAttrs, unrolled } from "./recurrent.ts";

type Input = Value | null | undefined;
const attrs = () => null;

/** float32(a · b) × (sa·sb) + bias, from stored integers. */
export function product(
  b: Builder,
  [a, w, sa, sw, za, zw, bias]: readonly Input[],
): Value[] {
  if (!a || !w || !sa || !sw) {
    throw new OpError("one of its inputs is missing", "give the node all of its inputs");
  }
  const [acc] = b.node(matmulInteger, PLAIN, [a, w, za ?? null, zw ?? null]);
  const [scale] = b.node(mul, null, [sa, sw]);
  const axis = dims(acc.type).length - 1;
  const [y] = b.node(dequantizeAcc, { axis, lo: null, hi: null }, [acc, scale]);
  return bias ? b.node(add, null, [y, bias]) : [y];
}

function infer(a: TensorType | null, w: TensorType | null): readonly TensorType[] {
  return matmul.infer(PLAIN, [a, w], () => undefined).map(({ shape }) => ({
    dtype: "float32" as const,
    shape,
  }));
}
const integer = (t: TensorType | null): TensorType | null => t && { ...t, dtype: "uint8" };

/** Inputs a, b, sa, sb, za, zb, bias (float32). */
const matMulIntegerToFloat: OpDef<null> = {
  name: "MatMulIntegerToFloat",
  postTraining: { integers: true },
  onnx: [{ domain: "com.microsoft", type: "MatMulIntegerToFloat", since: 1, attrs }],
  infer: (_, [a, w]) => infer(a, w),
  body: { kind: "expand", rewrite: (_, ins, __, b) => product(b, ins) },
};

/** Inputs a (float32), b, sb, zb, bias (float32). */
const dynamicQuantizeMatMul: OpDef<null> = {
  name: "DynamicQuantizeMatMul",
  postTraining: { integers: true },
  onnx: [{ domain: "com.microsoft", type: "DynamicQuantizeMatMul", since: 1, attrs }],
  infer: (_, [a, w]) => infer(integer(a), w),
  body: {
    kind: "expand",
    rewrite(_, [x, w, sw, zw, bias], __, b) {
      const [a, sa, za] = b.node(dynamicQuantizeLinear, null, [x]);
      return product(b, [a, w, sa, sw, za, zw, bias]);
    },
  },
};

/** A float tensor quantised by its own range, and back. */
function throughBytes(v: Value, b: Builder): Value {
  const [q, scale, zero] = b.node(dynamicQuantizeLinear, null, [v]);
  return b.node(dequantizeLinear, { axis: 0, scale: null, zero: null }, [q, scale, zero])[0];
}

/** Weights [directions, k, n] of 8 bits as floats [directions, n, k]. */
function weights(w: Value, scale: Value, zero: Value | null, b: Builder): Value {
  const [directions, , n] = dims(w.type);
  const perChannel = dims(scale.type).length === 2;
  const order = { perm: [0, 2, 1] };
  const turned = w.data
    ? b.constant(evaluateNode(transpose, order, [w.data])[0])
    : b.node(transpose, order, [w])[0];
  if (!perChannel) {
    return b.node(dequantizeLinear, { axis: 0, scale: null, zero: null }, [turned, scale, zero])[0];
  }
  const g = building(b);
  const of = (v: Value, direction: number): Value =>
    directions === 1 ? v : g.slice(v, 0, direction, direction + 1);
  const flat = (v: Value, direction: number): Value => g.reshape(of(v, direction), [n]);
  const each = Array.from({ length: directions }, (_, i) =>
    g.apply(
      dequantizeLinear,
      { axis: 1, scale: null, zero: null },
      of(turned, i),
      flat(scale, i),
      zero && flat(zero, i),
    ));
  return g.concat(each, 0);
}

/**
 * An LSTM whose weights have 8 bits; inputs and states are rounded to bytes by their own range before
 * each product. Inputs: those of LSTM, then scale and zero point of W and of R.
 */
const dynamicQuantizeLstm: OpDef<RecurrentAttrs> = {
  name: "DynamicQuantizeLSTM",
  postTraining: { integers: true },
  onnx: [{
    domain: "com.microsoft",
    type: "DynamicQuantizeLSTM",
    since: 1,
    attrs: read("LSTM"),
  }],
  infer({ cells, batchFirst }, [x, w]) {
    if (!x || !w) throw new OpError("one of its inputs is missing");
    const shape = dims(x), [steps, batch] = batchFirst ? [shape[1], shape[0]] : shape;
    const n = cells.length, { hidden } = cells[0];
    const all = batchFirst ? [batch, steps, n, hidden] : [steps, n, batch, hidden];
    const last = batchFirst ? [batch, n, hidden] : [n, batch, hidden];
    return [all, last, last].map((s) => ({ dtype: "float32" as const, shape: s }));
  },
  body: {
    kind: "expand",
    rewrite(a, ins, _, b) {
      const [x, w, r, bias, lengths, h, c, peep, sw, zw, sr, zr] = ins;
      if (!x || !w || !r || !sw || !sr) throw new OpError("one of its inputs is missing");
      const given = [
        throughBytes(x, b),
        weights(w, sw, zw ?? null, b),
        weights(r, sr, zr ?? null, b),
        bias ?? null,
        lengths ?? null,
        h ?? null,
        c ?? null,
        peep ?? null,
      ];
      return unrolled(a, given, b, (v) => throughBytes(v, b));
    },
  },
};

export const ops = [matMulIntegerToFloat, dynamicQuantizeMatMul, dynamicQuantizeLstm] as OpDef<
  unknown
>[];
