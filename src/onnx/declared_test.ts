import assert from "node:assert/strict";
import { evaluateGraph } from "../ir/evaluate.ts";
import { numbers, tensor } from "../util/tensor.ts";
import { type Attr, model, node, value } from "../../tests/onnx_builder.ts";
import { shapeOf, type Surroundings, wiring } from "./declared.ts";
import { importModel } from "./import.ts";
import type { NodeView } from "./reader.ts";

type Shapes = Readonly<Record<string, readonly number[]>>;
/** `y = +(a, b)`: an element-wise node; any other letter is one that is not. */
function around(lines: readonly string[], declared: Shapes, known: Shapes = {}): Surroundings {
  const nodes = lines.map((line): NodeView => {
    const [, y, opType, xs] = /^(\w+) = (.)\((.*)\)$/.exec(line)!;
    return { name: y, opType, domain: "", inputs: xs.split(", "), outputs: [y], attributes: [] };
  });
  return {
    ...wiring(nodes),
    declared: (name) => declared[name] ?? null,
    known: (name) => known[name] ?? null,
    operands: (n) => n.opType === "+" ? n.inputs : null,
  };
}

Deno.test("a value has the shape of what is computed from it element by element", () => {
  const chain = around(["a = +(x)", "b = +(a)", "y = +(b)"], { y: [3, 4] });
  assert.deepEqual(["x", "a", "y"].map((name) => shapeOf(name, chain)), [[3, 4], [3, 4], [3, 4]]);
  assert.equal(shapeOf("x", around(["a = +(x)", "y = f(a)"], { y: [3] })), null);
  assert.deepEqual(shapeOf("x", around(["a = f(x)", "y = +(x)"], { a: [9], y: [3] })), [3]);
  assert.equal(shapeOf("x", around(["y = +(x)"], {})), null);
});

Deno.test("what stands beside it must not have widened it", () => {
  const sum = (shape: readonly number[] | undefined, y: readonly number[] = [2, 3]) =>
    shapeOf("x", around(["y = +(x, c)"], { y }, shape ? { c: shape } : {}));
  assert.deepEqual([sum([]), sum([1]), sum([1, 1])], [[2, 3], [2, 3], [2, 3]]);
  assert.deepEqual([sum([3]), sum([2, 3]), sum([1, 1, 1]), sum(undefined)], [
    null,
    null,
    null,
    null,
  ]);
  // Of one element each: either of them may have the axis.
  assert.deepEqual([sum([1], [1]), sum([], [1])], [null, [1]]);
});

Deno.test("several ways from one value to a result are alike", () => {
  const ways = around(["a = +(x, k)", "b = +(a)", "c = +(a, k)", "y = +(b, c)"], { y: [7] }, {
    k: [],
  });
  assert.deepEqual(shapeOf("x", ways), [7]);
  const other = around(["a = +(x)", "b = +(z)", "y = +(a, b)"], { y: [7] });
  assert.equal(shapeOf("x", other), null);
});

Deno.test("chains without an end, and rings, end the search", () => {
  const long = Array.from({ length: 5000 }, (_, i) => `v${i + 1} = +(v${i}, v${i})`);
  assert.equal(shapeOf("v0", around(long, { v5000: [2] })), null);
  assert.equal(shapeOf("a", around(["b = +(a)", "a = +(b)"], {})), null);
});

const attrs: Record<string, Attr> = { keepdims: 0 };
/** √Σx² over axes that come when the model runs; only its end has a declared type. */
const norm = model({
  opsets: { "": 18 },
  nodes: [
    node("Mul", ["x", "x"], ["squares"]),
    node("ReduceSum", ["squares", "axes"], ["sum"], attrs),
    node("Sqrt", ["sum"], ["y"]),
  ],
  inputs: [value("x", "float32", [2, 3, 2]), value("axes", "int64", [1])],
  outputs: [value("y", "float32", [2, 2])],
});

Deno.test("axes of a reduction follow from the shape behind it, and are checked", () => {
  const x = tensor("float32", [2, 3, 2], [3, 0, 4, 0, 0, 5, 0, 6, 0, 8, 1, 0]);
  const { graph } = importModel(norm);
  const outs = evaluateGraph(graph, [x, tensor("int64", [1], [1])]);
  assert.deepEqual(numbers(outs[0]), [5, 5, 1, 10]);
  assert.deepEqual(graph.nodes.filter((n) => n.op.check).map((n) => n.op.name), ["Check"]);
});
