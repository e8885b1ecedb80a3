/** ArgMax and ArgMin: where along an axis the extreme element lies. */
import { compute, reduce, type Tensor } from "../te/compute.ts";
import { cast, eq, imm, load, select } from "../te/expr.ts";
import type { OpDef } from "../ir/opdef.ts";
import { dims, type TensorType } from "../ir/graph.ts";
import { axisNames } from "./axes.ts";
import { axisIndex, highest, lowest, onnx, operand } from "./common.ts";
import { reduced, reducedShape } from "./reduce.ts";

export interface ArgAttrs {
  readonly axis: number;
  readonly keepDims: boolean;
  /** Of several equal ones the last, else the first. */
  readonly last: boolean;
}

function arg(name: string, op: "max" | "min"): OpDef<ArgAttrs> {
  const along = (a: ArgAttrs) => ({ axes: [a.axis], keepDims: a.keepDims });
  const def: OpDef<ArgAttrs> = {
    name,
    onnx: [onnx(name, 1, (r) => ({
      axis: r.int("axis", 0),
      keepDims: r.int("keepdims", 1) !== 0,
      last: r.int("select_last_index", 0) !== 0,
    }))],
    infer(a, ins) {
      const x = operand(ins, 0, "number");
      axisIndex(a.axis, x.shape.length);
      return [{ dtype: "int64", shape: reducedShape(along(a), dims(x)) }];
    },
    body: {
      kind: "compute",
      define(a, [input], [out]: readonly TensorType[]) {
        const x = input as Tensor, shape = dims(out), names = axisNames(shape.length);
        const extreme = compute("extreme", x.dtype, shape, (...at) => {
          const { axes, element } = reduced(along(a), x, at);
          return reduce(op, axes, element, { init: (op === "max" ? lowest : highest)(x.dtype) });
        }, names);
        const n = x.shape[axisIndex(a.axis, x.shape.length)];
        // Starting inside the axis keeps the result an index even where nothing compares (NaN).
        const none = imm(a.last ? 0 : n - 1, "int64");
        const y = compute("y", "int64", shape, (...at) => {
          const { axes, element, positions } = reduced(along(a), x, at);
          const hit = eq(element, load(extreme.out, at));
          const body = select(hit, cast("int64", positions[0]), none);
          return reduce(a.last ? "max" : "min", axes, body, { init: none });
        }, names);
        return [extreme, y];
      },
    },
    // Scales are positive: the order of the integers is that of the real numbers.
    quantized(a, [x], { b }) {
      if (x?.k !== "deq" || x.scale.data.length !== 1) return null;
      return { k: "flt", x: b.node(def, a, [x.q])[0] };
    },
  };
  return def;
}

export const argMax = arg("ArgMax", "max");

export const ops = [argMax, arg("ArgMin", "min")] as OpDef<unknown>[];
