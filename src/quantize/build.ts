/** From what was decided of a float model to the quantised one. */
import { EditableModel } from "../onnx/editable.ts";
import { BurinError } from "../util/errors.ts";
import type { Columns } from "./columns.ts";
import { emit, type Quantised } from "./emit.ts";
import type { Made, Source } from "./measure.ts";
import { type Layer, layerNodes, nameOf, planQuantisation, type QuantPlan } from "./plan.ts";
import {
  type ActivationType,
  type Method,
  type Params,
  paramsOf,
  type Range,
  rangeOf,
  wideParamsOf,
} from "./ranges.ts";
import { Statistics } from "./statistics.ts";
import { quantizeLayer, type QuantLayer, type WeightOptions } from "./weights.ts";

/** What the samples showed: statistics by tensor, operands by layer. */
export interface Seen {
  readonly byTensor: ReadonlyMap<string, Statistics>;
  readonly columns: ReadonlyMap<string, Columns>;
  /** Layers that were quantised before, by all that decides them. */
  readonly layers: Map<string, QuantLayer>;
}

/** How everything is quantised that nothing else is said of. */
export interface BuildOptions extends WeightOptions {
  readonly method: Method;
  readonly percentile: number;
  readonly dtype: ActivationType;
  readonly symmetric: boolean;
  /** Ranges that are known already, by tensor. */
  readonly ranges: ReadonlyMap<string, Range>;
  /** Integer inputs and outputs instead of float ones. */
  readonly integerPorts: boolean;
}

/** What is not as everything else is. */
export interface Precisions {
  /** Names of nodes that stay float. */
  readonly float: readonly string[];
  /** Tensors of int16, and with them those that share their parameters. */
  readonly wide: ReadonlySet<string>;
  /** Layers whose weights are int8 although those of others are int4. */
  readonly fine: ReadonlySet<string>;
  /** Of a model with noise from one source alone: the one tensor, or the one layer's weights. */
  readonly only?: { readonly tensor: string } | { readonly weights: string };
}

/** The tensors that nodes compute, or that are named themselves. @throws `usage/unknown-node` */
export function resultsOf(plan: QuantPlan, names: readonly string[]): string[] {
  return names.map((name) => {
    const layer = plan.layers.find((l) => layerNodes(l).includes(name));
    const node = [...plan.nodes].find((n) => nameOf(n) === name);
    const result = layer ? layer.clamp?.outputs[0] ?? layer.output : node?.outputs[0] ?? name;
    if (plan.tensors.includes(result)) return result;
    throw new BurinError(
      "usage/unknown-node",
      `Cannot compute ${name} in int16 as no quantised tensor or node has that name`,
      "the report of `quantize` names the tensors",
    );
  });
}

/** Scale and zero point of every tensor of a plan. */
function parameters(
  plan: QuantPlan,
  seen: Seen,
  { method, percentile, dtype, symmetric, ranges }: BuildOptions,
  wide: ReadonlySet<string>,
): Map<string, Params> {
  const leaders = new Map<string, Statistics>();
  for (const t of plan.tensors) {
    const leader = plan.leader.get(t)!;
    const merged = leaders.get(leader) ?? new Statistics([1]);
    merged.merge(seen.byTensor.get(t)!);
    leaders.set(leader, merged);
  }
  const wideLeaders = new Set(
    plan.tensors.filter((t) => wide.has(t)).map((t) => plan.leader.get(t)),
  );
  const byLeader = new Map(
    [...leaders].map(([t, s]) => {
      const fixed = plan.fixed.get(t);
      // Functions with a range of their own have it within −1 and 1.
      if (wideLeaders.has(t)) return [t, fixed ? wideParamsOf(-1, 1) : wideParamsOf(s.min, s.max)];
      const range = fixed ?? ranges.get(t) ?? rangeOf(s, { method, percentile, dtype, symmetric });
      return [t, paramsOf(range, dtype, symmetric && !fixed)];
    }),
  );
  return new Map(plan.tensors.map((t) => [t, byLeader.get(plan.leader.get(t)!)!]));
}

/** The plan with one source of noise. */
function restricted(plan: QuantPlan, only: Precisions["only"]): QuantPlan {
  if (!only) return plan;
  if ("weights" in only) {
    const layers = plan.layers.filter((l) => l.name === only.weights);
    return { ...plan, tensors: [], operands: [], layers };
  }
  const leader = plan.leader.get(only.tensor);
  const tensors = plan.tensors.filter((t) => plan.leader.get(t) === leader);
  return { ...plan, tensors, operands: [], layers: [] };
}

function layer(
  model: EditableModel,
  l: Layer,
  input: Params,
  seen: Seen,
  { weights, perChannel, rounding, correctBias }: WeightOptions,
): QuantLayer {
  const options: WeightOptions = { weights, perChannel, rounding, correctBias };
  const key = JSON.stringify([l.name, input, options]);
  const known = seen.layers.get(key);
  if (known) return known;
  const bias = l.bias ? model.constant(l.bias.node.inputs[l.bias.input])! : null;
  const q = quantizeLayer(
    l,
    model.constant(l.weight)!,
    bias && bias.data as Float32Array,
    seen.columns.get(l.name)!,
    input,
    options,
  );
  seen.layers.set(key, q);
  return q;
}

/**
 * Quantises a model as decided.
 * @throws BurinError `model/nothing-to-quantize`, `model/old-opset`, `usage/unknown-node`
 */
export function build(source: Source, seen: Seen, options: BuildOptions, p: Precisions): Made {
  const made = (ports: boolean) => {
    const model = EditableModel.read(source.file);
    const whole = planQuantisation(model, source.types, p.float);
    const params = parameters(whole, seen, options, p.wide);
    const plan = restricted(whole, p.only);
    const optionsOf = (l: Layer): WeightOptions =>
      p.fine.has(l.name) ? { ...options, weights: "int8" } : options;
    const layers = new Map(
      plan.layers.map((l) => [l, layer(model, l, params.get(l.input)!, seen, optionsOf(l))]),
    );
    const quantised: Quantised = { plan, dtype: options.dtype, params, layers };
    emit(model, quantised, ports);
    return { file: model.encode(), quantised };
  };
  const { file, quantised } = made(false);
  return {
    file: options.integerPorts && !p.only ? made(true).file : file,
    comparable: file,
    source,
    quantised,
  };
}
