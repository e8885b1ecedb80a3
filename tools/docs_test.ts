/** The generated pages are those that the code gives. */
import assert from "node:assert/strict";
import { basename } from "@std/path";
import { ops } from "../src/ops/mod.ts";
import { markdownTable } from "../src/report/markdown.ts";
import { layersTable, operatorsPage, pages } from "./docs.ts";

Deno.test("the generated pages are not stale", async (t) => {
  for (const [file, text] of await pages()) {
    await t.step(basename(file), () => {
      assert.equal(Deno.readTextFileSync(file), text, "`deno task docs` writes it again");
    });
  }
});

Deno.test("docs/architecture.md shows the layers as the lint rule has them", () => {
  const page = Deno.readTextFileSync(new URL("../docs/architecture.md", import.meta.url));
  assert(page.includes(layersTable()), `this is the table:\n${layersTable()}`);
});

Deno.test("every file and folder that docs/architecture.md names is there", () => {
  const page = Deno.readTextFileSync(new URL("../docs/architecture.md", import.meta.url));
  const named = page.match(/`(?:src|boards|docs|examples|templates|tests|tools)\/[\w./*-]*`/g) ??
    [];
  assert(named.length > 20);
  for (const name of new Set(named)) {
    if (name.includes("NAME")) continue;
    const path = name.slice(1, -1).replace(/\*.*$/, "");
    assert(Deno.statSync(new URL(`../${path}`, import.meta.url)), name);
  }
});

Deno.test("every ONNX operator stands in the table once", () => {
  const page = operatorsPage();
  const names = new Set(
    ops.flatMap((op) => op.onnx.map((b) => `${b.domain || "ai.onnx"} ${b.type}`)),
  );
  for (const name of names) {
    const [domain, type] = name.split(" ");
    const rows = page.match(
      new RegExp(`^\\| ${type} +\\| ${domain.replaceAll(".", "\\.")} +\\|`, "gm"),
    );
    assert.equal(rows?.length, 1, name);
  }
});

Deno.test("a table is formatted as the formatter leaves it", () => {
  assert.equal(
    markdownTable(["a", "bcde"], [["x|y", "1"]]),
    "| a    | bcde |\n| ---- | ---- |\n| x\\|y | 1    |",
  );
});
