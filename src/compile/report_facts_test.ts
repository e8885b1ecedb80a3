import assert from "node:assert/strict";
import { compileStages } from "../compile.ts";
import { DEFAULTS } from "./defaults.ts";
import { loadBoard } from "../target/boards.ts";
import { type ReportFacts, reportFacts } from "./report_facts.ts";

async function factsOf(name: string): Promise<ReportFacts> {
  const file = new URL(`../../tests/models/${name}.onnx`, import.meta.url);
  return reportFacts(
    await compileStages(Deno.readFileSync(file), {
      board: loadBoard("mps2-an386"),
      fileStem: name,
      ...DEFAULTS,
    }),
  );
}

Deno.test("facts: quantised tensors with role, scales and range, in QDQ and QOperator style", async () => {
  for (const name of ["tf_conv_dense", "ort_cnn_qop_u8s8_pc", "ort_cnn_qdq_u8s8_pc"]) {
    const { tensors } = await factsOf(name);
    const roles = new Set(tensors.map((t) => t.role));
    assert(roles.has("activation") && roles.has("weights") && roles.has("bias"), name);
    const perChannel = tensors.filter((t) => t.role === "weights" && t.scales.length > 1);
    assert(perChannel.length > 0, name);
    for (const t of tensors) {
      assert(t.scales.every((s) => s > 0), t.name);
      assert.equal(t.range === null, t.role === "bias", t.name);
      assert.equal(t.used !== null, t.role === "weights" || t.role === "bias", t.name);
      const [low, high] = t.range ?? [-Infinity, Infinity];
      assert(low < high && low <= 0 && high >= 0, `${t.name}: ${t.range}`);
      const slack = 1e-6 * (high - low);
      if (t.used && t.range) assert(t.used[0] >= low - slack && t.used[1] <= high + slack, t.name);
    }
  }
});

Deno.test("facts: an int8 tensor's range is scale times its bounds beside the zero point", async () => {
  const { tensors } = await factsOf("tf_conv_dense");
  const t = tensors.find((x) => x.role === "activation" && x.dtype === "int8")!;
  const [scale] = t.scales, [zero] = t.zeroPoints;
  assert.deepEqual(t.range, [(-128 - zero) * scale, (127 - zero) * scale]);
});

Deno.test("facts: the graph has every kernel, and each edge ends at boxes that exist", async () => {
  for (const name of ["tf_residual", "float_branches", "float_moves", "corner_concat"]) {
    const { flow, traffic } = await factsOf(name);
    const ids = new Set(flow.nodes.map((n) => n.id));
    assert.equal(ids.size, flow.nodes.length);
    assert.equal(flow.nodes.filter((n) => n.kind === "kernel").length, traffic.length);
    for (const e of flow.edges) assert(ids.has(e.from) && ids.has(e.to) && e.from !== e.to, name);
    const reached = new Set(flow.edges.map((e) => e.to));
    for (const n of flow.nodes) {
      assert(n.kind === "input" || reached.has(n.id), `${name}: nothing leads to ${n.title}`);
    }
    assert(traffic.every((t) => t.readBytes > 0 && t.writtenBytes > 0));
  }
});

Deno.test("facts: a float model has no quantised tensors", async () => {
  assert.deepEqual((await factsOf("float_mlp")).tensors, []);
});
