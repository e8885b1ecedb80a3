/**
 * The float model as quantising wants it: constants known, normalisations and constant factors
 * folded into the weights in front of them, every layer with a weight of its own.
 */
import { type EditableModel, type EditableNode, floatOf, isLiteral } from "../onnx/editable.ts";
import type { TensorData } from "../util/tensor.ts";
import { sizeOf, tensor } from "../util/tensor.ts";
import type { Affine } from "../ir/post_training.ts";
import { attributesOf, roleOf } from "./operators.ts";
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
  const node = model.nodes.find((n) => roleOf(n).integers);
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
    isLiteral(n) || n.outputs.length === 0 ||
    !n.outputs.every((o) => known.has(o) || o === "")
  );
  privateWeights(model);
  for (const n of model.nodes) foldFactors(model, n);
  foldAffine(model);
}

/** Gives every layer a weight that no other node reads. */
function privateWeights(model: EditableModel): void {
  const taken = new Set<string>();
  for (const n of model.nodes) {
    if (!roleOf(n).weight) continue;
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

/** Attributes that multiply constants become part of these, where that does away with all of them. */
function foldFactors(model: EditableModel, n: EditableNode): void {
  const factors = roleOf(n).weight?.factors ?? [];
  if (factors.length === 0) return;
  const given = factors.map(({ attribute, input }) => ({
    name: n.inputs[input],
    factor: floatOf(n, attribute, 1),
  }));
  if (given.some(({ name, factor }) => name && factor !== 1 && !model.isConstant(name))) return;
  for (const { name, factor } of given) {
    const t = name ? model.constant(name) : undefined;
    if (t) model.setConstant(name, { ...t, data: floats(t).map((v) => v * factor) });
  }
  const gone = new Set(factors.map((f) => f.attribute));
  n.attributes = n.attributes.filter((a) => !gone.has(a.name ?? ""));
}

const readsWindows = (n: EditableNode): boolean => roleOf(n).weight?.reads === "windows";

/** Folds normalisations, constant factors and constant terms into the convolution in front. */
function foldAffine(model: EditableModel): void {
  for (let again = true; again;) {
    again = false;
    const readers = readersOf(model);
    for (const conv of model.nodes.filter(readsWindows)) {
      const [output] = conv.outputs, users = readers.get(output) ?? [];
      const weight = model.constant(conv.inputs[1]);
      const bias = conv.inputs[2] ? model.constant(conv.inputs[2]) : null;
      const float = weight?.dtype === "float32" && bias !== undefined;
      if (users.length !== 1 || model.outputs.includes(output) || !float) continue;
      const [user] = users;
      const [channels] = weight.shape;
      const input = user.inputs.indexOf(output);
      const affine = roleOf(user).affine?.({
        input,
        constants: user.inputs.map((name) => name === output ? undefined : model.constant(name)),
        outputs: user.outputs.length,
        attrs: attributesOf(user),
        channels,
        rank: weight.shape.length,
      });
      if (!affine) continue;
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
