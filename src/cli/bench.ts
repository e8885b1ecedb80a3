/** `bench`: what models take on each core, checked against their outputs and against others. */
import { basename } from "@std/path";
import type { Compilation } from "../compile.ts";
import {
  type Baseline,
  type BenchLayer,
  type BenchRow,
  limitPerMac,
  ratiosOf,
} from "../report/bench_row.ts";
import { benchPage, type BenchTools } from "../report/bench_page.ts";
import { benchText } from "../report/bench_text.ts";
import { ensureTools } from "../run/install.ts";
import { measureLayers } from "../run/layers.ts";
import { type Execution, runOnBoard } from "../run/mod.ts";
import { madeUpSample, splitSamples } from "../run/samples.ts";
import { findToolchain, missingError, toolsFor } from "../run/toolchain.ts";
import { loadBoard } from "../target/boards.ts";
import { type Board, has } from "../target/target.ts";
import { BurinError } from "../util/errors.ts";
import { readNpz } from "../util/npz.ts";
import { VERSION } from "../util/version.ts";
import type { Args, Command } from "./args.ts";
import {
  type BenchModel,
  exampleModels,
  folderModels,
  namedModels,
  readBaselines,
} from "./bench_models.ts";
import { compileWhole } from "./compile.ts";
import { budgetOf, COMPILE_OPTIONS } from "./options.ts";
import { checkWritable, readUserFile, stemOf, writeUserFile } from "./paths.ts";
import { print, printJson, say } from "./terminal.ts";

/** A Cortex-M3, M4, M7, M33 and M55. */
const BOARDS = ["mps2-an385", "mps2-an386", "mps2-an500", "mps2-an505", "mps3-an547"];

/** Boards whose layers the page shows: SMLAD, and vectors. */
const PAGE_LAYERS = ["mps2-an386", "mps3-an547"];

/** Samples that are run, at most. */
const SAMPLES = 8;

/** What `bench` is asked for. */
export interface BenchRequest {
  /** Paths of models; default the examples and the models of `folder`. */
  readonly models?: readonly string[];
  /** Folder with further models; default `../shared/models/mlperf_tiny` where it is there. */
  readonly folder?: string;
  /** Names of boards; default one of each core. */
  readonly boards?: readonly string[];
  /** Path of a JSON file with other systems' figures; default `../shared/baselines.json`. */
  readonly baselines?: string;
  /** What to trade for what; default balanced. */
  readonly optimize?: "balanced" | "speed" | "ram" | "flash";
  /** As for compile. */
  readonly flashBudget?: number;
  /** Whether to count each kernel: on all boards, or on the named ones for models of others. */
  readonly layers?: boolean | readonly string[];
  /** Called with what is being done, before it takes time. */
  readonly progress?: (doing: string) => void;
}

/** What `bench --json` prints. */
export interface BenchResult {
  /** Versions that the figures depend on. */
  readonly tools: BenchTools;
  /** One model on one board each. */
  readonly rows: readonly BenchRow[];
}

const mean = (ns: readonly number[]): number =>
  Math.round(ns.reduce((a, b) => a + b, 0) / ns.length);

/** Whether a kernel multiplies integers of 8 or 16 bits. */
const isInteger = (c: Compilation, step: number): boolean =>
  c.program.calls[step].kernel.buffers.some((b) => ["int8", "uint8", "int16"].includes(b.dtype));

/** Instructions that the multiply-accumulates of each kernel take at least. */
const limits = (c: Compilation, { target }: Board): (number | null)[] =>
  c.artifact.kernels.map(({ macs }, step) => {
    if (macs === 0) return 0;
    const each = limitPerMac(target.features, isInteger(c, step));
    return each === null ? null : macs * each;
  });

function layersOf(
  c: Compilation,
  counts: readonly number[],
  least: readonly (number | null)[],
  execution: Execution,
): BenchLayer[] {
  const traffic = trafficOf(c, counts, execution);
  const total = counts.reduce((a, b) => a + b, 0);
  return c.artifact.kernels.map(({ name, ops, macs }, i) => ({
    kernel: name,
    ops,
    macs,
    instructions: counts[i],
    share: total === 0 ? 0 : counts[i] / total,
    limit: macs === 0 ? null : least[i],
    ...traffic[i],
  }));
}

const FIGURES = ["cycles", "loads", "stores", "bytes"] as const;
type LayerTraffic = Pick<BenchLayer, typeof FIGURES[number]>;

/**
 * Cycles, loads and stores of each layer. A profile knows functions: what several layers call is
 * divided among them by the instructions that their own functions did not execute.
 */
function trafficOf(
  { artifact: { kernels, name } }: Compilation,
  counts: readonly number[],
  execution: Execution,
): LayerTraffic[] {
  const functions = execution.profiled?.profile?.functions;
  const unknown = { cycles: null, loads: null, stores: null, bytes: null };
  if (!functions) return kernels.map(() => unknown);
  const calls = new Map<string, number>();
  kernels.forEach((k, i) => calls.set(k.name, (calls.get(k.name) ?? 0) + counts[i]));
  const parts = kernels.map((k, i) => counts[i] / Math.max(1, calls.get(k.name)!));
  const elsewhere = kernels.map((k, i) =>
    Math.max(0, counts[i] - (functions.get(k.name)?.instructions ?? 0) * parts[i])
  );
  const all = elsewhere.reduce((a, b) => a + b, 0);
  const shared = [...functions]
    .filter(([symbol]) => !calls.has(symbol) && symbol !== `${name}_run_in`)
    .map(([, t]) => t);
  return kernels.map((k, i): LayerTraffic => {
    const own = functions.get(k.name);
    const figure = (of: typeof FIGURES[number]): number | null => {
      const values = [own?.[of] ?? 0, ...shared.map((t) => t[of])];
      if (values.includes(null)) return null;
      const [mine, ...theirs] = values as number[];
      const sum = theirs.reduce((a, b) => a + b, 0);
      return mine * parts[i] + (all === 0 ? 0 : sum * elsewhere[i] / all);
    };
    return Object.fromEntries(FIGURES.map((of) => [of, figure(of)])) as unknown as LayerTraffic;
  });
}

const coreOf = ({ target }: Board): string => target.cpu.replace(/^cortex-/, "");

/** Measures one model on one board. */
async function measure(
  model: BenchModel,
  board: Board,
  request: BenchRequest,
  baselines: readonly Baseline[],
): Promise<BenchRow> {
  const { optimize, progress = () => {} } = request;
  progress(`${basename(model.path)} on ${board.name}`);
  const { compilation } = await compileWhole({
    model: model.path,
    board: board.name,
    optimize,
    flashBudget: request.flashBudget,
  });
  const { artifact } = compilation;
  const arrays = model.samples && readNpz(readUserFile(model.samples), model.samples);
  const samples = arrays
    ? splitSamples(arrays, artifact.inputs, "in", model.samples!).slice(0, SAMPLES)
    : [madeUpSample(artifact.inputs)];
  const expected = arrays
    ? splitSamples(arrays, artifact.outputs, "out", model.samples!).slice(0, SAMPLES)
    : undefined;
  const execution = await runOnBoard(artifact, board, samples, { expected, profile: true });
  const { result, profiled } = execution;
  const macs = artifact.kernels.reduce((sum, k) => sum + k.macs, 0);
  const least = limits(compilation, board);
  const { layers = false } = request;
  const asked = layers === true ||
    layers !== false && !model.example && model.everywhere && layers.includes(board.name);
  const counts = asked ? await measureLayers(artifact, board, samples) : null;
  const instructions = mean(result.instructions ?? [0]);
  const profile = profiled?.profile ?? null;
  const row: BenchRow = {
    model: stemOf(model.path),
    example: model.example,
    board: board.name,
    core: coreOf(board),
    error: null,
    right: expected === undefined ? null : execution.passes,
    samples: samples.length,
    instructions,
    cycles: profile?.cycles ?? null,
    no_cycles: profile === null
      ? profiled!.absent
      : profile.cycles === null
      ? `the model of cycles is that of a Cortex-M4, not of ${board.target.cpu}`
      : null,
    macs,
    instructions_per_mac: macs === 0 ? null : instructions / macs,
    limit: least.includes(null) || macs === 0 ? null : least.reduce<number>((a, b) => a + b!, 0),
    loads: profile?.loads ?? null,
    stores: profile?.stores ?? null,
    bytes: profile?.bytes ?? null,
    flash_bytes: result.flash_bytes,
    code_bytes: result.code_bytes,
    params_bytes: result.params_bytes,
    arena_bytes: result.arena_bytes,
    ram_bytes: result.ram_bytes,
    ratios: [],
    layers: counts && layersOf(compilation, counts, least, execution),
  };
  return { ...row, ratios: ratiosOf(row, baselines) };
}

/** A row that says why there are no figures. */
const failed = (model: BenchModel, board: Board, error: string): BenchRow => ({
  model: stemOf(model.path),
  example: model.example,
  board: board.name,
  core: coreOf(board),
  error,
  right: null,
  samples: 0,
  instructions: 0,
  cycles: null,
  no_cycles: null,
  macs: 0,
  instructions_per_mac: null,
  limit: null,
  loads: null,
  stores: null,
  bytes: null,
  flash_bytes: 0,
  code_bytes: 0,
  params_bytes: 0,
  arena_bytes: 0,
  ram_bytes: 0,
  ratios: [],
  layers: null,
});

function boardsOf(names: readonly string[]): Board[] {
  return names.map((name) => {
    const board = loadBoard(name);
    if (toolsFor(board.target).length > 1) return board;
    throw new BurinError(
      "usage/no-counter",
      `Cannot measure on ${name} as nothing counts instructions there`,
      `name boards with a core of their own; the default is ${BOARDS.join(", ")}`,
    );
  });
}

/**
 * Measures models on cores. A model that does not fit a board becomes a row that says so.
 * @throws BurinError `usage/*`, `data/*` for the files, `tool/missing`, `model/*`
 */
export async function bench(request: BenchRequest = {}): Promise<BenchResult> {
  const { models: named = [], progress } = request;
  const boards = boardsOf(request.boards?.length ? request.boards : BOARDS);
  const others = named.length > 0 ? null : folderModels(request.folder);
  if (named.length === 0 && others === null) {
    progress?.("../shared/models/mlperf_tiny is not there: measuring the examples alone");
  }
  const models = named.length > 0 ? namedModels(named) : [...(others ?? []), ...exampleModels()];
  const baselines = readBaselines(request.baselines);
  const rows: BenchRow[] = [];
  for (const model of models) {
    for (const board of boards) {
      if (!model.everywhere && !has(board.target, "fpu")) continue;
      try {
        rows.push(await measure(model, board, request, baselines));
      } catch (e) {
        if (!(e instanceof BurinError) || e.code !== "board/does-not-fit") throw e;
        rows.push(failed(model, board, "does not fit"));
      }
    }
  }
  const { gccVersion, qemuVersion } = await findToolchain(boards[0].target);
  return { tools: { burin: VERSION, gcc: gccVersion, qemu: qemuVersion! }, rows };
}

const wrong = ({ right, error }: BenchRow): boolean => error === null && right === false;

function writePage(file: string, { rows, tools }: BenchResult): void {
  const refuse = (why: string, hint?: string): never => {
    throw new BurinError("data/cannot-write", `Cannot write ${file} as ${why}`, hint);
  };
  const bad = rows.find(wrong);
  if (bad) refuse(`the outputs of ${bad.model} on ${bad.board} are wrong`);
  if (rows.every((r) => r.example)) {
    refuse("the models that it is about are not there", "name their folder with --models FOLDER");
  }
  writeUserFile(file, new TextEncoder().encode(benchPage(rows, tools)));
  say(`Wrote ${file}.`);
}

async function main(args: Args): Promise<number> {
  const boards = args.list("board");
  const tools = boardsOf(boards.length > 0 ? boards : BOARDS).flatMap((b) => toolsFor(b.target));
  const missing = await ensureTools([...new Set(tools)]);
  if (missing.length > 0) throw missingError(missing, "measure");
  const write = args.value("write");
  if (write !== undefined) checkWritable(write);
  const result = await bench({
    models: args.operands,
    folder: args.value("models"),
    boards,
    baselines: args.value("baselines"),
    optimize: args.value("optimize") as BenchRequest["optimize"],
    flashBudget: budgetOf("flash-budget", args.value("flash-budget")),
    layers: write !== undefined ? PAGE_LAYERS : args.flag("layers"),
    progress: (doing) => say(`${doing} …`),
  });
  if (args.flag("json")) printJson(result);
  else print(benchText(result.rows));
  if (write !== undefined) writePage(write, result);
  return result.rows.some(wrong) ? 1 : 0;
}

/** The command. */
export const command: Command = {
  name: "bench",
  summary: "Measure models on each core, check their outputs, compare with other systems.",
  operands: "[MODEL.onnx …]",
  maxOperands: Infinity,
  options: {
    board: { kind: "list", value: "NAME", help: "may be repeated; default one of each core" },
    models: { kind: "value", value: "DIR", help: "folder with *_int8.onnx and *_fp32.onnx" },
    baselines: { kind: "value", value: "F.json", help: "what other systems take" },
    optimize: {
      kind: "value",
      value: "GOAL",
      help: "what to trade for what; default balanced",
      choices: ["balanced", "speed", "ram", "flash"],
    },
    "flash-budget": COMPILE_OPTIONS["flash-budget"],
    layers: { kind: "flag", help: "count each generated kernel too" },
    write: { kind: "value", value: "F.md", help: "file to write a page with the figures to" },
    json: { kind: "flag", help: "print the figures as one JSON object" },
  },
  notes: `Without operands: the examples, and the models of --models, by default those of
../shared/models/mlperf_tiny where it is there. Outputs are compared with X.exact.npz,
X.golden.npz or test.npz beside X.onnx; where they are wrong no ratio is printed and the exit
code is 1. Baselines are by default ../shared/baselines.json where it is there.`,
  main,
};
