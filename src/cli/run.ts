/** `run`: compile, execute the generated C on a board's machine, compare. */
import { basename } from "@std/path";
import { ensureTools } from "../run/install.ts";
import type { Traffic } from "../run/cycles.ts";
import type { Profiled } from "../run/profile.ts";
import { measureLayers } from "../run/layers.ts";
import { type Execution, runOnBoard, type RunResult } from "../run/mod.ts";
import { joinSamples, madeUpSample, type Sample, splitSamples } from "../run/samples.ts";
import { missingError, toolsFor } from "../run/toolchain.ts";
import type { WrittenModel } from "../project/read.ts";
import { loadBoard } from "../target/boards.ts";
import type { MeasuredRun } from "../report/html/data.ts";
import { BurinError } from "../util/errors.ts";
import { readNpz, writeNpz } from "../util/npz.ts";
import { type Args, type Command, numberOption } from "./args.ts";
import { compileWhole } from "./compile.ts";
import { type LayerFigures, layerFigures, layerTable } from "./layers.ts";
import { sayFrontier } from "./frontier.ts";
import { checkSamples } from "./golden.ts";
import { COMPILE_OPTIONS, type CompileRequest, requestOf } from "./options.ts";
import { checkWritable, readUserFile, userPath, writeUserFile } from "./paths.ts";
import { archiveBoard, namesArchive, readArchive, runArchive } from "./run_archive.ts";
import { grouped, print, printJson, say, table } from "./terminal.ts";

/** A run, and where it is asked for the instructions of each kernel. */
export interface LayeredExecution extends Execution {
  /** The figures of the kernels in order; null where they were not asked for. */
  readonly layers: readonly LayerFigures[] | null;
}

/** What `run` is asked for: the model, its options, its data. */
export interface RunRequest extends CompileRequest {
  /** Path of an .npz with the inputs; default one made-up sample. */
  readonly inputs?: string;
  /** Path of an .npz with the expected outputs. */
  readonly expect?: string;
  /** Steps of quantisation that outputs may differ by; default 0. */
  readonly maxLsb?: number;
  /** What floats may differ by, relative to the largest expected value; default 1e-4. */
  readonly rtol?: number;
  /** Path of an .npz to write the outputs to. */
  readonly outputs?: string;
  /** Count the instructions of each kernel too, in a second image. */
  readonly layers?: boolean;
  /** Estimate cycles and count loads and stores too, in a second run. */
  readonly cycles?: boolean;
  /** Path of an HTML file to write a report with the measured figures to; counts each kernel. */
  readonly report?: string;
  /** Called with what is being done, before it takes time. */
  readonly progress?: (doing: string) => void;
}

function matchCounts(inputs: readonly Sample[], expected: readonly Sample[], file: string): void {
  if (inputs.length === expected.length) return;
  throw new BurinError(
    "data/samples",
    `Cannot compare with ${file} as it holds ${expected.length} samples for ${inputs.length} inputs`,
    "give --inputs and --expect of the same run",
  );
}

/**
 * Compiles a model, executes it and compares its outputs.
 * @throws BurinError `data/*` for the files, `tool/missing`, `board/*`, `model/*`
 */
export async function run(request: RunRequest): Promise<LayeredExecution> {
  checkSamples(request);
  for (const file of [request.outputs, request.report]) if (file !== undefined) checkWritable(file);
  const doing = request.progress ?? (() => {});
  doing(`compiling ${request.model === undefined ? "the example" : basename(request.model)}`);
  const read = (file: string) => readNpz(readUserFile(file), file);
  const given = request.inputs === undefined ? null : read(request.inputs);
  const wanted = request.expect === undefined ? null : read(request.expect);
  const { compilation, board, model } = await compileWhole(request);
  const { artifact } = compilation;
  if (request.progress) sayFrontier(artifact);
  const samples = given === null
    ? [madeUpSample(artifact.inputs)]
    : splitSamples(given, artifact.inputs, "in", request.inputs!);
  const expected = wanted === null
    ? undefined
    : splitSamples(wanted, artifact.outputs, "out", request.expect!);
  if (expected) matchCounts(samples, expected, request.expect!);
  const { maxLsb, rtol, progress, cycles: profile } = request;
  const options = { model: basename(model), expected, maxLsb, rtol, progress, profile };
  const execution = await runOnBoard(artifact, board, samples, options);
  if (request.outputs !== undefined) {
    const file = writeNpz(joinSamples(execution.outputs, artifact.outputs, "out"));
    writeUserFile(request.outputs, file);
  }
  if (!request.layers && request.report === undefined) return { ...execution, layers: null };
  const counts = await measureLayers(artifact, board, samples, { progress });
  if (request.report !== undefined) {
    const { reportPage } = await import("./report.ts");
    const measured = measuredRun(execution.result, counts);
    const page = await reportPage(compilation, { board, model: basename(model), measured });
    writeUserFile(request.report, new TextEncoder().encode(page));
  }
  return { ...execution, layers: layerFigures(artifact.kernels, counts) };
}

/** What a report shows of a run; undefined on this computer, which counts nothing. */
function measuredRun(r: RunResult, layers: readonly number[] | null): MeasuredRun | undefined {
  if (layers === null || r.instructions === null || r.stack_bytes === null) return undefined;
  return {
    engine: r.engine,
    samples: r.samples,
    instructions: r.instructions.reduce((a, b) => a + b, 0) / r.samples,
    layers,
    codeBytes: r.code_bytes,
    stackBytes: r.stack_bytes,
    stackBoundBytes: r.stack_bound_bytes,
    ramBytes: r.ram_bytes,
  };
}

function matchRows({ match }: RunResult): string[][] {
  return Object.entries(match ?? {}).map(([name, m]) => {
    if (m.mismatched === 0) {
      return [`  ${name}`, `as expected in all ${grouped(m.elements)} elements`];
    }
    const steps = m.max_lsb === null ? "" : ` (${m.max_lsb} step${m.max_lsb === 1 ? "" : "s"})`;
    return [
      `  ${name}`,
      `differs in ${grouped(m.mismatched)} of ${grouped(m.elements)} elements, by at most ${
        Number(m.max_abs.toPrecision(3))
      }${steps}`,
    ];
  });
}

/** Instructions per inference as one cell. */
export function instructionsText(counts: readonly number[]): string {
  const [low, high] = [Math.min(...counts), Math.max(...counts)];
  const mean = counts.reduce((a, b) => a + b, 0) / counts.length;
  return low === high
    ? `${grouped(low)} an inference`
    : `${grouped(mean)} an inference (${grouped(low)} to ${grouped(high)})`;
}

/** The same for `--json`; null where there is none. */
function trafficOf({ profile }: Profiled): Traffic | null {
  if (profile === null) return null;
  const { functions: _, ...traffic } = profile;
  return traffic;
}

/** Cycles, loads and stores of an inference, or why there are none. */
function profileRows(profiled: Execution["profiled"]): string[][] {
  if (profiled === null) return [];
  if (profiled.profile === null) return [["  cycles", `– (${profiled.absent})`]];
  const { cycles, loads, stores, bytes } = profiled.profile;
  return [
    [
      "  cycles",
      cycles === null ? "– (the core has no model)" : `${grouped(cycles)} an inference, estimated`,
    ],
    ["  memory", `${grouped(loads)} loads, ${grouped(stores)} stores, ${grouped(bytes)} bytes`],
  ];
}

function summary({ result, firmware, profiled }: Execution): string {
  const r = result;
  const most = r.stack_bound_bytes === null ? "" : ` of at most ${grouped(r.stack_bound_bytes)}`;
  const stack = r.stack_bytes === null ? "" : `, stack ${grouped(r.stack_bytes)}${most}`;
  const rows = [
    ...matchRows(r),
    ...(r.instructions ? [["  instructions", instructionsText(r.instructions)]] : []),
    ...profileRows(profiled),
    ["  RAM", `${grouped(r.ram_bytes)} bytes (arena ${grouped(r.arena_bytes)}${stack})`],
    [
      "  flash",
      `${grouped(r.flash_bytes)} bytes (code ${grouped(r.code_bytes)}, constants ${
        grouped(r.params_bytes)
      })`,
    ],
  ];
  if (firmware) {
    rows.push([
      "  firmware",
      `linked for ${r.board}: ${grouped(firmware.flashUsed)} of ${
        grouped(firmware.flashBytes)
      } bytes of flash, ${grouped(firmware.ramUsed)} of ${grouped(firmware.ramBytes)} of RAM`,
    ]);
  }
  const count = `${r.samples} sample${r.samples === 1 ? "" : "s"}`;
  return `${r.model} on ${r.board}: ${count} (${r.engine})\n${table(rows)}`;
}

const LEVELS = [0, 1, 2, 3] as const;

/** The same run at every -O level, one row each. */
function levelTable(executions: readonly Execution[]): string {
  const rows = executions.map(({ result: r, passes }, level) => [
    `  -O${level}`,
    r.instructions ? grouped(Math.max(...r.instructions)) : "–",
    grouped(r.ram_bytes),
    grouped(r.arena_bytes),
    grouped(r.flash_bytes),
    r.match === null ? "–" : passes ? "as expected" : "differs",
  ]);
  const [{ result }] = executions;
  const head = ["  level", "instructions", "RAM", "arena", "flash", "outputs"];
  return `${result.model} on ${result.board} (${result.engine})\n${table([head, ...rows])}`;
}

/** What makes no sense for four runs at once. */
function checkLevels(args: Args): void {
  const other = ["O", "layers", "cycles", "outputs", "report"].find((name) => args.flag(name));
  if (other === undefined) return;
  throw new BurinError(
    "usage/levels",
    `Cannot use ${other.length === 1 ? "-" : "--"}${other} as --levels runs every level`,
    "leave one of the two out",
  );
}

async function runLevels(request: RunRequest, json: boolean): Promise<number> {
  const executions: Execution[] = [];
  for (const optLevel of LEVELS) executions.push(await run({ ...request, optLevel }));
  if (json) printJson(executions.map((e, level) => ({ level, ...e.result })));
  else print(levelTable(executions));
  return executions.every((e) => e.passes) ? 0 : 1;
}

async function main(args: Args): Promise<number> {
  if (args.operands.length === 0) {
    throw new BurinError(
      "usage/no-model",
      "Cannot run as no model is named",
      "write deno task run MODEL.onnx --board mps2-an386",
    );
  }
  const [model] = args.operands;
  const models = namesArchive(model) ? await openArchive(args, model) : null;
  const base = requestOf(
    args,
    args.value("board") ?? (models && archiveBoard(models, model)) ?? undefined,
  );
  const { target } = loadBoard(base.board.endsWith(".json") ? userPath(base.board) : base.board);
  const missing = await ensureTools(toolsFor(target));
  if (missing.length > 0) throw missingError(missing, `build for ${target.cpu}`);
  const request: RunRequest = {
    ...base,
    inputs: args.value("inputs"),
    expect: args.value("expect"),
    outputs: args.value("outputs"),
    maxLsb: numberOption(args, "max-lsb", 0),
    rtol: numberOption(args, "rtol", 0),
    layers: args.flag("layers"),
    cycles: args.flag("cycles"),
    report: args.value("report"),
    progress: (doing) => say(`${doing} …`),
  };
  if (request.inputs === undefined) {
    say(`No --inputs: running ${models ? "the archive's golden vectors" : "one made-up sample"}.`);
  }
  if (models && args.flag("cycles")) {
    throw new BurinError(
      "usage/no-model",
      `Cannot estimate the cycles of ${model} as that is done for models alone`,
      "run the ONNX file itself",
    );
  }
  if (models && (args.flag("layers") || args.value("report") !== undefined)) {
    throw new BurinError(
      "usage/no-model",
      `Cannot count the kernels of ${model} one by one as an archive does not say what they compute`,
      "run the ONNX file itself",
    );
  }
  if (args.flag("levels")) checkLevels(args);
  if (args.flag("levels")) return await runLevels(request, args.flag("json"));
  const executions: readonly (Execution & Partial<LayeredExecution>)[] = models
    ? await runArchive(models, model, request)
    : [await run(request)];
  const results = executions.map(({ result, layers, profiled }) => ({
    ...result,
    ...(layers ? { layers } : {}),
    ...(profiled ? { traffic: trafficOf(profiled) } : {}),
  }));
  if (args.flag("json")) printJson(results.length === 1 ? results[0] : results);
  else {
    for (const e of executions) {
      print(summary(e));
      if (e.layers) print(`\n${layerTable(e.layers)}`);
    }
  }
  if (executions.every((e) => e.passes)) return 0;
  say("The outputs differ from what was expected.");
  return 1;
}

/** Reads an archive; what its code is was decided when it was compiled. */
async function openArchive(args: Args, archive: string): Promise<WrittenModel[]> {
  const decided = ["levels", ...Object.keys(COMPILE_OPTIONS)]
    .find((name) => name !== "board" && args.flag(name));
  if (decided === undefined) return await readArchive(archive);
  throw new BurinError(
    "usage/compiled",
    `Cannot use ${decided.length === 1 ? "-" : "--"}${decided} as ${archive} is compiled already`,
    "compile the model again with it",
  );
}

/** The command. */
export const command: Command = {
  name: "run",
  summary: "Compile a model, execute the generated C under QEMU or on this computer, compare.",
  operands: "MODEL.onnx|ARCHIVE.tar",
  maxOperands: 1,
  options: {
    ...COMPILE_OPTIONS,
    inputs: { kind: "value", value: "F.npz", help: "samples: in0, in1 … or the graph's names" },
    expect: { kind: "value", value: "F.npz", help: "expected outputs: out0, out1 …" },
    "max-lsb": { kind: "value", value: "N", help: "steps of quantisation allowed; default 0" },
    rtol: { kind: "value", value: "X", help: "tolerance of floats, relative; default 1e-4" },
    outputs: { kind: "value", value: "F.npz", help: "file to write the outputs to" },
    layers: { kind: "flag", help: "count the instructions of each generated kernel" },
    cycles: { kind: "flag", help: "estimate cycles, count loads and stores (needs gcc)" },
    report: { kind: "value", value: "F.html", help: "file to write a report with these counts to" },
    levels: { kind: "flag", help: "run at -O0 to -O3 and compare them in a table" },
    json: { kind: "flag", help: "print the figures as one JSON object" },
  },
  notes: "An array with one axis more than its tensor is a batch of samples. An archive that\n" +
    "`compile --out NAME.tar` wrote is built and run on its golden vectors.",
  main,
};
