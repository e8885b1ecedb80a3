/** Building a compiled model, executing it on a board's machine, measuring and comparing. */
import { join } from "@std/path";
import type { CompiledLibrary, Port } from "../project/mod.ts";
import { executingBoard } from "../target/boards.ts";
import { architectureOf } from "../target/architecture.ts";
import { type Board, isHost } from "../target/target.ts";
import { BurinError } from "../util/errors.ts";
import { type BuildOptions, compileLibrary, linkHarness, stackBytes } from "./build.ts";
import { compareSamples, type OutputMatch, type Tolerance } from "./compare.ts";
import { type Firmware, linkFirmware } from "./firmware.ts";
import { harnessFiles, type Measured, readResult } from "./harness.ts";
import { LINKED, measureLibrary, type Sizes } from "./measure.ts";
import { execute } from "./process.ts";
import { type Profiled, profileImage } from "./profile.ts";
import { executeQemu, exitError } from "./qemu.ts";
import { packSamples, type Sample, unpackSamples } from "./samples.ts";
import { measureStack, type StackBound } from "./stack.ts";
import { findToolchain, type Toolchain } from "./toolchain.ts";
import { withWorkDir } from "./workdir.ts";

/** Bytes of guard zone on both sides of every buffer that the library writes. */
const GUARD_BYTES = 64;

/** Stack kept free in a firmware beyond what was measured: an interrupt's frame and a margin. */
const STACK_MARGIN = 512;

/** What `run --json` prints. */
export interface RunResult {
  /** File name of the model. */
  readonly model: string;
  /** Name of the board. */
  readonly board: string;
  /** What executed: `qemu-system-arm 7.2.22, mps2-an500 as stand-in`, `gcc 12.2.0, this computer`. */
  readonly engine: string;
  /** Samples that were run. */
  readonly samples: number;
  /** By output; null where nothing was expected. */
  readonly match: Readonly<Record<string, OutputMatch>> | null;
  /** Instructions of the entry function, one a sample; null on this computer. */
  readonly instructions: readonly number[] | null;
  /** All regions with all scratch. */
  readonly arena_bytes: number;
  /** Arena, inputs and outputs outside it, .data and .bss, stack. */
  readonly ram_bytes: number;
  /** Constants in flash. */
  readonly params_bytes: number;
  /** Machine code of the library and of the libgcc and libm members that it uses. */
  readonly code_bytes: number;
  /** Code and constants. */
  readonly flash_bytes: number;
  /** Deepest use of the stack by the entry function; null on this computer. */
  readonly stack_bytes: number | null;
  /** What the entry function and all that it calls can use at most; null where nothing bounds it. */
  readonly stack_bound_bytes: number | null;
}

/** Options of {@link runOnBoard}. */
export interface RunOptions extends BuildOptions, Tolerance {
  /** Name of the model in the result; default the artifact's. */
  readonly model?: string;
  /** Expected outputs, sample by sample. */
  readonly expected?: readonly Sample[];
  /** For the whole batch; default 600. */
  readonly timeoutSeconds?: number;
  /** Execute once more and profile: loads, stores, an estimate of cycles. */
  readonly profile?: boolean;
  /** Called with what is being done, before it takes time. */
  readonly progress?: (doing: string) => void;
}

/** A run: its figures, its outputs, and the firmware where the board has a memory map of its own. */
export interface Execution {
  /** Figures. */
  readonly result: RunResult;
  /** Outputs, sample by sample. */
  readonly outputs: readonly Sample[];
  /** Whether everything that was expected came, within tolerance. */
  readonly passes: boolean;
  /** Null on this computer. */
  readonly firmware: Firmware | null;
  /** Stack by function, or why it has no bound. */
  readonly stack: StackBound;
  /** What was executed; null where it was not asked for. */
  readonly profiled: Profiled | null;
}

const mean = (ns: readonly number[]): number => ns.reduce((a, b) => a + b, 0) / ns.length;

const callerBytes = (ports: readonly Port[]): number =>
  ports.filter((p) => p.placement.where === "caller").reduce((sum, p) => sum + p.bytes, 0);

function figures(artifact: CompiledLibrary, sizes: Sizes, stack: number | null) {
  const params = Math.max(artifact.paramsBytes, sizes.constBytes);
  const io = callerBytes(artifact.inputs) + callerBytes(artifact.outputs);
  return {
    arena_bytes: artifact.arenaBytes,
    ram_bytes: artifact.arenaBytes + io + sizes.dataBytes + (stack ?? 0),
    params_bytes: params,
    code_bytes: sizes.codeBytes,
    flash_bytes: sizes.codeBytes + params,
    stack_bytes: stack,
  };
}

function engineOf(board: Board, machineBoard: Board, tools: Toolchain): string {
  if (isHost(board.target)) return `gcc ${tools.gccVersion}, this computer`;
  const role = machineBoard.name === board.name ? "" : ` as stand-in for ${board.name}`;
  return `${architectureOf(board.target)!.qemu.name} ${tools.qemuVersion}, ${
    machineBoard.machine!.name
  }${role}`;
}

async function executeImage(
  image: string,
  board: Board,
  machineBoard: Board,
  tools: Toolchain,
  folder: string,
  timeoutSeconds: number,
): Promise<void> {
  const architecture = architectureOf(board.target);
  if (architecture !== null) {
    const machine = machineBoard.machine!;
    return await executeQemu(image, architecture, machine, tools, folder, timeoutSeconds);
  }
  const { code, stderr } = await execute(image, [], { cwd: folder, timeoutSeconds });
  if (code !== 0) throw exitError("this computer", code, stderr);
}

function checkStack(artifact: CompiledLibrary, measured: Measured, machineBoard: Board): void {
  if (measured.stackBytes + 64 < stackBytes(machineBoard)) return;
  throw new BurinError(
    "board/stack",
    `Cannot run ${artifact.name} on ${machineBoard.name} as its stack overflows`,
    "choose a board with more memory",
  );
}

/**
 * Builds a compiled model for a board, executes all samples in one start of its machine (its own or
 * its stand-in's), measures, and compares where outputs are expected. A board with a memory map of
 * its own is linked against that too.
 *
 * @param artifact compiled for `board`
 * @param samples inputs in graph order, each of its port's dtype and shape
 * @throws BurinError `tool/missing`, `board/does-not-fit`, `internal/*`
 */
export async function runOnBoard(
  artifact: CompiledLibrary,
  board: Board,
  samples: readonly Sample[],
  options: RunOptions = {},
): Promise<Execution> {
  const machineBoard = executingBoard(board);
  const counter = machineBoard.machine?.counter;
  const tools = await findToolchain(board.target);
  const doing = options.progress ?? (() => {});
  return await withWorkDir(async (folder) => {
    doing(`compiling the generated C for ${board.name}`);
    const library = await compileLibrary(artifact, board.target, tools, folder, options);
    const sizes = await measureLibrary(artifact, library, board.target, tools, folder);
    const sanitized = options.extraFlags?.some((f) => f.startsWith("-fsanitize")) ?? false;
    const guard = sanitized ? 0 : GUARD_BYTES;
    const harness = harnessFiles(artifact, board.target, {
      samples: samples.length,
      guard,
      counter,
    });
    const image = await linkHarness(
      library,
      harness,
      board.target,
      machineBoard,
      tools,
      folder,
      options,
    );
    await Deno.writeFile(join(folder, "input.bin"), packSamples(samples));
    const engine = engineOf(board, machineBoard, tools);
    doing(`running ${samples.length} sample${samples.length === 1 ? "" : "s"} on ${engine}`);
    const timeout = options.timeoutSeconds ?? 600;
    await executeImage(image, board, machineBoard, tools, folder, timeout);
    const text = await Deno.readTextFile(join(folder, "result.txt"));
    const measured = readResult(text, artifact, counter);
    const file = await Deno.readFile(join(folder, "output.bin"));
    const outputs = unpackSamples(file, artifact.outputs, samples.length);
    const onBoard = !isHost(board.target);
    if (onBoard) checkStack(artifact, measured, machineBoard);
    const entry = `${artifact.name}_run_in`;
    const bound: StackBound = onBoard
      ? await measureStack(entry, LINKED, library.objects, board.target, folder)
      : { functions: null, absent: "the stack of this computer is not counted" };
    const stack = measured.stackBytes + STACK_MARGIN;
    const firmware = onBoard
      ? await linkFirmware(artifact, library, board, tools, folder, stack)
      : null;
    const profiled = !options.profile ? null : await profileImage(
      {
        path: image,
        folder,
        entry,
        instructions: mean(measured.instructions ?? [0]),
        timeoutSeconds: timeout,
      },
      board,
      machineBoard,
      tools,
    );
    const compared = options.expected &&
      compareSamples(artifact.outputs, outputs, options.expected, options);
    const result: RunResult = {
      model: options.model ?? artifact.name,
      board: board.name,
      engine,
      samples: samples.length,
      match: compared?.match ?? null,
      instructions: measured.instructions,
      ...figures(artifact, sizes, onBoard ? measured.stackBytes : null),
      stack_bound_bytes: bound.functions?.[0].total ?? null,
    };
    return { result, outputs, passes: compared?.passes ?? true, firmware, stack: bound, profiled };
  });
}
