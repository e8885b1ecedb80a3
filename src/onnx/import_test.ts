import assert from "node:assert/strict";
import { BurinError } from "../util/errors.ts";
import { numbers } from "../util/tensor.ts";
import { axis, compute, reduce } from "../te/compute.ts";
import { add, eq, imm, load, select } from "../te/expr.ts";
import { dims, typeText } from "../ir/graph.ts";
import { type OpDef, OpError } from "../ir/opdef.ts";
import { printGraph } from "../ir/print.ts";
import { verifyGraph } from "../ir/verify.ts";
import {
  floatAttr,
  graph,
  graphAttr,
  model,
  type ModelParts,
  node,
  tensor,
  tensorAttr,
  value,
} from "../../tests/onnx_builder.ts";
import { ops as constant } from "../ops/constant.ts";
import { importModel, type ImportOptions, UnsupportedNodes } from "./import.ts";

/** y = x + bias, with what the importer has to handle: versions, an operand, an optional input. */
const plus: OpDef<{ bias: number; times: readonly number[] }> = {
  name: "Plus",
  onnx: [
    {
      domain: "",
      type: "Plus",
      since: 7,
      inputs: 1,
      attrs: (r) => ({ bias: r.int("bias", 1), times: r.operandInts(1) ?? [] }),
    },
    {
      domain: "",
      type: "Plus",
      since: 13,
      inputs: 1,
      attrs: (r) => ({ bias: r.int("bias", 100), times: r.operandInts(1) ?? [] }),
    },
    { domain: "my.domain", type: "Plus", since: 2, attrs: () => ({ bias: 5, times: [] }) },
  ],
  infer(a, [x]) {
    if (!x) throw new OpError("its input is missing");
    if (a.bias < 0) throw new OpError("its bias is negative", "use a positive one");
    return [x];
  },
  body: {
    kind: "compute",
    define: (a, [x], [out]) => [
      compute("y", out.dtype, dims(out), (...at) => add(load(x!, at), imm(a.bias, out.dtype))),
    ],
  },
};
/** The shape of a value as int64, which loads nothing. */
const shape: OpDef<null> = {
  name: "Shape",
  onnx: [{ domain: "", type: "Shape", since: 1, attrs: () => null }],
  infer: (_, [x]) => [{ dtype: "int64", shape: [x!.shape.length] }],
  body: {
    kind: "compute",
    define: (_, [x]) => [
      compute("y", "int64", [x!.shape.length], (i) =>
        x!.shape.reduceRight(
          (rest, n, axis) => select(eq(i, axis), imm(n, "int64"), rest),
          imm(0, "int64") as ReturnType<typeof select>,
        )),
    ],
  },
};
const product: OpDef<null> = {
  name: "Product",
  onnx: [{ domain: "", type: "Product", since: 1, attrs: () => null }],
  infer: (_, [x]) => [{ dtype: x!.dtype, shape: [] }],
  body: {
    kind: "compute",
    define: (_, [x]) => [
      compute("y", x!.dtype, [], () => {
        const over = x!.shape.map((n, i) => axis(`r${i}`, n));
        return reduce("prod", over, load(x!, over.map((r) => r.v)), { init: imm(1, x!.dtype) });
      }),
    ],
  },
};
const keep: OpDef<{ bias: number; times: readonly number[] }> = {
  ...plus,
  name: "Keep",
  fold: false,
  onnx: [{ domain: "", type: "Keep", since: 1, attrs: () => ({ bias: 2, times: [] }) }],
};
/** A node with a nested graph. */
const repeat: OpDef<null> = {
  ...shape,
  name: "Repeat",
  onnx: [{ domain: "", type: "Repeat", since: 1, attrs: () => null }],
  infer: (_, [x]) => [x!],
};
const OPS = [plus, shape, product, keep, repeat, ...constant];

const X = value("x", "int32", [2, 3]);
const Y = value("y", "int32", [2, 3]);

function read(p: ModelParts, options: ImportOptions = {}) {
  const r = importModel(model({ inputs: [X], outputs: [Y], ...p }), { ops: OPS, ...options });
  verifyGraph(r.graph, "import");
  return r;
}

function refused(
  p: ModelParts,
  code: string,
  text: RegExp,
  options: ImportOptions = {},
): BurinError {
  let error: unknown;
  try {
    read(p, options);
  } catch (e) {
    error = e;
  }
  assert(error instanceof BurinError, `not refused: ${error}`);
  assert.equal(error.code, code, error.message);
  assert.match(`${error.message} | ${error.hint}`, text);
  return error;
}

Deno.test("a graph is imported under the names of the file", () => {
  const { graph, opCounts, notes, producer } = read({
    nodes: [
      node("Plus", ["x"], ["a/b;c:0"], {}, ""),
      node("Plus", ["a/b;c:0", ""], ["y"], { bias: 3 }, "same"),
    ],
  }, { name: "net" });
  assert.equal(
    printGraph(graph),
    `graph net
  input %x: int32[2,3]
  %a/b;c:0: int32[2,3] = Plus(%x) {bias=100, times=[]}  // "Plus_0"
  %y: int32[2,3] = Plus(%a/b;c:0) {bias=3, times=[]}  // "same"
  output %y as "y"
`,
  );
  assert.deepEqual([...opCounts], [["Plus", 2]]);
  assert.deepEqual(notes, []);
  assert.equal(producer, "test");
});

Deno.test("the newest reading that is not newer than the operator set is taken", () => {
  const bias = (opsets: Record<string, number>, type = "Plus") =>
    (read({ nodes: [node(type, ["x"], ["y"])], opsets }).graph.nodes[0].attrs as { bias: number })
      .bias;
  assert.equal(bias({ "": 12 }), 1);
  assert.equal(bias({ "": 13 }), 100);
  assert.equal(bias({ "ai.onnx": 21 }), 100);
  assert.equal(bias({ "": 13, "my.domain": 2 }, "my.domain:Plus"), 5);
  refused(
    { nodes: [node("Plus", ["x"], ["y"])], opsets: { "": 6 } },
    "model/unsupported-operators",
    /operator set 6 is older than 7/,
  );
});

Deno.test("a whole number stands for a float", () => {
  const scaled: OpDef<number> = {
    ...shape as unknown as OpDef<number>,
    fold: false,
    onnx: [{ domain: "", type: "Scaled", since: 1, attrs: (r) => r.float("by") }],
  };
  const nodes = [node("Scaled", ["x"], ["y"], { by: 3 })];
  const { graph } = importModel(model({ inputs: [X], nodes, outputs: [{ name: "y" }] }), {
    ops: [scaled],
  });
  assert.equal(graph.nodes[0].attrs, 3);
});

Deno.test("of a domain that no operator set is imported of the newest version is taken", () => {
  const nodes = [node("my.domain:Plus", ["x"], ["a"]), node("my.domain:Plus", ["a"], ["y"])];
  const { graph, notes } = read({ nodes });
  assert.equal((graph.nodes[0].attrs as { bias: number }).bias, 5);
  assert.deepEqual(notes, [
    "the model imports no operator set 'my.domain'; version 2 is taken",
  ]);
  refused(
    { nodes: [node("Plus", ["x"], ["y"])], opsets: { "my.domain": 2 } },
    "model/unsupported-operators",
    /imports no operator set 'ai.onnx'/,
  );
});

Deno.test("operator sets of unused domains do not matter", () => {
  read({ nodes: [node("Plus", ["x"], ["y"])], opsets: { "": 17, "who.knows": 99 } });
});

Deno.test("a file before IR version 3 may name no operator set, a later one may not", () => {
  const nodes = [node("Keep", ["x"], ["y"])];
  read({ nodes, opsets: {}, irVersion: 2 });
  refused({ nodes, opsets: {} }, "model/malformed", /imports no operator set/);
});

Deno.test("initialisers listed as inputs are constants", () => {
  const { graph } = read({
    inputs: [X, value("n", "int64", [1])],
    initializers: [tensor("n", "int64", [1], [7])],
    nodes: [node("Plus", ["x", "n"], ["y"])],
  });
  assert.deepEqual(graph.inputs.map((v) => v.name), ["x"]);
  assert.deepEqual(graph.nodes[0].attrs, { bias: 100, times: [7] });
});

Deno.test("a leading symbolic dimension is 1 unless it is given, with a note", () => {
  const p = {
    inputs: [value("x", "int32", ["batch", 3])],
    outputs: [value("y", "int32", ["other", 3])],
    nodes: [node("Plus", ["x"], ["y"])],
  };
  const one = read(p);
  assert.equal(typeText(one.graph.inputs[0].type), "int32[1,3]");
  assert.deepEqual(one.notes, [
    "the leading dimension 'batch' of the input 'x' is taken as 1; --dim batch=N gives it another size",
  ]);
  const four = read(p, { dims: { batch: 4 } });
  assert.equal(typeText(four.graph.outputs[0].type), "int32[4,3]");
  assert.deepEqual(four.notes, []);
  const anonymous = { ...p, inputs: [value("x", "int32", [null, 3])] };
  assert.equal(typeText(read(anonymous).graph.inputs[0].type), "int32[1,3]");
  assert.equal(
    typeText(read(anonymous, { dims: { "x.0": 2 } }).graph.inputs[0].type),
    "int32[2,3]",
  );
});

Deno.test("other dimensions need a size, and every --dim a dimension", () => {
  const p = {
    inputs: [value("x", "int32", ["batch", "time", "time", null])],
    outputs: [value("y", "int32", ["batch", "time", "time", "width"])],
    nodes: [node("Plus", ["x"], ["y"])],
  };
  refused(
    p,
    "model/unbound-dimension",
    /'time' \(axis 1 of the input 'x'\), 'x\.3' \(axis 3.*--dim time=N --dim x\.3=N/,
  );
  refused(
    p,
    "usage/unknown-dimension",
    /no dimension of that name.*did you mean time.*'batch', 'time', 'x\.3'/,
    { dims: { tine: 2 } },
  );
  refused(p, "usage/bad-dimension", /not a positive integer/, { dims: { time: 0 } });
  const { graph } = read(p, { dims: { time: 2, "x.3": 5 } });
  assert.equal(typeText(graph.inputs[0].type), "int32[1,2,2,5]");
  // A name that only outputs have is known, and has to be right.
  refused(p, "model/output-mismatch", /'width' of 6.*int32\[1,2,2,5\]/, {
    dims: { time: 2, "x.3": 5, width: 6 },
  });
});

Deno.test("a dimension that leads one input and not another gets no default", () => {
  refused(
    {
      inputs: [value("x", "int32", ["n", 3]), value("z", "int32", [1, "n"])],
      nodes: [node("Plus", ["x"], ["y"])],
    },
    "model/unbound-dimension",
    /'n' \(axis 0 of the input 'x'\)/,
  );
});

Deno.test("inputs without a shape or of another kind are refused", () => {
  const nodes = [node("Plus", ["x"], ["y"])];
  refused({ nodes, inputs: [value("x", "int32", null)] }, "model/unknown-shape", /'x'/);
  refused({ nodes, inputs: [{ name: "x" }] }, "model/unsupported-type", /of no type/);
  refused({ nodes, inputs: [value("x", "string", [1])] }, "model/unsupported-type", /string/);
  refused(
    { nodes, inputs: [{ name: "x", type: { sequenceType: {} } }] },
    "model/unsupported-type",
    /a sequence/,
  );
});

Deno.test("what depends on constants alone is computed, Shape of anything included", () => {
  const { graph } = read({
    nodes: [
      node("Shape", ["x"], ["s"]),
      node("Product", ["s"], ["p"]),
      node("Plus", ["p"], ["q"], { bias: 4 }),
      node("Plus", ["x", "q"], ["y"]),
    ],
  });
  assert.equal(graph.nodes.length, 1);
  assert.deepEqual(graph.nodes[0].attrs, { bias: 100, times: [10] });
});

Deno.test("an operator may keep its nodes; its result is still known where it is asked for", () => {
  const { graph } = read({
    initializers: [tensor("c", "int32", [1], [40])],
    nodes: [
      node("Keep", ["c"], ["d"]),
      node("Plus", ["d"], ["e"], { bias: 1 }),
      node("Plus", ["x", "e"], ["y"]),
    ],
  });
  assert.deepEqual(graph.nodes.map((n) => n.op.name), ["Keep", "Plus", "Plus"]);
  assert.deepEqual(graph.nodes[2].attrs, { bias: 100, times: [43] });
});

Deno.test("Constant takes all its forms", () => {
  const forms = {
    value: tensorAttr(tensor("", "int64", [2], [1, 2])),
    value_int: 7,
    value_ints: [3, -4],
  };
  for (const [name, v] of Object.entries(forms)) {
    const { graph } = read({
      nodes: [node("Constant", [], ["c"], { [name]: v }), node("Plus", ["x", "c"], ["y"])],
    });
    const expected = { value: [1, 2], value_int: [7], value_ints: [3, -4] }[name];
    assert.deepEqual((graph.nodes[0].attrs as { times: number[] }).times, expected);
  }
  const { graph } = read({
    nodes: [
      node("Constant", [], ["y"], { value_floats: { type: 6, floats: [0.5, 2] } }),
      node("Constant", [], ["z"], { value_float: floatAttr(0.25) }),
    ],
    outputs: [value("y", "float32", [2]), value("z", "float32", [])],
  });
  assert.deepEqual(graph.outputs.map((v) => numbers(v.data!)), [[0.5, 2], [0.25]]);
  refused(
    { nodes: [node("Constant", [], ["y"], { value_string: "text" })] },
    "model/unsupported-operators",
    /'value_string' is of a kind/,
  );
});

Deno.test("every unsupported node is named at once, behind unsupported ones and in bodies too", () => {
  const e = refused(
    {
      nodes: [
        node("Foo", ["x"], ["a"], {}, "first"),
        node("Plus", ["a"], ["b"], { bias: -1 }, "second"),
        node("com.acme:Bar", ["b"], ["c", "d"], {
          body: graphAttr(graph({ nodes: [node("Baz", ["x"], ["i"], {}, "")] })),
        }, "third"),
        node("Plus", ["c"], ["e"], {}, "fine"),
        node("Plus", ["x", "x"], ["y"], {}, "fourth"),
        node("Plus", ["x"], ["w", "mask"], {}, "fifth"),
        node("Plus", ["x"], ["v"], { bias: "one" }, "sixth"),
      ],
      valueInfo: [value("a", "int32", [2, 3])],
    },
    "model/unsupported-operators",
    /7 of its 8 nodes are not supported/,
  );
  assert(e instanceof UnsupportedNodes);
  assert.deepEqual(
    e.problems.map((p) => `${p.node}${p.where} ${p.type}: ${p.reason}`),
    [
      "first Foo: Burin does not have this operator",
      "second Plus: its bias is negative",
      "third com.acme:Bar: Burin does not have this operator",
      "Baz_0 in 'third' Baz: Burin does not have this operator",
      "fourth Plus: its input 1 ('x') is computed when the model runs",
      "fifth Plus: its output 'mask' is not supported",
      "sixth Plus: its attribute 'bias' is a text where an integer belongs",
    ],
  );
  assert.match(e.message, /\n {2}'Baz_0' in 'third' \(Baz\): Burin/);
  assert.match(e.message, /'second' \(Plus\): its bias is negative; use a positive one\n/);
  assert.equal(e.exitCode, 1);
});

Deno.test("nodes may come unsorted", () => {
  const { graph, notes } = read({
    nodes: [node("Plus", ["b"], ["y"]), node("Plus", ["a"], ["b"]), node("Plus", ["x"], ["a"])],
  });
  assert.deepEqual(graph.nodes.map((n) => n.outs[0].name), ["a", "b", "y"]);
  assert.deepEqual(notes, ["the nodes are not in order; they were sorted"]);
});

Deno.test("nested graphs become bodies that capture values", () => {
  const body = graph({
    nodes: [node("Plus", ["i"], ["j"]), node("Plus", ["a"], ["k"])],
    inputs: [value("i", "int32", [2])],
    outputs: [value("j", "int32", [2]), value("k", "int32", [2, 3])],
  });
  const { graph: g, opCounts } = read({
    nodes: [
      node("Repeat", ["x"], ["y"], { body: graphAttr(body) }, "loop"),
      node("Plus", ["x"], ["a"], {}, "late"),
    ],
  });
  assert.deepEqual(g.nodes.map((n) => n.name), ["late", "loop"]);
  assert.equal(opCounts.get("Plus"), 3);
  assert.equal(
    printGraph(g),
    `graph g
  input %x: int32[2,3]
  %a: int32[2,3] = Plus(%x) {bias=100, times=[]}  // "late"
  %y: int32[2,3] = Repeat(%x)  // "loop"
    body 0 g
      input %i: int32[2]
      %j: int32[2] = Plus(%i) {bias=100, times=[]}  // "j_node"
      %k: int32[2,3] = Plus(%a) {bias=100, times=[]}  // "k_node"
      output %j as "j"
      output %k as "k"
  output %y as "y"
`,
  );
});

Deno.test("attributes that no operator reads are noted", () => {
  const { notes } = read({
    nodes: [
      node("Plus", ["x"], ["a"], { colour: 1 }),
      node("Plus", ["a"], ["y"], { colour: 2 }),
    ],
  });
  assert.deepEqual(notes, ["the attribute 'colour' of Plus is not used (2 nodes)"]);
});

Deno.test("outputs are of their declared element type; declared shapes give way with a note", () => {
  const nodes = [node("Plus", ["x"], ["y"])];
  refused(
    { nodes, outputs: [value("y", "int64", [2, 3])] },
    "model/output-mismatch",
    /the element type int64/,
  );
  const noted = (y: ReturnType<typeof value>) => {
    const { graph, notes } = read({ nodes, outputs: [y] });
    assert.equal(typeText(graph.outputs[0].type), "int32[2,3]");
    return notes;
  };
  const note = (shape: string) => [
    `the output 'y' is int32[2,3]; the file declares ${shape}, which is not used`,
  ];
  assert.deepEqual(noted(value("y", "int32", [2, 3, 1])), note("[2,3,1]"));
  assert.deepEqual(noted(value("y", "int32", [null, 4])), note("[?,4]"));
  assert.deepEqual(noted(value("y", "int32", [])), note("[]"));
  assert.deepEqual(noted(value("y", "int32", [2, 3])), []);
  assert.deepEqual(noted(value("y", "int32", null)), []);
  assert.deepEqual(noted(value("y", "int32", [null, "any"])), []);
  assert.deepEqual(noted({ name: "y" }), []);
});
