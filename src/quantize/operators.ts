/** What quantising does with each ONNX operator: the one table; what is not here stays float. */
import { type EditableNode, intOf } from "../onnx/editable.ts";

/** How a node's tensors are quantised. */
export type Role =
  /** A constant weight with a scale per channel, a bias in the accumulator; reads input 0. */
  | { readonly kind: "weighted"; readonly weightAxis: (n: EditableNode, rank: number) => number }
  /** Computes on quantised operands; the result has a range of its own. */
  | { readonly kind: "own" }
  /** The range follows from the function: [low, high]. */
  | { readonly kind: "fixed"; readonly low: number; readonly high: number }
  /** Moves or selects elements: the result has the parameters of input 0. */
  | { readonly kind: "same" }
  /** Joins tensors: all inputs and the result share their parameters. */
  | { readonly kind: "shared" };

const own: Role = { kind: "own" };
const same: Role = { kind: "same" };
const weighted = (weightAxis: (n: EditableNode, rank: number) => number): Role => ({
  kind: "weighted",
  weightAxis,
});

const ROLES: Readonly<Record<string, Role>> = {
  Conv: weighted(() => 0),
  MatMul: weighted((_, rank) => rank - 1),
  Gemm: weighted((n) => intOf(n, "transB", 0) ? 0 : 1),
  Add: own,
  Sub: own,
  Mul: own,
  Relu: own,
  Clip: own,
  LeakyRelu: own,
  Elu: own,
  HardSigmoid: own,
  HardSwish: own,
  AveragePool: own,
  GlobalAveragePool: own,
  ReduceMean: own,
  Sigmoid: { kind: "fixed", low: 0, high: 255 / 256 },
  Softmax: { kind: "fixed", low: 0, high: 255 / 256 },
  Tanh: { kind: "fixed", low: -1, high: 127 / 128 },
  MaxPool: same,
  GlobalMaxPool: same,
  Reshape: same,
  Flatten: same,
  Squeeze: same,
  Unsqueeze: same,
  Transpose: same,
  Slice: same,
  Gather: same,
  Identity: same,
  Dropout: same,
  DepthToSpace: same,
  SpaceToDepth: same,
  Split: same,
  Concat: { kind: "shared" },
};

/** The role of a node, null where it stays float. */
export const roleOf = (n: EditableNode): Role | null =>
  n.domain === "" ? ROLES[n.opType] ?? null : null;

/** Clamps whose result alone is quantised when they follow these directly. */
export const isClamp = (n: EditableNode): boolean => n.opType === "Relu" || n.opType === "Clip";

/** Whether clamping commutes with a positive factor per channel. */
export const isHomogeneous = (n: EditableNode): boolean => n.opType === "Relu";

/** Nodes that take a clamp behind them into their own rounding. */
export const takesClamp = (n: EditableNode): boolean =>
  ["Conv", "MatMul", "Gemm", "Add"].includes(n.opType) && n.domain === "";

/** Operators that say that a model is quantised already. */
export const isQuantisation = (n: EditableNode): boolean =>
  /^(De|Dynamic)?Quantize|^QLinear|^QGemm|^QAttention|Integer$|IntegerToFloat$/.test(n.opType);
