/**
 * The float model as quantising wants it: constants known, normalisations and constant factors
 * folded into the weights in front of them, every layer with a weight of its own.
 */
import { type EditableModel, type EditableNode, floatOf, intOf } from "../onnx/editable.ts";
import type { TensorData } from "../util/tensor.ts";
import { sizeOf, tensor } from "../util/tensor.ts";
import { isQuantisation } from "./operators.ts";
import { BurinError } from "../util/errors.ts";

const floats = (t: TensorData): Float32Array => t.data as Float32Array;

/** Nodes that read each tensor. */
export function readersOf(model: EditableModel): Map<string, EditableNode[]> {
  const readers = new Map<string, EditableNode[]>();
  for (const n of model.nodes) {
    for (const name of new Set(n.inputs)) readers.set(name, [...readers.get(name) ?? [], n]);
  }
  return readers;
}

/**
 * Refuses what cannot be quantised, as a whole.
 * @throws BurinError `model/quantized`
 */
export function checkFloat(model: EditableModel): void {
  const node = model.nodes.find(isQuantisation);
  if (!node) return;
  throw new BurinError(
    "model/quantized",
    `Cannot quantise the model as it is quantised already: node '${node.name}' is a ${node.opType}`,
    "compile it as it is, or start from the float model that it was made of",
  );
}

/**
 * Prepares a model in place.
 *
 * @param known constants by name that the importer computed from other constants
 */
export function prepare(model: EditableModel, known: ReadonlyMap<string, TensorData>): void {
  for (const [name, data] of known) if (!model.isConstant(name)) model.setConstant(name, data);
  // Constant nodes that are read stay as they are: their values are theirs.
  model.nodes = model.nodes.filter((n) =>
    n.opType === "Constant" || n.outputs.length === 0 ||
    !n.outputs.every((o) => known.has(o) || o === "")
  );
  privateWeights(model);
  for (const n of model.nodes) if (n.opType === "Gemm") foldGemmFactors(model, n);
  foldAffine(model);
}

/** Gives every layer a weight that no other node reads. */
function privateWeights(model: EditableModel): void {
  const taken = new Set<string>();
  for (const n of model.nodes) {
    if (!["Conv", "Gemm", "MatMul"].includes(n.opType)) continue;
    n.inputs = n.inputs.map((name, i) => {
      if (i === 0 || name === "" || !model.isConstant(name)) return name;
      if (!taken.has(name)) {
        taken.add(name);
        return name;
      }
      const own = `${name}_${n.name || n.outputs[0]}`;
      model.setConstant(own, model.constant(name)!);
      return own;
    });
  }
}

/** Gemm's alpha and beta become part of its constants. */
function foldGemmFactors(model: EditableModel, n: EditableNode): void {
  const scaled = (input: number, factor: number) => {
    const t = n.inputs[input] ? model.constant(n.inputs[input]) : undefined;
    if (!t) return factor === 1 || !n.inputs[input];
    const data = floats(t).map((v) => v * factor);
    model.setConstant(n.inputs[input], { ...t, data });
    return true;
  };
  const [alpha, beta] = [floatOf(n, "alpha", 1), floatOf(n, "beta", 1)];
  const constant = (i: number) => !n.inputs[i] || model.isConstant(n.inputs[i]);
  if ((alpha !== 1 && !constant(1)) || (beta !== 1 && !constant(2))) return;
  if (scaled(1, alpha) && scaled(2, beta)) {
    n.attributes = n.attributes.filter((a) => a.name !== "alpha" && a.name !== "beta");
  }
}

/** y = x·scale + shift per channel, with a node that does nothing else. */
interface Affine {
  readonly scale: Float64Array;
  readonly shift: Float64Array;
}

/** What a node behind a convolution does to each of its channels; null where it is something else. */
function affineOf(
  model: EditableModel,
  n: EditableNode,
  input: string,
  channels: number,
  rank: number,
): Affine | null {
  const constants = n.inputs.map((name) =>
    name === input || name === "" ? undefined : model.constant(name)
  );
  if (n.opType === "BatchNormalization") {
    if (n.inputs[0] !== input || intOf(n, "training_mode", 0) || n.outputs.length !== 1) {
      return null;
    }
    const [gamma, beta, mean, variance] = constants.slice(1).map((t) => t && floats(t));
    if (!gamma || !beta || !mean || !variance) return null;
    const epsilon = floatOf(n, "epsilon", 1e-5);
    const scale = Float64Array.from(gamma, (g, c) => g / Math.sqrt(variance[c] + epsilon));
    return { scale, shift: scale.map((s, c) => beta[c] - mean[c] * s) };
  }
  if (n.opType !== "Add" && n.opType !== "Mul") return null;
  const other = constants.find((t) => t !== undefined);
  if (!other || other.dtype !== "float32" || n.inputs.length !== 2) return null;
  const shape = [...Array(Math.max(0, rank - other.shape.length)).fill(1), ...other.shape];
  const perChannel = shape.length === rank &&
    shape.every((d, axis) => d === 1 || (axis === 1 && d === channels));
  if (!perChannel) return null;
  const data = floats(other);
  const values = Float64Array.from({ length: channels }, (_, c) => data[data.length > 1 ? c : 0]);
  return n.opType === "Add"
    ? { scale: new Float64Array(channels).fill(1), shift: values }
    : { scale: values, shift: new Float64Array(channels) };
}

/** Folds normalisations, constant factors and constant terms into the convolution in front. */
function foldAffine(model: EditableModel): void {
  for (let again = true; again;) {
    again = false;
    const readers = readersOf(model);
    for (const conv of model.nodes.filter((n) => n.opType === "Conv")) {
      const [output] = conv.outputs, users = readers.get(output) ?? [];
      const weight = model.constant(conv.inputs[1]);
      const bias = conv.inputs[2] ? model.constant(conv.inputs[2]) : null;
      const float = weight?.dtype === "float32" && bias !== undefined;
      if (users.length !== 1 || model.outputs.includes(output) || !float) continue;
      const [user] = users;
      const [channels] = weight.shape;
      const affine = affineOf(model, user, output, channels, weight.shape.length);
      if (affine === null) continue;
      applyAffine(model, conv, weight, bias, affine);
      conv.outputs = [user.outputs[0]];
      model.nodes = model.nodes.filter((n) => n !== user);
      again = true;
      break;
    }
  }
}

function applyAffine(
  model: EditableModel,
  conv: EditableNode,
  weight: TensorData,
  bias: TensorData | null,
  { scale, shift }: Affine,
): void {
  const perChannel = sizeOf(weight.shape) / weight.shape[0];
  model.setConstant(conv.inputs[1], {
    ...weight,
    data: floats(weight).map((v, i) => v * scale[Math.floor(i / perChannel)]),
  });
  const values = Array.from(shift, (s, c) => s + (bias ? floats(bias)[c] * scale[c] : 0));
  const name = conv.inputs[2] || `${conv.inputs[1]}_bias`;
  model.setConstant(name, tensor("float32", [values.length], values));
  conv.inputs = [conv.inputs[0], conv.inputs[1], name];
}
