/** A model in a newer operator set: what changed in between is written as the newer one has it. */
import {
  type EditableModel,
  type EditableNode,
  intAttribute,
  intOf,
  intsOf,
} from "../onnx/editable.ts";
import { BurinError } from "../util/errors.ts";
import { tensor } from "../util/tensor.ts";

/** Reductions whose axes became an input in 18 (ReduceSum's in 13). */
const REDUCTIONS = new Set([
  ...["ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean"],
  ...["ReduceMin", "ReduceProd", "ReduceSumSquare"],
]);

/** Operators that mean something else from a version on, with inputs or attributes of another kind. */
const CHANGED: Readonly<Record<string, number>> = {
  RoiAlign: 16,
  DFT: 20,
  GridSample: 20,
  GroupNormalization: 21,
};

/** First operator set that is raised: older ones differ in too much. */
export const OLDEST = 11;

/** Operators that flattened what lies behind their axis before 13. */
const FLATTENING = new Set(["Softmax", "LogSoftmax", "Hardmax"]);

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
    const changed = CHANGED[n.opType] ?? 0;
    if ((from < changed && changed <= version) || nested) refuse(n, from, version);
    if (from < 13) to13(model, n, shapes(n.inputs[0]), () => refuse(n, from, version));
    if (from >= 18 || version < 18) continue;
    if (REDUCTIONS.has(n.opType)) axesAsInput(model, n);
    else if (n.opType === "Split" && !n.inputs[1]) {
      n.attributes = [...n.attributes, { name: "num_outputs", i: n.outputs.length, type: 2 }];
    }
  }
  model.opset = version;
}

/** What 12 and 13 changed. */
function to13(
  model: EditableModel,
  n: EditableNode,
  shape: readonly number[] | undefined,
  refuse: () => never,
): void {
  if (["Squeeze", "Unsqueeze", "ReduceSum"].includes(n.opType)) axesAsInput(model, n);
  else if (n.opType === "Split") axesAsInput(model, n, "split");
  else if (n.opType === "Dropout") n.attributes = n.attributes.filter((a) => a.name !== "ratio");
  else if (FLATTENING.has(n.opType)) {
    if (shape === undefined) refuse();
    const axis = intOf(n, "axis", 1), at = axis < 0 ? axis + shape.length : axis;
    if (shape.slice(at + 1).some((size) => size !== 1)) refuse();
    n.attributes = [...n.attributes.filter((a) => a.name !== "axis"), intAttribute("axis", at)];
  }
}

function axesAsInput(model: EditableModel, n: EditableNode, attribute = "axes"): void {
  const axes = intsOf(n, attribute, []);
  if (axes.length === 0) return;
  const name = `${n.outputs[0]}_${attribute}`;
  model.setConstant(name, tensor("int64", [axes.length], axes));
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
