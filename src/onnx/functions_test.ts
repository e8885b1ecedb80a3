import assert from "node:assert/strict";
import { BurinError } from "../util/errors.ts";
import { numbers } from "../util/tensor.ts";
import {
  type Call,
  floatAttr,
  type FunctionParts,
  graph,
  graphAttr,
  model,
  type ModelParts,
  node,
  refAttr,
  tensor,
  tensorAttr,
  value,
} from "../../tests/onnx_builder.ts";
import { importModel } from "./import.ts";

const FLOAT = 1, INT = 2, TENSOR = 4, GRAPH = 5, INTS = 7;
const Y = value("y", "float32", [2]);
const OPSETS = { "": 17, local: 1 };

/** A model whose x is the constant [3, -4], so that its outputs are computed. */
const read = (p: ModelParts) =>
  importModel(model({
    outputs: [Y],
    opsets: OPSETS,
    initializers: [tensor("x", "float32", [2], [3, -4])],
    ...p,
  }));
const computed = (p: ModelParts): number[][] => read(p).graph.outputs.map((v) => numbers(v.data!));

const refused = (p: ModelParts, text: RegExp): void =>
  assert.throws(() => read(p), (e) => {
    assert(e instanceof BurinError, String(e));
    assert.equal(e.code, "model/malformed");
    assert.match(e.message, text);
    return true;
  });

const call = (name: string, inputs: string[], outputs: string[], attrs = {}): Call =>
  node(`local:${name}`, inputs, outputs, attrs);

/** a·x + b, with b left to the caller. */
const AFFINE: FunctionParts = {
  name: "Affine",
  inputs: ["x", "b"],
  outputs: ["y"],
  attributes: ["a"],
  nodes: [
    node("Constant", [], ["c"], { value_float: refAttr("a", FLOAT) }),
    node("Mul", ["x", "c"], ["t"]),
    node("Add", ["t", "b"], ["y"]),
  ],
};

Deno.test("a call becomes the function's nodes, with its attributes", () => {
  const p = {
    functions: [AFFINE],
    nodes: [call("Affine", ["x", "x"], ["y"], { a: floatAttr(10) })],
  };
  assert.deepEqual(computed(p), [[33, -44]]);
});

Deno.test("names of a function are its own at every call", () => {
  // Values of the graph have names that the function uses inside, and that inlining would make.
  const { graph: g } = importModel(model({
    opsets: OPSETS,
    functions: [AFFINE],
    inputs: [value("x", "float32", [2])],
    outputs: [Y],
    nodes: [
      node("Relu", ["x"], ["t"], {}, "f"),
      node("Neg", ["x"], ["f/t"]),
      { ...call("Affine", ["t", "x"], ["c"], { a: floatAttr(2) }), name: "f" },
      { ...call("Affine", ["c", "f/t"], ["b"], { a: floatAttr(3) }), name: "f" },
      node("Add", ["b", "t"], ["y"]),
    ],
  }));
  const names = g.nodes.flatMap((n) => n.outs.map((v) => v.name));
  assert.equal(new Set(names).size, names.length);
  assert.deepEqual(
    g.nodes.map((n) => n.name),
    ["f", "f/t_node", "f/t_node_2", "f/y_node", "f_2/t_node", "f_2/y_node", "y_node"],
  );
  assert.deepEqual(g.nodes.map((n) => n.outs[0].name).slice(-3), ["f_2/t", "b", "y"]);
});

Deno.test("functions call functions and hand attributes on", () => {
  const twice: FunctionParts = {
    name: "Twice",
    inputs: ["x"],
    outputs: ["y"],
    attributes: ["k"],
    nodes: [
      call("Affine", ["x", "x"], ["t"], { a: refAttr("k", FLOAT) }),
      call("Affine", ["t", "x"], ["y"], { a: refAttr("k", FLOAT) }),
    ],
  };
  const p = {
    functions: [twice, AFFINE],
    nodes: [call("Twice", ["x"], ["y"], { k: floatAttr(2) })],
  };
  assert.deepEqual(computed(p), [[2 * (2 * 3 + 3) + 3, 2 * (2 * -4 - 4) - 4]]);
});

Deno.test("attributes that a call leaves out have the function's default, or the operator's", () => {
  const leaky: FunctionParts = {
    name: "Leaky",
    inputs: ["x"],
    outputs: ["y", "z"],
    attributes: ["other"],
    defaults: { alpha: floatAttr(0.5) },
    nodes: [
      node("LeakyRelu", ["x"], ["y"], { alpha: refAttr("alpha", FLOAT) }),
      node("LeakyRelu", ["x"], ["z"], { alpha: refAttr("other", FLOAT) }),
    ],
  };
  const outputs = [Y, value("z", "float32", [2])];
  const of = (attrs: Record<string, ReturnType<typeof floatAttr>>) =>
    computed({ functions: [leaky], outputs, nodes: [call("Leaky", ["x"], ["y", "z"], attrs)] });
  const single = Math.fround(-4 * Math.fround(0.01));
  assert.deepEqual(of({}), [[3, -2], [3, single]]);
  assert.deepEqual(of({ alpha: floatAttr(0.25), other: floatAttr(2) }), [[3, -1], [3, -8]]);
});

Deno.test("tensors, lists of integers and graphs are attributes too", () => {
  const f: FunctionParts = {
    name: "F",
    inputs: ["x", "c"],
    outputs: ["y"],
    attributes: ["t", "axes", "g"],
    nodes: [
      node("Constant", [], ["k"], { value: refAttr("t", TENSOR) }),
      node("Constant", [], ["axes"], { value_ints: refAttr("axes", INTS) }),
      node("If", ["c"], ["b"], {
        then_branch: graphAttr(graph({
          // Reads values of the function around it, and an input of it.
          nodes: [node("Mul", ["x", "k"], ["inner"])],
          outputs: [value("inner", "float32", [2])],
        })),
        else_branch: refAttr("g", GRAPH),
      }),
      node("ReduceSum", ["b", "axes"], ["y"], { keepdims: 0 }),
    ],
  };
  const of = (c: number) =>
    computed({
      functions: [{ ...f, opsets: { "": 13 } }],
      outputs: [value("y", "float32", [])],
      initializers: [
        tensor("x", "float32", [2], [3, -4]),
        tensor("k", "float32", [], [1000]),
        tensor("c", "bool", [], [c]),
      ],
      nodes: [call("F", ["x", "c"], ["y"], {
        t: tensorAttr(tensor("t", "float32", [2], [10, 1])),
        axes: [0],
        // A graph that a call hands in reads the values where the call stands.
        g: graphAttr(graph({
          nodes: [node("Mul", ["x", "k"], ["inner"])],
          outputs: [value("inner", "float32", [2])],
        })),
      })],
    });
  assert.deepEqual([of(1), of(0)], [[[26]], [[-1000]]]);
});

Deno.test("a function reads operators in its own version of their set", () => {
  // Softmax of set 11 flattens to two dimensions first, that of 13 does not.
  const soft = (version: number): FunctionParts => ({
    name: `Soft${version}`,
    inputs: ["x"],
    outputs: ["y"],
    opsets: { "": version },
    nodes: [node("Softmax", ["x"], ["y"], { axis: 0 })],
  });
  const y = (version: number) =>
    computed({
      functions: [soft(11), soft(13)],
      outputs: [value("y", "float32", [1, 2])],
      initializers: [tensor("x", "float32", [1, 2], [5, 5])],
      nodes: [call(`Soft${version}`, ["x"], ["y"])],
    });
  assert.deepEqual([y(11), y(13)], [[[0.5, 0.5]], [[1, 1]]]);
});

Deno.test("overloads of one name are told apart; documentation is none", () => {
  const times = (overload: string, k: number): FunctionParts => ({
    name: "Times",
    overload,
    inputs: ["x"],
    outputs: ["y"],
    nodes: [
      { ...node("Constant", [], ["k"], { value_float: floatAttr(k) }), docString: "two" },
      node("Mul", ["x", "k"], ["y"]),
    ],
  });
  const of = (overload: string) =>
    computed({
      functions: [times("", 1), times("two", 2), times("three", 3)],
      nodes: [{ ...call("Times", ["x"], ["y"]), overload, docString: "three" }],
    });
  assert.deepEqual([of(""), of("two"), of("three")], [[[3, -4]], [[6, -8]], [[9, -12]]]);
});

Deno.test("inputs and outputs may be left out, outputs may be inputs", () => {
  const clip: FunctionParts = {
    name: "Clipped",
    inputs: ["x", "low", "high"],
    outputs: ["unused", "y", "same", "again"],
    nodes: [
      node("Clip", ["x", "low", "high"], ["y"]),
      node("Neg", ["x"], ["unused"]),
      node("Identity", ["y"], ["again"]),
    ],
  };
  const pass: FunctionParts = { name: "Pass", inputs: ["a"], outputs: ["a", "a"], nodes: [] };
  const p = {
    functions: [clip, pass],
    outputs: [Y, value("z", "float32", [2]), value("w", "float32", [2])],
    initializers: [tensor("x", "float32", [2], [3, -4]), tensor("one", "float32", [], [1])],
    nodes: [
      call("Clipped", ["x", "", "one"], ["", "y"]),
      call("Pass", ["x"], ["z", "w"]),
    ],
  };
  assert.deepEqual(computed(p), [[1, -4], [3, -4], [3, -4]]);
});

Deno.test("a call in a branch is inlined there", () => {
  const branch = (a: number) =>
    graphAttr(graph({
      nodes: [call("Affine", ["x", "x"], ["r"], { a: floatAttr(a) })],
      outputs: [value("r", "float32", [2])],
    }));
  const p = {
    functions: [AFFINE],
    initializers: [tensor("x", "float32", [2], [3, -4]), tensor("c", "bool", [], [0])],
    nodes: [node("If", ["c"], ["y"], { then_branch: branch(1), else_branch: branch(9) })],
  };
  assert.deepEqual(computed(p), [[30, -40]]);
});

Deno.test("a function of the model goes before an operator of that name", () => {
  const relu: FunctionParts = {
    name: "Relu",
    domain: "",
    inputs: ["x"],
    outputs: ["y"],
    nodes: [node("Neg", ["x"], ["y"])],
  };
  assert.deepEqual(computed({ functions: [relu], nodes: [node("Relu", ["x"], ["y"])] }), [[-3, 4]]);
});

Deno.test("unsupported operators in functions are named with the call that leads there", () => {
  const f: FunctionParts = {
    name: "F",
    inputs: ["x"],
    outputs: ["y"],
    nodes: [node("NoSuchThing", ["x"], ["y"], {}, "inner")],
  };
  const p = { functions: [f], nodes: [{ ...call("F", ["x"], ["y"]), name: "outer" }] };
  assert.throws(() => read(p), /'outer\/inner' \(NoSuchThing\): Burin does not have this operator/);
});

Deno.test("functions that call themselves, or too often, and calls that do not fit are refused", () => {
  const calls = (name: string, ...of: string[]): FunctionParts => ({
    name,
    inputs: ["x"],
    outputs: ["y"],
    nodes: of.map((f, i) => call(f, ["x"], [i ? `y${i}` : "y"])),
  });
  const nodes = [call("F0", ["x"], ["y"])];
  refused({ functions: [calls("F0", "F0")], nodes }, /its function 'F0' calls itself/);
  refused({ functions: [calls("F0", "F1"), calls("F1", "F0")], nodes }, /'F0' calls itself/);
  const chain = (n: number, copies: number) =>
    Array.from(
      { length: n },
      (_, i) =>
        i === n - 1
          ? { ...calls(`F${i}`), nodes: [node("Neg", ["x"], ["y"])] }
          : calls(`F${i}`, ...Array(copies).fill(`F${i + 1}`)),
    );
  refused({ functions: chain(70, 1), nodes }, /nested deeper than 64/);
  refused({ functions: chain(40, 2), nodes }, /call each other too often/);
  assert.deepEqual(computed({ functions: chain(60, 1), nodes }), [[-3, 4]]);
  const one = [calls("F0", "F1"), { ...calls("F1"), nodes: [node("Neg", ["x"], ["y"])] }];
  refused(
    { functions: one, nodes: [call("F0", ["x", "x"], ["y"])] },
    /'y_node' has 2 inputs .* has 1/,
  );
  refused({ functions: one, nodes: [call("F0", ["x"], ["y", "z"])] }, /has 2 outputs .* has 1/);
  refused({ functions: [...one, one[0]], nodes }, /defines the function 'F0' of 'local' twice/);
});

Deno.test("an attribute of a function outside of functions is refused", () => {
  const nodes = [node("LeakyRelu", ["x"], ["y"], { alpha: refAttr("a", INT) })];
  refused({ nodes }, /'alpha' of the node 'y_node' has the value of a function's 'a'/);
});
