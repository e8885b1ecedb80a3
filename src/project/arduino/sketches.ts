/** The sketches of an Arduino library: the self-test, and the smallest call of the models. */
import inferenceTemplate from "../../../templates/arduino/Inference.ino.hbs" with { type: "text" };
import selftestTemplate from "../../../templates/arduino/SelfTest.ino.hbs" with { type: "text" };
import type { Artifact, Port } from "../../codegen/artifact.ts";
import { DTYPES } from "../../util/dtype.ts";
import { portStems } from "../../util/names.ts";
import { render } from "../../util/template.ts";
import { sizeOf } from "../../util/tensor.ts";
import type { Bundle } from "../bundle.ts";

/** Names of the sketches that every library has. */
export const OWN_SKETCHES: readonly string[] = ["SelfTest", "Inference"];

const names = (b: Bundle): string => b.models.map((m) => m.name).join(", ");

/** examples/SelfTest/SelfTest.ino */
export const selftestSketch = (b: Bundle, library: string): string =>
  render(selftestTemplate, {
    library,
    names: names(b),
    first: b.models[0].name,
    models: b.models.map(({ name }) => ({ name, macro: name.toUpperCase() })),
  }, "arduino/SelfTest.ino.hbs");

/** A port as the sketch speaks of it. */
interface SketchPort {
  readonly port: Port;
  readonly direction: "in" | "out";
  readonly macro: string;
  readonly variable: string;
  readonly accessor: string;
}

const inArena = ({ port }: SketchPort): boolean => port.placement.where === "arena";

/** Whether real values are meant by integers, so that the sketch converts. */
const isQuantised = ({ port }: SketchPort): boolean =>
  port.scale !== undefined && ["int", "uint"].includes(DTYPES[port.dtype].kind);

function sketchPorts(b: Bundle, m: Artifact): SketchPort[] {
  const regions = m.regions.length > 0 ? m.regions.map((r) => r.name) : ["arena"];
  const ports = [...m.inputs, ...m.outputs];
  const prefix = b.models.length > 1 ? `${m.name}_` : "";
  return portStems(regions, ports.map((p) => p.cName)).map((stem, i) => {
    const direction = i < m.inputs.length ? "in" : "out";
    return {
      port: ports[i],
      direction,
      macro: `${m.name.toUpperCase()}_${stem.toUpperCase()}`,
      variable: `${prefix}${direction}_${stem}`,
      accessor: `${m.name}_${stem}_ptr`,
    };
  });
}

/** The value of an element before the user puts data there. */
function assigned(q: SketchPort): string {
  const { min, max, cType } = DTYPES[q.port.dtype];
  return isQuantised(q)
    ? `quantise(value, ${q.macro}_SCALE, ${q.macro}_ZERO_POINT, ${min}, ${max})`
    : `(${cType})value`;
}

/** What Serial.print takes: the real value, or the number that is stored. */
function shown(q: SketchPort): string {
  if (isQuantised(q)) {
    return `${q.macro}_SCALE * (${q.variable}[i] - (${q.macro}_ZERO_POINT)), 4`;
  }
  const { dtype } = q.port;
  return dtype === "float32" || dtype === "float64"
    ? `${q.variable}[i], 6`
    : `(long)${q.variable}[i]`;
}

const portContext = (m: Artifact) => (q: SketchPort) => ({
  name: m.name,
  c_name: q.port.cName,
  c_type: q.port.cType,
  macro: q.macro,
  var: q.variable,
  comment: q.port.cName,
  value_type: isQuantised(q) ? "float" : q.port.dtype === "float64" ? "double" : "float",
  assigned: assigned(q),
  shown: shown(q),
});

function modelContext(b: Bundle, m: Artifact) {
  const ports = sketchPorts(b, m);
  const inputs = ports.filter((q) => q.direction === "in");
  const outputs = ports.filter((q) => q.direction === "out");
  const macro = m.name.toUpperCase();
  const init = (list: readonly SketchPort[]) =>
    list.map((q) => inArena(q) ? "nullptr" : q.variable).join(", ") || "nullptr";
  return {
    name: m.name,
    macro,
    buffers: ports.filter((q) => !inArena(q)).map((q) => ({
      align: `${macro}_ALIGNED(${q.macro}_ALIGN) `,
      c_type: q.port.cType,
      var: q.variable,
      elements: sizeOf(q.port.shape) > 0 ? `${q.macro}_ELEMENTS` : "1",
    })),
    pointers: ports.filter(inArena).map((q) => {
      const constant = q.direction === "in" ? "" : "const ";
      return `${constant}${q.port.cType} *const ${q.variable} = ${q.accessor}(${m.name}_static_memory());`;
    }),
    inputs: inputs.map(portContext(m)),
    outputs: outputs.map(portContext(m)),
    inputs_init: init(inputs),
    outputs_init: init(outputs),
    quantised: inputs.some(isQuantised),
  };
}

/** examples/Inference/Inference.ino */
export function inferenceSketch(b: Bundle, library: string): string {
  const models = b.models.map((m) => modelContext(b, m));
  const count = (side: "inputs" | "outputs") => models.reduce((n, m) => n + m[side].length, 0);
  return render(inferenceTemplate, {
    library,
    names: names(b),
    models,
    many_inputs: count("inputs") !== 1,
    many_outputs: count("outputs") !== 1,
    quantised_inputs: models.some((m) => m.quantised),
  }, "arduino/Inference.ino.hbs");
}
