/** The driver: the one place where the stages are joined. */
import { createHash } from "node:crypto";
import { checkLibraryName, libraryCName } from "./util/names.ts";
import { BurinError } from "./util/errors.ts";
import { sizeOf, type TensorData } from "./util/tensor.ts";
import { bytesOf } from "./util/dtype.ts";
import type { Board } from "./target/target.ts";
import type { Graph, Value } from "./ir/graph.ts";
import { type Imported, importModel, type ImportOptions } from "./onnx/import.ts";
import { expand } from "./passes/expand.ts";
import { fuse, type Group } from "./passes/fuse.ts";
import { assignLayout, type Layout } from "./passes/layout.ts";
import { runPasses } from "./passes/pipeline.ts";
import type { Candidate } from "./schedule/rules/form.ts";
import type { Workload } from "./schedule/state.ts";
import type { Schedule } from "./schedule/steps.ts";
import type { Kernel } from "./tir/stmt.ts";
import type { Artifact, NormalizedOptions, Port } from "./codegen/artifact.ts";
import { type Proof, replay } from "./memory/replay.ts";
import { kernelsSource } from "./codegen/kernel_c.ts";
import { librarySources } from "./codegen/library.ts";
import type { Call, Program } from "./codegen/program.ts";
import { selftestSources } from "./codegen/selftest.ts";
import { type InspectOptions, inspectStages, type Section } from "./compile/inspect.ts";
import { checkFits, checkRamBudget } from "./compile/fits.ts";
import { kernelInfos } from "./compile/kernel_infos.ts";
import { fuseKernels } from "./compile/fusion.ts";
import { interpreter } from "./compile/interpret.ts";
import { collectParams } from "./compile/params.ts";
import { placeInOrder } from "./compile/order.ts";
import { type ArenaLimit, arenaRegions, checkRegion } from "./compile/regions.ts";
import { place, type Placement } from "./compile/place.ts";
import { portQuants, ports } from "./compile/ports.ts";
import { scheduleGroups } from "./compile/schedules.ts";

/** Options of the compiler. */
export interface CompileOptions {
  readonly board: Board;
  /** Stem of the model's file: the default name. */
  readonly fileStem: string;
  readonly name?: string;
  readonly optLevel: 0 | 1 | 2 | 3;
  readonly optimize: "balanced" | "speed" | "ram" | "flash";
  /**
   * Bytes of code and constants up to which flash is spent for speed; by default half of the board's
   * for `speed`, and no such budget otherwise.
   */
  readonly flashBudget?: number;
  /** Bytes of the arena's regions together; the model is refused where no plan keeps to them. */
  readonly ramBudget?: number;
  readonly requant: "exact" | "fast";
  readonly io: "caller" | "arena";
  /** Memories of the board that the arena may use; default one region, as large as it has to be. */
  readonly arena?: readonly ArenaLimit[];
  /** Memory of the board that the constants are copied into at start; default none. */
  readonly weights?: string;
  /** Sizes of symbolic dimensions. */
  readonly dims: Readonly<Record<string, number>>;
  /**
   * What inputs hold that are sequences or optionals: types of the elements, which become inputs of
   * their own; of a tensor the type in place of the declared one.
   */
  readonly elements?: ImportOptions["elements"];
  /** Reads files beside the model that hold its tensors; such models are refused without it. */
  readonly externalFiles?: ImportOptions["externalFiles"];
  /**
   * Inputs of the golden vectors, chosen when the ports are known; none by default. Their outputs
   * are computed on the loop IR.
   */
  readonly golden?: (model: GoldenRequest) => readonly (readonly TensorData[])[];
  /** C identifier of memory that several models share; by default each has its own. */
  readonly sharedMemory?: string;
  /** Boards to propose where the model does not fit; none by default. */
  readonly boards?: () => readonly Board[];
  /** Hears what is being done, for people who wait. */
  readonly progress?: (doing: string) => void;
  /** Sees the graph after import and after every pass. */
  readonly observe?: (pass: string, g: Graph) => void;
  /** Chooses the steps of a kernel's schedule, by default what was chosen among the candidates. */
  readonly schedule?: (
    w: Workload,
    chosen: Schedule,
    candidates: readonly Candidate[],
  ) => Schedule;
}

/** What is known of a model when its golden vectors are chosen. */
export interface GoldenRequest {
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  /** Multiply-accumulates of one run. */
  readonly macs: number;
  /** Bytes of constants in flash. */
  readonly paramsBytes: number;
}

/** One kernel and how it came to be. */
export interface ScheduledKernel {
  readonly group: Group;
  readonly workload: Workload;
  readonly schedule: Schedule;
  readonly kernel: Kernel;
  readonly values: readonly Value[];
  /** Itself under schedules that take less scratch memory and about as many instructions. */
  readonly near?: readonly ScheduledKernel[];
  /** The kernels that it streams rows through, each with its own schedule. */
  readonly members?: readonly ScheduledKernel[];
}

/** Everything that compiling a model decided, stage by stage. */
export interface Compilation {
  readonly imported: Imported;
  readonly layout: Layout;
  readonly kernels: readonly ScheduledKernel[];
  readonly placement: Placement;
  readonly program: Program;
  readonly artifact: Artifact;
}

/**
 * Compiles a model.
 *
 * @throws BurinError `model/*` where the model is at fault, `internal/*` where Burin is
 */
export async function compileModel(bytes: Uint8Array, options: CompileOptions): Promise<Artifact> {
  return (await compileStages(bytes, options)).artifact;
}

/** What `inspect` shows of a model; throws `usage/unknown-node` beside what compiling throws. */
export const inspectModel = (bytes: Uint8Array, options: InspectOptions): Promise<Section[]> =>
  inspectStages(bytes, options, compileStages);

/** Compiles a model and keeps what every stage made of it. */
// deno-lint-ignore require-await -- errors are to arrive as rejections, as from any other command
export async function compileStages(
  bytes: Uint8Array,
  options: CompileOptions,
): Promise<Compilation> {
  const name = libraryName(options);
  const imported = importModel(bytes, {
    dims: options.dims,
    externalFiles: options.externalFiles,
    ...options.elements && { elements: options.elements },
  });
  options.observe?.("import", imported.graph);
  const { board, optLevel: level } = options;
  const graph = runPasses(imported.graph, { level, observe: options.observe });
  const layout = assignLayout(graph, level);
  const groups = fuse(layout.graph, layout.free, level);
  const doing = options.progress ?? (() => {});
  doing(`choosing schedules for ${groups.length} kernels`);
  const separate = scheduleGroups(groups, layout, options);
  doing("planning memory");
  const inArena = options.io === "arena";
  const regions = options.arena?.length ? arenaRegions(board, options.arena) : undefined;
  const inMemory = (k: readonly ScheduledKernel[]) =>
    placeInOrder(layout.graph, k, layout.storage, { inArena, level, ...(regions && { regions }) });
  const { kernels: fused, frontier } = fuseKernels(
    layout.graph,
    separate,
    layout.storage,
    options,
    (k) => sizeOfArena(inMemory(k).placement),
  );
  const { steps: scheduled, placement } = inMemory(fused);
  const kernels = scheduled.map((k, i) => ({ ...k, kernel: placement.kernels[i] }));
  const program = makeProgram(options, name, expand(imported.graph), {
    layout,
    kernels,
    placement,
  });
  const arenaBytes = sizeOfArena(placement);
  checkRamBudget(options, arenaBytes, frontier, program.buffers);
  if (options.weights !== undefined) checkRegion(board, options.weights);
  const largestRegion = Math.max(0, ...placement.regions.map((r) => r.bytes));
  const paramsBytes = program.params.reduce(
    (sum, p) => sum + sizeOf(p.data.shape) * bytesOf(p.data.dtype),
    0,
  );
  checkFits(board, {
    arena: arenaBytes,
    largestRegion,
    params: paramsBytes,
    inputs: program.inputs,
    outputs: program.outputs,
    buffers: program.buffers,
    frontier,
    otherArenas: () => ({
      withPorts: sizeOfArena(
        place(layout.graph, scheduled, layout.storage, { inArena: true, level }),
      ),
      withoutScratch: sizeOfArena(
        place(layout.graph, scheduled.map(withoutScratch), layout.storage, { inArena, level }),
      ),
    }),
  }, options.boards);
  if (level >= 2) doing("proving the memory plan");
  // A plan that no board can hold needs no proof.
  const proof = level >= 2 ? replay(placement.replay) : { sampled: [] };
  const sources = librarySources(program);
  sources.set(`src/${name}_kernels.c`, kernelsSource(program, board.target));
  const macs = program.calls.reduce((sum, { kernel }) => sum + kernel.macs, 0);
  const interpret = interpreter(program);
  const golden = (options.golden?.({ ...program, macs, paramsBytes }) ?? [])
    .flatMap((inputs) => goldenVector(inputs, interpret));
  const artifact: Artifact = {
    name,
    modelSha256: createHash("sha256").update(bytes).digest("hex"),
    options: normalized(options, name),
    inputs: program.inputs,
    outputs: program.outputs,
    regions: program.regions,
    buffers: program.buffers,
    kernels: kernelInfos(program, board.target),
    arenaBytes,
    paramsBytes,
    ...(options.weights === undefined ? {} : { weights: options.weights }),
    sources,
    frontier,
    golden,
    selftest: selftestSources(program, golden),
    notes: [...imported.notes, ...proofNotes(proof)],
    interpret,
  };
  return { imported, layout, kernels, placement, program, artifact };
}

/** What the user has to know of a proof that is not complete. */
const proofNotes = ({ sampled }: Proof): string[] =>
  sampled.length === 0 ? [] : [
    `the memory plan was checked by sampling at step${sampled.length > 1 ? "s" : ""} ` +
    `${sampled.join(", ")}, where data decide what is touched or the loops are long`,
  ];

/** A sample with its outputs; none where the generated code would refuse its shapes or axes. */
function goldenVector(
  inputs: readonly TensorData[],
  interpret: Artifact["interpret"],
): Artifact["golden"] {
  try {
    return [{ inputs, outputs: interpret(inputs) }];
  } catch (e) {
    if (e instanceof BurinError && e.code === "data/wrong-operand") return [];
    throw e;
  }
}

const sizeOfArena = ({ regions }: Placement): number =>
  regions.reduce((sum, r) => sum + r.bytes, 0);

/** A kernel with no buffers but its operands'; for planning, not for running. */
const withoutScratch = (k: ScheduledKernel): ScheduledKernel => ({
  ...k,
  kernel: { ...k.kernel, buffers: k.kernel.buffers.slice(0, k.values.length) },
});

const libraryName = ({ name, fileStem }: CompileOptions): string =>
  name === undefined ? libraryCName(fileStem) : checkLibraryName(name);

const normalized = (o: CompileOptions, name: string): NormalizedOptions => ({
  board: o.board.name,
  name,
  optLevel: o.optLevel,
  optimize: o.optimize,
  ...(o.flashBudget === undefined ? {} : { flashBudget: o.flashBudget }),
  ...(o.ramBudget === undefined ? {} : { ramBudget: o.ramBudget }),
  requant: o.requant,
  io: o.io,
  ...(o.arena?.length ? { arena: o.arena } : {}),
  ...(o.weights === undefined ? {} : { weights: o.weights }),
  dims: o.dims,
});

/** @param source the graph with its quantisation still written out, as the ports state it */
function makeProgram(
  options: CompileOptions,
  name: string,
  source: Graph,
  { layout: { graph, storage }, kernels, placement }: Pick<
    Compilation,
    "layout" | "kernels" | "placement"
  >,
): Program {
  const { params, names } = collectParams(kernels.map((k) => k.kernel));
  const quants = portQuants(source);
  const where = (v: Value): Port["placement"] => {
    const at = options.io === "arena" ? placement.offsetOf(storage.get(v)!.owner) : null;
    return at ? { where: "arena", ...at } : { where: "caller" };
  };
  return {
    name,
    title: `model ${options.fileStem}`,
    inputs: ports(graph.inputs, graph.inputs.map((v) => v.name), quants.inputs, where),
    outputs: ports(graph.outputs, graph.outputNames, quants.outputs, where),
    regions: placement.regions,
    buffers: placement.buffers,
    calls: kernels.map(({ group, kernel, values }, i): Call => ({
      kernel,
      args: placement.args[i],
      paramNames: names[i],
      ...group.nodes.at(-1)!.op.check && { check: values.length - 1 },
    })),
    params,
    ...(options.weights === undefined ? {} : { weights: options.weights }),
    ...(options.sharedMemory === undefined ? {} : { sharedMemory: options.sharedMemory }),
  };
}
