/**
 * Many small libraries in one program: each is compiled on its own, run twice on poisoned memory
 * between guard zones, and a case that ends the program does not take the others with it.
 */
import { join } from "@std/path";
import caseTemplate from "../../templates/qemu/batch_case.c.hbs" with { type: "text" };
import mainTemplate from "../../templates/qemu/batch.c.hbs" with { type: "text" };
import batchHeader from "../../templates/qemu/batch.h" with { type: "text" };
import type { CompiledLibrary, Port } from "../project/mod.ts";
import { executingBoard } from "../target/boards.ts";
import { architectureOf } from "../target/architecture.ts";
import { type Board, isHost } from "../target/target.ts";
import { BurinError } from "../util/errors.ts";
import { render } from "../util/template.ts";
import { LIBRARY_FLAGS, linkPrograms, targetFlags, writeTree } from "./build.ts";
import { platformFiles } from "./harness.ts";
import { execute } from "./process.ts";
import { executeQemu } from "./qemu.ts";
import { packSamples, type Sample, unpackSamples } from "./samples.ts";
import { findToolchain, type Toolchain } from "./toolchain.ts";

/** One library and the inputs of its runs; its ports lie with the caller. */
export interface BatchCase {
  /** What to compile and call. */
  readonly artifact: CompiledLibrary;
  /** Inputs in graph order, run by run. */
  readonly samples: readonly Sample[];
}

/** What became of a case: outputs run by run, or what went wrong. */
export type BatchOutcome =
  | { readonly kind: "ran"; readonly outputs: readonly Sample[] }
  | {
    /** `refused`: the board has no room for it. */
    readonly kind: "compile_error" | "crash" | "wrong" | "refused";
    readonly reason: string;
  };

/** Options of {@link runBatch}. */
export interface BatchOptions {
  /** Build with the address and undefined behaviour sanitizers (this computer only). */
  readonly sanitize?: boolean;
  /** For the program as a whole, and again behind a case that took longer; default 120. */
  readonly timeoutSeconds?: number;
}

const GUARD = 64;
const SANITIZE = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"];

const isCode = (path: string): boolean => path.endsWith(".c") && !path.endsWith("_static.c");

const round = (bytes: number): number => Math.ceil(bytes / 64) * 64;

function poolOf({ artifact }: BatchCase): number {
  const ports = [...artifact.inputs, ...artifact.outputs];
  return round(artifact.arenaBytes + 2 * GUARD) +
    ports.reduce((sum, p) => sum + round(p.bytes + 2 * GUARD) + round(p.bytes), 0);
}

const list = (xs: readonly (string | number)[]): string => xs.length === 0 ? "0" : xs.join(", ");

function caseSource({ artifact, samples }: BatchCase, at: number): string {
  const { name } = artifact;
  const pointer = (constant: string, array: string) => (p: Port, i: number): string =>
    `.${p.cName} = (${constant}${p.cType} *)(${constant}void *)${array}[${i}]`;
  let offset = 0;
  const memory = artifact.regions.map((r) => {
    const start = Math.ceil(offset / r.align) * r.align;
    offset = start + r.bytes;
    return `.${r.name} = memory + ${start}`;
  });
  return render(caseTemplate, {
    name,
    sources: [...artifact.sources.keys()].filter(isCode).map((path) => `${name}/${path}`),
    memory_init: list(memory),
    inputs_init: list(artifact.inputs.map(pointer("const ", "in"))),
    outputs_init: list(artifact.outputs.map(pointer("", "out"))),
    input_bytes: list(artifact.inputs.map((p) => p.bytes)),
    output_bytes: list(artifact.outputs.map((p) => p.bytes)),
    memory_bytes: Math.max(offset, artifact.arenaBytes),
    inputs: artifact.inputs.length,
    outputs: artifact.outputs.length,
    samples: samples.length,
    at,
  }, "qemu/batch_case.c.hbs");
}

function mainSource(cases: readonly BatchCase[], board: Board, guard: number): string {
  return render(mainTemplate, {
    guard,
    cases: cases.map((c) => c.artifact.name),
    pool: isHost(board.target) ? 0 : Math.max(...cases.map(poolOf)),
    most_ports: Math.max(
      1,
      ...cases.map(({ artifact: a }) => a.inputs.length + a.outputs.length),
    ),
  }, "qemu/batch.c.hbs");
}

/** Compiles every case; what the C compiler says of those that it refuses, by index. */
async function compileCases(
  cases: readonly BatchCase[],
  board: Board,
  tools: Toolchain,
  folder: string,
  flags: readonly string[],
): Promise<Map<number, string>> {
  let at = 0;
  const files = new Map<string, string>([["batch.h", batchHeader]]);
  for (const c of cases) {
    const { name, sources } = c.artifact;
    for (const [path, text] of sources) {
      if (isCode(path) || path.endsWith(".h")) files.set(`${name}/${path}`, text);
    }
    files.set(`${name}_case.c`, caseSource(c, at));
    at += packSamples(c.samples).length;
  }
  await writeTree(folder, files);
  const include = cases.map(({ artifact: { name } }) => `-I${name}/include`);
  const { stderr } = await execute(tools.gcc, [
    ...targetFlags(board.target, tools),
    ...LIBRARY_FLAGS,
    "-O1",
    ...flags,
    "-I.",
    ...include,
    "-c",
    ...cases.map(({ artifact: { name } }) => `${name}_case.c`),
  ], { cwd: folder, timeoutSeconds: 600 });
  const refused = new Map<number, string>();
  cases.forEach(({ artifact: { name } }, i) => {
    if (exists(join(folder, `${name}_case.o`))) return;
    const line = stderr.split("\n").find((l) => l.includes(`${name}/`) && /error:/.test(l));
    refused.set(
      i,
      line?.replace(/^.*?error: /, "") ?? (stderr.trim().slice(0, 500) || "no object"),
    );
  });
  return refused;
}

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

/** How the program ended: null well; what it wrote is in the folder. */
interface Ending {
  readonly reason: string;
  /** The time was over. */
  readonly late: boolean;
}

async function start(
  image: string,
  board: Board,
  tools: Toolchain,
  folder: string,
  timeoutSeconds: number,
): Promise<Ending | null> {
  const architecture = architectureOf(board.target);
  try {
    if (architecture !== null) {
      const machine = executingBoard(board).machine!;
      await executeQemu(image, architecture, machine, tools, folder, timeoutSeconds);
      return null;
    }
    const { code, stderr } = await execute(image, [], { cwd: folder, timeoutSeconds });
    if (code === 0) return null;
    const said = /(?:runtime error|ERROR): ?(.*)/.exec(stderr)?.[0];
    return { reason: said ?? `it ends with ${code}`, late: false };
  } catch (e) {
    if (!(e instanceof BurinError)) throw e;
    return { reason: e.message, late: e.code === "tool/timeout" };
  }
}

/**
 * What one start of the program says of the cases from `first` on. One that was at work when the
 * time of all was over is left out: it gets another start with time of its own.
 */
function readOutcomes(
  folder: string,
  cases: readonly BatchCase[],
  first: number,
  ended: Ending | null,
): Map<number, BatchOutcome> {
  const lines = Deno.readTextFileSync(join(folder, "result.txt")).split("\n");
  const output = Deno.readFileSync(join(folder, "output.bin"));
  const found = new Map<number, BatchOutcome>();
  const faults = new Map<number, string>();
  let at = 0, open = -1;
  for (const line of lines) {
    const [what, ...numbers] = line.split(" ");
    const [i, once, twice, guards, inputs, same] = numbers.map(Number);
    if (what === "start") open = i;
    if (what === "sample") {
      const fault = once !== 0
        ? `run returns status ${once}`
        : guards !== 1
        ? "it writes outside its memory"
        : inputs !== 1
        ? "it writes to its inputs"
        : twice !== once || same !== 1
        ? "the second call gives something else"
        : undefined;
      if (fault !== undefined && !faults.has(i)) faults.set(i, fault);
    }
    if (what !== "end") continue;
    const { artifact, samples } = cases[i];
    const bytes = samples.length * artifact.outputs.reduce((sum, p) => sum + p.bytes, 0);
    const fault = faults.get(i);
    found.set(
      i,
      fault !== undefined ? { kind: "wrong", reason: fault } : {
        kind: "ran",
        outputs: unpackSamples(output.slice(at, at + bytes), artifact.outputs, samples.length),
      },
    );
    at += bytes;
    open = -1;
  }
  if (open > first && ended?.late) return found;
  if (open >= 0) found.set(open, { kind: "crash", reason: ended?.reason ?? "it ends early" });
  return found;
}

/** What all programs of a batch have in common. */
interface Workshop {
  readonly board: Board;
  readonly tools: Toolchain;
  /** The objects of all cases and input.bin with the samples of all of them are there. */
  readonly folder: string;
  readonly options: BatchOptions;
}

/**
 * Links cases that have been compiled and runs them. Those that do not fit the board together
 * become two programs.
 */
async function runCompiled(cases: readonly BatchCase[], shop: Workshop): Promise<BatchOutcome[]> {
  if (cases.length === 0) return [];
  const { board, tools, folder, options } = shop, machineBoard = executingBoard(board);
  await writeTree(
    folder,
    new Map([
      ["main.c", mainSource(cases, board, options.sanitize ? 0 : GUARD)],
      ...platformFiles(board.target, machineBoard.machine?.counter),
    ]),
  );
  const objects = cases.map((c) => `${c.artifact.name}_case.o`);
  const inputs = ["-I.", "main.c", ...objects, ...(options.sanitize ? SANITIZE : [])];
  let image: string;
  try {
    image = await linkPrograms(inputs, board.target, machineBoard, tools, folder);
  } catch (e) {
    if (!(e instanceof BurinError) || e.code !== "board/does-not-fit") throw e;
    if (cases.length === 1) return [{ kind: "refused", reason: e.message }];
    const half = cases.length >> 1;
    return [
      ...await runCompiled(cases.slice(0, half), shop),
      ...await runCompiled(cases.slice(half), shop),
    ];
  }
  const outcomes = new Map<number, BatchOutcome>();
  for (let first = 0; first < cases.length;) {
    await Deno.writeTextFile(join(folder, "start.txt"), `${first}\n`);
    for (const f of ["result.txt", "output.bin"]) Deno.writeTextFileSync(join(folder, f), "");
    const ended = await start(image, board, tools, folder, options.timeoutSeconds ?? 120);
    const found = readOutcomes(folder, cases, first, ended);
    found.forEach((o, i) => outcomes.set(i, o));
    const last = Math.max(first - 1, ...found.keys());
    if (last < first) {
      outcomes.set(first, { kind: "crash", reason: ended?.reason ?? "it does not start" });
      first++;
    } else first = last + 1;
  }
  return cases.map((_, i) => outcomes.get(i) ?? { kind: "crash", reason: "it was not reached" });
}

/**
 * Builds and runs a batch on a board's machine.
 *
 * @param folder an empty work folder
 * @returns what became of each case, in order
 * @throws BurinError `tool/missing`, `internal/c-compiler` where the program itself does not build
 */
export async function runBatch(
  cases: readonly BatchCase[],
  board: Board,
  folder: string,
  options: BatchOptions = {},
): Promise<BatchOutcome[]> {
  const tools = await findToolchain(board.target);
  const flags = options.sanitize ? SANITIZE : [];
  const refused = await compileCases(cases, board, tools, folder, flags);
  await Deno.writeFile(
    join(folder, "input.bin"),
    joined(cases.map((c) => packSamples(c.samples))),
  );
  const built = cases.filter((_, i) => !refused.has(i));
  const ran = await runCompiled(built, { board, tools, folder, options });
  return cases.map((c, i) => {
    const reason = refused.get(i);
    return reason === undefined ? ran[built.indexOf(c)] : { kind: "compile_error", reason };
  });
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, p) => sum + p.length, 0));
  let at = 0;
  for (const p of parts) {
    all.set(p, at);
    at += p.length;
  }
  return all;
}
