/** A model in a newer operator set: what changed in between is written as the newer one has it. */
import { type EditableModel, type EditableNode, intsOf } from "../onnx/editable.ts";
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

/**
 * Raises the version of ai.onnx in place; a newer one stays.
 * @param version at most 21
 * @throws BurinError `model/old-opset` where a node would have to be written anew
 */
export function raiseOpset(model: EditableModel, version: number): void {
  const from = model.opset;
  if (from >= version) return;
  for (const n of model.nodes) {
    if (n.domain !== "") continue;
    const nested = n.attributes.some((a) => a.g || a.graphs?.length);
    if (from < (CHANGED[n.opType] ?? 0) || nested) refuse(n, from, version);
    if (from >= 18) continue;
    if (REDUCTIONS.has(n.opType)) axesAsInput(model, n);
    else if (n.opType === "Split" && !n.inputs[1]) {
      n.attributes = [...n.attributes, { name: "num_outputs", i: n.outputs.length, type: 2 }];
    }
  }
  model.opset = version;
}

function axesAsInput(model: EditableModel, n: EditableNode): void {
  const axes = intsOf(n, "axes", []);
  if (axes.length === 0) return;
  const name = `${n.outputs[0]}_axes`;
  model.setConstant(name, tensor("int64", [axes.length], axes));
  n.inputs = [n.inputs[0], name];
  n.attributes = n.attributes.filter((a) => a.name !== "axes");
}

function refuse(n: EditableNode, from: number, to: number): never {
  throw new BurinError(
    "model/old-opset",
    `Cannot use int16 or int4 as they need operator set ${to} and the model has ${from}, of which ` +
      `${n.opType} '${n.name || n.outputs[0]}' is another operator`,
    `convert it first: onnx.version_converter.convert_version(model, ${to})`,
  );
}
