import assert from "node:assert/strict";
import { tinyArtifact } from "../run/tiny_artifact.ts";
import { loadBoard } from "../target/boards.ts";
import { MODEL_SCHEMA } from "./model_json.ts";
import { writePlain } from "./plain.ts";

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

const files = writePlain(tinyArtifact("stm32f746"), loadBoard("stm32f746"));

Deno.test("plain: model.json follows its schema and lists every file", () => {
  const json = JSON.parse(files.get("model.json")!);
  const schema = JSON.parse(MODEL_SCHEMA);
  check(schema, schema, json, "model.json");
  assert.deepEqual(json.files, [...files.keys()].sort());
  assert.equal(json.inputs[0].c_name, "x");
  assert.equal(json.outputs[1].scale, null);
  assert.equal(json.target.cpu, "cortex-m7");
});

Deno.test("plain: the README names inputs, outputs, sizes and flags", () => {
  const readme = files.get("README.md")!;
  assert.match(
    readme,
    /\| `x` \| `x:0` \| `int8_t` \| 1 × 2 \| 0\.5 × \(q − 0\) \| your buffer \|/,
  );
  assert.match(readme, /arena\) \| 16 \|/);
  assert.match(readme, /-mfpu=fpv5-sp-d16/);
  assert(!readme.includes("## Notes"));
});

Deno.test("plain: CMakeLists.txt names every source", () => {
  const text = files.get("CMakeLists.txt")!;
  for (const path of files.keys()) assert.equal(path.endsWith(".c"), text.includes(`  ${path}\n`));
});

Deno.test("plain: the same artifact gives the same bytes", () => {
  assert.deepEqual(files, writePlain(tinyArtifact("stm32f746"), loadBoard("stm32f746")));
});
