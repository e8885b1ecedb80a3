/** Comparisons that the types decide: C without the warning that they are always true or false. */
import assert from "node:assert/strict";
import { numbers, tensor as data } from "../../src/util/tensor.ts";
import { model, node, tensor, TYPE, value } from "../onnx_builder.ts";
import { board, compile, outputsOn } from "./support.ts";

const VALUES = [0, 1, 200, 255];
const cast = node("Cast", ["x"], ["c"], { to: TYPE.int32 });
const constants = [
  tensor("low", "int32", [], [-5]),
  tensor("high", "int32", [], [300]),
  tensor("zero", "uint8", [], [0]),
];

const CASES: readonly [string, Parameters<typeof node>[], string, number[]][] = [
  ["the size of what is not negative", [["Abs", ["c"], ["y"]]], "int32", VALUES],
  ["less than below all", [["Less", ["c", "low"], ["y"]]], "bool", [0, 0, 0, 0]],
  ["less than above all", [["Less", ["c", "high"], ["y"]]], "bool", [1, 1, 1, 1]],
  ["at least the least", [["GreaterOrEqual", ["x", "zero"], ["y"]]], "bool", [1, 1, 1, 1]],
  ["more than the least", [["Greater", ["x", "zero"], ["y"]]], "bool", [0, 1, 1, 1]],
  ["equal to what never comes", [["Equal", ["c", "low"], ["y"]]], "bool", [0, 0, 0, 0]],
];

for (const [what, nodes, dtype, want] of CASES) {
  Deno.test(`compared without a warning: ${what}`, async () => {
    const read = new Set(nodes.flatMap(([, ins]) => ins));
    const bytes = model({
      nodes: [...(read.has("c") ? [cast] : []), ...nodes.map((n) => node(...n))],
      inputs: [value("x", "uint8", [4])],
      outputs: [value("y", dtype, [4])],
      initializers: constants.filter((t) => read.has(t.name!)),
    });
    const host = board("host"), x = data("uint8", [4], VALUES);
    const artifact = await compile(bytes, host);
    assert.deepEqual(numbers(artifact.interpret([x])[0]), want);
    const [[y]] = await outputsOn(artifact, host, [[x]]);
    assert.deepEqual(numbers(y), want);
  });
}
