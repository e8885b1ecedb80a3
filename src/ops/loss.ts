/** Losses of classification. */
import { type Compute, compute, sum, type Tensor } from "../te/compute.ts";
import { bin, div, type Expr, imm, load, mul, select, un } from "../te/expr.ts";
import { type AttrReader, type OpDef, OpError } from "../ir/opdef.ts";
import { dims, type TensorType } from "../ir/graph.ts";
import { axisNames } from "./axes.ts";
import { onnx, operand, type Types } from "./common.ts";
import { bounded } from "./gather.ts";
import { reduced } from "./reduce.ts";
import { logSoftmax } from "./softmax.ts";

const REDUCTIONS = ["none", "sum", "mean"] as const;

interface LossAttrs {
  readonly reduction: typeof REDUCTIONS[number];
  /** Targets of this value count nothing. */
  readonly ignore: number | null;
}

function readLoss(r: AttrReader): LossAttrs {
  const reduction = REDUCTIONS.find((x) => x === r.string("reduction", "mean"));
  if (!reduction) {
    throw new OpError(
      `its reduction is '${r.string("reduction")}'`,
      `it is one of ${REDUCTIONS.join(", ")}`,
    );
  }
  return { reduction, ignore: r.has("ignore_index") ? r.int("ignore_index") : null };
}

/** Inputs scores [N, C, d…], classes [N, d…], weights [C] or null. */
function lossType(a: LossAttrs, ins: Types): TensorType {
  const x = operand(ins, 0, "float"), target = dims(operand(ins, 1, "int")), [n, c, ...d] = dims(x);
  const fits = x.shape.length >= 2 && `${target}` === `${[n, ...d]}` &&
    (!ins[2] || `${dims(ins[2])}` === `${[c]}`);
  if (!fits) {
    throw new OpError(
      `its classes [${target}] do not fit its input [${dims(x)}]`,
      "scores are [N, C, d…], classes [N, d…], weights [C]",
    );
  }
  return { dtype: x.dtype, shape: a.reduction === "none" ? target : [] };
}

function define(
  a: LossAttrs,
  [x, target, weight]: readonly (Tensor | null | undefined)[],
  [out]: readonly TensorType[],
): readonly Compute[] {
  const { dtype } = out, shape = target!.shape, names = axisNames(shape.length);
  const zero = imm(0, dtype);
  const counted = (at: readonly Expr[], value: Expr): Expr => {
    const t = load(target!, at);
    return a.ignore === null ? value : select(bin("eq", t, imm(a.ignore, t.dtype)), zero, value);
  };
  const ofClass = (at: readonly Expr[]): Expr => bounded(load(target!, at), x!.shape[1]);
  const weightOf = (at: readonly Expr[]): Expr =>
    weight ? load(weight, [ofClass(at)]) : imm(1, dtype);
  const each = compute("each", dtype, shape, (...at) => {
    const l = un("neg", load(x!, [at[0], ofClass(at), ...at.slice(1)]));
    return counted(at, weight ? mul(l, weightOf(at)) : l);
  }, names);
  if (a.reduction === "none") return [each];
  const all = { axes: null, keepDims: false };
  const total = (name: string, t: Tensor): Compute =>
    compute(name, dtype, [], () => {
      const { axes, element } = reduced(all, t, []);
      return sum(axes, element);
    });
  const loss = total("loss", each.out);
  if (a.reduction === "sum") return [each, loss];
  const weights = compute("weights", dtype, shape, (...at) => counted(at, weightOf(at)), names);
  const whole = total("whole", weights.out);
  const mean = compute("y", dtype, [], () => div(load(loss.out, []), load(whole.out, [])));
  return [each, loss, weights, whole, mean];
}

/** −x at the class of every position, weighted; reduced over all. */
const negativeLogLikelihood: OpDef<LossAttrs> = {
  name: "NegativeLogLikelihoodLoss",
  onnx: [onnx("NegativeLogLikelihoodLoss", 12, readLoss)],
  infer: (a, ins) => [lossType(a, ins)],
  body: { kind: "compute", define },
};

/** The same of LogSoftmax over the classes, which is the second output. */
const softmaxCrossEntropy: OpDef<LossAttrs> = {
  name: "SoftmaxCrossEntropyLoss",
  onnx: [onnx("SoftmaxCrossEntropyLoss", 12, readLoss)],
  infer: (a, ins) => [lossType(a, ins), operand(ins, 0, "float")],
  body: {
    kind: "expand",
    rewrite(a, [x, ...rest], _, b) {
      const [p] = b.node(logSoftmax, { axis: 1, flatten: false }, [x]);
      return [b.node(negativeLogLikelihood, a, [p, ...rest])[0], p];
    },
  },
};

export const ops = [negativeLogLikelihood, softmaxCrossEntropy] as OpDef<unknown>[];
