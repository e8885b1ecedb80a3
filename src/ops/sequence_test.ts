import assert from "node:assert/strict";
import {
  graph,
  graphAttr,
  model,
  type ModelParts,
  node,
  tensor,
  value,
} from "../../tests/onnx_builder.ts";
import { evaluateGraph } from "../ir/evaluate.ts";
import { dims } from "../ir/graph.ts";
import { importModel } from "../onnx/import.ts";
import { numbers, tensor as data, type TensorData } from "../util/tensor.ts";

const LETTERS = ["a", "b", "c"];
const INPUTS = LETTERS.map((name) => value(name, "float32", [2]));
const ROWS = [[1, 2], [3, 4], [5, 6]];
const ROW_DATA = ROWS.map((row) => data("float32", [2], row));
const construct = node("SequenceConstruct", LETTERS, ["s"]);
const position = (p: number) => data("int64", [], [p]);
const scalar = (name: string, p: number) => tensor(name, "int64", [], [p]);

/** Outputs of a model, each as its elements. */
const run = (p: ModelParts, ins: readonly TensorData[]): number[][] =>
  evaluateGraph(importModel(model({ opsets: { "": 17 }, ...p })).graph, ins).map((t) => numbers(t));
const refused = (p: ModelParts, text: RegExp) =>
  assert.throws(() => importModel(model(p)), (e) => text.test((e as Error).message));

/** All elements of a sequence of so many, one behind another. */
const joined = (nodes: ModelParts["nodes"], n: number, extra: ModelParts = {}): ModelParts => ({
  ...extra,
  inputs: [...INPUTS, ...extra.inputs ?? []],
  outputs: [value("y", "float32", [n, 2])],
  nodes: [
    construct,
    ...nodes!,
    node("ConcatFromSequence", ["t"], ["y"], { axis: 0, new_axis: 1 }),
  ],
});
const X = value("x", "float32", [2]);
const NEW = data("float32", [2], [7, 8]);

/** As a list of Python inserts, erases and gives: from the end where it is negative. */
const EXPECTED = {
  insert: (p: number) => ROWS.toSpliced(p, 0, [7, 8]).flat(),
  erase: (p: number) => ROWS.toSpliced(p, 1).flat(),
  at: (p: number) => ROWS.at(p)!,
};

for (const known of [true, false]) {
  const when = known ? "known" : "computed at run time";
  const given = (p: number): ModelParts =>
    known ? { initializers: [scalar("p", p)] } : { inputs: [value("p", "int64", [])] };
  const ins = (p: number): TensorData[] => known ? ROW_DATA : [...ROW_DATA, position(p)];

  Deno.test(`sequences: insert, erase and take at every position, which is ${when}`, () => {
    for (let p = -3; p <= 3; p++) {
      const { inputs = [], ...rest } = given(p);
      const inserted = joined([node("SequenceInsert", ["s", "x", "p"], ["t"])], 4, {
        ...rest,
        inputs: [X, ...inputs],
      });
      const [a, b, c, ...more] = ins(p);
      assert.deepEqual(run(inserted, [a, b, c, NEW, ...more]), [EXPECTED.insert(p)], `insert ${p}`);
      if (p === 3) continue;
      const erased = joined([node("SequenceErase", ["s", "p"], ["t"])], 2, given(p));
      assert.deepEqual(run(erased, ins(p)), [EXPECTED.erase(p)], `erase ${p}`);
      const taken: ModelParts = {
        ...rest,
        inputs: [...INPUTS, ...inputs],
        outputs: [value("y", "float32", [2])],
        nodes: [construct, node("SequenceAt", ["s", "p"], ["y"])],
      };
      assert.deepEqual(run(taken, ins(p)), [EXPECTED.at(p)], `at ${p}`);
    }
  });
}

Deno.test("sequences: without a position at the end, their length, an empty one", () => {
  const p = joined([
    node("SequenceErase", ["s"], ["u"]),
    node("SequenceInsert", ["u", "a"], ["t"]),
  ], 3);
  assert.deepEqual(run(p, ROW_DATA), [[1, 2, 3, 4, 1, 2]]);
  const length: ModelParts = {
    inputs: [X],
    outputs: [value("n", "int64", [])],
    nodes: [
      node("SequenceEmpty", [], ["e"]),
      node("SequenceInsert", ["e", "x"], ["s"]),
      node("SequenceInsert", ["s", "x"], ["t"]),
      node("SequenceLength", ["t"], ["n"]),
    ],
  };
  assert.deepEqual(run(length, [NEW]), [[2]]);
});

Deno.test("SplitToSequence: by one size with a rest, by sizes, into single rows", () => {
  const of = (attrs: Record<string, number>, shape: number[], split?: [number[], number[]]) => ({
    inputs: [value("x", "float32", [5, 2])],
    outputs: [value("y", "float32", shape)],
    initializers: [
      scalar("last", -1),
      ...split ? [tensor("sizes", "int64", split[0], split[1])] : [],
    ],
    nodes: [
      node("SplitToSequence", split ? ["x", "sizes"] : ["x"], ["s"], attrs),
      node("SequenceAt", ["s", "last"], ["y"]),
    ],
  });
  const x = data("float32", [5, 2], Array.from({ length: 10 }, (_, i) => i));
  assert.deepEqual(run(of({ axis: 0 }, [1, 2], [[], [2]]), [x]), [[8, 9]]);
  assert.deepEqual(run(of({ axis: 0 }, [3, 2], [[2], [2, 3]]), [x]), [[4, 5, 6, 7, 8, 9]]);
  assert.deepEqual(run(of({ axis: 1, keepdims: 0 }, [5]), [x]), [[1, 3, 5, 7, 9]]);
  assert.deepEqual(run(of({ axis: 1 }, [5, 1]), [x]), [[1, 3, 5, 7, 9]]);
});

Deno.test("SequenceMap, Loop and If work on sequences; outputs are their elements", () => {
  const v = (name: string) => value(name, "float32", [2]);
  const s = (name: string) => ({ name, type: { sequenceType: { elemType: v("").type } } });
  const double = graph({
    inputs: [v("e"), v("k")],
    outputs: [v("f")],
    nodes: [node("Mul", ["e", "k"], ["f"])],
  });
  const mapped: ModelParts = {
    inputs: INPUTS,
    outputs: [s("y")],
    nodes: [
      construct,
      node("SequenceMap", ["s", "a"], ["y"], { body: graphAttr(double) }),
    ],
  };
  const { graph: g, notes } = importModel(model({ opsets: { "": 17 }, ...mapped }));
  assert.deepEqual(g.outputNames, ["y_0", "y_1", "y_2"]);
  assert.match(
    notes.join(),
    /the output 'y' is a sequence of 3: its elements are the outputs 'y_0'/,
  );
  assert.deepEqual(run(mapped, ROW_DATA), [[1, 4], [3, 8], [5, 12]]);
  const body = graph({
    inputs: [value("i", "int64", []), value("go", "bool", []), s("state")],
    outputs: [value("go_on", "bool", []), s("next")],
    nodes: [
      node("Identity", ["go"], ["go_on"]),
      node("SequenceAt", ["s", "i"], ["e"]),
      node("Neg", ["e"], ["f"]),
      node("SequenceInsert", ["state", "f", "i"], ["next"]),
    ],
  });
  const looped = joined([
    node("SequenceEmpty", [], ["empty"]),
    node("SequenceLength", ["s"], ["n"]),
    node("Loop", ["n", "", "empty"], ["t"], { body: graphAttr(body) }),
  ], 3);
  assert.deepEqual(run(looped, ROW_DATA), [[-1, -2, -3, -4, -5, -6]]);
  const branch = (names: string[]) =>
    graphAttr(graph({
      outputs: [s("r")],
      nodes: [node("SequenceConstruct", names, ["r"])],
    }));
  const branches = { then_branch: branch(["a", "b"]), else_branch: branch(["b", "c"]) };
  const chosen = joined([node("If", ["go"], ["t"], branches)], 2, {
    inputs: [value("go", "bool", [])],
  });
  for (const [c, expected] of [[1, [1, 2, 3, 4]], [0, [3, 4, 5, 6]]] as const) {
    assert.deepEqual(run(chosen, [...ROW_DATA, data("bool", [], [c])]), [expected]);
  }
});

Deno.test("optionals are their element or nothing", () => {
  const p = (given: string[], out: string): ModelParts => ({
    inputs: [X],
    outputs: [out === "y" ? value("y", "float32", [2]) : value("has", "bool", [])],
    nodes: [
      node("Optional", given, ["o"]),
      node("OptionalHasElement", ["o"], ["has"]),
      ...out === "y" ? [node("OptionalGetElement", ["o"], ["y"])] : [],
    ],
    opsets: { "": 18 },
  });
  assert.deepEqual(run(p(["x"], "y"), [NEW]), [[7, 8]]);
  assert.deepEqual(run(p(["x"], "has"), [NEW]), [[1]]);
  assert.deepEqual(run(p([""], "has"), [NEW]), [[0]]);
  refused(p([""], "y"), /its optional has no element/);
});

Deno.test("sequences: what is not known is refused with the reason", () => {
  const at = (initializers: ModelParts["initializers"], inputs: ModelParts["inputs"]) => ({
    inputs: [value("a", "float32", [2]), value("b", "float32", [3]), ...inputs!],
    outputs: [value("y", "float32", ["n"])],
    initializers,
    nodes: [node("SequenceConstruct", ["a", "b"], ["s"]), node("SequenceAt", ["s", "p"], ["y"])],
  });
  refused(at([], [value("p", "int64", [])]), /float32\[2\] and float32\[3\]/);
  refused(at([scalar("p", 2)], []), /its position 2 is outside of a sequence of 2/);
  refused(
    {
      inputs: INPUTS,
      outputs: [value("y", "float32", [2])],
      nodes: [construct, node("Relu", ["s"], ["y"])],
    },
    /its input 's' is a sequence/,
  );
  const { graph: g } = importModel(model(at([scalar("p", -1)], [])));
  assert.deepEqual(dims(g.outputs[0].type), [3]);
});
