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
  | { readonly kind: "compile_error" | "crash" | "wrong"; readonly reason: string };

/** Options of {@link runBatch}. */
export interface BatchOptions {
  /** Build with the address and undefined behaviour sanitizers (this computer only). */
  readonly sanitize?: boolean;
  /** For the program as a whole; default 120. */
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

/** How the program ended; what it wrote is in the folder. */
async function start(
  image: string,
  board: Board,
  tools: Toolchain,
  folder: string,
  timeoutSeconds: number,
): Promise<string | null> {
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
    return said ?? `it ends with ${code}`;
  } catch (e) {
    if (!(e instanceof BurinError)) throw e;
    return e.message;
  }
}

/** What one start of the program says of the cases from `first` on; undefined: not reached. */
function readOutcomes(
  folder: string,
  cases: readonly BatchCase[],
  ended: string | null,
): Map<number, BatchOutcome> {
  const lines = Deno.readTextFileSync(join(folder, "result.txt")).split("\n");
  const output = Deno.readFileSync(join(folder, "output.bin"));
  const found = new Map<number, BatchOutcome>();
  const faults = new Map<number, string>();
  let at = 0, open = -1;
  for (const line of lines) {
    const [what, ...numbers] = line.split(" ");
    const [i, first, second, guards, inputs, same] = numbers.map(Number);
    if (what === "start") open = i;
    if (what === "sample") {
      const fault = first !== 0
        ? `run returns status ${first}`
        : guards !== 1
        ? "it writes outside its memory"
        : inputs !== 1
        ? "it writes to its inputs"
        : second !== first || same !== 1
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
  if (open >= 0) found.set(open, { kind: "crash", reason: ended ?? "it ends early" });
  return found;
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
  const outcomes = new Map<number, BatchOutcome>();
  const refused = await compileCases(cases, board, tools, folder, flags);
  refused.forEach((reason, i) => outcomes.set(i, { kind: "compile_error", reason }));
  const built = cases.flatMap((c, i) => refused.has(i) ? [] : [{ c, i }]);
  if (built.length > 0) {
    // Offsets of samples count all cases, those that were refused included.
    const main = mainSource(built.map(({ c }) => c), board, options.sanitize ? 0 : GUARD);
    await writeTree(folder, new Map([["main.c", main]]));
    const image = await linkPrograms(
      ["-I.", "main.c", ...built.map(({ c }) => `${c.artifact.name}_case.o`), ...flags],
      board.target,
      executingBoard(board),
      tools,
      folder,
    );
    const samples = cases.map((c) => packSamples(c.samples));
    await Deno.writeFile(join(folder, "input.bin"), joined(samples));
    for (let first = 0; first < built.length;) {
      await Deno.writeTextFile(join(folder, "start.txt"), `${first}\n`);
      for (const f of ["result.txt", "output.bin"]) Deno.writeTextFileSync(join(folder, f), "");
      const ended = await start(image, board, tools, folder, options.timeoutSeconds ?? 120);
      const found = readOutcomes(folder, built.map(({ c }) => c), ended);
      found.forEach((o, i) => outcomes.set(built[i].i, o));
      const last = Math.max(first - 1, ...found.keys());
      if (ended === null && last === built.length - 1) break;
      if (last < first) {
        outcomes.set(built[first].i, { kind: "crash", reason: ended ?? "it does not start" });
        first++;
      } else first = last + 1;
    }
  }
  return cases.map((_, i) => outcomes.get(i) ?? { kind: "crash", reason: "it was not reached" });
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
