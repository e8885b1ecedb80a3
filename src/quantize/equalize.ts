/**
 * Cross-layer equalisation (Nagel et al., "Data-free quantization through weight equalization and
 * bias correction", 2019): channels of a tensor are scaled to like ranges by the layer that computes
 * it, and back by the layer that reads it. Float results stay the same but for rounding.
 */
import { type EditableModel, intOf } from "../onnx/editable.ts";
import { sizeOf, type TensorData } from "../util/tensor.ts";
import { roleOf } from "./operators.ts";
import { type Layer, nameOf, type QuantPlan } from "./plan.ts";
import { readersOf } from "./prepare.ts";
import type { Statistics } from "./statistics.ts";

/** Largest factor: beyond it a channel's bias no longer fits beside its neighbours. */
const MOST = 64;

/** A tensor between two convolutions whose channels may be scaled. */
interface Link {
  readonly tensor: string;
  readonly from: Layer;
  readonly to: Layer;
  /** The reader has a scale for each of these channels: equalising costs it nothing. */
  readonly depthwise: boolean;
}

/** Tensors that one convolution computes, perhaps through Relu, and one convolution reads. */
export function equalisable(model: EditableModel, plan: QuantPlan): Link[] {
  const readers = readersOf(model);
  const members = new Map<string, number>();
  for (const t of plan.tensors) {
    const leader = plan.leader.get(t)!;
    members.set(leader, (members.get(leader) ?? 0) + 1);
  }
  return plan.layers.flatMap((from): Link[] => {
    const scales = !from.clamp || roleOf(from.clamp).clamp === "scales";
    if (from.role.reads !== "windows" || !scales) return [];
    const tensor = from.clamp?.outputs[0] ?? from.output;
    const users = readers.get(tensor) ?? [];
    const to = plan.layers.find((l) => l.name === nameOf(users[0]) && l.input === tensor);
    const alone = users.length === 1 && !model.outputs.includes(tensor) &&
      members.get(plan.leader.get(tensor) ?? "") === 1;
    if (!to || to.role.reads !== "windows" || !alone) return [];
    const group = intOf(to.node, "group", 1);
    const channels = model.constant(from.weight)!.shape[0];
    if (group !== 1 && group !== channels) return [];
    return [{ tensor, from, to, depthwise: group === channels && channels > 1 }];
  });
}

/**
 * Equalises in place.
 *
 * @param strength exponent for readers that share a scale among channels: 0 leaves them alone, 1
 *   makes all ranges equal
 */
export function equalise(
  model: EditableModel,
  links: readonly Link[],
  seen: ReadonlyMap<string, Statistics>,
  strength: number,
): void {
  for (const { tensor, from, to, depthwise } of links) {
    const ranges = seen.get(tensor)!.channelMax;
    const most = Math.max(...ranges), exponent = depthwise ? 1 : strength;
    const factors = Array.from(
      ranges,
      (r) => r > 0 ? Math.fround(Math.min(MOST, (most / r) ** exponent)) : 1,
    );
    const weight = model.constant(from.weight)!;
    scale(
      model,
      from.weight,
      weight,
      (i) => factors[Math.floor(i / (sizeOf(weight.shape) / factors.length))],
    );
    if (from.bias) {
      const name = from.bias.node.inputs[from.bias.input];
      scale(model, name, model.constant(name)!, (i) => factors[i]);
    }
    const next = model.constant(to.weight)!;
    const taps = sizeOf(next.shape.slice(2)), channels = next.shape[1];
    scale(
      model,
      to.weight,
      next,
      (i) =>
        1 / factors[
          depthwise
            ? Math.floor(i / (taps * channels * (next.shape[0] / factors.length)))
            : Math.floor(i / taps) % channels
        ],
    );
  }
}

function scale(
  model: EditableModel,
  name: string,
  t: TensorData,
  factor: (index: number) => number,
): void {
  const data = (t.data as Float32Array).map((v, i) => v * factor(i));
  model.setConstant(name, { ...t, data });
}
