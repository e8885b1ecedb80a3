/** Post-training quantisation: a float model and samples in, a QDQ model and the evidence out. */
import type { CompileOptions } from "../compile.ts";
import { EditableModel } from "../onnx/editable.ts";
import { importModel } from "../onnx/import.ts";
import { dims, type TensorType } from "../ir/graph.ts";
import type { Sample } from "../run/samples.ts";
import { BurinError } from "../util/errors.ts";
import type { TensorData } from "../util/tensor.ts";
import { checkSamples } from "./calibration.ts";
import { Columns, readingOf } from "./columns.ts";
import { emit, OPSET, type Quantised } from "./emit.ts";
import { equalisable, equalise } from "./equalize.ts";
import type { OutputQuality } from "./evaluate.ts";
import {
  judge,
  judged,
  type Made,
  measure,
  record,
  type Source,
  spread,
  type TensorQuality,
} from "./measure.ts";
import { observe } from "./observe.ts";
import { type Layer, nameOf, planQuantisation, type QuantPlan } from "./plan.ts";
import { checkFloat, prepare } from "./prepare.ts";
import {
  type ActivationType,
  type Method,
  METHODS,
  type Params,
  paramsOf,
  rangeOf,
} from "./ranges.ts";
import { score, settingText, type Trial } from "./trial.ts";
import { Statistics } from "./statistics.ts";
import { quantizeLayer, type WeightOptions } from "./weights.ts";

/** How to quantise; what is left out is searched or has the usual value. */
export interface QuantizeSettings extends Partial<WeightOptions> {
  /** `auto` (default) takes the method whose model comes nearest on the samples. */
  readonly method?: Method | "auto";
  /** Percent of the values that `percentile` keeps; default 99.99. */
  readonly percentile?: number;
  /** Default int8. */
  readonly dtype?: ActivationType;
  /** Activations symmetric around zero; default false. */
  readonly symmetric?: boolean;
  /** Equalise channels across layers; default true, in `auto` where it helps. */
  readonly equalize?: boolean;
  /** Names of nodes that stay float. */
  readonly exclude?: readonly string[];
  /** Integer inputs and outputs instead of float ones; default false. */
  readonly integerPorts?: boolean;
  /** Measure the outputs with each layer quantised alone; default false. */
  readonly sensitivity?: boolean;
  /** Layers stay in float, the worst first, until the outputs reach this signal to noise, in dB. */
  readonly minSnr?: number;
  /** Called with what is being done. */
  readonly progress?: (doing: string) => void;
}

/** Settings, and what the model is run and judged with. */
export interface QuantizeOptions extends QuantizeSettings {
  /** Options to compile with, for `host`. */
  readonly compile: CompileOptions;
  /** Class numbers or targets of the first output, one a sample. */
  readonly labels?: TensorData;
}

/** What one layer does to the quality. */
export interface LayerQuality {
  /** Name of the node. */
  readonly node: string;
  /** Signal to noise of its own results, its input quantised, in dB; null for a float layer. */
  readonly snr: number | null;
  /** The outputs of a model in which it alone is quantised; null where that was not asked for. */
  readonly alone: Pick<Trial, "snr" | "agreement"> | null;
}

/** The quantised model and how good it is. */
export interface QuantizeResult {
  /** The ONNX file. */
  readonly file: Uint8Array;
  /** The trial that was taken. */
  readonly setting: Trial;
  /** What was tried, in order. */
  readonly trials: readonly Trial[];
  /** The outputs, and what feeds a closing Softmax, over all samples. */
  readonly outputs: readonly OutputQuality[];
  /** Every quantised tensor, in graph order, over some samples. */
  readonly tensors: readonly TensorQuality[];
  /** Every layer with weights, in graph order. */
  readonly layers: readonly LayerQuality[];
  /** What the user should know, one sentence each. */
  readonly notes: readonly string[];
}

/** Samples on which settings are compared and errors are measured, at most. */
const TRIAL_SAMPLES = 128;

/** Samples from which the operands of layers are drawn, at most. */
const COLUMN_SAMPLES = 256;

/**
 * Quantises a float model.
 *
 * @param file the ONNX file; @param samples inputs in graph order
 * @throws BurinError `model/quantized`, `model/nothing-to-quantize`, `data/calibration`,
 *   `model/old-opset`, and what importing, compiling and running throw
 */
export async function quantizeModel(
  file: Uint8Array,
  samples: readonly Sample[],
  options: QuantizeOptions,
): Promise<QuantizeResult> {
  const doing = options.progress ?? (() => {});
  const notes: string[] = [];
  checkSamples(samples, notes);
  const source = sourceOf(file, options);
  notes.push(...floatNotes(source.plan));
  doing(`running ${samples.length} samples in float`);
  const seen = await collect(source, samples, options.compile);
  checkRanges(source, seen);
  const trialSamples = spread(samples, TRIAL_SAMPLES);
  const names = [...new Set(judged(EditableModel.read(source.file)))];
  const values = await record(source.file, names, trialSamples, options.compile);
  const candidates: Candidate[] = [];
  const links = equalisable(EditableModel.read(source.file), source.plan);
  if (options.equalize !== false && links.length > 0) {
    doing("equalising channels");
    const equal = equalised(source, seen, options);
    candidates.push({
      source: equal,
      seen: await collect(equal, samples, options.compile),
      equalized: true,
    });
  }
  const auto = (options.method ?? "auto") === "auto";
  if (auto || candidates.length === 0) candidates.push({ source, seen, equalized: false });
  const methods = auto ? METHODS : [options.method as Method];
  const trials: Trial[] = [];
  let best: { readonly trial: Trial; readonly made: Made } | null = null;
  const attempt = async (c: Candidate, method: Method, correctBias: boolean) => {
    const made = quantised(c.source, c.seen, method, { ...options, correctBias });
    const setting = { method, equalized: c.equalized, correctBias };
    doing(`measuring ${settingText(setting)}`);
    const quality = await judge({ names, values }, made, trialSamples, options.compile);
    const trial: Trial = { ...setting, ...quality };
    trials.push(trial);
    if (best === null || score(trial) > score(best.trial)) best = { trial, made };
  };
  const taken = () => best!.trial;
  for (const [i, c] of candidates.entries()) {
    for (const method of i === 0 ? methods : [taken().method]) {
      await attempt(c, method, options.correctBias ?? true);
    }
  }
  // The mean error of a layer alone is not that of the layer behind others.
  if (auto && options.correctBias === undefined) {
    const again = candidates.find((c) => c.equalized === taken().equalized)!;
    await attempt(again, taken().method, false);
  }
  const chosen = candidates.find((c) => c.equalized === taken().equalized)!;
  const reference = { names, values };
  const variant = async (exclude: readonly string[]) => {
    const { method, correctBias } = taken();
    const made = quantised(chosen.source, chosen.seen, method, {
      ...options,
      correctBias,
      exclude,
    });
    return { made, quality: await judge(reference, made, trialSamples, options.compile) };
  };
  const wanted = options.sensitivity || options.minSnr !== undefined;
  const alone = wanted ? await eachAlone(source.plan, variant, doing) : null;
  let { trial, made } = best!;
  const kept: Layer[] = [];
  for (const layer of worstFirst(source.plan.layers, alone)) {
    if (trial.snr >= (options.minSnr ?? -Infinity)) break;
    kept.push(layer);
    // The last layer would leave nothing to quantise.
    if (kept.length === source.plan.layers.length) break;
    doing(`measuring with ${kept.length} layers in float`);
    const exclude = [...options.exclude ?? [], ...kept.flatMap(layerNodes)];
    const next = await variant(exclude);
    [trial, made] = [{ ...trial, ...next.quality }, next.made];
  }
  if (options.minSnr !== undefined && trial.snr < options.minSnr) {
    notes.push(
      `${
        trial.snr.toFixed(1)
      } dB is the most that is reached with layers in float, not ${options.minSnr}`,
    );
  }
  if (made !== best!.made) notes.push(...floatNotes(made.quantised.plan));
  doing("measuring the quantised model");
  const quality = await measure(source.file, made, samples, options);
  const snrOf = new Map([...made.quantised.layers].map(([l, q]) => [l.name, q.snr]));
  return {
    file: made.file,
    setting: trial,
    trials,
    ...quality,
    layers: source.plan.layers.map((l) => ({
      node: l.name,
      snr: snrOf.get(l.name) ?? null,
      alone: alone?.get(l.name) ?? null,
    })),
    notes: [...new Set(notes)],
  };
}

/** A layer whole: what adds its bias and what clamps it. */
const layerNodes = (l: Layer): string[] =>
  [l.node, l.bias?.node, l.clamp ?? undefined].flatMap((n) => n ? [nameOf(n)] : []);

/** The quality of models in which one layer is quantised and nothing else. */
async function eachAlone(
  plan: QuantPlan,
  variant: (
    exclude: readonly string[],
  ) => Promise<{ readonly quality: Pick<Trial, "snr" | "agreement"> }>,
  doing: (what: string) => void,
): Promise<Map<string, Pick<Trial, "snr" | "agreement">>> {
  const all = [...plan.nodes].map(nameOf);
  const alone = new Map<string, Pick<Trial, "snr" | "agreement">>();
  for (const layer of plan.layers) {
    doing(`measuring with ${layer.name} quantised alone`);
    const own = new Set(layerNodes(layer));
    alone.set(layer.name, (await variant(all.filter((name) => !own.has(name)))).quality);
  }
  return alone;
}

const worstFirst = (
  layers: readonly Layer[],
  alone: ReadonlyMap<string, Pick<Trial, "snr">> | null,
): Layer[] =>
  alone === null ? [] : [...layers].sort((a, b) => alone.get(a.name)!.snr - alone.get(b.name)!.snr);

/** A float model that may be quantised, and what its samples showed. */
interface Candidate {
  readonly source: Source;
  readonly seen: Seen;
  readonly equalized: boolean;
}

/** Reads and prepares the model; what the importer computes away is constant here too. */
function sourceOf(file: Uint8Array, { compile, exclude }: QuantizeOptions): Source {
  const model = EditableModel.read(file);
  checkFloat(model);
  if (model.opset < OPSET) {
    throw new BurinError(
      "model/old-opset",
      `Cannot quantise the model as it uses operator set ${model.opset}, older than ${OPSET}, ` +
        "the first with scales per channel",
      `convert it: onnx.version_converter.convert_version(model, ${OPSET})`,
    );
  }
  const { graph } = importModel(file, compile);
  const values = graph.nodes.flatMap((n) => [...n.ins, ...n.outs]);
  const known = new Map(
    values.flatMap((v) => v?.data ? [[v.name, v.data] as const] : []),
  );
  const types = new Map(
    [...graph.inputs, ...values].flatMap((v) => v && !v.data ? [[v.name, v.type] as const] : []),
  );
  prepare(model, known);
  // A node that stays in float takes along what is rounded together with it.
  const { layers } = planQuantisation(model, types);
  const whole = layers.filter((l) => exclude?.includes(l.name)).flatMap(layerNodes);
  return planned(model, types, [...exclude ?? [], ...whole]);
}

/** The plan refers to nodes of a file as it is written. */
function planned(
  model: EditableModel,
  types: ReadonlyMap<string, TensorType>,
  exclude?: readonly string[],
): Source {
  const file = model.encode();
  return { file, types, plan: planQuantisation(EditableModel.read(file), types, exclude) };
}

/** What the samples showed: statistics by leading tensor and by tensor, operands by layer. */
interface Seen {
  readonly byTensor: ReadonlyMap<string, Statistics>;
  readonly columns: ReadonlyMap<string, Columns>;
}

const shapeOf = (types: Source["types"], name: string) => dims(types.get(name)!);

async function collect(
  { file, plan, types }: Source,
  samples: readonly Sample[],
  compile: CompileOptions,
): Promise<Seen> {
  const byTensor = new Map(plan.tensors.map((t) => [t, new Statistics(shapeOf(types, t))]));
  const model = EditableModel.read(file);
  const used = Math.min(samples.length, COLUMN_SAMPLES);
  const every = Math.floor(samples.length / used);
  const columns = new Map(plan.layers.map((l) => {
    const shapes = {
      input: shapeOf(types, l.input),
      weight: model.constant(l.weight)!.shape,
      output: shapeOf(types, l.node.outputs[0]),
    };
    return [l.name, new Columns(readingOf(l, shapes), used)];
  }));
  await observe(file, compile, plan.tensors, samples, (values, index) => {
    for (const [t, s] of byTensor) s.add(values(t).data as Float32Array);
    if (index % every !== 0) return;
    for (const l of plan.layers) columns.get(l.name)!.add(values(l.input).data as Float32Array);
  });
  return { byTensor, columns };
}

function equalised(source: Source, seen: Seen, options: QuantizeOptions): Source {
  const model = EditableModel.read(source.file);
  const plan = planQuantisation(model, source.types, options.exclude);
  equalise(model, equalisable(model, plan), seen.byTensor, 0.5);
  return planned(model, source.types, options.exclude);
}

function quantised(source: Source, seen: Seen, method: Method, options: QuantizeOptions): Made {
  const { dtype = "int8", symmetric = false, percentile = 99.99 } = options;
  const model = EditableModel.read(source.file);
  const plan = planQuantisation(model, source.types, options.exclude);
  const leaders = new Map<string, Statistics>();
  for (const t of plan.tensors) {
    const leader = plan.leader.get(t)!, s = seen.byTensor.get(t)!;
    const merged = leaders.get(leader) ?? new Statistics([1]);
    merged.merge(s);
    leaders.set(leader, merged);
  }
  const byLeader = new Map(
    [...leaders].map(([t, s]) => {
      const range = plan.fixed.get(t) ?? rangeOf(s, { method, percentile, dtype, symmetric });
      return [t, paramsOf(range, dtype, symmetric && !plan.fixed.has(t))];
    }),
  );
  const params = new Map<string, Params>(
    plan.tensors.map((t) => [t, byLeader.get(plan.leader.get(t)!)!]),
  );
  const weights: WeightOptions = {
    perChannel: options.perChannel ?? true,
    rounding: options.rounding ?? "compensated",
    correctBias: options.correctBias ?? true,
  };
  const layers = new Map(plan.layers.map((l: Layer) => {
    const bias = l.bias ? model.constant(l.bias.node.inputs[l.bias.input])! : null;
    const input = { ...params.get(l.input)!, dtype };
    return [
      l,
      quantizeLayer(
        l,
        model.constant(l.weight)!,
        bias && bias.data as Float32Array,
        seen.columns.get(l.name)!,
        input,
        weights,
      ),
    ];
  }));
  const q: Quantised = { plan, dtype, params, layers };
  emit(model, q, false);
  const comparable = model.encode();
  if (!options.integerPorts) return { file: comparable, comparable, source, quantised: q };
  const ported = EditableModel.read(source.file);
  const again = planQuantisation(ported, source.types, options.exclude);
  const own = new Map(again.layers.map((l, i) => [l, layers.get(plan.layers[i])!]));
  emit(ported, { ...q, plan: again, layers: own }, true);
  return { file: ported.encode(), comparable, source, quantised: q };
}

/** @throws BurinError `data/calibration` where tensors overflow */
function checkRanges({ plan }: Source, { byTensor }: Seen): void {
  const broken = plan.tensors.find((t) => byTensor.get(t)!.bad > 0);
  if (broken === undefined) return;
  throw new BurinError(
    "data/calibration",
    `Cannot calibrate as the tensor '${broken}' becomes infinite or no number on the samples`,
    "the float model itself overflows: check its inputs' scaling",
  );
}

/** Which operators stay float. */
function floatNotes({ floatNodes }: QuantPlan): string[] {
  const counts = new Map<string, number>();
  for (const n of floatNodes) counts.set(n.opType, (counts.get(n.opType) ?? 0) + 1);
  return [...counts].map(([op, n]) => `${n} ${op} node${n === 1 ? " stays" : "s stay"} in float`);
}
