/** Operators that compare positions: triangles, diagonals, one-hot vectors. */
import type { DType } from "../util/dtype.ts";
import { compute } from "../te/compute.ts";
import * as te from "../te/expr.ts";
import { add, cast, eq, type Expr, imm, load, select, sub } from "../te/expr.ts";
import { type OpDef, OpError } from "../ir/opdef.ts";
import { dims } from "../ir/graph.ts";
import { argMax } from "./arg.ts";
import { axisNames } from "./axes.ts";
import { building } from "./building.ts";
import { typeNumbered } from "./cast.ts";
import { axisIndex, onnx, onnxAndMicrosoft, operand, type Types } from "./common.ts";
import { sizeOfOutput } from "./solve.ts";
import type { SoftmaxAttrs } from "./softmax.ts";
import { readSoftmax } from "./softmax.ts";

function present(ins: Types, i: number) {
  const t = ins[i];
  if (!t) throw new OpError(`its input ${i} is missing`, "give the node all of its inputs");
  return t;
}

/** x on and above (or below) the k-th diagonal of the last two axes, zeros elsewhere. */
const trilu: OpDef<{ upper: boolean }> = {
  name: "Trilu",
  onnx: onnxAndMicrosoft("Trilu", 14, (r) => ({ upper: r.int("upper", 1) !== 0 })),
  infer(_, ins) {
    const x = present(ins, 0);
    if (x.shape.length < 2) throw new OpError("its input has no two axes", "reshape it");
    if (ins[1] && ins[1].dtype !== "int64") throw new OpError(`its k is ${ins[1].dtype}`);
    return [x];
  },
  body: {
    kind: "compute",
    define({ upper }, [x, k], [out]) {
      const shape = dims(out), rank = shape.length;
      return [compute("y", out.dtype, shape, (...at) => {
        const diagonal = cast("int64", sub(at[rank - 1], at[rank - 2]));
        const bound = k ? load(k, k.shape.map(() => 0)) : imm(0, "int64");
        const kept = upper ? te.ge(diagonal, bound) : te.le(diagonal, bound);
        return select(kept, load(x!, at), imm(0, out.dtype));
      }, axisNames(rank))];
    },
  },
};

interface EyeAttrs {
  readonly dtype: DType | null;
  readonly k: number;
}

/** Ones on the k-th diagonal, in the shape of the input. */
const eyeLike: OpDef<EyeAttrs> = {
  name: "EyeLike",
  onnx: [onnx("EyeLike", 9, (r) => ({
    dtype: r.has("dtype") ? typeNumbered(r.int("dtype")) : null,
    k: r.int("k", 0),
  }))],
  infer(a, ins) {
    const x = present(ins, 0), shape = dims(x);
    if (shape.length < 1 || shape.length > 2) {
      throw new OpError(`its input [${shape}] is no matrix`, "give it two axes");
    }
    const [rows, columns = rows] = shape;
    return [{ dtype: a.dtype ?? x.dtype, shape: [rows, columns] }];
  },
  body: {
    kind: "compute",
    define: ({ k }, _, [out]) => [
      compute(
        "y",
        out.dtype,
        dims(out),
        (i, j) => cast(out.dtype, select(eq(sub(j, i), k), imm(1), imm(0))),
      ),
    ],
  },
};

interface OneHotAttrs {
  readonly depth: number;
  readonly axis: number;
}

/** Inputs indices and the two values off and on: on where the index is the position on a new axis. */
const oneHot: OpDef<OneHotAttrs> = {
  name: "OneHot",
  // The depth is read from input 1, and stays there as it is no data.
  onnx: [onnx("OneHot", 9, (r) => {
    const axis = r.int("axis", -1), depth = r.operandNumbers(1, sizeOfOutput(axis));
    if (depth?.length !== 1) throw new OpError("its depth is no scalar", "use a scalar");
    return { depth: Math.trunc(depth[0]), axis };
  })],
  infer(a, ins) {
    const indices = dims(operand(ins, 0, "number")), values = present(ins, 2);
    if (dims(values).join() !== "2") {
      throw new OpError(`its values have shape [${dims(values)}]`, "give it off and on");
    }
    const axis = axisIndex(a.axis, indices.length + 1);
    return [{ dtype: values.dtype, shape: indices.toSpliced(axis, 0, a.depth) }];
  },
  body: {
    kind: "compute",
    define(a, [indices, _, values], [out]) {
      const shape = dims(out), axis = axisIndex(a.axis, shape.length);
      return [compute("y", out.dtype, shape, (...at) => {
        const raw = load(indices!, at.toSpliced(axis, 1));
        const i = raw.dtype === "float32" || raw.dtype === "float64" ? raw : cast("int64", raw);
        const counted = select(te.lt(i, 0), add(i, a.depth), i);
        const hit = eq(counted, cast(i.dtype, at[axis]));
        return select(hit, load(values!, [1]), load(values!, [0]));
      }, axisNames(shape.length))];
    },
  },
};

/** One at the position along the axis that `index` names, zeros elsewhere. */
const atIndex: OpDef<{ axis: number; size: number; dtype: DType }> = {
  name: "AtIndex",
  onnx: [],
  infer: ({ axis, size, dtype }, [index]) => [{ dtype, shape: dims(index!).with(axis, size) }],
  body: {
    kind: "compute",
    define({ axis, dtype }, [index], [out]) {
      const shape = dims(out);
      return [compute("y", dtype, shape, (...at: Expr[]) => {
        const hit = eq(load(index!, at.with(axis, imm(0))), cast("int64", at[axis]));
        return select(hit, imm(1, dtype), imm(0, dtype));
      }, axisNames(shape.length))];
    },
  },
};

/** One at the first maximum along the axis, zeros elsewhere. */
const hardmax: OpDef<SoftmaxAttrs> = {
  name: "Hardmax",
  changes: [{ since: 13, kind: "axis" }],
  onnx: [
    onnx("Hardmax", 1, readSoftmax(1, true)),
    onnx("Hardmax", 13, readSoftmax(-1, false)),
  ],
  infer(a, ins) {
    const x = operand(ins, 0, "float"), rank = x.shape.length;
    if (!(a.flatten && a.axis === rank)) axisIndex(a.axis, rank);
    return [x];
  },
  body: {
    kind: "expand",
    rewrite(a, [x], _, b) {
      const g = building(b), shape = dims(x!.type), { dtype } = x!.type;
      const first = a.axis === shape.length ? a.axis : axisIndex(a.axis, shape.length);
      const size = (part: readonly number[]): number => part.reduce((p, n) => p * n, 1);
      const form = a.flatten ? [size(shape.slice(0, first)), size(shape.slice(first))] : shape;
      const axis = a.flatten ? 1 : first;
      const index = g.apply(
        argMax,
        { axis, keepDims: true, last: false },
        g.reshape(x!, form),
      );
      return [g.reshape(g.apply(atIndex, { axis, size: form[axis], dtype }, index), shape)];
    },
  },
};

export const ops = [trilu, eyeLike, oneHot, atIndex, hardmax] as OpDef<unknown>[];
