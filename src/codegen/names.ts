/** Every name of the generated library: symbols, macros, and the text that names become in comments. */
import { DTYPES } from "../util/dtype.ts";
import { invariant } from "../util/errors.ts";
import { portStems } from "../util/names.ts";
import type { Buffer, Kernel } from "../tir/stmt.ts";
import type { ArenaRegion, Port } from "./artifact.ts";
import type { Program } from "./program.ts";

/** Version of the library's interface; it changes when a caller has to. */
export const ABI_VERSION = 1;

/** Columns of generated C. */
export const WIDTH = 100;

/** Prefix of the library's macros. */
export const macroPrefix = (p: Program): string => p.name.toUpperCase();

/** The function of a call. */
export const kernelSymbol = (p: Program, index: number): string =>
  `${p.name}_k${index}_${p.calls[index].kernel.name}`;

/** The array of a constant. */
export const paramSymbol = (p: Program, param: string): string => `${p.name}_${param}`;

/** Memory of a region that several models share. */
export const sharedSymbol = (stem: string, region: string): string => `${stem}_${region}`;

/** The static memory of a region. */
export const staticSymbol = (p: Program, region: string): string =>
  p.sharedMemory === undefined
    ? `${p.name}_static_${region}`
    : sharedSymbol(p.sharedMemory, region);

/** Whether a region is a memory of the board, chosen by its name. */
export const isNamed = (r: Pick<ArenaRegion, "name">): boolean => r.name !== "arena";

/**
 * The section of a named region's static memory. Every linker script takes it for .bss, unless it
 * places it in the memory of that name, as the boards' own scripts do.
 */
export const arenaSection = (p: Program, region: string): string =>
  `.bss.${p.name}_arena.${region}`;

/**
 * The section of the constants. What begins with .data is copied to RAM at start by every linker
 * script and start-up code; the boards' own ones know the memory by its name.
 */
export const paramsSection = (p: Program): string =>
  p.weights === undefined ? `.rodata.${p.name}_params` : `.data.${p.name}_params.${p.weights}`;

/** A parameter of a kernel's C function. */
export interface Parameter {
  readonly buffer: Buffer;
  /** Index into `kernel.buffers`, and so into the arguments of a call. */
  readonly index: number;
  /** `const int8_t *` */
  readonly type: string;
}

/** The parameters: one for each memory; views of it share its name and scope. */
export function kernelParameters(kernel: Kernel): Parameter[] {
  const seen = new Set<string>();
  return kernel.buffers.flatMap((buffer, index) => {
    const key = `${buffer.scope}:${buffer.name}`;
    if (seen.has(key)) return [];
    seen.add(key);
    const constant = buffer.scope === "input" ? "const " : "";
    return [{ buffer, index, type: `${constant}${DTYPES[buffer.dtype].cType} *` }];
  });
}

/** The head of a kernel's function, without the semicolon. */
export function kernelPrototype(p: Program, index: number): string {
  const head = `void ${kernelSymbol(p, index)}(`;
  const list = kernelParameters(p.calls[index].kernel).map((q) => `${q.type}${q.buffer.name}`);
  const line = `${head}${list.join(", ") || "void"})`;
  return line.length < WIDTH ? line : `${head}\n    ${list.join(",\n    ")})`;
}

/** The regions as fields of NAME_memory: C wants at least one, also where nothing is stored. */
export const regionsOf = (p: Program): readonly ArenaRegion[] =>
  p.regions.length > 0 ? p.regions : [{ name: "arena", bytes: 0, align: 1 }];

/** A port with its direction and the names derived from its C name. */
export interface NamedPort {
  readonly port: Port;
  readonly direction: "in" | "out";
  /** `KWS_INPUT_1`: what the macros of the port begin with. */
  readonly macro: string;
  /** Returns the address of a port in the arena. */
  readonly accessor: string;
  /** Alignment that the code relies on, in bytes. */
  readonly align: number;
}

/** Alignment of a caller's buffer: what its elements need, or more where a kernel relies on it. */
function portAlign(p: Program, port: Port, direction: "in" | "out", index: number): number {
  const k = direction === "in" ? "input" : "output";
  const relied = p.calls.flatMap((call) =>
    call.args.flatMap((a, i) =>
      a.k === k && a.index === index ? [call.kernel.buffers[i].align] : []
    )
  );
  return Math.max(DTYPES[port.dtype].bytes, ...relied);
}

/** Inputs, then outputs; an output that shares its name with an input gets `_2`. */
export function namedPorts(p: Program): NamedPort[] {
  const stems = portStems(
    regionsOf(p).map((r) => r.name),
    [...p.inputs, ...p.outputs].map((port) => port.cName),
  );
  const named = (direction: "in" | "out", first: number) => (port: Port, i: number): NamedPort => ({
    port,
    direction,
    macro: `${macroPrefix(p)}_${stems[first + i].toUpperCase()}`,
    accessor: `${p.name}_${stems[first + i]}_ptr`,
    align: portAlign(p, port, direction, i),
  });
  return [...p.inputs.map(named("in", 0)), ...p.outputs.map(named("out", p.inputs.length))];
}

/**
 * Every symbol that the library defines.
 * @throws BurinError `internal/invariant` where two things have one name
 */
export function librarySymbols(p: Program): string[] {
  const symbols = [
    ...["run", "run_in", "reset", "static", "static_memory"].map((f) => `${p.name}_${f}`),
    ...regionsOf(p).map((r) => staticSymbol(p, r.name)),
    ...p.calls.map((_, i) => kernelSymbol(p, i)),
    ...p.params.map((q) => paramSymbol(p, q.name)),
    ...namedPorts(p).flatMap((q) => q.port.placement.where === "arena" ? [q.accessor] : []),
  ];
  const seen = new Set<string>();
  for (const s of symbols) {
    invariant(!seen.has(s), `Cannot name the library's symbols as ${s} would be defined twice`);
    seen.add(s);
  }
  return symbols;
}

/** Text from a model file for a comment: printable, on one line, unable to end or nest it. */
export const commentText = (text: string): string =>
  text.replace(/[^\x20-\x7e]/gu, (c) => `<U+${c.codePointAt(0)!.toString(16).toUpperCase()}>`)
    .replaceAll("*/", "* /").replaceAll("/*", "/ *").replaceAll("??", "? ?");

/** A block comment of wrapped lines. */
export function comment(text: string, indent = ""): string {
  const lines: string[] = [];
  let line = "";
  for (const word of commentText(text).split(" ")) {
    if (line !== "" && indent.length + line.length + word.length + 7 > WIDTH) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  lines.push(line);
  return `${indent}/* ${lines.join(`\n${indent} * `)} */`;
}

/** What a kernel computes, for comments: its operators and the ONNX nodes that they came from. */
export const kernelOrigin = (k: Kernel): string =>
  `${k.ops.join(", ") || k.name}: ${k.origin.join(", ") || "no node of the model"}`;
