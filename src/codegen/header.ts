/** The library's headers: NAME.h for its callers, NAME_internal.h for its own files. */
import headerTemplate from "../../templates/c/header.h.hbs" with { type: "text" };
import internalTemplate from "../../templates/c/internal.h.hbs" with { type: "text" };
import { DTYPES } from "../util/dtype.ts";
import { sizeOf } from "../util/tensor.ts";
import { render } from "../util/template.ts";
import {
  ABI_VERSION,
  comment,
  kernelOrigin,
  kernelPrototype,
  macroPrefix,
  namedPorts,
  paramsSection,
  paramSymbol,
  regionsOf,
} from "./names.ts";
import type { NamedPort } from "./names.ts";
import { arrayLength, floatText } from "./params.ts";
import type { Program } from "./program.ts";

const isScaled = (q: NamedPort): boolean => q.port.scale !== undefined;

function portComment(q: NamedPort): string {
  const { port } = q;
  const shape = port.shape.length === 0 ? "a scalar" : port.shape.join(" x ");
  const real = isScaled(q) ? `; real value = ${q.macro}_SCALE * (q - ${q.macro}_ZERO_POINT)` : "";
  const where = port.placement.where === "arena"
    ? `; lies in region ${port.placement.region}, the pointer ${q.direction}->${port.cName} is not used`
    : "";
  const what = q.direction === "in" ? "Input" : "Output";
  return comment(`${what} ${port.name}: ${port.dtype}, ${shape}${real}${where}.`);
}

/** A number that can stand anywhere in an expression. */
const signed = (n: number): string => n < 0 ? `(${n})` : `${n}`;

function portContext(q: NamedPort): Record<string, unknown> {
  const { port } = q;
  return {
    comment: portComment(q),
    macro: q.macro,
    bytes: port.bytes,
    align: q.align,
    elements: sizeOf(port.shape),
    rank: port.shape.length,
    shape: port.shape.join(", "),
    scale: port.scale === undefined ? "" : scaleText(port.scale),
    zero_point: signed(port.zeroPoint ?? 0),
    in_arena: port.placement.where === "arena",
    offset: port.placement.where === "arena" ? port.placement.offset : 0,
  };
}

/** The shortest decimal float literal of a float32: C++ before 2017 has no hexadecimal floats. */
function scaleText(scale: number): string {
  const value = Math.fround(scale);
  for (let digits = 1; digits <= 9; digits++) {
    const text = value.toPrecision(digits);
    if (Math.fround(Number(text)) === value) return /[.e]/.test(text) ? `${text}f` : `${text}.0f`;
  }
  return floatText(value, "float32");
}

/** Fields of a struct; C wants at least one. */
const fields = (lines: readonly string[], none: string): readonly string[] =>
  lines.length > 0 ? lines : [`const void *unused; /* ${none} */`];

function accessorContext(p: Program, q: NamedPort): Record<string, unknown>[] {
  const { port } = q;
  if (port.placement.where !== "arena") return [];
  const verb = q.direction === "in" ? "Where to write" : "Where to read";
  return [{
    comment: comment(
      `${verb} ${port.name} in the memory m` +
        (q.direction === "in" ? "; a run may overwrite it." : ", after a run."),
    ),
    type: `${q.direction === "in" ? "" : "const "}${port.cType} *`,
    name: q.accessor,
    memory: `${p.name}_memory`,
    region: port.placement.region,
    macro: q.macro,
  }];
}

/** include/NAME.h */
export function headerSource(p: Program): string {
  const macro = macroPrefix(p);
  const ports = namedPorts(p);
  const regions = regionsOf(p);
  const field = (direction: "in" | "out") =>
    ports.filter((q) => q.direction === direction)
      .map((q) => `${direction === "in" ? "const " : ""}${q.port.cType} *${q.port.cName};`);
  return render(headerTemplate, {
    title: comment(p.title),
    name: p.name,
    macro,
    abi_version: ABI_VERSION,
    steps: p.calls.length,
    checks: p.calls.some((c) => c.check !== undefined),
    params_bytes: p.params.reduce((sum, q) => sum + q.data.data.byteLength, 0),
    regions: regions.map((r) => ({
      comment: comment(
        r.bytes === 0
          ? `Memory region ${r.name}: nothing is stored there and its pointer may be NULL; the size is ` +
            "1 as C has no arrays of 0 bytes."
          : `Memory region ${r.name}: bytes, and the alignment of its address.`,
      ),
      macro: `${macro}_${r.name.toUpperCase()}`,
      bytes: Math.max(1, r.bytes),
      align: r.align,
    })),
    ports: ports.map(portContext),
    input_fields: fields(field("in"), "the model has no inputs"),
    output_fields: fields(field("out"), "the model has no outputs"),
    memory_fields: regions.map((r) => `void *${r.name};`),
    arena_sections: regions.map((r) => `${macro}_${r.name.toUpperCase()}_SECTION`).join(", "),
    any_in_arena: ports.some((q) => q.port.placement.where === "arena"),
    accessors: ports.flatMap((q) => accessorContext(p, q)),
  }, "c/header.h.hbs");
}

/** src/NAME_internal.h */
export function internalSource(p: Program): string {
  return render(internalTemplate, {
    title: comment(p.title),
    name: p.name,
    macro: macroPrefix(p),
    params_section: paramsSection(p),
    params: p.params.map((q) =>
      `extern const ${DTYPES[q.data.dtype].cType} ${paramSymbol(p, q.name)}[${arrayLength(q)}];`
    ),
    kernels: p.calls.map((c, i) => ({
      comment: comment(kernelOrigin(c.kernel)),
      prototype: kernelPrototype(p, i),
    })),
  }, "c/internal.h.hbs");
}
