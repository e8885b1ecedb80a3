/** The plain project: the library's sources, model.json, a README and a CMakeLists.txt. */
import cmakeTemplate from "../../templates/plain/CMakeLists.txt.hbs" with { type: "text" };
import readmeTemplate from "../../templates/plain/README.md.hbs" with { type: "text" };
import type { Artifact, Port } from "../codegen/artifact.ts";
import type { Board } from "../target/target.ts";
import { render } from "../util/template.ts";
import { VERSION } from "../util/version.ts";
import { MODEL_SCHEMA, modelJson, SCHEMA_FILE, totalMacs } from "./model_json.ts";

/** Files of a project, path in the output folder → text. */
export type ProjectFiles = ReadonlyMap<string, string>;

/** A cell of a Markdown table must not end at a `|` in a name. */
const cell = (text: string) => text.replaceAll("|", "\\|").replaceAll("`", "'");

const portRow = (p: Port) => ({
  c_name: p.cName,
  graph_name: cell(p.name),
  c_type: p.cType,
  shape: p.shape.length === 0 ? "scalar" : p.shape.join(" × "),
  quantisation: p.scale === undefined ? "none" : `${p.scale} × (q − ${p.zeroPoint ?? 0})`,
  place: p.placement.where === "caller"
    ? "your buffer"
    : `${p.placement.region} + ${p.placement.offset}`,
});

function readme(artifact: Artifact, board: Board): string {
  return render(readmeTemplate, {
    name: artifact.name,
    title: board.title,
    version: VERSION,
    flags: board.target.cflags.join(" "),
    arena_bytes: artifact.arenaBytes,
    params_bytes: artifact.paramsBytes,
    macs: totalMacs(artifact),
    inputs: artifact.inputs.map(portRow),
    outputs: artifact.outputs.map(portRow),
    notes: artifact.notes,
  }, "plain/README.md.hbs");
}

/** The plain project of a compiled model. */
export function writePlain(artifact: Artifact, board: Board): ProjectFiles {
  const sources = [...artifact.sources.keys()].filter((path) => path.endsWith(".c"));
  const cmake = { name: artifact.name, sources };
  const files = new Map(artifact.sources)
    .set("README.md", readme(artifact, board))
    .set("CMakeLists.txt", render(cmakeTemplate, cmake, "plain/CMakeLists.txt.hbs"))
    .set(SCHEMA_FILE, MODEL_SCHEMA);
  const json = modelJson(artifact, board, "plain", [...files.keys(), "model.json"]);
  return files.set("model.json", JSON.stringify(json, null, 2) + "\n");
}
