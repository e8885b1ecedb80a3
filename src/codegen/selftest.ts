/** The model's self-test: golden vectors as constants, and a function that runs and compares them. */
import headerTemplate from "../../templates/c/selftest.h.hbs" with { type: "text" };
import sourceTemplate from "../../templates/c/selftest.c.hbs" with { type: "text" };
import { DTYPES, isFloat } from "../util/dtype.ts";
import { sizeOf, type TensorData } from "../util/tensor.ts";
import { render } from "../util/template.ts";
import type { GoldenVector } from "./artifact.ts";
import { comment, macroPrefix, namedPorts } from "./names.ts";
import type { NamedPort } from "./names.ts";
import { dataRows, floatText } from "./params.ts";
import type { Program } from "./program.ts";

/** What floats may differ by, relative to the largest value of their output. */
const TOLERANCE = 1e-5;

/** Bytes of the longest line: its words, three numbers of ten digits and a unit of 16 letters. */
const lineBytes = (name: string): number => `BURIN ${name} `.length + 80;

const symbolOf = (q: NamedPort, sample: number): string =>
  `${q.direction}_${q.port.cName}_${sample}`;

/** `KWS_ALIGNED(16) ` where the code relies on more than the element's own alignment. */
const alignOf = (p: Program, q: NamedPort): string =>
  q.align > DTYPES[q.port.dtype].bytes ? `${macroPrefix(p)}_ALIGNED(${q.align}) ` : "";

const inArena = (q: NamedPort): boolean => q.port.placement.where === "arena";

const tensorOf = (v: GoldenVector, q: NamedPort, index: number): TensorData =>
  (q.direction === "in" ? v.inputs : v.outputs)[index];

function largest(t: TensorData): number {
  let most = 0;
  for (const v of t.data) {
    if (Number.isFinite(Number(v))) most = Math.max(most, Math.abs(Number(v)));
  }
  return most;
}

/** The comparison of one output with its golden values, sample `i`. */
function check(p: Program, q: NamedPort, golden: readonly GoldenVector[], index: number): string {
  const { dtype, shape } = q.port;
  const got = inArena(q) ? `${q.accessor}(${p.name}_static_memory())` : `got_${q.port.cName}`;
  const want = `vectors[i].out_${q.port.cName}`;
  const args = [got, want, `${sizeOf(shape)}u`];
  if (dtype === "float32" || dtype === "float64") {
    const bound = Math.max(...golden.map((v) => largest(v.outputs[index]))) * TOLERANCE;
    args.push(floatText(dtype === "float32" ? Math.fround(bound) : bound, dtype));
  }
  return `r.mismatches += differing_${dtype}(${args.join(", ")});`;
}

/** selftest/NAME_selftest.h and selftest/NAME_selftest.c; `golden` may be empty. */
export function selftestSources(
  p: Program,
  golden: readonly GoldenVector[],
): Map<string, string> {
  const macro = macroPrefix(p);
  const ports = namedPorts(p);
  const inputs = ports.filter((q) => q.direction === "in");
  const outputs = ports.filter((q) => q.direction === "out");
  const elements = golden.length * outputs.reduce((sum, q) => sum + sizeOf(q.port.shape), 0);
  const callers = outputs.filter((q) => !inArena(q));
  const title = comment(p.title);
  const perVector = <T>(f: (v: GoldenVector, q: NamedPort, port: number, i: number) => T): T[] =>
    golden.flatMap((v, i) =>
      [inputs, outputs].flatMap((list) => list.map((q, port) => f(v, q, port, i)))
    );
  const init = (list: readonly NamedPort[], value: (q: NamedPort) => string) =>
    list.length === 0 ? "NULL" : list.map((q) => inArena(q) ? "NULL" : value(q)).join(", ");
  const dtypes = [...new Set(outputs.map((q) => q.port.dtype))];
  const elementLine = outputs.length === 0
    ? []
    : [`r.elements += ${elements / Math.max(1, golden.length)}u;`];
  const source = render(sourceTemplate, {
    title,
    name: p.name,
    macro,
    any_in_arena: inputs.some(inArena),
    arrays: perVector((v, q, port, i) => {
      const t = tensorOf(v, q, port);
      const what = `${q.direction === "in" ? "Input" : "Output"} ${q.port.name} of sample ${i}`;
      return {
        comment: comment(`${what}: ${t.dtype}`),
        align: alignOf(p, q),
        type: q.port.cType,
        symbol: symbolOf(q, i),
        length: Math.max(1, t.data.length),
        rows: dataRows(t),
      };
    }),
    fields: ports.map((q) => `const ${q.port.cType} *${q.direction}_${q.port.cName};`),
    vectors: golden.map((_, i) => ports.map((q) => symbolOf(q, i)).join(", ")),
    buffers: golden.length === 0 ? [] : callers.map((q) => ({
      align: alignOf(p, q),
      type: q.port.cType,
      symbol: `got_${q.port.cName}`,
      length: Math.max(1, sizeOf(q.port.shape)),
    })),
    compares: golden.length === 0 ? [] : dtypes.map((dtype) => ({
      suffix: dtype,
      type: DTYPES[dtype].cType,
      is_float: dtype === "float32" || dtype === "float64",
    })),
    inputs_init: init(inputs, (q) => `vectors[i].in_${q.port.cName}`),
    outputs_init: init(outputs, (q) => `got_${q.port.cName}`),
    copies: inputs.filter(inArena).map((q) =>
      `memcpy(${q.accessor}(${p.name}_static_memory()), vectors[i].in_${q.port.cName}, ${q.macro}_BYTES);`
    ),
    checks: [...elementLine, ...outputs.map((q, i) => check(p, q, golden, i))],
  }, "c/selftest.c.hbs");
  const header = render(headerTemplate, {
    title,
    name: p.name,
    macro,
    samples: golden.length,
    elements,
    line_bytes: lineBytes(p.name),
    any_float: dtypes.some(isFloat),
  }, "c/selftest.h.hbs");
  return new Map([
    [`selftest/${p.name}_selftest.h`, header],
    [`selftest/${p.name}_selftest.c`, source],
  ]);
}
