/** Whether an operand is what the code was generated for; no ONNX file holds these. */
import { isStored } from "../util/dtype.ts";
import { compute } from "../te/compute.ts";
import { and, bin, eq, type Expr, FALSE, imm, load, TRUE } from "../te/expr.ts";
import { type OpDef, OpError } from "../ir/opdef.ts";
import { dims } from "../ir/graph.ts";

export interface OperandIsAttrs {
  /** By element, the numbers that it may be; null: any. */
  readonly same: readonly (readonly number[] | null)[];
}

const or = (list: readonly Expr[]): Expr => list.reduce((a, b) => bin("or", a, b));

/** Whether every element of a vector or scalar is one of its numbers. */
export const operandIs: OpDef<OperandIsAttrs> = {
  name: "OperandIs",
  onnx: [],
  infer(_, [x]) {
    if (!x || isStored(x.dtype)) throw new OpError("its operand is not of numbers");
    return [{ dtype: "bool", shape: [] }];
  },
  body: {
    kind: "compute",
    define({ same }, [x]) {
      const rank = dims({ dtype: x!.dtype, shape: x!.shape }).length;
      return [compute("y", "bool", [], () =>
        and(...same.map((numbers, i) => {
          if (numbers === null) return TRUE;
          const e = load(x!, rank === 0 ? [] : [i]);
          return numbers.length === 0 ? FALSE : or(numbers.map((n) => eq(e, imm(n, x!.dtype))));
        })))];
    },
  },
};

/** The run goes on where one of its inputs, bools without axes, holds; else it ends. */
export const check: OpDef<null> = {
  name: "Check",
  onnx: [],
  infer: () => [{ dtype: "bool", shape: [] }],
  body: {
    kind: "compute",
    define: (_, ins) => [compute("y", "bool", [], () => or(ins.map((t) => load(t!, []))))],
  },
  check: true,
};

export const ops = [operandIs, check] as OpDef<unknown>[];
