/** `quantize`: a float ONNX model and samples in, an int8 QDQ model and the evidence out. */
import { basename } from "@std/path";
import { ensureTools } from "../run/install.ts";
import { missingError, toolsFor } from "../run/toolchain.ts";
import type { OutputQuality } from "../quantize/evaluate.ts";
import type { Cost } from "../quantize/mixed.ts";
import type { Budget, QuantizeResult, QuantizeSettings } from "../quantize/quantize.ts";
import { settingText } from "../quantize/trial.ts";
import { loadBoard } from "../target/boards.ts";
import { BurinError } from "../util/errors.ts";
import { readNpy } from "../util/npy.ts";
import { readNpz } from "../util/npz.ts";
import type { TensorData } from "../util/tensor.ts";
import { type Args, type Command, numberOption } from "./args.ts";
import { readSamples } from "./calibration.ts";
import { loadCompiler } from "./compiler.ts";
import { shortened } from "./layers.ts";
import { compileOptions, dimsOf } from "./options.ts";
import { checkWritable, readUserFile, stemOf, userPath, writeUserFile } from "./paths.ts";
import { print, printJson, say, table } from "./terminal.ts";

/** What to quantise and with what. */
export interface QuantizeRequest extends QuantizeSettings {
  /** Path of the float ONNX file. */
  readonly model: string;
  /** Path of samples of the inputs: an .npz, an .npy, an image, or a folder of these. */
  readonly calibration: string;
  /** Path of an .npy (or of an .npz with `labels`) with classes or targets. */
  readonly labels?: string;
  /** Path of the ONNX file to write; default `NAME_int8.onnx` (or `_uint8`) in the user's folder. */
  readonly out?: string;
  /** What a pixel of 0 and one of 255 are in the model's units; default 0 and 255. */
  readonly pixels?: readonly [black: number, white: number];
  /** Path of an HTML file to write the evidence to. */
  readonly report?: string;
  /** Board whose RAM and instructions budgets count; default `mps2-an386`. */
  readonly board?: string;
  /** Sizes of symbolic dimensions. */
  readonly dims?: Readonly<Record<string, number>>;
}

/** A result, and where it was written. */
export interface QuantizedFile extends QuantizeResult {
  /** As the user typed it, or the default. */
  readonly path: string;
}

/** Where budgets count that name no board: a Cortex-M4. */
const COST_BOARD = "mps2-an386";

function readLabels(path: string): TensorData {
  const file = readUserFile(path);
  if (path.endsWith(".npy")) return readNpy(file, path);
  const arrays = readNpz(file, path);
  const labels = arrays.get("labels") ?? (arrays.size === 1 ? [...arrays.values()][0] : undefined);
  if (labels) return labels;
  throw new BurinError(
    "data/samples",
    `Cannot use ${path} as it has no array labels`,
    `its arrays are ${[...arrays.keys()].join(", ") || "none"}`,
  );
}

/**
 * Quantises a model and writes the result.
 * @throws BurinError `data/*` for the files, `tool/missing`, `model/*`
 */
export async function quantize(request: QuantizeRequest): Promise<QuantizedFile> {
  const {
    model,
    calibration,
    labels: labelFile,
    out,
    dims,
    pixels,
    report,
    board = COST_BOARD,
    ...options
  } = request;
  const type = options.weights === "float16" ? "float16" : options.dtype ?? "int8";
  const path = out ?? `${stemOf(model)}_${type}.onnx`;
  if (userPath(path) === userPath(model)) {
    throw new BurinError(
      "usage/bad-value",
      `Cannot write ${path} as that is the float model`,
      "name another file with --out",
    );
  }
  for (const file of [path, ...report === undefined ? [] : [report]]) checkWritable(file);
  const compile = compileOptions({ board: "host", dims }, model);
  const costOn = compileOptions({ board, dims }, model);
  const bytes = readUserFile(model);
  const { compileModel } = await loadCompiler();
  const { inputs } = await compileModel(bytes, compile);
  const samples = await readSamples(calibration, inputs, pixels ?? [0, 255]);
  const labels = labelFile === undefined ? undefined : readLabels(labelFile);
  const { quantizeModel } = await import("../quantize/quantize.ts");
  const result = await quantizeModel(bytes, samples, {
    ...options,
    compile,
    costOn,
    labels,
    labelsFrom: labelFile,
  });
  writeUserFile(path, result.file);
  if (report !== undefined) {
    const { quantizePage } = await import("./quantize_report.ts");
    const page = quantizePage(result, basename(model), samples.length);
    writeUserFile(report, new TextEncoder().encode(page));
  }
  return { ...result, path };
}

const decibels = (x: number): string => x === Infinity ? "equal" : `${x.toFixed(1)} dB`;
const percent = (x: number): string => `${(100 * x).toFixed(2)} %`;

function outputRow(o: OutputQuality): string[] {
  const parts = [
    decibels(o.snr),
    ...(o.agreement === null ? [] : [`same class in ${percent(o.agreement)}`]),
    ...(o.accuracy === null
      ? []
      : [`accuracy ${percent(o.accuracy.quantised)}, in float ${percent(o.accuracy.float)}`]),
    ...(o.auc === null
      ? []
      : [`AUC ${o.auc.quantised.toFixed(4)}, in float ${o.auc.float.toFixed(4)}`]),
    ...(o.mse === null
      ? []
      : [`mean square ${o.mse.quantised.toPrecision(4)}, in float ${o.mse.float.toPrecision(4)}`]),
  ];
  return [`  ${shortened(o.name)}`, parts.join("; ")];
}

/** What is not in 8 bits, and what that takes. */
function mixedText({ tensors, layers, cost }: QuantizeResult): string[] {
  const wide = tensors.filter((t) => t.dtype === "int16").map((t) => t.tensor);
  const float = layers.filter((l) => l.snr === null).map((l) => l.node);
  const list = (names: readonly string[]) => names.map((name) => shortened(name)).join(", ");
  const both = (what: string, of: (c: Cost) => number) =>
    `  ${what}: ${of(cost!.taken).toLocaleString("en")}, with everything in 8 bits ${
      of(cost!.plain).toLocaleString("en")
    }`;
  return [
    ...(wide.length + float.length === 0 ? [] : [""]),
    ...(wide.length === 0 ? [] : [`In int16: ${list(wide)}`]),
    ...(float.length === 0 ? [] : [`Layers in float: ${list(float)}`]),
    ...(cost === null ? [] : [
      both("bytes of arena", (c) => c.ram),
      both("bytes of constants", (c) => c.flash),
      both("instructions, as predicted", (c) => c.instructions),
    ]),
  ];
}

/** How many layers the summary shows. */
const WORST = 8;

function summary(r: QuantizedFile, model: string): string {
  const trials = r.trials.map((t) => [
    `  ${settingText(t)}`,
    decibels(t.snr),
    `same class in ${percent(t.agreement)}` +
    (settingText(t) === settingText(r.setting) ? "  ← taken" : ""),
  ]);
  const worst = [...r.tensors].sort((a, b) => a.snr - b.snr).slice(0, WORST).map((t) => [
    `  ${shortened(t.tensor)}`,
    decibels(t.snr),
    `${t.low.toPrecision(3)} … ${t.high.toPrecision(3)}`,
    shortened(t.node),
  ]);
  const worstSources = [...r.sources].sort((a, b) => a.snr - b.snr).slice(0, WORST).map((s) => [
    `  ${shortened(s.name)}`,
    s.kind === "weights" ? "weights" : "",
    decibels(s.snr),
    `same class in ${percent(s.agreement)}`,
  ]);
  const alone = r.layers.flatMap((l) => l.alone ? [{ ...l.alone, node: l.node }] : [])
    .sort((a, b) => a.snr - b.snr)
    .map((
      l,
    ) => [`  ${shortened(l.node)}`, decibels(l.snr), `same class in ${percent(l.agreement)}`]);
  return [
    `Wrote ${r.path}, made of ${model}`,
    "",
    "Signal to noise of the outputs, as the generated C computes them",
    table(r.outputs.map(outputRow)),
    ...(trials.length === 0 ? [] : ["", "Settings tried", table(trials)]),
    ...(worst.length === 0 ? [] : [
      "",
      "Tensors with the most noise: signal to noise, range, computed by",
      table(worst),
    ]),
    ...mixedText(r),
    ...(worstSources.length === 0 ? [] : [
      "",
      "Tensors and weights quantised alone, the worst first: signal to noise of the outputs",
      table(worstSources),
    ]),
    ...(alone.length === 0 ? [] : [
      "",
      "Layers quantised alone, the worst first: signal to noise of the outputs",
      table(alone),
    ]),
  ].join("\n");
}

/** `-1..1` as two numbers. */
function pixelRange(text: string | undefined): readonly [number, number] | undefined {
  if (text === undefined) return undefined;
  const parts = text.split("..").map((part) => part.trim() === "" ? NaN : Number(part));
  if (parts.length === 2 && parts.every(Number.isFinite)) return [parts[0], parts[1]];
  throw new BurinError(
    "usage/bad-value",
    `Cannot set --pixels to ${text} as it takes the values of black and white`,
    "write --pixels 0..1",
  );
}

/** `65536`, or `110%` of the int8 model. */
function budgetOption(args: Args, name: string): Budget | undefined {
  const text = args.value(name);
  if (text === undefined) return undefined;
  const share = text.endsWith("%"), number = Number(share ? text.slice(0, -1) : text);
  if (text.trim() !== "" && Number.isFinite(number) && number > 0) {
    return share ? { percent: number } : number;
  }
  throw new BurinError(
    "usage/bad-value",
    `Cannot set --${name} to ${text} as it takes a number, or percent of the int8 model's`,
    `write --${name} 110%`,
  );
}

async function main(args: Args): Promise<number> {
  if (args.operands.length === 0) {
    throw new BurinError(
      "usage/no-model",
      "Cannot quantise as no model is named",
      "write deno task quantize MODEL.onnx --calibration samples.npz",
    );
  }
  const calibration = args.value("calibration");
  if (calibration === undefined) {
    throw new BurinError(
      "usage/no-calibration",
      "Cannot quantise as no samples are named",
      "add --calibration samples.npz with some hundred real inputs: in0, in1 … or the graph's names",
    );
  }
  const missing = await ensureTools(toolsFor(loadBoard("host").target));
  if (missing.length > 0) throw missingError(missing, "run the model on this computer");
  const [model] = args.operands;
  const percentile = numberOption(args, "percentile", 50);
  if (percentile !== undefined && percentile > 100) {
    throw new BurinError(
      "usage/bad-value",
      `Cannot set --percentile to ${percentile} as it is a part of 100`,
      "write --percentile 99.99",
    );
  }
  const result = await quantize({
    model,
    calibration,
    labels: args.value("labels"),
    out: args.value("o") ?? args.value("out"),
    dims: dimsOf(args.list("dim")),
    pixels: pixelRange(args.value("pixels")),
    method: args.value("method") as QuantizeRequest["method"],
    percentile,
    dtype: args.value("dtype") as QuantizeRequest["dtype"],
    symmetric: args.flag("symmetric"),
    weights: args.value("weights") as QuantizeRequest["weights"],
    perChannel: !args.flag("per-tensor"),
    rounding: args.flag("nearest") ? "nearest" : "compensated",
    ...(args.flag("no-bias-correction") ? { correctBias: false } : {}),
    equalize: !args.flag("no-equalize"),
    exclude: args.list("keep-float"),
    integerPorts: args.flag("integer-io"),
    sensitivity: args.flag("sensitivity"),
    report: args.value("report"),
    int16: args.list("int16"),
    minSnr: numberOption(args, "min-snr", 0),
    ramBudget: budgetOption(args, "ram-budget"),
    flashBudget: budgetOption(args, "flash-budget"),
    instructionBudget: budgetOption(args, "instruction-budget"),
    mixFloat: !args.flag("no-float"),
    board: args.value("board"),
    progress: (doing) => say(`${doing} …`),
  });
  if (args.flag("json")) {
    const { file: _, ...figures } = result;
    printJson({ model: basename(model), ...figures });
  } else print(summary(result, basename(model)));
  for (const note of result.notes) say(`note: ${note}`);
  return 0;
}

/** The command. */
export const command: Command = {
  name: "quantize",
  summary: "Quantise a float model with samples; write int8 ONNX, show what it costs.",
  operands: "MODEL.onnx",
  maxOperands: 1,
  options: {
    calibration: {
      kind: "value",
      value: "PATH",
      help: "samples: .npz (in0, in1 …), .npy, PNG, JPEG, or a folder of these",
    },
    labels: { kind: "value", value: "F.npy", help: "classes or targets, one a sample" },
    out: { kind: "value", value: "F.onnx", help: "file to write; default NAME_int8.onnx; also -o" },
    o: { kind: "value", value: " F.onnx", help: "the same" },
    pixels: { kind: "value", value: "A..B", help: "black and white of images; default 0..255" },
    dim: { kind: "list", value: "batch=1", help: "size of a symbolic dimension; may be repeated" },
    method: {
      kind: "value",
      value: "HOW",
      help: "how ranges are chosen; default auto",
      choices: ["auto", "minmax", "percentile", "mse", "entropy"],
    },
    percentile: { kind: "value", value: "P", help: "what percentile keeps; default 99.99" },
    dtype: {
      kind: "value",
      value: "TYPE",
      help: "activations; default int8",
      choices: ["int8", "uint8"],
    },
    weights: {
      kind: "value",
      value: "TYPE",
      help: "weights; default int8; float16 leaves everything else in float",
      choices: ["int8", "int4", "float16"],
    },
    symmetric: { kind: "flag", help: "activations symmetric around zero" },
    "per-tensor": { kind: "flag", help: "one scale a weight instead of one a channel" },
    nearest: { kind: "flag", help: "round weights to the nearest, without compensation" },
    "no-bias-correction": { kind: "flag", help: "leave mean errors where they are" },
    "no-equalize": { kind: "flag", help: "leave channels as they are scaled" },
    "keep-float": { kind: "list", value: "NODE", help: "leave a node in float; may be repeated" },
    "integer-io": { kind: "flag", help: "integer inputs and outputs instead of float ones" },
    sensitivity: { kind: "flag", help: "measure the outputs with each layer quantised alone" },
    int16: { kind: "list", value: "NODE", help: "16 bits for its result; may be repeated" },
    "min-snr": {
      kind: "value",
      value: "DB",
      help: "int16 and float, the worst first, until the outputs reach this",
    },
    "ram-budget": {
      kind: "value",
      value: "N|P%",
      help: "bytes up to which int16 and float are used",
    },
    "instruction-budget": {
      kind: "value",
      value: "N|P%",
      help: "the same in instructions; percent of the int8 model's",
    },
    "flash-budget": {
      kind: "value",
      value: "N|P%",
      help: "the same in bytes of constants, for weights of int4 that become int8",
    },
    "no-float": { kind: "flag", help: "use int16 alone for both" },
    board: { kind: "value", value: "NAME", help: "where budgets count; default mps2-an386" },
    report: { kind: "value", value: "F.html", help: "page with every tensor and layer" },
    json: { kind: "flag", help: "print the figures as one JSON object" },
  },
  main,
};
