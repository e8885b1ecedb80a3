/** TopK: the largest or smallest elements along an axis, by insertion into the result. */
import { and, bin, cast, type Expr, gt, imm, load, lt, sub } from "../te/expr.ts";
import { type AttrReader, type OpDef, OpError } from "../ir/opdef.ts";
import { dims } from "../ir/graph.ts";
import { axisIndex, onnx, operand } from "./common.ts";
import { block, cells, loop, loops, store, when } from "./loops.ts";
import { sizeOfOutput } from "./solve.ts";

interface TopKAttrs {
  readonly axis: number;
  readonly k: number;
  readonly largest: boolean;
}

function read(r: AttrReader): TopKAttrs {
  const axis = r.int("axis", -1);
  r.int("sorted", 1); // Sorted is one of the orders that may come unsorted.
  const k = r.has("k") ? r.int("k") : r.operandInts(1, sizeOfOutput(axis))?.[0];
  if (k === undefined) throw new OpError("it has no k", "give it an input or attribute 'k'");
  return { axis, k, largest: r.int("largest", 1) !== 0 };
}

/** Values, then their positions; of equal values the one that comes first is first. */
export const topK: OpDef<TopKAttrs> = {
  name: "TopK",
  onnx: [onnx("TopK", 1, read, 1)],
  infer(a, ins) {
    const x = operand(ins, 0, "number"), shape = dims(x), axis = axisIndex(a.axis, shape.length);
    if (a.k > shape[axis]) {
      throw new OpError(`it takes ${a.k} of ${shape[axis]} elements`, "take fewer");
    }
    const out = shape.map((n, i) => i === axis ? a.k : n);
    return [{ dtype: x.dtype, shape: out }, { dtype: "int64", shape: out }];
  },
  body: {
    kind: "kernel",
    program(a, { ins: [x], outs: [values, places] }) {
      const shape = x!.shape, axis = axisIndex(a.axis, shape.length);
      const outer = shape.map((n, i) => i === axis ? 1 : n);
      return loops([], outer, (at) => {
        const along = (e: Expr): Expr[] => at.map((v, i) => i === axis ? e : v);
        return loop(
          "j",
          shape[axis],
          (j) =>
            cells(
              { v: load(x!, along(j)), place: bin("min", j, imm(a.k)) },
              ({ v, place }) =>
                block(
                  // From the last kept element to the first: those that are worse make room.
                  loop("s", a.k, (s) => {
                    const t = sub(imm(a.k - 1), s), kept = load(values, along(t));
                    const worse = a.largest ? gt(v.get, kept) : lt(v.get, kept);
                    const next = bin("add", t, imm(1));
                    return when(
                      and(lt(t, j), worse),
                      block(
                        when(
                          lt(next, imm(a.k)),
                          block(
                            store(values, along(next), kept),
                            store(places, along(next), load(places, along(t))),
                          ),
                        ),
                        place.set(t),
                      ),
                    );
                  }),
                  when(
                    lt(place.get, imm(a.k)),
                    block(
                      store(values, along(place.get), v.get),
                      store(places, along(place.get), cast("int64", j)),
                    ),
                  ),
                ),
            ),
        );
      });
    },
  },
};

export const ops = [topK] as OpDef<unknown>[];
