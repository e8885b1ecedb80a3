import assert from "node:assert/strict";
import plugin, { checkImport, LAYERS } from "./layers.ts";

/** Messages of the plugin for a source text at a path. */
const lint = (path: string, source: string): string[] =>
  Deno.lint.runPlugin(plugin, path, source).map((d) => d.message);

Deno.test("layers: what the table allows passes", () => {
  assert.deepEqual(lint("/x/src/te/expr.ts", `import { a } from "../util/errors.ts";`), []);
  assert.deepEqual(lint("/x/src/onnx/import.ts", `import { OPS } from "../ops/mod.ts";`), []);
  assert.deepEqual(lint("/x/src/te/expr.ts", `import { b } from "./print.ts";`), []);
  assert.deepEqual(lint("/x/src/te/expr.ts", `import p from "onnx-proto";`), []);
  assert.deepEqual(lint("/x/src/cli/main.ts", `import { c } from "../compile.ts";`), []);
  assert.deepEqual(lint("/x/src/compile.ts", `import { c } from "./passes/pipeline.ts";`), []);
});

Deno.test("layers: what it forbids is named with the way out", () => {
  const [found] = Deno.lint.runPlugin(
    plugin,
    "/x/src/te/expr.ts",
    `import { Graph } from "../ir/graph.ts";`,
  );
  assert.equal(found.message, "src/te cannot import src/ir (it may import: util)");
  assert.equal(found.hint, "tensor expressions know no graph and no target");
});

Deno.test("layers: one module of a folder is not the folder", () => {
  const [message] = lint("/x/src/passes/fuse.ts", `import { conv } from "../ops/conv.ts";`);
  assert.match(message, /src\/passes cannot import src\/ops/);
});

Deno.test("layers: types only", () => {
  const path = "/x/src/project/plain.ts";
  assert.deepEqual(lint(path, `import type { Artifact } from "../codegen/artifact.ts";`), []);
  assert.deepEqual(lint(path, `import { type Artifact } from "../codegen/artifact.ts";`), []);
  assert.deepEqual(lint(path, `export type { Artifact } from "../codegen/artifact.ts";`), []);
  const [message] = lint(path, `import { print } from "../codegen/print.ts";`);
  assert.match(message, /only types from src\/codegen: write `import type`/);
});

Deno.test("layers: exports and dynamic imports count, tests do not", () => {
  assert.equal(lint("/x/src/util/a.ts", `export * from "../ir/graph.ts";`).length, 1);
  assert.equal(lint("/x/src/util/a.ts", `await import("../ir/graph.ts");`).length, 1);
  assert.equal(lint("/x/src/util/a_test.ts", `import "../ir/graph.ts";`).length, 0);
  assert.match(checkImport("/x/src/ir/a.ts", "../../mod.ts", false) ?? "", /stands above it/);
});

Deno.test("layers: every folder of src has its line in the table", () => {
  const src = new URL("../../src/", import.meta.url);
  const folders = [...Deno.readDirSync(src)].filter((e) => e.isDirectory).map((e) => e.name);
  assert.deepEqual(folders.filter((f) => !(f in LAYERS)), []);
});
