import assert from "node:assert/strict";
import { numbers } from "../util/tensor.ts";
import { evaluateGraph } from "../ir/evaluate.ts";
import { importModel } from "../onnx/import.ts";
import { graph, graphAttr, model, node, value } from "../../tests/onnx_builder.ts";
import { counting, floats } from "./testing.ts";

/** Running sums over sequences of 3 pairs, as operator set 8 has them: a batch in front. */
const running = (batch: number, attrs: Record<string, number | number[]> = {}, lengths = "") =>
  importModel(model({
    opsets: { "": 8 },
    nodes: [node("Scan", [lengths, "initial", "x"], ["y", "z"], {
      num_scan_inputs: 1,
      ...attrs,
      body: graphAttr(graph({
        nodes: [node("Add", ["sum", "next"], ["total"]), node("Identity", ["total"], ["row"])],
        inputs: [value("sum", "float32", [2]), value("next", "float32", [2])],
        outputs: [value("total", "float32", [2]), value("row", "float32", [2])],
      })),
    })],
    inputs: [
      ...lengths ? [value(lengths, "int64", [batch])] : [],
      value("initial", "float32", [batch, 2]),
      value("x", "float32", [batch, 3, 2]),
    ],
    outputs: [value("y", "float32", [batch, 2]), value("z", "float32", [batch, 3, 2])],
  })).graph;

Deno.test("Scan before operator set 9 runs once for each of its batch", () => {
  const initial = floats([2, 2], [10, 20, 30, 40]);
  const got = evaluateGraph(running(2), [initial, counting([2, 3, 2])]);
  assert.deepEqual(got.map((t) => t.shape), [[2, 2], [2, 3, 2]]);
  assert.deepEqual(got.map(numbers), [
    [16, 29, 54, 67],
    [10, 21, 12, 24, 16, 29, 36, 47, 44, 56, 54, 67],
  ]);
});

Deno.test("Scan before operator set 9 turns sequences round, and is given whole ones", () => {
  const back = running(1, { directions: [1] });
  const [y, z] = evaluateGraph(back, [floats([1, 2], [0, 0]), counting([1, 3, 2])]);
  assert.deepEqual([y, z].map(numbers), [[6, 9], [4, 5, 6, 8, 6, 9]]);
  assert.throws(() => running(1, {}, "lengths"), /lengths of its sequences/);
});
