/** Determinants of small matrices, written out. */
import { compute } from "../te/compute.ts";
import { add, type Expr, imm, load, mul, sub } from "../te/expr.ts";
import { type OpDef, OpError } from "../ir/opdef.ts";
import { dims } from "../ir/graph.ts";
import { axisNames } from "./axes.ts";
import { onnx, operand } from "./common.ts";

/** Up to this size a determinant is expanded by minors; what is larger needs pivots. */
const MOST = 4;

/** The determinant of the rows from `row` on, in the given columns. */
function minors(at: (i: number, j: number) => Expr, row: number, columns: readonly number[]): Expr {
  const [first, ...rest] = columns;
  if (rest.length === 0) return at(row, first);
  return columns.map((j, i): Expr => mul(at(row, j), minors(at, row + 1, columns.toSpliced(i, 1))))
    .reduce((total, term, i) => i % 2 === 0 ? add(total, term) : sub(total, term));
}

const det: OpDef<null> = {
  name: "Det",
  onnx: [onnx("Det", 11, () => null)],
  infer(_, ins) {
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
    return [{ dtype: x.dtype, shape: shape.slice(0, -2) }];
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

export const ops = [det] as OpDef<unknown>[];
