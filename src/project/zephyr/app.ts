/** What the applications of a Zephyr module say about each model: buffers, pointers, values. */
import type { Artifact, Port } from "../../codegen/artifact.ts";
import { DTYPES } from "../../util/dtype.ts";
import { sizeOf } from "../../util/tensor.ts";
import { Names } from "../../util/names.ts";

/** Bytes of each stack that runs a model: kernels keep no more than a tile of accumulators there. */
export const STACK_BYTES = 4096;

/** Alignment of buffers: enough for every pointer that the code checks. */
const BUFFER_ALIGN = 16;

const macroOf = (m: Artifact): string => m.name.toUpperCase();
const isHalf = (p: Port): boolean => p.dtype === "float16" || p.dtype === "bfloat16";
const inArena = (p: Port): boolean => p.placement.where === "arena";
const elements = (p: Port): number => sizeOf(p.shape);

/** A port with what the generated applications call it. */
interface NamedPort {
  readonly port: Port;
  readonly direction: "in" | "out";
  /** `in_x`: unique among all ports. */
  readonly local: string;
  /** The header's function that returns its address in the arena. */
  readonly accessor: string;
}

/** The same rule as the header's: an output that shares its name with an input gets `_2`. */
function namedPorts(m: Artifact): NamedPort[] {
  const names = new Names();
  const regions = m.regions.length > 0 ? m.regions.map((r) => r.name) : ["arena"];
  for (const taken of ["PARAMS", "ERR", ...regions.map((r) => r.toUpperCase())]) {
    names.unique(taken);
  }
  const named = (direction: "in" | "out") => (port: Port): NamedPort => {
    const stem = port.cName + names.unique(port.cName.toUpperCase()).slice(port.cName.length);
    const local = `${direction}_${port.cName}`;
    return { port, direction, local, accessor: `${m.name}_${stem}_ptr` };
  };
  return [...m.inputs.map(named("in")), ...m.outputs.map(named("out"))];
}

/** An element of a made-up window; `wave` runs from -128 to 127. */
function sampleOf(p: Port): string {
  const at = "wave(window, i)";
  const { cType, bytes } = DTYPES[p.dtype];
  switch (p.dtype) {
    case "int8":
      return `(int8_t)${at}`;
    case "uint8":
      return `(uint8_t)(${at} + 128)`;
    case "int16":
      return `(int16_t)(${at} * 256)`;
    case "float32":
    case "float64":
      return `(${cType})${at} / ${bytes === 4 ? "128.0f" : "128.0"}`;
    case "float16":
      return `${at} < 0 ? 0xBC00u : 0x3C00u /* -1, 1 */`;
    case "bfloat16":
      return `${at} < 0 ? 0xBF80u : 0x3F80u /* -1, 1 */`;
    default:
      return `(${cType})(${at} > 0)`;
  }
}

/** An element of a test's inputs; `seed` has 32 bits of chance. Indices stay within two. */
function chanceOf(p: Port): string {
  const { cType } = DTYPES[p.dtype];
  switch (p.dtype) {
    case "int8":
    case "uint8":
    case "int16":
    case "uint16":
      return `(${cType})(seed >> 16)`;
    case "float32":
      return "(float)(int32_t)(seed >> 16) / 16384.0f - 2.0f";
    case "float64":
      return "(double)(int32_t)(seed >> 16) / 16384.0 - 2.0";
    case "float16":
      return "(uint16_t)(0x3800u + (seed >> 20))";
    case "bfloat16":
      return "(uint16_t)(0x3F00u + (seed >> 25))";
    default:
      return `(${cType})(seed >> 31)`;
  }
}

const initializer = (list: readonly string[]): string => list.length > 0 ? list.join(", ") : "NULL";

/**
 * One model in the sample's main.c.
 * @param arena the Kconfig symbol that its choice of memory begins with; empty where it has none
 */
export function sampleModel(m: Artifact, arena: string): Record<string, unknown> {
  const ports = namedPorts(m);
  const symbol = (q: NamedPort) => `${m.name}_${q.local}`;
  const address = (q: NamedPort) =>
    inArena(q.port) ? `${q.accessor}(memory_${m.name}())` : symbol(q);
  const pointers = (direction: string) =>
    initializer(
      ports.filter((q) => q.direction === direction)
        .map((q) => inArena(q.port) ? "NULL" : symbol(q)),
    );
  const used = (direction: string) =>
    ports.filter((q) => q.direction === direction && elements(q.port) > 0);
  return {
    name: m.name,
    macro: macroOf(m),
    arena,
    any_in_arena: ports.some((q) => inArena(q.port)),
    regions: m.regions.filter((r) => r.bytes > 0).map((r) => ({
      symbol: `${m.name}_own_${r.name}`,
      macro: `${macroOf(m)}_${r.name.toUpperCase()}`,
    })),
    memory_init: initializer(
      m.regions.map((r) => r.bytes > 0 ? `${m.name}_own_${r.name}` : "NULL"),
    ),
    buffers: ports.filter((q) => !inArena(q.port)).map((q) => ({
      type: q.port.cType,
      symbol: symbol(q),
      elements: Math.max(1, elements(q.port)),
      align: BUFFER_ALIGN,
    })),
    inputs: used("in").map((q) => ({
      type: q.port.cType,
      local: q.local,
      address: address(q),
      elements: elements(q.port),
      sample: sampleOf(q.port),
    })),
    outputs: used("out").filter((q) => !isHalf(q.port)).map((q) => ({
      type: q.port.cType,
      local: q.local,
      address: address(q),
      elements: elements(q.port),
      label: q.port.cName,
    })),
    inputs_init: pointers("in"),
    outputs_init: pointers("out"),
  };
}

/** The context of a model's file of tests. */
export function testModel(m: Artifact, fpu: boolean): Record<string, unknown> {
  const ports = namedPorts(m);
  const macro = macroOf(m);
  const regions = m.regions.filter((r) => r.bytes > 0);
  const callers = ports.filter((q) => !inArena(q.port));
  const address = (q: NamedPort) =>
    inArena(q.port) ? `${q.accessor}(&memory)` : `place->${q.local}`;
  const pointers = (direction: string) =>
    initializer(
      ports.filter((q) => q.direction === direction)
        .map((q) => inArena(q.port) ? "NULL" : `place->${q.local}`),
    );
  const struct = (q: NamedPort) =>
    q.direction === "in"
      ? { struct: "in", struct_of: "inputs_of" }
      : { struct: "out", struct_of: "outputs_of" };
  const memory = { struct: "memory", struct_of: "memory_of" };
  const needed = [
    ...regions.map((r) => ({
      ...memory,
      pointer: `memory.${r.name}`,
      type: "void",
      align: r.align,
    })),
    ...callers.filter((q) => q.port.bytes > 0).map((q) => ({
      ...struct(q),
      pointer: `${struct(q).struct}.${q.port.cName}`,
      type: `${q.direction === "in" ? "const " : ""}${q.port.cType}`,
      align: DTYPES[q.port.dtype].bytes,
    })),
  ];
  const arguments_ = ["memory", "in", "out"];
  const buffers = [
    ...regions.map((r) => ({
      type: "uint8_t",
      field: `memory_${r.name}`,
      elements: `${macro}_${r.name.toUpperCase()}_BYTES`,
      align: r.align,
    })),
    ...callers.map((q) => ({
      type: q.port.cType,
      field: q.local,
      elements: `${Math.max(1, elements(q.port))}`,
      align: BUFFER_ALIGN,
    })),
  ];
  const filled = ports.filter((q) => elements(q.port) > 0);
  return {
    name: m.name,
    macro,
    golden: m.golden.length > 0,
    stack_bytes: STACK_BYTES,
    thread_options: fpu ? "K_FP_REGS" : "0",
    buffers,
    memory_init: initializer(
      m.regions.map((r) => r.bytes > 0 ? `place->memory_${r.name}` : "NULL"),
    ),
    inputs_init: pointers("in"),
    outputs_init: pointers("out"),
    inputs: filled.filter((q) => q.direction === "in").map((q) => ({
      elements: elements(q.port),
      address: address(q),
      chance: chanceOf(q.port),
    })),
    outputs: filled.filter((q) => q.direction === "out").map((q) => ({
      address: address(q),
      bytes: q.port.bytes,
    })),
    structs: arguments_.filter((s) => needed.some((n) => n.struct === s)).map((s) => ({
      struct: s,
      args: arguments_.map((a) => a === s ? "NULL" : `&${a}`).join(", "),
    })),
    needed,
    aligned: needed.filter((n) => n.align > 1),
  };
}
