/** The YAML of the modules, for every board, against schemas of what Zephyr 3.3 and later accept. */
import assert from "node:assert/strict";
import { Ajv, type ValidateFunction } from "ajv";
import { parse } from "yaml";
import type { Bundle } from "../../../src/project/mod.ts";
import { WRITERS } from "../../../src/project/mod.ts";
import { tinyArtifact } from "../../../src/run/tiny_artifact.ts";
import { boardNames, loadBoard } from "../../../src/target/boards.ts";
import moduleSchema from "./schemas/module.schema.json" with { type: "json" };
import suiteSchema from "./schemas/testsuite.schema.json" with { type: "json" };
import westSchema from "./schemas/west.schema.json" with { type: "json" };

const ajv = new Ajv({ allErrors: true });
ajv.addFormat("regex", (text: string) => new RegExp(text) instanceof RegExp);
const SCHEMAS: readonly (readonly [RegExp, ValidateFunction])[] = [
  [/^zephyr\/module\.yml$/, ajv.compile(moduleSchema)],
  [/\/(sample|testcase)\.yaml$/, ajv.compile(suiteSchema)],
  [/^west\.yml$/, ajv.compile(westSchema)],
];

const bundle = (board: string, name: string): Bundle => ({
  name,
  models: [{ ...tinyArtifact(board), name }],
  board: loadBoard(board),
  sharedMemory: [],
  command: [],
});

/** What is wrong with the YAML files, and how many there are. */
function examine(files: ReadonlyMap<string, unknown>): { count: number; errors: string[] } {
  const yaml = [...files].filter(([path]) => /\.ya?ml$/.test(path));
  const errors = yaml.flatMap(([path, text]) => {
    const validate = SCHEMAS.find(([pattern]) => pattern.test(path))?.[1];
    assert(validate, `${path} has no schema`);
    // YAML 1.1, as Zephyr's parser reads it: there `on` is no string.
    return validate(parse(text as string, { version: "1.1" }))
      ? []
      : [`${path}: ${ajv.errorsText(validate.errors)}`];
  });
  return { count: yaml.length, errors };
}

Deno.test("zephyr YAML: every file of a module for every board fits its schema", () => {
  for (const board of boardNames()) {
    assert.deepEqual(examine(WRITERS.zephyr(bundle(board, "kws"))), { count: 4, errors: [] });
  }
});

Deno.test("zephyr YAML: names that YAML would read as something else", () => {
  for (const name of ["on", "y", "null", "true", "x1e3", "_2", "NO", "e"]) {
    assert.deepEqual(examine(WRITERS.zephyr(bundle("mps2-an385", name))).errors, [], name);
  }
});

Deno.test("zephyr YAML: the paths that module.yml names exist", () => {
  const files = WRITERS.zephyr(bundle("mps2-an385", "kws"));
  const { build, samples, tests } = parse(files.get("zephyr/module.yml") as string);
  assert(files.has(build.kconfig));
  assert(files.has(`${build.cmake}/CMakeLists.txt`));
  assert(files.has(`${samples[0]}/kws/sample.yaml`));
  assert(files.has(`${tests[0]}/kws/testcase.yaml`));
});

Deno.test("zephyr YAML: the schemas notice what is wrong", () => {
  const files = WRITERS.zephyr(bundle("mps2-an385", "kws"));
  const spoilt = (path: string, from: RegExp, to: string) => {
    const text = files.get(path) as string;
    assert.match(text, from);
    return examine(new Map([[path, text.replace(from, to)]])).errors.length;
  };
  assert.equal(spoilt("zephyr/module.yml", /cmake: zephyr/, "cmakes: zephyr"), 1);
  assert.equal(spoilt("zephyr/module.yml", /"kws"/, "on"), 1);
  assert.equal(spoilt("samples/kws/sample.yaml", /min_ram: \d+/, "min_ram: much"), 1);
  assert.equal(spoilt("samples/kws/sample.yaml", /sample\.kws\.console/, "kws"), 1);
  assert.equal(spoilt("tests/kws/testcase.yaml", /tags: burin/, "tag: burin"), 1);
  assert.equal(spoilt("west.yml", /revision: \S+/, "revision: 4"), 1);
});
