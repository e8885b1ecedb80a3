/** What only looks alike stays apart. */
import assert from "node:assert/strict";
import { tensor } from "../util/tensor.ts";
import { Builder } from "../ir/build.ts";
import type { Graph, Value } from "../ir/graph.ts";
import { add, transpose } from "../ops/mod.ts";
import { commonSubexpressions } from "./common_subexpressions.ts";

const x: Value = { name: "x", type: { dtype: "int8", shape: [2, 2] } };

/** How many nodes are left of those that compute the outputs. */
function left(outputs: readonly Value[], b: Builder): number {
  const outputNames = outputs.map((v) => v.name);
  const g: Graph = { name: "g", inputs: [x], outputs, outputNames, nodes: b.nodes, states: [] };
  return commonSubexpressions(g).nodes.length;
}

Deno.test("nodes of other attributes are others", () => {
  const b = new Builder();
  const turned = (perm: number[]): Value => b.node(transpose, { perm }, [x])[0];
  assert.equal(left([turned([1, 0]), turned([0, 1]), turned([1, 0])], b), 2);
});

Deno.test("constants of one checksum, of one type or of one shape are others", () => {
  const b = new Builder();
  // 31·0 + 31 = 31·1 + 0: the same checksum.
  const sums = [
    tensor("int8", [1, 2], [0, 31]),
    tensor("int8", [1, 2], [1, 0]),
    tensor("int8", [2, 1], [0, 31]),
    tensor("int8", [1, 2], [0, 31]),
  ].map((c) => b.node(add, null, [x, b.constant(c)])[0]);
  assert.equal(left(sums, b), 3);
});
