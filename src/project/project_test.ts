import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { tinyArtifact } from "../run/tiny_artifact.ts";
import { loadBoard } from "../target/boards.ts";
import { sizeOf, tensor } from "../util/tensor.ts";
import { MODEL_SCHEMA } from "./model_json.ts";
import { type Bundle, shareMemory } from "./bundle.ts";
import { projectFiles } from "./mod.ts";

type Schema = {
  $ref?: string;
  type?: string | string[];
  const?: unknown;
  enum?: unknown[];
  required?: string[];
  properties?: Record<string, Schema>;
  additionalProperties?: boolean | Schema;
  items?: Schema;
  pattern?: string;
  $defs?: Record<string, Schema>;
};

const typeOf = (v: unknown): string[] => {
  if (v === null) return ["null"];
  if (Array.isArray(v)) return ["array"];
  if (Number.isInteger(v)) return ["integer", "number"];
  return [typeof v];
};

/** Checks the keywords that the schema uses. */
function check(root: Schema, schema: Schema, value: unknown, path: string): void {
  if (schema.$ref) return check(root, root.$defs![schema.$ref.split("/").at(-1)!], value, path);
  if (schema.const !== undefined) assert.equal(value, schema.const, path);
  if (schema.enum) assert(schema.enum.includes(value), path);
  if (schema.type) assert(typeOf(value).some((t) => [schema.type].flat().includes(t)), path);
  if (schema.pattern) assert.match(value as string, new RegExp(schema.pattern), path);
  for (const name of schema.required ?? []) assert(name in (value as object), `${path}.${name}`);
  if (Array.isArray(value) && schema.items) {
    value.forEach((v, i) => check(root, schema.items!, v, `${path}[${i}]`));
  }
  if (!schema.properties && typeof schema.additionalProperties !== "object") return;
  for (const [name, v] of Object.entries(value as object)) {
    const inner = schema.properties?.[name] ?? schema.additionalProperties;
    assert(typeof inner === "object", `${path}.${name} is not in the schema`);
    check(root, inner, v, `${path}.${name}`);
  }
}

const bundle = (): Bundle => ({
  name: "tiny",
  models: [tinyArtifact("stm32f746")],
  board: loadBoard("stm32f746"),
  sharedMemory: [],
  command: ["deno", "task", "compile", "tiny.onnx", "--board", "stm32f746"],
});
const files = projectFiles(bundle(), "plain");
const text = (path: string): string => {
  const contents = files.get(path);
  assert(typeof contents === "string", path);
  return contents;
};

Deno.test("project: model.json follows its schema and lists every file", () => {
  const json = JSON.parse(text("model.json"));
  const schema = JSON.parse(MODEL_SCHEMA);
  check(schema, schema, json, "model.json");
  assert.deepEqual(json.files, [...files.keys()].sort());
  assert.equal(json.inputs[0].c_name, "x");
  assert.equal(json.outputs[1].scale, null);
  assert.equal(json.target.cpu, "cortex-m7");
});

Deno.test("project: the README says what has to be known about the board", () => {
  const board = loadBoard("esp32c3_devkitm");
  const readme = projectFiles({ ...bundle(), board }, "plain").get("README.md") as string;
  assert(readme.includes(`About the board: ${board.note!}.`));
  assert(!text("README.md").includes("About the board"));
});

Deno.test("project: the README names inputs, outputs, sizes and flags", () => {
  const readme = text("README.md");
  assert.match(
    readme,
    /\| `x` \| `x:0` \| `int8_t` \| 1 × 2 \| 0\.5 × q \| your buffer \|/,
  );
  assert.match(readme, /arena\) \| 16 \|/);
  assert.match(readme, /-mfpu=fpv5-sp-d16/);
  assert(!readme.includes("Note: "));
  assert.match(readme, /deno task compile tiny\.onnx --board stm32f746/);
});

Deno.test("project: the README names files that are there", () => {
  const b = bundle(), [bare] = b.models;
  const zeros = (ports: typeof bare.inputs) =>
    ports.map((p) => tensor(p.dtype, p.shape, new Array(sizeOf(p.shape)).fill(0)));
  const m = { ...bare, golden: [{ inputs: zeros(bare.inputs), outputs: zeros(bare.outputs) }] };
  const other = { ...m, name: "other" };
  const shared = { ...b, models: [m, other], sharedMemory: shareMemory(b.name, [m, other]) };
  for (const some of [b, shared, { ...b, models: [m] }]) {
    const files = projectFiles(some, "plain");
    const readme = files.get("README.md") as string;
    assert.equal(readme.includes("`golden/` holds"), files.has(`golden/${m.name}.npz`));
    assert.equal(readme.includes("`model.json` says"), files.has("model.json"));
    assert.equal(readme.includes("`bundle.json` lists"), files.has("bundle.json"));
    assert.equal(readme.includes("brings its own arena"), some !== shared);
  }
});

Deno.test("project: the README's command can be pasted into a shell", () => {
  const command = ["deno", "task", "compile", "it's mine.onnx", "--board", "my board.json"];
  const readme = projectFiles({ ...bundle(), command }, "plain").get("README.md") as string;
  assert(
    readme.includes("deno task compile 'it'\\''s mine.onnx' --board 'my board.json'\n"),
    readme,
  );
});

Deno.test("project: CMakeLists.txt names every source", () => {
  const cmake = text("CMakeLists.txt");
  for (const path of files.keys()) {
    const isSource = /^(src|selftest)\/.*\.c$/.test(path);
    assert.equal(isSource, cmake.includes(`  ${path}\n`), path);
  }
});

Deno.test("project: the same artifact gives the same bytes", () => {
  assert.deepEqual(files, projectFiles(bundle(), "plain"));
});

Deno.test("project: every file but the list itself has its digest", () => {
  const lines = text("SHA256SUMS").trimEnd().split("\n").map((line) => line.split("  "));
  assert.deepEqual(
    lines.map(([, path]) => path),
    [...files.keys()].filter((path) => path !== "SHA256SUMS").sort(),
  );
  for (const [sum, path] of lines) {
    assert.equal(sum, createHash("sha256").update(files.get(path)!).digest("hex"), path);
  }
});

Deno.test("project: the bill of materials names the model, the tool and the files", () => {
  const json = JSON.parse(text("sbom.spdx.json"));
  assert.equal(json.spdxVersion, "SPDX-2.3");
  const [project, tool, model] = json.packages;
  assert.deepEqual([project.name, tool.name, model.name], ["tiny", "burin", "tiny"]);
  assert.equal(model.checksums[0].checksumValue, "0".repeat(64));
  const ids = [...json.packages, ...json.files].map((x) => x.SPDXID);
  assert.equal(new Set(ids).size, ids.length);
  for (const r of json.relationships) {
    assert(ids.includes(r.relatedSpdxElement), r.relatedSpdxElement);
  }
  assert(json.files.some((f: { fileName: string }) => f.fileName === "./src/tiny.c"));
});
