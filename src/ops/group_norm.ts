/** Normalisations that are made of other operators: over groups, by norms and root mean squares. */
import { type OpDef, OpError } from "../ir/opdef.ts";
import { dims, type TensorType, type Value } from "../ir/graph.ts";
import { type Building, building } from "./building.ts";
import { axisIndex, broadcastShapes, onnx, operand, type Types } from "./common.ts";
import { compare } from "./elementwise.ts";
import { reduceL1, reduceL2, reduceMean } from "./reduce.ts";
import { reciprocal, squareRoot } from "./unary.ts";

/** Type in which ONNX computes where it says `stash_type` 1. */
const stashed = (g: Building, x: Value): Value =>
  x.type.dtype === "float64" ? x : g.cast(x, "float32");

const mean = (g: Building, x: Value, axes: readonly number[]): Value =>
  g.apply(reduceMean, { axes, keepDims: true }, x);

/** 1/√(x + ε). */
export const inverseRoot = (g: Building, x: Value, epsilon: number): Value =>
  g.apply(
    reciprocal,
    null,
    g.apply(squareRoot, null, g.add(x, g.scalar(epsilon, x.type.dtype))),
  );

/** (x − mean) and the mean of its square. */
function centred(g: Building, x: Value, axes: readonly number[]): { d: Value; variance: Value } {
  const d = g.sub(x, mean(g, x, axes));
  return { d, variance: mean(g, g.mul(d, d), axes) };
}

interface RmsAttrs {
  readonly axis: number;
  readonly epsilon: number;
}

/** Inputs x, scale: x / √(mean x² + ε) · scale, the mean over the axes from `axis` on. */
export const rmsNormalization: OpDef<RmsAttrs> = {
  name: "RMSNormalization",
  // The first is what onnxruntime calls it where it has put it together itself.
  onnx: [["SimplifiedLayerNormalization", 1] as const, ["RMSNormalization", 23] as const].map((
    [type, since],
  ) =>
    onnx(type, since, (r) => {
      if (r.int("stash_type", 1) !== 1) throw new OpError("its stash_type is not 1", "use float32");
      return { axis: r.int("axis", -1), epsilon: r.float("epsilon", 1e-5) };
    })
  ),
  infer(a, ins) {
    const x = operand(ins, 0, "float"), shape = dims(x);
    axisIndex(a.axis, shape.length);
    if (broadcastShapes([shape, dims(operand(ins, 1, "float"))]).length !== shape.length) {
      throw new OpError(
        `its scale has more axes than its input [${shape}]`,
        "a scale broadcasts to the input",
      );
    }
    return [{ dtype: ins[1]!.dtype, shape }];
  },
  body: {
    kind: "expand",
    rewrite(a, [x, scale], _, builder) {
      const g = building(builder), wide = stashed(g, x!), rank = x!.type.shape.length;
      const first = axisIndex(a.axis, rank);
      const axes = Array.from({ length: rank - first }, (_, i) => first + i);
      const factor = inverseRoot(g, mean(g, g.mul(wide, wide), axes), a.epsilon);
      const normal = g.cast(g.mul(wide, factor), scale!.type.dtype);
      return [g.mul(normal, scale!)];
    },
  },
};

interface GroupAttrs {
  readonly groups: number;
  readonly epsilon: number;
  /** Scale and bias are given for every channel, else for every group. */
  readonly perChannel: boolean;
}

function groupType(a: GroupAttrs, ins: Types): TensorType {
  const x = operand(ins, 0, "float"), shape = dims(x), n = a.perChannel ? shape[1] : a.groups;
  const fits = shape.length >= 2 && shape[1] % a.groups === 0 &&
    [1, 2].every((i) => `${dims(operand(ins, i, "float"))}` === `${n}`);
  if (!fits) {
    throw new OpError(
      `its input [${shape}] does not fit ${a.groups} groups with its parameters`,
      `scale and bias have one element for every ${a.perChannel ? "channel" : "group"}`,
    );
  }
  return x;
}

/** Inputs x [N, C, …], scale, bias: normalised over the channels of a group and all positions. */
const groupNormalization: OpDef<GroupAttrs> = {
  name: "GroupNormalization",
  changes: [{ since: 21, kind: "meaning" }],
  onnx: [18, 21].map((since) =>
    onnx("GroupNormalization", since, (r) => ({
      groups: r.int("num_groups"),
      epsilon: r.float("epsilon", 1e-5),
      // Writers of operator set 18 give parameters for every channel too, as later versions have it.
      perChannel: since >= 21 || r.type(1)?.shape[0] !== r.int("num_groups"),
    }))
  ),
  infer: (a, ins) => [groupType(a, ins)],
  body: {
    kind: "expand",
    rewrite(a, [x, scale, bias], _, builder) {
      const g = building(builder), [n, c, ...rest] = dims(x!.type), each = c / a.groups;
      const size = each * rest.reduce((p, d) => p * d, 1), { dtype } = x!.type;
      const grouped = g.reshape(stashed(g, x!), [n, a.groups, size]);
      const { d, variance } = centred(g, grouped, [2]);
      const normal = g.cast(g.mul(d, inverseRoot(g, variance, a.epsilon)), dtype);
      // One parameter for every channel or group, alike for the batch and all positions.
      const [shape, wide] = a.perChannel
        ? [[n, c, ...rest], [c, ...rest.map(() => 1)]]
        : [[n, a.groups, size], [a.groups, 1]];
      const scaled = g.mul(g.reshape(normal, shape), g.reshape(scale!, wide));
      return [g.reshape(g.add(scaled, g.reshape(bias!, wide)), [n, c, ...rest])];
    },
  },
};

/** (x − mean) / (√(mean (x − mean)²) + 1e-9) over axes. */
const meanVarianceNormalization: OpDef<{ axes: readonly number[] }> = {
  name: "MeanVarianceNormalization",
  onnx: [onnx("MeanVarianceNormalization", 9, (r) => ({ axes: r.ints("axes", [0, 2, 3]) }))],
  infer(a, ins) {
    const x = operand(ins, 0, "float");
    a.axes.forEach((v) => axisIndex(v, x.shape.length));
    return [x];
  },
  body: {
    kind: "expand",
    rewrite({ axes }, [x], _, builder) {
      const g = building(builder), { d, variance } = centred(g, x!, axes);
      const deviation = g.apply(squareRoot, null, variance);
      return [g.div(d, g.add(deviation, g.scalar(1e-9, x!.type.dtype)))];
    },
  },
};

interface LpAttrs {
  readonly axis: number;
  readonly p: number;
}

/** x / ‖x‖ along an axis, p 1 or 2; zero where the norm is. */
const lpNormalization: OpDef<LpAttrs> = {
  name: "LpNormalization",
  onnx: [onnx("LpNormalization", 1, (r) => ({ axis: r.int("axis", -1), p: r.int("p", 2) }))],
  infer(a, ins) {
    const x = operand(ins, 0, "float");
    axisIndex(a.axis, x.shape.length);
    if (a.p !== 1 && a.p !== 2) throw new OpError(`its p is ${a.p}`, "use 1 or 2");
    return [x];
  },
  body: {
    kind: "expand",
    rewrite({ axis, p }, [x], _, builder) {
      const g = building(builder), zero = g.scalar(0, x!.type.dtype);
      const norm = g.apply(p === 1 ? reduceL1 : reduceL2, { axes: [axis], keepDims: true }, x!);
      const none = g.apply(compare.equal, null, norm, zero);
      return [g.where(none, zero, g.div(x!, norm))];
    },
  },
};

export const ops = [
  rmsNormalization,
  groupNormalization,
  meanVarianceNormalization,
  lpNormalization,
] as OpDef<unknown>[];
