/** How near a written model comes to the float one, both as generated C. */
import type { CompileOptions } from "../compile.ts";
import type { TensorType } from "../ir/graph.ts";
import { EditableModel } from "../onnx/editable.ts";
import type { Sample } from "../run/samples.ts";
import { intRange } from "../util/dtype.ts";
import type { TensorData } from "../util/tensor.ts";
import { dequantisedName, type Quantised } from "./emit.ts";
import { type OutputQuality, QualityMeter, SignalToNoise } from "./evaluate.ts";
import { observe } from "./observe.ts";
import { roleOf } from "./operators.ts";
import type { QuantPlan } from "./plan.ts";
import type { QuantType } from "./ranges.ts";
import type { Trial } from "./trial.ts";

/** A float model and what is known of it. */
export interface Source {
  readonly file: Uint8Array;
  readonly plan: QuantPlan;
  /** Names of the nodes that the user leaves in float. */
  readonly float: readonly string[];
  readonly types: ReadonlyMap<string, TensorType>;
}

/** A model that was written, and what it was made of. */
export interface Made {
  /** The model as the user wants it. */
  readonly file: Uint8Array;
  /** The same with float inputs and outputs, to be compared with the float model. */
  readonly comparable: Uint8Array;
  readonly source: Source;
  readonly quantised: Quantised;
}

/** One tensor's error in the whole quantised model. */
export interface TensorQuality {
  /** Its name in the float model. */
  readonly tensor: string;
  /** The node that computes it; "" for an input. */
  readonly node: string;
  /** Least value that the integers stand for. */
  readonly low: number;
  /** Largest one. */
  readonly high: number;
  /** Element type. */
  readonly dtype: QuantType;
  /** Value of one step. */
  readonly scale: number;
  /** The integer that stands for 0. */
  readonly zero: number;
  /** Signal to noise in dB. */
  readonly snr: number;
}

/** Samples on which each tensor inside is compared, at most. */
const TENSOR_SAMPLES = 32;

/** Signal to noise that counts as no noise at all, in dB. */
const LOSSLESS = 150;

/** Every n-th sample, at most `most` of them. */
export function spread<T>(samples: readonly T[], most: number): T[] {
  const n = Math.min(most, samples.length);
  return Array.from({ length: n }, (_, i) => samples[Math.floor(i * samples.length / n)]);
}

const isFloat = (types: Source["types"], name: string): boolean =>
  types.get(name)?.dtype === "float32";

/** Tensors that are shown: the outputs of floats, then what else is judged. */
export function shown(model: EditableModel, types: Source["types"]): string[] {
  const floats = model.outputs.filter((name) => isFloat(types, name));
  return [...new Set([...floats, ...judged(model, types)])];
}

/**
 * What is compared for each output: itself, the floats that it is made of where it is no float (a
 * label), and of one that saturates the tensor in front, which tells more.
 */
export function judged(model: EditableModel, types: Source["types"]): string[] {
  const makers = new Map(model.nodes.flatMap((n) => n.outputs.map((o) => [o, n] as const)));
  return model.outputs.flatMap((output) => {
    let name: string | undefined = output;
    while (name !== undefined && !isFloat(types, name)) {
      name = makers.get(name)?.inputs.find((x) => x !== "" && !model.isConstant(x));
    }
    const node = name === undefined ? undefined : makers.get(name);
    if (node && roleOf(node).saturates && isFloat(types, node.inputs[0])) return [node.inputs[0]];
    return name === undefined ? [] : [name];
  });
}

/** The name of a tensor of the float model in the quantised one. */
const inQuantised = (model: EditableModel, { plan }: Quantised, name: string): string =>
  plan.tensors.includes(name) && !model.outputs.includes(name) ? dequantisedName(name) : name;

/** Values of some tensors of the float model, sample by sample. */
export type Recorded = readonly (readonly Float32Array[])[];

export async function record(
  file: Uint8Array,
  names: readonly string[],
  samples: readonly Sample[],
  compile: CompileOptions,
): Promise<Recorded> {
  const rows: Float32Array[][] = [];
  await observe(file, compile, names, samples, (values) => {
    rows.push(names.map((name) => Float32Array.from(values(name).data as Float32Array)));
  });
  return rows;
}

/** Means over the judged outputs. */
export function meanQuality(results: readonly OutputQuality[]): Pick<Trial, "snr" | "agreement"> {
  const mean = (of: (o: OutputQuality) => number) =>
    results.reduce((sum, o) => sum + of(o), 0) / results.length;
  return { snr: mean((o) => Math.min(o.snr, LOSSLESS)), agreement: mean((o) => o.agreement ?? 1) };
}

/** Compares a quantised model's judged outputs with the float model's. */
export async function judge(
  reference: { readonly names: readonly string[]; readonly values: Recorded },
  { comparable, quantised: q }: Made,
  samples: readonly Sample[],
  compile: CompileOptions,
): Promise<Pick<Trial, "snr" | "agreement">> {
  const model = EditableModel.read(comparable);
  const names = reference.names.map((name) => inQuantised(model, q, name));
  const meters = names.map((name) => new QualityMeter(name, null));
  await observe(comparable, compile, names, samples, (values, index) => {
    names.forEach((name, i) =>
      meters[i].add(reference.values[index][i], values(name).data as Float32Array, index)
    );
  });
  return meanQuality(meters.map((m) => m.result()));
}

/** Outputs over all samples, tensors over some. */
export async function measure(
  float: Uint8Array,
  { comparable, source, quantised: q }: Made,
  samples: readonly Sample[],
  { compile, labels }: { readonly compile: CompileOptions; readonly labels?: TensorData },
): Promise<{ readonly outputs: OutputQuality[]; readonly tensors: TensorQuality[] }> {
  const original = EditableModel.read(float), model = EditableModel.read(comparable);
  const names = shown(original, source.types);
  const wanted = await record(float, names, samples, compile);
  const meters = names.map((name, i) => new QualityMeter(name, i === 0 ? labels ?? null : null));
  const inside = names.map((name) => inQuantised(model, q, name));
  await observe(
    comparable,
    compile,
    inside,
    samples,
    (values, index) =>
      meters.forEach((m, i) =>
        m.add(wanted[index][i], values(inside[i]).data as Float32Array, index)
      ),
  );
  const few = spread(samples, TENSOR_SAMPLES), { tensors } = q.plan;
  const real = await record(source.file, tensors, few, compile);
  const snrs = tensors.map(() => new SignalToNoise());
  const made = tensors.map((t) => inQuantised(model, q, t));
  await observe(
    comparable,
    compile,
    made,
    few,
    (values, index) =>
      snrs.forEach((m, i) => m.add(real[index][i], values(made[i]).data as Float32Array)),
  );
  const producers = new Map(
    original.nodes.flatMap((n) => n.outputs.map((o) => [o, n.name || n.opType] as const)),
  );
  return {
    outputs: meters.map((m) => m.result()),
    tensors: tensors.map((tensor, i) => {
      const { dtype, scale, zero } = q.params.get(tensor)!, { min, max } = intRange(dtype);
      const [low, high] = [(min - zero) * scale, (max - zero) * scale];
      const node = producers.get(tensor) ?? "";
      return { tensor, node, low, high, dtype, scale, zero, snr: snrs[i].decibels };
    }),
  };
}
