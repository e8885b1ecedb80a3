/** What `inspect` shows of nets of tests/models. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { inspectModel } from "../compile.ts";
import { DEFAULTS } from "./defaults.ts";
import { loadBoard } from "../target/boards.ts";
import type { BurinError } from "../util/errors.ts";
import type { InspectOptions, Section } from "./inspect.ts";

const file = (name: string): Uint8Array =>
  Deno.readFileSync(fileURLToPath(new URL(`../../tests/models/${name}.onnx`, import.meta.url)));

const show = (net: string, options: Partial<InspectOptions>): Promise<Section[]> =>
  inspectModel(file(net), {
    board: loadBoard("mps2-an386"),
    fileStem: net,
    ...DEFAULTS,
    ...options,
  });

const linesOf = (sections: readonly Section[]): string =>
  sections.flatMap((s) => s.kind === "lines" ? [s.title, ...s.lines] : []).join("\n");

Deno.test("before integerize a QDQ graph computes on floats, after it on integers", async () => {
  const before = linesOf(await show("tf_conv_dense", { stage: "graph" }));
  const after = linesOf(await show("tf_conv_dense", { stage: "quantized" }));
  assert.match(before, /%[^ ]+: float32\[[\d,]+\] = Conv\(/);
  assert.match(after, /%[^ ]+: int32\[[\d,]+\] = Conv\(/);
  assert.doesNotMatch(after, /float32\[[\d,]+\] = Conv\(/);
});

Deno.test("one node: its kernels alone, in every stage", async () => {
  const node = "Conv/c/prequant";
  for (const stage of ["import", "graph", "quantized", "fused"] as const) {
    const text = linesOf(await show("tf_pools", { stage, node }));
    assert.match(text, /= Conv\(/, stage);
    assert.doesNotMatch(text, /= AveragePool\(/, stage);
  }
  for (const stage of ["te", "tir"] as const) {
    const sections = await show("tf_pools", { stage, node });
    assert.equal(sections.length, 1, stage);
    assert.match(linesOf(sections), /Conv\/c\/prequant/);
  }
  const [c] = await show("tf_pools", { stage: "c", node });
  assert(c.kind === "code");
  assert.equal(c.text.match(/^void /gm)?.length, 1);
  assert.match(c.text, /^\/\*[^]*\n}$/);
});

Deno.test("one node: the buffers that its kernels touch; the whole plan for the map", async () => {
  const [all] = await show("tf_pools", { stage: "memory" });
  const [part] = await show("tf_pools", { stage: "memory", node: "GlobalAveragePool/g/pool" });
  assert(all.kind === "memory" && part.kind === "memory");
  assert.deepEqual(part.listed.map((b) => b.name).sort(), ["b", "g"]);
  assert.deepEqual(part.buffers, all.buffers);
  assert(all.listed.length > part.listed.length);
});

Deno.test("a node that later stages have no trace of is said to be gone", async () => {
  const node = "Dropout/drop";
  assert.match(linesOf(await show("quirk_opset13", { stage: "import", node })), /= Dropout\(/);
  assert.match(linesOf(await show("quirk_opset13", { stage: "te", node })), /^Nothing/);
});

Deno.test("an unknown node is answered with near names", async () => {
  await assert.rejects(
    show("tf_pools", { stage: "graph", node: "Conv/c/prequnat" }),
    (e: BurinError) =>
      e.code === "usage/unknown-node" && e.hint === "did you mean Conv/c/prequant?",
  );
  await assert.rejects(
    show("tf_pools", { stage: "graph", node: "something else" }),
    (e: BurinError) => e.exitCode === 2 && /^its nodes are /.test(e.hint!),
  );
});

Deno.test("operators are counted in the file, after import and after every pass", async () => {
  const [counts] = await show("tf_conv_dense", { countOps: true });
  assert(counts.kind === "counts");
  const [file0, imported] = counts.steps;
  assert.equal(file0.step, "file");
  assert.equal(imported.step, "import");
  assert(file0.counts.get("DequantizeLinear")! > 2);
  const last = counts.steps.at(-1)!.counts;
  assert((last.get("DequantizeLinear") ?? 0) <= 1);
  assert(last.get("Conv")! > 0);
  const zero = await show("tf_conv_dense", { countOps: true, optLevel: 0 });
  assert(zero[0].kind === "counts" && zero[0].steps.length < counts.steps.length);
});
