/** Post-training quantisation: a float model and samples in, a QDQ model and the evidence out. */
import { compileModel, type CompileOptions } from "../compile.ts";
import { EditableModel } from "../onnx/editable.ts";
import { importModel } from "../onnx/import.ts";
import { dims, type TensorType } from "../ir/graph.ts";
import type { Sample } from "../run/samples.ts";
import { BurinError } from "../util/errors.ts";
import { sizeOf, type TensorData } from "../util/tensor.ts";
import { checkSamples } from "./calibration.ts";
import { Columns, readingOf } from "./columns.ts";
import { build, type BuildOptions, type Precisions, resultsOf, type Seen } from "./build.ts";
import { OPSET } from "./emit.ts";
import { OLDEST, raiseOpset } from "./opset.ts";
import { equalisable, equalise } from "./equalize.ts";
import type { OutputQuality } from "./evaluate.ts";
import {
  judge,
  judged,
  type Made,
  measure,
  record,
  shown,
  type Source,
  spread,
  type TensorQuality,
} from "./measure.ts";
import { observe } from "./observe.ts";
import { withHalfWeights } from "./half.ts";
import { searchInputs } from "./inputs.ts";
import {
  type Cost,
  mix,
  type Mixed,
  type MixedTools,
  type NoiseSource,
  noiseSources,
} from "./mixed.ts";
import { checkLabels } from "./labels.ts";
import { layerNodes, nameOf, planQuantisation, type QuantPlan } from "./plan.ts";
import { checkFloat, prepare } from "./prepare.ts";
import { type ActivationType, type Method, METHODS } from "./ranges.ts";
import { score, settingText, type Trial } from "./trial.ts";
import { Statistics } from "./statistics.ts";
import type { WeightOptions } from "./weights.ts";

/** Bytes or instructions, or a percentage of what the model takes with everything in 8 bits. */
export type Budget = number | { readonly percent: number };

/** How to quantise; what is left out is searched or has the usual value. */
export interface QuantizeSettings extends Partial<Omit<WeightOptions, "weights">> {
  /** Element type of the weights, default int8; with float16 everything else stays float. */
  readonly weights?: WeightOptions["weights"] | "float16";
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
  /** Names of nodes whose results, or of tensors that, become int16. */
  readonly int16?: readonly string[];
  /**
   * Signal to noise in dB that the outputs shall reach: what makes the most noise gets more bits,
   * tensors become int16, layers float.
   */
  readonly minSnr?: number;
  /** Most RAM that this may lead to; without `minSnr` the best model within the budgets is taken. */
  readonly ramBudget?: Budget;
  /** Most bytes of constants: with weights of int4, those that matter most become int8 up to it. */
  readonly flashBudget?: Budget;
  /** Most instructions of a run, as the compiler predicts them. */
  readonly instructionBudget?: Budget;
  /** Whether layers may stay in float for that; default true. */
  readonly mixFloat?: boolean;
  /** Called with what is being done. */
  readonly progress?: (doing: string) => void;
}

/** Settings, and what the model is run and judged with. */
export interface QuantizeOptions extends QuantizeSettings {
  /** Options to compile with, for `host`. */
  readonly compile: CompileOptions;
  /** Options to compile with where budgets count; default `compile`. */
  readonly costOn?: CompileOptions;
  /** Class numbers or targets of the first output, one a sample. */
  readonly labels?: TensorData;
  /** What holds the labels, for messages. */
  readonly labelsFrom?: string;
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
  /** What each tensor and each layer's weights do to the outputs, if that was measured. */
  readonly sources: readonly NoiseSource[];
  /** What the model takes with everything in 8 bits, and as it was taken, where precisions are mixed. */
  readonly cost: { readonly plain: Cost; readonly taken: Cost } | null;
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
 *   `data/samples`, `model/old-opset`, and what importing, compiling and running throw
 */
export async function quantizeModel(
  file: Uint8Array,
  samples: readonly Sample[],
  given: QuantizeOptions,
): Promise<QuantizeResult> {
  const doing = given.progress ?? (() => {});
  const notes: string[] = [];
  const source = sourceOf(file, given);
  checkSamples(samples, EditableModel.read(source.file).inputs, notes);
  const options = { ...given, labels: labelsOf(source, samples.length, given) };
  notes.push(...floatNotes(source.plan));
  if (options.weights === "float16") return await halfModel(source, samples, options, notes);
  doing(`running ${samples.length} samples in float`);
  const seen = await collect(source, samples, options.compile);
  checkRanges(source, seen);
  const precisions: Precisions = {
    float: source.float,
    fine: new Set(),
    wide: new Set(resultsOf(source.plan, options.int16 ?? [])),
  };
  const trialSamples = spread(samples, TRIAL_SAMPLES);
  const names = [...new Set(judged(EditableModel.read(source.file), source.types))];
  if (names.length === 0) {
    throw new BurinError(
      "model/nothing-to-quantize",
      "Cannot quantise the model as none of its outputs is made of floats",
      "compile the model as it is",
    );
  }
  const values = await record(source.file, names, trialSamples, options.compile);
  const auto = (options.method ?? "auto") === "auto";
  const { dtype = "int8", symmetric = false } = options;
  if (auto) doing("looking for the ranges of the inputs");
  const found: Ranges = auto
    ? await searchInputs(source, seen.byTensor, {
      dtype,
      symmetric,
      names,
      values,
      samples: trialSamples,
      compile: options.compile,
    })
    : new Map();
  const candidates: Candidate[] = [];
  const links = equalisable(EditableModel.read(source.file), source.plan);
  if (options.equalize !== false && links.length > 0) {
    doing("equalising channels");
    const equal = equalised(source, seen);
    candidates.push({
      source: equal,
      seen: await collect(equal, samples, options.compile),
      equalized: true,
    });
  }
  if (auto || candidates.length === 0) candidates.push({ source, seen, equalized: false });
  const methods = auto ? METHODS : [options.method as Method];
  const trials: Trial[] = [];
  let best: { readonly trial: Trial; readonly made: Made } | null = null;
  const attempt = async (c: Candidate, method: Method, correctBias: boolean, ranges: Ranges) => {
    const made = build(
      c.source,
      c.seen,
      buildOptions(method, ranges, { ...options, correctBias }),
      precisions,
    );
    const clippedInputs = ranges.size > 0;
    const setting = { method, equalized: c.equalized, correctBias, clippedInputs };
    doing(`measuring ${settingText(setting)}`);
    const quality = await judge({ names, values }, made, trialSamples, options.compile);
    const trial: Trial = { ...setting, ...quality };
    trials.push(trial);
    if (
      best === null || score(trial, trialSamples.length) > score(best.trial, trialSamples.length)
    ) best = { trial, made };
  };
  const taken = () => best!.trial;
  for (const [i, c] of candidates.entries()) {
    for (const method of i === 0 ? methods : [taken().method]) {
      await attempt(c, method, options.correctBias ?? true, found);
    }
  }
  const chosen = candidates.find((c) => c.equalized === taken().equalized)!;
  // The mean error of a layer alone is not that of the layer behind others, nor that of an input.
  if (auto && options.correctBias === undefined) {
    await attempt(chosen, taken().method, false, found);
  }
  if (found.size > 0) await attempt(chosen, taken().method, taken().correctBias, new Map());
  const { method, correctBias, clippedInputs } = taken();
  const ranges: Ranges = clippedInputs ? found : new Map();
  const tools: MixedTools = {
    build: (p) =>
      build(
        chosen.source,
        chosen.seen,
        buildOptions(method, ranges, { ...options, correctBias }),
        p,
      ),
    judge: (made) => judge({ names, values }, made, trialSamples, options.compile),
    cost: (made) => costOf(made.file, options.costOn ?? options.compile),
    doing,
  };
  const { ramBudget, flashBudget, instructionBudget, minSnr } = options;
  const mixing = [ramBudget, flashBudget, instructionBudget, minSnr].some((goal) =>
    goal !== undefined
  );
  const wanted = options.sensitivity || mixing;
  const sources = wanted ? await noiseSources(source.plan, precisions, tools) : [];
  const alone = options.sensitivity ? await eachAlone(source.plan, precisions, tools) : null;
  let { trial, made } = best!, cost: QuantizeResult["cost"] = null;
  if (mixing) {
    const start = { made, quality: trial, precisions };
    const plain = await tools.cost(made);
    const goal = {
      minSnr,
      ram: budgetOf(ramBudget, plain.ram),
      flash: budgetOf(flashBudget, plain.flash),
      instructions: budgetOf(instructionBudget, plain.instructions),
      float: options.mixFloat ?? true,
      weights: typeOf(options),
    };
    const mixed = await mix(source.plan, start, sources, goal, tools);
    cost = { plain, taken: await tools.cost(mixed.made) };
    notes.push(...mixedNotes(mixed, minSnr));
    trial = { ...trial, ...mixed.quality };
    if (mixed.made !== made) notes.push(...floatNotes(mixed.made.quantised.plan));
    made = mixed.made;
  }
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
    sources,
    cost,
    notes: [...new Set(notes)],
  };
}

const typeOf = ({ weights = "int8" }: QuantizeOptions): WeightOptions["weights"] =>
  weights === "float16" ? "int8" : weights;

/** The model in float with weights of float16, and how near it comes. */
async function halfModel(
  source: Source,
  samples: readonly Sample[],
  options: QuantizeOptions,
  notes: readonly string[],
): Promise<QuantizeResult> {
  const file = withHalfWeights(source.file, source.plan);
  const plan: QuantPlan = { ...source.plan, tensors: [], operands: [], layers: [] };
  const quantised = { plan, dtype: "int8", params: new Map(), layers: new Map() } as const;
  const made: Made = { file, comparable: file, source, quantised };
  options.progress?.("measuring the model with weights of float16");
  const quality = await measure(source.file, made, samples, options);
  const [first] = quality.outputs;
  return {
    file,
    setting: {
      method: "minmax",
      equalized: false,
      correctBias: false,
      clippedInputs: false,
      snr: first.snr,
      agreement: first.agreement ?? 1,
    },
    trials: [],
    ...quality,
    layers: source.plan.layers.map((l) => ({ node: l.name, snr: null, alone: null })),
    sources: [],
    cost: null,
    notes,
  };
}

const mixedNotes = ({ stopped, quality }: Mixed, minSnr?: number): string[] =>
  stopped === null
    ? []
    : [`${quality.snr.toFixed(1)} dB is the most that is reached, not ${minSnr}, as ${stopped}`];

/** A budget as a number; a share is one of what the model takes with everything in 8 bits. */
const budgetOf = (b: Budget | undefined, plain: number): number | undefined =>
  typeof b === "object" ? Math.floor(plain * b.percent / 100) : b;

/** What the compiler says that a model takes. */
async function costOf(file: Uint8Array, options: CompileOptions): Promise<Cost> {
  const { kernels, arenaBytes, paramsBytes } = await compileModel(file, options);
  const instructions = kernels.reduce((sum, k) => sum + k.predictedInstructions, 0);
  return { ram: arenaBytes, flash: paramsBytes, instructions: Math.round(instructions) };
}

/** Settings with their usual values. */
function buildOptions(
  method: Method,
  ranges: Ranges,
  o: QuantizeOptions,
): BuildOptions {
  return {
    method,
    ranges,
    percentile: o.percentile ?? 99.99,
    dtype: o.dtype ?? "int8",
    symmetric: o.symmetric ?? false,
    integerPorts: o.integerPorts ?? false,
    weights: typeOf(o),
    perChannel: o.perChannel ?? true,
    rounding: o.rounding ?? "compensated",
    correctBias: o.correctBias ?? true,
  };
}

/** The quality of models in which one layer is quantised and nothing else. */
async function eachAlone(
  plan: QuantPlan,
  base: Precisions,
  { build, judge, doing }: MixedTools,
): Promise<Map<string, Pick<Trial, "snr" | "agreement">>> {
  const all = [...plan.nodes].map(nameOf);
  const alone = new Map<string, Pick<Trial, "snr" | "agreement">>();
  for (const layer of plan.layers) {
    doing(`measuring with ${layer.name} quantised alone`);
    const own = new Set(layerNodes(layer));
    const float = [...base.float, ...all.filter((name) => !own.has(name))];
    alone.set(layer.name, await judge(build({ ...base, float })));
  }
  return alone;
}

type Ranges = BuildOptions["ranges"];

/** The labels, in the form in which they are compared with the first tensor that is shown. */
function labelsOf(
  { file, types }: Source,
  samples: number,
  { labels, labelsFrom }: QuantizeOptions,
): TensorData | undefined {
  const [name] = shown(EditableModel.read(file), types);
  if (labels === undefined || name === undefined) return undefined;
  return checkLabels(labels, samples, { name, elements: sizeOf(shapeOf(types, name)) }, labelsFrom);
}

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
  if (model.opset < OLDEST) {
    throw new BurinError(
      "model/old-opset",
      `Cannot quantise the model as it uses operator set ${model.opset}, older than ${OLDEST}`,
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
  raiseOpset(model, OPSET, (name) => types.has(name) ? dims(types.get(name)!) : undefined);
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
  float: readonly string[],
): Source {
  const file = model.encode();
  return { file, types, float, plan: planQuantisation(EditableModel.read(file), types, float) };
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
  return { byTensor, columns, layers: new Map() };
}

function equalised(source: Source, seen: Seen): Source {
  const model = EditableModel.read(source.file);
  const plan = planQuantisation(model, source.types, source.float);
  equalise(model, equalisable(model, plan), seen.byTensor, 0.5);
  return planned(model, source.types, source.float);
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
