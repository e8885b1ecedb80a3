import assert from "node:assert/strict";
import { tensor, zeros } from "../util/tensor.ts";
import type { Graph, Node, Value } from "./graph.ts";
import type { OpDef } from "./opdef.ts";
import { countOps, printGraph, printNode } from "./print.ts";

const op = (name: string): OpDef<unknown> => ({
  name,
  onnx: [],
  infer: (_, [x]) => [x!],
  body: { kind: "compute", define: () => [] },
});
const val = (name: string, shape: (number | { sym: string })[]): Value => ({
  name,
  type: { dtype: "int8", shape },
});
const constant = (name: string, data: ReturnType<typeof tensor>): Value => ({
  name,
  type: data,
  data,
});
const node = (type: string, attrs: unknown, ins: (Value | null)[], out: Value): Node => ({
  name: out.name,
  op: op(type),
  attrs,
  ins,
  outs: [out],
  origin: [`a/${out.name}`, "two"],
  bodies: [],
});

const x = val("x", [{ sym: "batch" }, 3]), y = val("model/conv;relu:0", [1, 3]);
const z = val("with space", [1, 3]);
const w = constant("w", tensor("int8", [2, 9], Array.from({ length: 18 }, (_, i) => i - 9)));
const steps = constant("steps", tensor("float32", [5], [0.1, -0, 1e-12, 16777216, NaN]));
const shift = constant("shift", tensor("int64", [2], [-1, 5]));
const scale = constant("scale", tensor("float32", [], [0.30000001192092896]));
const conv = node(
  "Conv",
  {
    strides: [1, 2],
    pads: null,
    acc: "int32",
    flag: false,
    alpha: 0.1,
    table: tensor("uint8", [2], [1, 2]),
    rows: [[1], [2, 3]],
    inner: { a: 1, b: undefined },
    fn: { name: "tanh", def: {} },
    big: 3n,
  },
  [x, w, null, scale, shift],
  y,
);
const graph: Graph = {
  name: "my net",
  inputs: [x],
  outputs: [z, shift],
  outputNames: ["Identity", "shape"],
  nodes: [conv, node("Scale", null, [y, steps], z)],
  states: [],
};

Deno.test("a graph is printed as this", () => {
  assert.equal(
    printGraph(graph),
    `graph "my net"
  input %x: int8[batch,3]
  const %w: int8[2,9] = -9 .. 8
  const %steps: float32[5] = {0.1, -0, 1e-12, 16777216, NaN}
  %model/conv;relu:0: int8[1,3] = Conv(%x, %w, none, float32[] 0.3, int64[2] {-1, 5}) ` +
      `{strides=[1,2], acc=int32, flag=false, alpha=0.1, table=uint8[2] {1, 2}, rows=[[1],[2,3]], ` +
      `inner={a=1}, fn=tanh, big=3}  // "a/model/conv;relu:0", "two"
  %"with space": int8[1,3] = Scale(%model/conv;relu:0, %steps)  // "a/with space", "two"
  output %"with space" as "Identity"
  output int64[2] {-1, 5} as "shape"
`,
  );
});

Deno.test("floats print as the shortest text that is the same float32", () => {
  for (const v of [0.1, 1 / 3, 1e-45, 3.4028234663852886e38, 0.024480115622282028, -7.5]) {
    const t = constant("t", tensor("float32", [], [v]));
    const text = printNode(node("N", null, [t], y)).match(/float32\[\] (\S+)\)/)![1];
    assert.equal(Math.fround(Number(text)), Math.fround(v));
    assert(text.length <= String(Math.fround(v)).length);
  }
});

Deno.test("large constants are a range, with a word about NaN", () => {
  const data = zeros("float32", [20]);
  data.data[3] = 0.5;
  assert.match(
    printNode(node("N", { t: data }, [], y)),
    /\{t=float32\[20\] 0 \.\. 0\.5\}/,
  );
  data.data[4] = NaN;
  assert.match(printNode(node("N", { t: data }, [], y)), /0 \.\. 0\.5 and 1 NaN/);
});

Deno.test("operators are counted by name, nested graphs included", () => {
  const outer: Graph = { ...graph, nodes: [{ ...conv, bodies: [graph] }] };
  assert.deepEqual([...countOps(outer)], [["Conv", 2], ["Scale", 1]]);
});
