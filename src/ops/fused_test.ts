import type { OpDef } from "../ir/opdef.ts";
import { ops } from "./fused.ts";
import { agrees, pattern, read, refuses } from "./testing.ts";

Deno.test("FusedConv adds and activates behind the convolution", () => {
  agrees(ops, {
    type: "FusedConv",
    attrs: { activation: "Relu" },
    ins: [pattern([1, 2, 3, 3]), pattern([2, 2, 2, 2]), pattern([2])],
    outs: [[[1, 2, 2, 2], [1.125, 0, 0, 0, 2.5, 0.6875, 0, 0]]],
  }, 1e-5);
  agrees(ops, {
    type: "FusedConv",
    attrs: { activation: "LeakyRelu", activation_params: [0.125] },
    ins: [pattern([1, 2, 3, 3]), pattern([2, 2, 2, 2]), pattern([2]), pattern([1, 2, 2, 2])],
    outs: [[[1, 2, 2, 2], [
      -0.015625,
      -0.2890625,
      -0.3671875,
      -0.46875,
      2.75,
      -0.0078125,
      0.8125,
      -0.078125,
    ]]],
  }, 1e-5);
  agrees(ops, {
    type: "FusedConv",
    attrs: { activation: "Clip", activation_params: [-1.0, 0.5] },
    ins: [pattern([1, 2, 3, 3]), pattern([2, 2, 2, 2])],
    outs: [[[1, 2, 2, 2], [0.5, -1, -1, -1, 0.5, 0.1875, -0.6875, -1]]],
  }, 1e-5);
});

Deno.test("FusedGemm reads its activation by name", () => {
  agrees(ops, {
    type: "FusedGemm",
    attrs: { activation: "LeakyRelu", activation_alpha: 0.25, alpha: 0.5 },
    ins: [pattern([2, 3]), pattern([3, 2]), pattern([2])],
    outs: [[[2, 2], [-0.1640625, 0.6875, -0.546875, 1.25]]],
  }, 1e-5);
  agrees(ops, {
    type: "FusedGemm",
    attrs: { activation: "Tanh", transB: 1 },
    ins: [pattern([2, 3]), pattern([2, 3]), pattern([2])],
    outs: [[[2, 2], [0.6709671, -0.50983, -0.9805831, 0.9907808]]],
  }, 1e-5);
});

Deno.test("FusedMatMul transposes rows and batches, and scales", () => {
  agrees(ops, {
    type: "FusedMatMul",
    attrs: { transA: 1, transB: 1, alpha: 0.5 },
    ins: [pattern([2, 3, 2]), pattern([2, 3])],
    outs: [[[2, 2, 2], [0.59375, -0.9375, 0.1875, 0.75, -0.8125, 0.59375, 0.5, 0.5625]]],
  }, 1e-5);
  agrees(ops, {
    type: "FusedMatMul",
    attrs: { transBatchA: 1 },
    ins: [pattern([3, 2, 2]), pattern([2, 2, 2])],
    outs: [[[2, 3, 2], [
      1.3125,
      0,
      0.0625,
      -0.8125,
      0.875,
      0.4375,
      1.125,
      0.375,
      0.25,
      -0.75,
      -1.3125,
      0.1875,
    ]]],
  }, 1e-5);
  agrees(ops, {
    type: "FusedMatMul",
    attrs: { transA: 0, transB: 1, transBatchB: 1 },
    ins: [pattern([2, 3, 2]), pattern([3, 2, 2])],
    outs: [[[2, 3, 3], [
      1.8125,
      -0.6875,
      1.625,
      1.25,
      -1.0625,
      1.4375,
      -0.6875,
      0.625,
      -0.8125,
      -0.5,
      1,
      -0.25,
      1.4375,
      -1,
      -0.6875,
      -1.4375,
      -0.25,
      1.625,
    ]]],
  }, 1e-5);
});

Deno.test("what onnxruntime does not fuse is refused by its name", () => {
  const op = ops.find((o) => o.name === "FusedConv") as OpDef<unknown>;
  refuses(() => read(op, "FusedConv", { attrs: { activation: "Swish" } }), /activation is 'Swish'/);
  const attrs = read(op, "FusedConv", { attrs: { activation: "Relu" } });
  const type = (...shape: number[]) => ({ dtype: "float32" as const, shape });
  const ins = [type(1, 2, 3, 3), type(2, 2, 2, 2), null, type(1, 2, 3, 3)];
  refuses(() => op.infer(attrs, ins, () => undefined), /addend \[1,2,3,3\] is not .*\[1,2,2,2\]/);
});
