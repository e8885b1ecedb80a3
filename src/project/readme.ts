/** README.md of a project: what the models are, their ports and sizes, how to build. */
import readmeTemplate from "../../templates/project/README.md.hbs" with { type: "text" };
import type { Artifact, Port } from "../codegen/artifact.ts";
import { render } from "../util/template.ts";
import { VERSION } from "../util/version.ts";
import type { Bundle } from "./bundle.ts";
import { ciSection } from "./ci.ts";
import { totalMacs } from "./model_json.ts";

/** A word as a shell takes it: files may have blanks in their names. */
const shellWord = (word: string): string =>
  /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;

/** A cell of a Markdown table must not end at a `|` in a name. */
const cell = (text: string) => text.replaceAll("|", "\\|").replaceAll("`", "'");

/** What a stored integer stands for, as the report has it but with every digit of the scale. */
const realText = (scale: number, zero: number): string =>
  zero === 0 ? `${scale} × q` : `${scale} × (q ${zero < 0 ? "+" : "−"} ${Math.abs(zero)})`;

const portRow = (p: Port) => ({
  c_name: p.cName,
  graph_name: cell(p.name),
  c_type: p.cType,
  shape: p.shape.length === 0 ? "scalar" : p.shape.join(" × "),
  quantisation: p.scale === undefined ? "none" : realText(p.scale, p.zeroPoint ?? 0),
  place: p.placement.where === "caller"
    ? "your buffer"
    : `${p.placement.region} + ${p.placement.offset}`,
});

const modelContext = (m: Artifact) => ({
  name: m.name,
  arena_bytes: m.arenaBytes,
  regions: m.options.arena ? m.regions.map(({ name, bytes }) => ({ name, bytes })) : [],
  weights: m.weights === undefined ? "" : `, copied to \`${m.weights}\` at start`,
  params_bytes: m.paramsBytes,
  macs: totalMacs(m),
  samples: m.golden.length,
  inputs: m.inputs.map(portRow),
  outputs: m.outputs.map(portRow),
  notes: m.notes,
});

/**
 * README.md.
 * @param build the writer's part in Markdown: what the folder is and how it is built
 */
export function readme(b: Bundle, build: string): string {
  return render(readmeTemplate, {
    name: b.name,
    first: b.models[0].name,
    several: b.models.length > 1,
    golden: b.models.some((m) => m.golden.length > 0),
    title: b.board.title,
    version: VERSION,
    flags: b.board.target.cflags.join(" "),
    board_note: b.board.note ?? "",
    command: b.command.map(shellWord).join(" "),
    build: build.trimEnd(),
    shared: b.sharedMemory.map(({ symbol, bytes }) => ({ symbol, bytes, name: b.name })),
    models: b.models.map(modelContext),
    ci: ciSection(b).trimEnd(),
  }, "project/README.md.hbs");
}
