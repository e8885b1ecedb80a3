/** A model in a newer operator set: what changed in between is written as the newer one has it. */
import type { OpsetChange } from "../ir/post_training.ts";
import {
  type EditableModel,
  type EditableNode,
  intAttribute,
  intOf,
  intsOf,
} from "../onnx/editable.ts";
import { BurinError } from "../util/errors.ts";
import { tensor } from "../util/tensor.ts";
import { changesOf } from "./operators.ts";

/** First operator set that is raised: older ones differ in too much. */
export const OLDEST = 11;

/**
 * Raises the version of ai.onnx in place; a newer one stays.
 * @param version at most 21; @param shapes of tensors, for models older than 13
 * @throws BurinError `model/old-opset` where a node would have to be written anew
 */
export function raiseOpset(
  model: EditableModel,
  version: number,
  shapes: (name: string) => readonly number[] | undefined = () => undefined,
): void {
  const from = model.opset;
  if (from >= version) return;
  for (const n of model.nodes) {
    if (n.domain !== "") continue;
    const nested = n.attributes.some((a) => a.g || a.graphs?.length);
    const changes = changesOf(n).filter(({ since }) => from < since && since <= version);
    const possible = !nested && changes.every((c) => rewrite(model, n, c, shapes(n.inputs[0])));
    if (!possible) refuse(n, from, version);
  }
  model.opset = version;
}

/** Writes a node as a newer operator set has it; whether that can be done. */
function rewrite(
  model: EditableModel,
  n: EditableNode,
  change: OpsetChange,
  shape: readonly number[] | undefined,
): boolean {
  switch (change.kind) {
    case "input":
      attributeAsInput(model, n, change.attribute);
      return true;
    case "dropped":
      n.attributes = n.attributes.filter((a) => a.name !== change.attribute);
      return true;
    case "counted":
      if (!n.inputs[1]) {
        n.attributes = [...n.attributes, intAttribute(change.attribute, n.outputs.length)];
      }
      return true;
    case "axis": {
      if (shape === undefined) return false;
      const axis = intOf(n, "axis", 1), at = axis < 0 ? axis + shape.length : axis;
      if (shape.slice(at + 1).some((size) => size !== 1)) return false;
      n.attributes = [...n.attributes.filter((a) => a.name !== "axis"), intAttribute("axis", at)];
      return true;
    }
    case "meaning":
      return false;
  }
}

function attributeAsInput(model: EditableModel, n: EditableNode, attribute: string): void {
  const values = intsOf(n, attribute, []);
  if (values.length === 0) return;
  const name = `${n.outputs[0]}_${attribute}`;
  model.setConstant(name, tensor("int64", [values.length], values));
  n.inputs = [n.inputs[0], name];
  n.attributes = n.attributes.filter((a) => a.name !== attribute);
}

function refuse(n: EditableNode, from: number, to: number): never {
  throw new BurinError(
    "model/old-opset",
    `Cannot quantise the model as that needs operator set ${to} and the model has ${from}, of which ` +
      `${n.opType} '${n.name || n.outputs[0]}' means something else`,
    `convert it first: onnx.version_converter.convert_version(model, ${to})`,
  );
}
