/** Files that are not models, and models that cannot be imported: the code and what the text names. */
import assert from "node:assert/strict";
import type proto from "onnx-proto";
import { importModel } from "../../src/onnx/import.ts";
import { BurinError } from "../../src/util/errors.ts";
import {
  graph,
  graphAttr,
  model,
  type ModelParts,
  node,
  rawTensor,
  tensor,
  value,
} from "../onnx_builder.ts";

const X = value("x", "float32", [1, 4]);
const Y = value("y", "float32", [1, 4]);
const relu = (from: string, to: string): proto.onnx.INodeProto => node("Relu", [from], [to]);
const file = (p: ModelParts): Uint8Array =>
  model({ inputs: [X], outputs: [Y], nodes: [relu("x", "y")], ...p });
/** y = x + w with a w of the test's choice. */
const sum = (w: proto.onnx.ITensorProto): Uint8Array =>
  file({ nodes: [node("Add", ["x", "w"], ["y"])], initializers: [w] });

function deeplyNested(levels: number): Uint8Array {
  let inner = graph({ nodes: [relu("x", "i")] });
  for (let i = 0; i < levels; i++) {
    inner = graph({ nodes: [node("If", ["x"], ["y"], { then_branch: graphAttr(inner) })] });
  }
  return file({ nodes: inner.node! });
}

/** A message of message fields without end, far beyond what a call stack holds. */
function bottomless(): Uint8Array {
  const parts: number[][] = [];
  let length = 0;
  // Type.sequence_type.elem_type, inside out.
  for (let i = 0; i < 20000; i++) {
    const tag = i % 2 ? 0x22 : 0x0a;
    const head = [tag, ...varint(length)];
    parts.push(head);
    length += head.length;
  }
  const type = parts.reverse().flat();
  const wrap = (field: number, body: number[]): number[] => [
    field << 3 | 2,
    ...varint(body.length),
    ...body,
  ];
  return Uint8Array.from(wrap(7, wrap(11, wrap(2, type))));
}

function varint(n: number): number[] {
  const out = [];
  for (; n >= 128; n = Math.floor(n / 128)) out.push(n % 128 + 128);
  return [...out, n];
}

const whole = file({});

const CASES: readonly [string, Uint8Array, string, RegExp][] = [
  ["an empty file", new Uint8Array(), "model/malformed", /the file is empty/],
  ["a text", new TextEncoder().encode("hello, world"), "model/malformed", /./],
  ["a picture", Uint8Array.from([0x89, 0x50, 0x4e, 0x47, 13, 10]), "model/malformed", /./],
  ["a half", whole.slice(0, whole.length / 2), "model/malformed", /ends too early/],
  ["no graph", Uint8Array.from([8, 8]), "model/malformed", /has no graph/],
  ["no operator set", file({ opsets: {} }), "model/malformed", /imports no operator set/],
  ["no outputs", file({ outputs: [] }), "model/malformed", /no outputs/],
  [
    "an output that nothing computes",
    file({ outputs: [value("z", "float32", [1])] }),
    "model/malformed",
    /'z', which nothing computes/,
  ],
  [
    "an input that nothing computes",
    file({ nodes: [relu("z", "y")] }),
    "model/malformed",
    /'y_node' \(Relu\) reads 'z'/,
  ],
  [
    "a circle",
    file({ nodes: [relu("b", "a"), relu("a", "b"), relu("b", "y")] }),
    "model/malformed",
    /'b_node' \(Relu\) and 'a_node' \(Relu\) depend on each other/,
  ],
  [
    "a node that reads itself",
    file({ nodes: [relu("y", "y")] }),
    "model/malformed",
    /in a circle/,
  ],
  [
    "a value defined twice",
    file({ nodes: [relu("x", "y"), relu("x", "y")] }),
    "model/malformed",
    /'y' is defined twice/,
  ],
  [
    "an input computed by a node",
    file({ nodes: [relu("x", "y"), relu("y", "x")] }),
    "model/malformed",
    /./,
  ],
  ["two inputs of one name", file({ inputs: [X, X] }), "model/malformed", /'x' is defined twice/],
  [
    "two initialisers of one name",
    file({ initializers: [tensor("w", "float32", [1], [1]), tensor("w", "float32", [1], [1])] }),
    "model/malformed",
    /'w' stands twice/,
  ],
  ["no operator type", file({ nodes: [node("", ["x"], ["y"])] }), "model/malformed", /no operator/],
  [
    "no node output",
    file({ nodes: [relu("x", "y"), node("Relu", ["x"], [], {}, "n")] }),
    "model/malformed",
    /'n'/,
  ],
  [
    "two attributes of one name",
    file({
      nodes: [{ ...relu("x", "y"), attribute: [{ name: "a", type: 2 }, { name: "a", type: 2 }] }],
    }),
    "model/malformed",
    /two attributes 'a'/,
  ],
  [
    "a negative dimension",
    sum(tensor("w", "float32", [-4], [1, 2, 3, 4])),
    "model/malformed",
    /'w' has the dimension -4/,
  ],
  [
    "a dimension beyond memory",
    sum(tensor("w", "float32", [2 ** 40, 4], [])),
    "model/malformed",
    /'w' has \d+ elements/,
  ],
  [
    "an input beyond memory",
    file({ inputs: [value("x", "float32", [2 ** 20, 2 ** 20])] }),
    "model/malformed",
    /the input 'x' has \d+ elements/,
  ],
  [
    "too few bytes",
    sum(rawTensor("w", "float32", [4], new Uint8Array(15))),
    "model/malformed",
    /'w' holds 15 bytes where its shape needs 16/,
  ],
  [
    "too many elements",
    sum(tensor("w", "float32", [4], [1, 2, 3, 4, 5])),
    "model/malformed",
    /'w' holds 5 elements where its shape needs 4/,
  ],
  [
    "elements in the wrong list",
    sum({ ...tensor("w", "int64", [1], [1]), dataType: 1 }),
    "model/malformed",
    /'w' holds 0 elements/,
  ],
  ["no element type", sum(tensor("w", "?", [1], [1])), "model/malformed", /no element type/],
  [
    "an element type of a newer ONNX",
    sum({ ...rawTensor("w", "int4", [4], new Uint8Array(2)), dataType: 99 }),
    "model/unsupported-operators",
    /'y_node' \(Add\): its input 'w' is number 99/,
  ],
  [
    "texts",
    file({ inputs: [value("x", "string", [1])] }),
    "model/unsupported-type",
    /the input 'x' as its element type is string/,
  ],
  [
    "an element type of the future",
    file({ inputs: [{ name: "x", type: { tensorType: { elemType: 99, shape: {} } } }] }),
    "model/unsupported-type",
    /number 99/,
  ],
  [
    "weights in another file",
    sum({
      ...rawTensor("w", "float32", [4], new Uint8Array()),
      dataLocation: 1,
      externalData: [{ key: "location", value: "../secret" }],
    }),
    "model/external-data",
    /'w' as its elements lie in another file \('..\/secret'\).*save_as_external_data=False/s,
  ],
  ["graphs in graphs in graphs", deeplyNested(40), "model/malformed", /nested deeper than/],
  ["messages without end", bottomless(), "model/malformed", /nested deeper than/],
  [
    "an operator that does not exist",
    file({ nodes: [node("acme:Warp", ["x"], ["y"], {}, "w")] }),
    "model/unsupported-operators",
    /1 of its 1 nodes is not supported:\n {2}'w' \(acme:Warp\): Burin does not have/,
  ],
  [
    "shapes that do not fit",
    file({
      nodes: [node("MatMul", ["x", "w"], ["y"])],
      initializers: [tensor("w", "float32", [3, 1], [1, 2, 3])],
    }),
    "model/unsupported-operators",
    /'y_node' \(MatMul\): /,
  ],
  [
    "an output of another element type than declared",
    file({ outputs: [value("y", "int8", [1, 4])] }),
    "model/output-mismatch",
    /'y' as it is declared with the element type int8 but computed as float32\[1,4\]/,
  ],
];

for (const [name, bytes, code, text] of CASES) {
  Deno.test(`refused: ${name}`, () => {
    assert.throws(() => importModel(bytes), (e) => {
      assert(e instanceof BurinError, `${e}`);
      assert.equal(e.code, code, e.message);
      assert.match(`${e.message} | ${e.hint}`, text);
      assert.equal(e.exitCode, 1);
      return true;
    });
  });
}
