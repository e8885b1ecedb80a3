import assert from "node:assert/strict";
import { BurinError } from "../util/errors.ts";
import { tensor } from "../util/tensor.ts";
import { compute } from "../te/compute.ts";
import { load } from "../te/expr.ts";
import { constants, rebuild } from "./build.ts";
import { dims, type Graph, type Node, type Value } from "./graph.ts";
import type { OpDef } from "./opdef.ts";
import { verifyGraph } from "./verify.ts";

const copy: OpDef<null> = {
  name: "Copy",
  onnx: [],
  infer(_, [x]) {
    if (!x) throw new TypeError("no input");
    return [x];
  },
  body: {
    kind: "compute",
    define: (_, [x], [out]) => [
      compute("y", out.dtype, dims(out), (...at) => load(x!, at)),
    ],
  },
};
const val = (name: string, shape: number[] = [2]): Value => ({
  name,
  type: { dtype: "int32", shape },
});
const node = (name: string, ins: (Value | null)[], outs: Value[], bodies: Graph[] = []): Node => ({
  name,
  op: copy,
  attrs: null,
  ins,
  outs,
  origin: [name],
  bodies,
});
const graph = (parts: Partial<Graph>): Graph => ({
  name: "g",
  inputs: [],
  outputs: [],
  outputNames: parts.outputs?.map((v, i) => `${v.name}${i}`) ?? [],
  nodes: [],
  states: [],
  ...parts,
});
const broken = (g: Graph, text: RegExp): void =>
  assert.throws(() => verifyGraph(g, "fuse"), (e) => {
    assert(e instanceof BurinError && e.code === "internal/graph" && e.exitCode === 4);
    assert.match(e.message, /^Cannot go on after 'fuse' as the graph is not sound: /);
    assert.match(e.message, text);
    return true;
  });

const x = val("x"), y = val("y"), z = val("z");

Deno.test("sound graphs pass, with captures and states", () => {
  const i = val("i"), j = val("j"), k = val("k");
  const body = graph({
    inputs: [i],
    nodes: [node("b", [i], [j]), node("c", [y], [k])],
    outputs: [k],
  });
  verifyGraph(
    graph({
      inputs: [x],
      nodes: [node("n", [x], [y]), node("m", [x], [z], [body])],
      outputs: [z, z, x],
      states: [{ name: "s", input: x, output: z }],
    }),
    "import",
  );
});

Deno.test("each violation names the place", () => {
  const late = [node("m", [y], [z]), node("n", [x], [y])];
  broken(
    graph({ inputs: [x], nodes: late, outputs: [z] }),
    /node 'm' \(Copy\): 'y' is read before/,
  );
  broken(graph({ inputs: [x], outputs: [y] }), /output 'y': 'y' is read before/);
  broken(
    graph({ inputs: [x], nodes: [node("n", [x], [y]), node("m", [x], [y])] }),
    /node 'm' \(Copy\): 'y' is assigned twice/,
  );
  broken(graph({ inputs: [x], nodes: [node("n", [x], [val("x")])] }), /two values are called 'x'/);
  broken(
    graph({ inputs: [x], nodes: [node("n", [x], [y]), node("n", [x], [z])] }),
    /two nodes have this name/,
  );
  broken(
    graph({ inputs: [x], nodes: [node("n", [x], [val("w", [3])])] }),
    /int32\[3\], inferred int32\[2\]/,
  );
  broken(graph({ inputs: [x], nodes: [node("n", [x], [y, z])] }), /2 outputs where 1 are inferred/);
  broken(graph({ inputs: [x], nodes: [node("n", [null], [y])] }), /types do not infer: no input/);
  broken(graph({ inputs: [x], outputs: [x], outputNames: [] }), /0 names for 1 outputs/);
  broken(graph({ inputs: [x], outputs: [x, x], outputNames: ["a", "a"] }), /one name/);
  const wrong = { ...val("c"), data: tensor("int32", [3], [1, 2, 3]) };
  broken(graph({ nodes: [node("n", [wrong], [y])] }), /'c' is int32\[2\] with data int32\[3\]/);
  const short = { ...val("c"), data: { ...tensor("int32", [1], [1]), shape: [2] } };
  broken(graph({ nodes: [node("n", [short], [y])] }), /'c' has 1 elements/);
  const foreign = graph({ nodes: [node("b", [z], [val("k")])] });
  broken(
    graph({ inputs: [x], nodes: [node("m", [x], [y], [foreign])] }),
    /node 'm' \(Copy\), captured: 'z' is read before/,
  );
  broken(
    graph({ inputs: [x], states: [{ name: "s", input: y, output: x }] }),
    /state 's': 'y' is not an input/,
  );
});

Deno.test("rebuilding keeps the names of constants apart", () => {
  const c: Value = { ...val("n_const"), data: tensor("int32", [2], [1, 2]) };
  const g = graph({
    inputs: [x],
    nodes: [node("m", [c], [y]), node("n", [x], [z])],
    outputs: [y, z],
  });
  const h = rebuild(
    g,
    (n, b) =>
      n.name === "n" ? b.node(copy, null, [b.constant(tensor("int32", [2], [3, 4]))]) : undefined,
  );
  verifyGraph(h, "rebuild");
  assert.deepEqual(constants(h).map((v) => v.name), ["n_const", "n_const_2"]);
});
