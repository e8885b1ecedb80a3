/** Weights as float16 in a model that stays float: each behind a Cast, which every tool folds or runs. */
import { EditableModel, type EditableNode, intAttribute } from "../onnx/editable.ts";
import { tensor, type TensorData } from "../util/tensor.ts";
import { BurinError } from "../util/errors.ts";
import type { QuantPlan } from "./plan.ts";

/** TensorProto.FLOAT. */
const FLOAT32 = 1;

/** A float model's weights rounded to float16, half to even; null where one is beyond its numbers. */
export function halved({ data, shape }: TensorData): TensorData | null {
  const half = new Float16Array(data as Float32Array);
  if (!half.every(Number.isFinite)) return null;
  return tensor("float16", shape, new Uint16Array(half.buffer));
}

/**
 * The file with the weights of a plan's layers in float16; weights that are too large stay as they are.
 *
 * @throws BurinError `model/nothing-to-quantize`
 */
export function withHalfWeights(file: Uint8Array, { layers }: QuantPlan): Uint8Array {
  const model = EditableModel.read(file), casts: EditableNode[] = [];
  const made = new Set<string>();
  for (const { weight } of layers) {
    const half = made.has(weight) ? null : halved(model.constant(weight)!);
    if (!half) continue;
    made.add(weight);
    const [stored, wide] = [`${weight}_float16`, `${weight}_float32`];
    model.setConstant(stored, half);
    casts.push({
      name: `${weight}_Cast`,
      opType: "Cast",
      domain: "",
      inputs: [stored],
      outputs: [wide],
      attributes: [intAttribute("to", FLOAT32)],
    });
    for (const n of model.nodes) n.inputs = n.inputs.map((x) => x === weight ? wide : x);
  }
  if (casts.length === 0) {
    throw new BurinError(
      "model/nothing-to-quantize",
      "Cannot store weights in float16 as no layer has some that float16 holds",
      "quantise it to int8",
    );
  }
  model.nodes = [...casts, ...model.nodes];
  return model.encode();
}
