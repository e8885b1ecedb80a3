/** Determinants and inverses of small matrices, written out. */
import { compute } from "../te/compute.ts";
import { add, type Expr, imm, load, mul, sub } from "../te/expr.ts";
import { type OpDef, OpError } from "../ir/opdef.ts";
import { dims, type TensorType, type Value } from "../ir/graph.ts";
import { axisNames } from "./axes.ts";
import { building } from "./building.ts";
import { onnx, operand, type Types } from "./common.ts";

/** Up to this size a determinant is expanded by minors; what is larger needs pivots. */
const MOST = 4;

/** The determinant of the rows from `row` on, in the given columns. */
function minors(at: (i: number, j: number) => Expr, row: number, columns: readonly number[]): Expr {
  const [first, ...rest] = columns;
  if (rest.length === 0) return at(row, first);
  return columns.map((j, i): Expr => mul(at(row, j), minors(at, row + 1, columns.toSpliced(i, 1))))
    .reduce((total, term, i) => i % 2 === 0 ? add(total, term) : sub(total, term));
}

/** The type of square matrices of few enough rows. */
function square(ins: Types): TensorType {
  const x = operand(ins, 0, "float"), shape = dims(x), [n, m] = shape.slice(-2);
  if (shape.length < 2 || n !== m) {
    throw new OpError(`its input [${shape}] is not square`, "give it square matrices");
  }
  if (n > MOST) {
    throw new OpError(
      `its matrices have ${n} rows`,
      `determinants of at most ${MOST} rows are written out`,
    );
  }
  return x;
}

const det: OpDef<null> = {
  name: "Det",
  onnx: [onnx("Det", 11, () => null)],
  infer(_, ins) {
    const x = square(ins);
    return [{ dtype: x.dtype, shape: dims(x).slice(0, -2) }];
  },
  body: {
    kind: "compute",
    define(_, [x], [out]) {
      const n = x!.shape.at(-1)!, shape = dims(out);
      return [compute("y", out.dtype, shape, (...o) => {
        if (n === 0) return imm(1, out.dtype);
        const columns = Array.from({ length: n }, (_, i) => i);
        return minors((i, j) => load(x!, [...o, imm(i), imm(j)]), 0, columns);
      }, axisNames(shape.length))];
    },
  },
};

/** onnxruntime's own: the adjugate by the determinant. */
const inverse: OpDef<null> = {
  name: "Inverse",
  onnx: [{ domain: "com.microsoft", type: "Inverse", since: 1, attrs: () => null }],
  infer: (_, ins) => [square(ins)],
  body: {
    kind: "expand",
    rewrite(_, [x], [out], b) {
      const g = building(b), shape = dims(out), rank = shape.length, n = shape[rank - 1];
      if (n === 0) return [x!];
      const lead = shape.slice(0, -2), one = [...lead, 1, 1];
      const determinant = (m: Value): Value => g.reshape(g.apply(det, null, m), one);
      const without = (m: Value, axis: number, i: number): Value =>
        g.concat([g.slice(m, axis, 0, i), g.slice(m, axis, i + 1, n)], axis);
      const sign = (i: number): Value => g.scalar(i % 2 === 0 ? 1 : -1, out.dtype);
      const minor = (i: number, j: number): Value =>
        n === 1
          ? g.fill(1, out.dtype, one)
          : g.mul(determinant(without(without(x!, rank - 2, j), rank - 1, i)), sign(i + j));
      const indices = Array.from({ length: n }, (_, i) => i);
      const rows = indices.map((i) => g.concat(indices.map((j) => minor(i, j)), rank - 1));
      return [g.div(g.concat(rows, rank - 2), determinant(x!))];
    },
  },
};

export const ops = [det, inverse] as OpDef<unknown>[];
