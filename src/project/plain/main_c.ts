/** main.c of the firmware: self-tests, then the models as an application calls them. */
import template from "../../../templates/plain/firmware/main.c.hbs" with { type: "text" };
import type { Artifact, Port } from "../../codegen/artifact.ts";
import { render } from "../../util/template.ts";
import type { Bundle } from "../bundle.ts";

const inArena = (p: Port): boolean => p.placement.where === "arena";

const elements = (p: Port): number => p.shape.reduce((a, b) => a * b, 1);

function modelContext(m: Artifact) {
  const symbol = (kind: string, p: Port) => `${kind}_${p.cName}`;
  const place = (kind: string, p: Port) =>
    inArena(p) ? `${m.name}_${kind}_${p.cName}(${m.name}_static_memory())` : `${symbol(kind, p)}`;
  const init = (kind: string, ports: readonly Port[]) =>
    ports.map((p) => inArena(p) ? "NULL" : symbol(kind, p)).join(", ") || "NULL";
  const buffers = (kind: string, ports: readonly Port[]) =>
    ports.filter((p) => !inArena(p)).map((p) => ({
      type: p.cType,
      symbol: symbol(kind, p),
      length: Math.max(1, elements(p)),
    }));
  return {
    name: m.name,
    macro: m.name.toUpperCase(),
    buffers: [...buffers("input", m.inputs), ...buffers("output", m.outputs)],
    inputs_init: init("input", m.inputs),
    outputs_init: init("output", m.outputs),
    input_places: m.inputs.map((p) => place("input", p)),
    output_places: m.outputs.map((p) => place("output", p)),
  };
}

/** The file. */
export function mainSource(b: Bundle): string {
  const several = b.models.length > 1;
  return render(template, {
    bundle: b.name,
    title: b.models.map((m) => m.name).join(", "),
    it: several ? "the models" : "the model",
    models: b.models.map(modelContext),
    passed: b.models.map((m) => `apply_${m.name}() == ${m.name.toUpperCase()}_OK`).join(" && "),
  }, "plain/firmware/main.c.hbs");
}
