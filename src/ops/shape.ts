/** Operators whose results depend on shapes and attributes alone: constants once shapes are known. */
import type { DType } from "../util/dtype.ts";
import { numbers, sizeOf } from "../util/tensor.ts";
import { compute } from "../te/compute.ts";
import { add, cast, eq, type Expr, imm, mul, select } from "../te/expr.ts";
import { type AttrReader, type OpDef, OpError } from "../ir/opdef.ts";
import { dims, type TensorType } from "../ir/graph.ts";
import { axisNames } from "./axes.ts";
import { onnx, type Types } from "./common.ts";
import { outputShape } from "./solve.ts";

function input(ins: Types): TensorType {
  if (!ins[0]) throw new OpError("its input is missing", "give the node its input");
  return ins[0];
}

interface ShapeAttrs {
  readonly start: number;
  /** null: to the last axis. */
  readonly end: number | null;
}
const shapeRange = ({ start, end }: ShapeAttrs, rank: number): [number, number] => {
  const place = (v: number): number => Math.min(Math.max(v < 0 ? v + rank : v, 0), rank);
  return [place(start), place(end ?? rank)];
};

/** The sizes of the axes from `start` to `end`, int64. */
export const shape: OpDef<ShapeAttrs> = {
  name: "Shape",
  onnx: [
    onnx(
      "Shape",
      1,
      (r) => ({ start: r.int("start", 0), end: r.has("end") ? r.int("end") : null }),
    ),
  ],
  infer(a, ins) {
    const [from, to] = shapeRange(a, input(ins).shape.length);
    return [{ dtype: "int64", shape: [Math.max(0, to - from)] }];
  },
  body: {
    kind: "compute",
    define(a, [x], [out]) {
      const sizes = x!.shape.slice(...shapeRange(a, x!.shape.length));
      return [compute("y", "int64", dims(out), (i) =>
        sizes.reduceRight<Expr>(
          (rest, n, at) => select(eq(i, at), imm(n, "int64"), rest),
          imm(0, "int64"),
        ))];
    },
  },
};

/** The number of elements, int64. */
const size: OpDef<null> = {
  name: "Size",
  onnx: [onnx("Size", 1, () => null)],
  infer(_, ins) {
    input(ins);
    return [{ dtype: "int64", shape: [] }];
  },
  body: {
    kind: "compute",
    define: (_, [x]) => [compute("y", "int64", [], () => imm(sizeOf(x!.shape), "int64"))],
  },
};

interface FillAttrs {
  readonly shape: readonly number[];
  readonly dtype: DType;
  readonly value: number;
}

/** A tensor of one value. */
const constantOfShape: OpDef<FillAttrs> = {
  name: "ConstantOfShape",
  onnx: [onnx("ConstantOfShape", 9, (r) => {
    const value = r.has("value") ? r.tensor("value") : null;
    return {
      shape: r.operandInts(0, outputShape) ?? [],
      dtype: value?.dtype ?? "float32",
      value: value ? numbers(value)[0] : 0,
    };
  }, 0)],
  infer: ({ shape, dtype }) => [{ dtype, shape }],
  body: {
    kind: "compute",
    define: ({ shape, dtype, value }) => [
      compute("y", dtype, shape, () => imm(value, dtype), axisNames(shape.length)),
    ],
  },
};

interface RangeAttrs {
  readonly start: number;
  readonly limit: number;
  readonly delta: number;
  readonly dtype: DType;
}
function readRange(r: AttrReader): RangeAttrs {
  const scalar = (i: number): number => {
    const t = r.operand(i);
    if (t?.data.length !== 1) throw new OpError(`its input ${i} is not a scalar`, "use scalars");
    return numbers(t)[0];
  };
  return { start: scalar(0), limit: scalar(1), delta: scalar(2), dtype: r.type(0)!.dtype };
}

/** start, start + delta, … before limit. */
const range: OpDef<RangeAttrs> = {
  name: "Range",
  onnx: [onnx("Range", 11, readRange, 0)],
  infer({ start, limit, delta, dtype }) {
    if (delta === 0) throw new OpError("its delta is 0", "use another one");
    return [{ dtype, shape: [Math.max(0, Math.ceil((limit - start) / delta))] }];
  },
  body: {
    kind: "compute",
    define: ({ start, delta, dtype }, _, [out]) => [
      compute(
        "y",
        dtype,
        dims(out),
        (i) => add(mul(cast(dtype, i), imm(delta, dtype)), imm(start, dtype)),
      ),
    ],
  },
};

export const ops = [shape, size, constantOfShape, range] as OpDef<unknown>[];
