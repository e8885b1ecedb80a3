/** The quantised model as ONNX: QuantizeLinear and DequantizeLinear around what is quantised. */
import { type EditableModel, type EditableNode, intAttribute } from "../onnx/editable.ts";
import { DTYPES } from "../util/dtype.ts";
import { isConversion } from "./operators.ts";
import { raiseOpset } from "./opset.ts";
import { tensor, type TensorData } from "../util/tensor.ts";
import type { Layer, QuantPlan } from "./plan.ts";
import type { ActivationType, Params } from "./ranges.ts";
import type { QuantLayer } from "./weights.ts";

/** Everything that was decided about a model. */
export interface Quantised {
  readonly plan: QuantPlan;
  /** Of constant operands. */
  readonly dtype: ActivationType;
  /** Parameters by tensor. */
  readonly params: ReadonlyMap<string, Params>;
  readonly layers: ReadonlyMap<Layer, QuantLayer>;
}

/** First operator set with scales per channel. */
export const OPSET = 13;

/** First operator set with int16 and int4. */
const WIDE_OPSET = 21;

const node = (
  opType: string,
  name: string,
  inputs: string[],
  outputs: string[],
  attributes: EditableNode["attributes"] = [],
): EditableNode => ({ name, opType, domain: "", inputs, outputs, attributes });

const scalar = (dtype: TensorData["dtype"], value: number) => tensor(dtype, [], [value]);

/** The float tensor behind a tensor's DequantizeLinear. */
export const dequantisedName = (tensor: string): string => `${tensor}_DequantizeLinear_Output`;

/**
 * Rewrites the model in place.
 * @param integerPorts inputs and outputs of the graph become integers; else they stay float
 */
export function emit(model: EditableModel, q: Quantised, integerPorts: boolean): void {
  const dequantised = new Map<string, string>();
  const before: EditableNode[] = [], behind = new Map<string, EditableNode[]>();
  const { plan, params } = q;
  const inputs = new Set(model.inputs), outputs = new Set(model.outputs);
  for (const name of plan.tensors) {
    const { dtype, scale, zero } = params.get(name)!;
    const by = [`${name}_scale`, `${name}_zero_point`];
    model.setConstant(by[0], scalar("float32", scale));
    model.setConstant(by[1], scalar(dtype, zero));
    const isInput = inputs.has(name), isOutput = outputs.has(name);
    if (integerPorts && (isInput || isOutput)) model.retype(name, dtype);
    const bare = integerPorts && isInput;
    // A result of the graph keeps its name, so what computes it gets another.
    const computed = isOutput && !isInput ? `${name}_QuantizeLinear_Input` : name;
    const integer = bare ? name : integerPorts && isOutput ? name : `${name}_QuantizeLinear_Output`;
    const float = isOutput && !integerPorts && !isInput ? name : dequantisedName(name);
    const pair = [
      ...(bare
        ? []
        : [node("QuantizeLinear", `${name}_QuantizeLinear`, [computed, ...by], [integer])]),
      node("DequantizeLinear", `${name}_DequantizeLinear`, [integer, ...by], [float]),
    ];
    dequantised.set(name, float);
    if (isInput) before.push(...pair);
    else behind.set(computed, pair);
    if (computed !== name) rename(model, name, computed);
  }
  for (const name of plan.operands) before.push(operand(model, name, q.dtype, dequantised));
  for (const layer of plan.layers) before.push(...constants(model, layer, q));
  for (const n of model.nodes) n.inputs = n.inputs.map((name) => dequantised.get(name) ?? name);
  model.nodes = [
    ...before,
    ...model.nodes.flatMap((n) => [n, ...n.outputs.flatMap((o) => behind.get(o) ?? [])]),
  ];
  pruneUnread(model);
  const wide = plan.tensors.some((t) => params.get(t)!.dtype === "int16") ||
    plan.layers.some((l) => q.layers.get(l)!.weight.dtype === "int4");
  if (wide) raiseOpset(model, WIDE_OPSET);
  model.raiseIrVersion(model.opset >= WIDE_OPSET ? 10 : 7);
}

function rename(model: EditableModel, from: string, to: string): void {
  for (const n of model.nodes) n.outputs = n.outputs.map((o) => o === from ? to : o);
}

/** Nothing is left of a pair that nobody reads. */
function pruneUnread(model: EditableModel): void {
  for (let before = -1; before !== model.nodes.length;) {
    before = model.nodes.length;
    const read = new Set([...model.nodes.flatMap((n) => n.inputs), ...model.outputs]);
    model.nodes = model.nodes.filter((n) => !isConversion(n) || n.outputs.some((o) => read.has(o)));
  }
}

/** A constant operand of an element-wise node, quantised over its own range. */
function operand(
  model: EditableModel,
  name: string,
  dtype: ActivationType,
  dequantised: Map<string, string>,
): EditableNode {
  const t = model.constant(name)!;
  const values = Array.from(t.data as Float32Array);
  const low = Math.min(0, ...values), high = Math.max(0, ...values);
  const least = Number(DTYPES[dtype].min), most = Number(DTYPES[dtype].max);
  const scale = Math.fround((high - low) / (most - least) || 1);
  const zero = Math.round(least - low / scale);
  const q = values.map((v) => Math.max(least, Math.min(most, Math.round(v / scale) + zero)));
  const names = [`${name}_quantized`, `${name}_scale`, `${name}_zero_point`];
  model.setConstant(names[0], tensor(dtype, t.shape, q));
  model.setConstant(names[1], scalar("float32", scale));
  model.setConstant(names[2], scalar(dtype, zero));
  dequantised.set(name, dequantisedName(name));
  return node("DequantizeLinear", `${name}_DequantizeLinear`, names, [dequantised.get(name)!]);
}

/** DequantizeLinear of a layer's weight and bias; its nodes read them. */
function constants(model: EditableModel, layer: Layer, q: Quantised): EditableNode[] {
  const { weight, scales, bias } = q.layers.get(layer)!;
  const input = q.params.get(layer.input)!;
  const one = scales.length === 1;
  const dequantize = (
    name: string,
    data: TensorData,
    scale: Float32Array,
    axis: number,
    zero: TensorData["dtype"] | null,
  ): EditableNode => {
    const names = [`${name}_quantized`, `${name}_scale`, `${name}_zero_point`];
    const shape = one ? [] : [scale.length];
    model.setConstant(names[0], data);
    model.setConstant(names[1], tensor("float32", shape, scale));
    if (zero) model.setConstant(names[2], tensor(zero, shape, scale.map(() => 0)));
    return node(
      "DequantizeLinear",
      `${name}_DequantizeLinear`,
      zero ? names : names.slice(0, 2),
      [dequantisedName(name)],
      one ? [] : [intAttribute("axis", axis)],
    );
  };
  const nodes = [dequantize(layer.weight, weight, scales, layer.weightAxis, weight.dtype)];
  layer.node.inputs[1] = nodes[0].outputs[0];
  if (bias === null) return nodes;
  const steps = scales.map((s) => Math.fround(Math.fround(input.scale) * s));
  const values = Array.from(bias, (b, i) => {
    const v = Math.round(b / steps[one ? 0 : i]);
    return Math.max(-(2 ** 31), Math.min(2 ** 31 - 1, v));
  });
  const target = layer.bias ?? { node: layer.node, input: layer.role.bias! };
  const old = layer.bias && model.constant(target.node.inputs[target.input]);
  const shape = old ? old.shape : [values.length];
  const name = layer.bias ? target.node.inputs[target.input] : `${layer.weight}_bias`;
  // A bias that several layers read is quantised with the scale of each.
  const own = model.isConstant(`${name}_quantized`) ? `${name}_${layer.name}` : name;
  nodes.push(dequantize(own, tensor("int32", shape, values), steps, shape.length - 1, null));
  target.node.inputs[target.input] = nodes[1].outputs[0];
  return nodes;
}
