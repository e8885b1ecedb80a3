/**
 * Element-wise operators as operator sets before 7 have them: the second operand is as the first, or
 * its axes stand beside consecutive ones of the first's, named by the first of these.
 */
import { type AttrReader, type OpDef, OpError } from "../ir/opdef.ts";
import { dims, type TensorType } from "../ir/graph.ts";
import { building } from "./building.ts";
import { axisIndex, onnx } from "./common.ts";
import { add, compare, div, logic, mul, pow, prelu, sub } from "./elementwise.ts";

interface AlignedAttrs {
  /** Where the second operand's axes begin; null where they end with the first's. */
  readonly axis: number | null;
}

/** The second operand's shape with ones behind it, so that numpy's broadcasting finds its axes. */
function aligned(axis: number | null, [x, y]: readonly (TensorType | null)[]): readonly number[] {
  const shape = y ? dims(y) : [];
  if (axis === null || !x || shape.length === 0) return shape;
  const rank = x.shape.length, behind = rank - axisIndex(axis, rank) - shape.length;
  if (behind < 0) {
    throw new OpError(
      `its input 1 of ${shape.length} axes does not fit input 0 [${dims(x)}] from axis ${axis} on`,
      "its axes are some of the first operand's, one behind another",
    );
  }
  return [...shape, ...new Array<number>(behind).fill(1)];
}

const readAxis = (r: AttrReader): AlignedAttrs => {
  r.int("broadcast", 0);
  return { axis: r.has("axis") ? r.int("axis") : null };
};

/** A slope for each channel. */
const readSlope = (r: AttrReader): AlignedAttrs => {
  const slope = r.type(1), single = slope !== null && dims(slope).every((n) => n === 1);
  return { axis: single || slope?.shape.length !== 1 || r.type(0)?.shape.length === 1 ? null : 1 };
};

const old = (op: OpDef<null>, attrs: (r: AttrReader) => AlignedAttrs): OpDef<AlignedAttrs> => ({
  name: `${op.name}Aligned`,
  onnx: [onnx(op.name, 1, attrs)],
  infer({ axis }, ins, known) {
    const shape = aligned(axis, ins),
      y = op.infer(null, [ins[0], ins[1] && { ...ins[1], shape }], known);
    if (ins[0] && `${y[0].shape}` !== `${ins[0].shape}`) {
      throw new OpError(
        `its input 1 of shape [${dims(ins[1]!)}] does not fit input 0 [${dims(ins[0])}]`,
        "before operator set 7 the first operand has the shape of the result",
      );
    }
    return y;
  },
  body: {
    kind: "expand",
    rewrite({ axis }, [x, y], _, b) {
      const g = building(b), shape = aligned(axis, [x!.type, y!.type]);
      return [g.apply(op, null, x, g.reshape(y!, shape))];
    },
  },
});

export const ops = [
  ...[add, sub, mul, div, pow, ...logic, compare.equal, compare.greater, compare.less]
    .map((op) => old(op, readAxis)),
  old(prelu, readSlope),
] as OpDef<unknown>[];
