import assert from "node:assert/strict";
import type { EditableNode } from "../onnx/editable.ts";
import { ops } from "../ops/mod.ts";
import { attributesOf, changesOf, isConversion, isPlain, roleOf } from "./operators.ts";

const node = (
  opType: string,
  attributes: EditableNode["attributes"] = [],
  domain = "",
): EditableNode => ({ name: "n", opType, domain, inputs: [], outputs: ["y"], attributes });

Deno.test("operators: definitions say how a node of a file is quantised", () => {
  const gemm = roleOf(node("Gemm")).weight!;
  const transposed = node("Gemm", [{ name: "transB", i: 1, type: 2 }]);
  assert.equal(gemm.channelAxis(attributesOf(node("Gemm")), 2), 1);
  assert.equal(gemm.channelAxis(attributesOf(transposed), 2), 0);
  assert.equal(isPlain(transposed, gemm), true);
  assert.equal(isPlain(node("Gemm", [{ name: "alpha", f: 2, type: 1 }]), gemm), false);
  assert.equal(isPlain(node("Gemm", [{ name: "transA", i: 1, type: 2 }]), gemm), false);
  assert.equal(roleOf(node("Relu")).clamp, "scales");
  assert.equal(roleOf(node("Clip")).clamp, "fixed");
  assert.equal(roleOf(node("Slice")).range, "same");
  assert.deepEqual(roleOf(node("Erf")), {});
  assert.deepEqual(roleOf(node("Relu", [], "my.domain")), {});
  assert.deepEqual(changesOf(node("ReduceSum")).map((c) => c.since), [13]);
  assert.deepEqual(changesOf(node("ReduceMax")).map((c) => c.since), [18]);
});

Deno.test("operators: what onnxruntime's quantisation writes stands in quantised models alone", () => {
  const written = /^(Dynamic)?Quantize|^QLinear|^QGemm|^QAttention|Integer$|IntegerToFloat$/;
  for (const op of ops) {
    for (const { domain, type } of op.onnx) {
      const n = node(type, [], domain);
      assert.equal(roleOf(n).integers ?? false, written.test(type), `${domain}:${type}`);
      assert.equal(isConversion(n), /^(Deq|Q)uantizeLinear$/.test(type), `${domain}:${type}`);
    }
  }
});

Deno.test("operators: a weight or a clamp goes with a range, and changes come in order", () => {
  for (const { name, postTraining: p, changes = [] } of ops) {
    if (p?.weight || p?.clamp || p?.takesClamp) assert.equal(p.range, "own", name);
    const versions = changes.map((c) => c.since);
    assert.deepEqual(versions, versions.toSorted((a, b) => a - b), name);
  }
});
