/** onnxruntime's matrix products whose left operand is quantised while the model runs. */
import { type OpDef, OpError } from "../ir/opdef.ts";
import type { Builder } from "../ir/build.ts";
import { dims, type TensorType, type Value } from "../ir/graph.ts";
import { add, mul } from "./elementwise.ts";
import { matmul, matmulInteger, PLAIN } from "./matmul.ts";
import { dequantizeAcc, dynamicQuantizeLinear } from "./quantize.ts";

type Input = Value | null | undefined;
const attrs = () => null;

/** float32(a · b) × (sa·sb) + bias, from stored integers. */
function product(
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
  onnx: [{ domain: "com.microsoft", type: "MatMulIntegerToFloat", since: 1, attrs }],
  infer: (_, [a, w]) => infer(a, w),
  body: { kind: "expand", rewrite: (_, ins, __, b) => product(b, ins) },
};

/** Inputs a (float32), b, sb, zb, bias (float32). */
const dynamicQuantizeMatMul: OpDef<null> = {
  name: "DynamicQuantizeMatMul",
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

export const ops = [matMulIntegerToFloat, dynamicQuantizeMatMul] as OpDef<unknown>[];
