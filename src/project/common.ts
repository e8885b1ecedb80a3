/** The files that every project has, whatever builds it: metadata, golden vectors, digests. */
import { createHash } from "node:crypto";
import type { Artifact } from "../codegen/artifact.ts";
import { writeNpz } from "../util/npz.ts";
import { stack } from "../util/tensor.ts";
import type { Bundle, ProjectFiles } from "./bundle.ts";
import { bundleJson, MODEL_SCHEMA, modelJson, SCHEMA_FILE } from "./model_json.ts";
import { sbom, SBOM_FILE } from "./sbom.ts";

/** The list of digests, in the format of sha256sum. */
export const DIGESTS_FILE = "SHA256SUMS";

/** SHA-256 of a file's contents, hexadecimal. */
export const digest = (contents: string | Uint8Array): string =>
  createHash("sha256").update(contents).digest("hex");

/** golden/NAME.npz: `in0` …, `out0` …, the sample axis first. */
function goldenNpz({ golden }: Artifact): Uint8Array {
  const arrays = (prefix: string, of: "inputs" | "outputs") =>
    golden[0][of].map((_, i) => [`${prefix}${i}`, stack(golden.map((g) => g[of][i]))] as const);
  return writeNpz(new Map([...arrays("in", "inputs"), ...arrays("out", "outputs")]));
}

const json = (value: unknown): string => JSON.stringify(value, null, 2) + "\n";

/**
 * Adds to a writer's files what all projects have; model.json lists every file.
 * @param loose files that the user goes on with: there is no digest of them
 */
export function commonFiles(
  b: Bundle,
  kind: string,
  own: ProjectFiles,
  loose: ProjectFiles,
): ProjectFiles {
  const files = new Map(own).set(SCHEMA_FILE, MODEL_SCHEMA);
  for (const m of b.models) {
    if (m.golden.length > 0) files.set(`golden/${m.name}.npz`, goldenNpz(m));
  }
  const single = b.models.length === 1;
  const records = single ? ["model.json"] : [
    "bundle.json",
    ...b.models.map((m) => `models/${m.name}.json`),
  ];
  const all = [...files.keys(), ...loose.keys(), ...records, SBOM_FILE, DIGESTS_FILE].sort();
  if (single) files.set("model.json", json(modelJson(b.models[0], b, kind, all)));
  else {
    files.set("bundle.json", json(bundleJson(b, kind, all)));
    for (const m of b.models) files.set(`models/${m.name}.json`, json(modelJson(m, b, kind, [])));
  }
  const digests = () => new Map([...files].map(([path, contents]) => [path, digest(contents)]));
  files.set(SBOM_FILE, json(sbom(b, digests())));
  const lines = [...digests()].sort(([x], [y]) => x < y ? -1 : 1)
    .map(([path, sum]) => `${sum}  ${path}\n`);
  return new Map([...files.set(DIGESTS_FILE, lines.join("")), ...loose]);
}
