/** Channel removal: fewer channels, the same elements. */
import assert from "node:assert/strict";
import { tensor, type TensorData } from "../util/tensor.ts";
import { evaluateGraph } from "../ir/evaluate.ts";
import { dims, type Graph, type Value } from "../ir/graph.ts";
import { Builder } from "../ir/build.ts";
import { conv, type RequantizeAttrs, requantizeOp } from "../ops/mod.ts";
import { verifyGraph } from "../ir/verify.ts";
import { deadChannels } from "./dead_channels.ts";

/** A fixed sequence of integers in [0, n). */
function sequence(seed: number): (n: number) => number {
  let s = seed;
  return (n) => {
    s = (Math.imul(s, 1664525) + 1013904223) >>> 0;
    return Math.floor((s / 2 ** 32) * n);
  };
}

const CONV = {
  strides: [],
  dilations: [],
  autoPad: "NOTSET" as const,
  wZero: 0,
  acc: "int32" as const,
};

/**
 * 1×1 → padded depthwise → 1×1 → padded 3×3, each requantised; `zeroed` filters of the first have no
 * weights, and some channels of the third saturate whatever comes in.
 */
function chain(seed: number, zeroed: readonly number[]): Graph {
  const next = sequence(seed), b = new Builder();
  const x: Value = { name: "x", type: { dtype: "int8", shape: [1, 3, 5, 4] } };
  const int8 = (shape: number[], keep: (i: number) => boolean): TensorData =>
    tensor(
      "int8",
      shape,
      Array.from(
        { length: shape.reduce((p, n) => p * n, 1) },
        (_, i) => keep(i) ? next(255) - 127 : 0,
      ),
    );
  const layer = (v: Value, w: TensorData, pads: number[], group: number, bias: number[]): Value => {
    const [acc] = b.node(conv, { ...CONV, pads, group, xZero: -3 }, [
      v,
      b.constant(w),
      b.constant(tensor("int32", [bias.length], bias)),
    ]);
    const scale = b.constant(
      tensor("float32", [bias.length], bias.map(() => 0.002 + next(9) / 4096)),
    );
    return b.node(requantizeOp, REQUANTIZE, [
      acc,
      scale,
    ])[0];
  };
  const biases = (n: number): number[] => Array.from({ length: n }, () => next(4001) - 2000);
  const a = layer(
    x,
    int8([6, 3, 1, 1], (i) => !zeroed.includes(Math.floor(i / 3))),
    [],
    1,
    biases(6),
  );
  const d = layer(a, int8([6, 1, 3, 3], () => true), [1, 1, 1, 1], 6, biases(6));
  const saturated = biases(5).map((v, i) => i === 2 ? 2 ** 30 : v);
  const c = layer(d, int8([5, 6, 1, 1], () => next(3) > 0), [], 1, saturated);
  const y = layer(c, int8([4, 5, 3, 3], () => true), [1, 0, 1, 2], 1, biases(4));
  return {
    name: "chain",
    inputs: [x],
    outputs: [y],
    outputNames: ["y"],
    nodes: b.nodes,
    states: [],
  };
}

const REQUANTIZE: RequantizeAttrs = { dtype: "int8", zero: -3, lo: -128, hi: 127, axis: 1 };

const channels = (g: Graph): number =>
  g.nodes.reduce((n, x) => n + (dims(x.outs[0].type)[1] ?? 0), 0);

Deno.test("removing channels changes no element", () => {
  for (let seed = 1; seed <= 40; seed++) {
    const g = chain(seed, seed % 3 === 0 ? [] : [seed % 6, (seed * 5) % 6]);
    const small = deadChannels(g);
    verifyGraph(small, "dead-channels");
    const next = sequence(seed + 1000);
    const x = tensor("int8", [1, 3, 5, 4], Array.from({ length: 60 }, () => next(256) - 128));
    assert.deepEqual(evaluateGraph(small, [x]), evaluateGraph(g, [x]), `seed ${seed}`);
    assert.ok(channels(small) <= channels(g));
  }
});

Deno.test("a filter without weights vanishes into the bias of its reader", () => {
  const next = sequence(3), b = new Builder();
  const x: Value = { name: "x", type: { dtype: "int8", shape: [1, 2, 3, 3] } };
  const layer = (v: Value, shape: number[], zeroed: number): Value => {
    const per = shape[1] * shape[2] * shape[3];
    const w = Array.from(
      { length: shape[0] * per },
      (_, i) => Math.floor(i / per) === zeroed ? 0 : next(100) + 1,
    );
    const [acc] = b.node(conv, { ...CONV, pads: [], group: 1, xZero: -3 }, [
      v,
      b.constant(tensor("int8", shape, w)),
      b.constant(tensor("int32", [shape[0]], Array.from({ length: shape[0] }, () => next(900)))),
    ]);
    return b.node(requantizeOp, REQUANTIZE, [acc, b.constant(tensor("float32", [], [0.02]))])[0];
  };
  const y = layer(layer(x, [4, 2, 1, 1], 2), [3, 4, 2, 2], -1);
  const g: Graph = {
    name: "g",
    inputs: [x],
    outputs: [y],
    outputNames: ["y"],
    nodes: b.nodes,
    states: [],
  };
  const small = deadChannels(g);
  assert.deepEqual(small.nodes.map((n) => dims(n.outs[0].type)[1]), [3, 3, 3, 3]);
  const data = tensor("int8", [1, 2, 3, 3], Array.from({ length: 18 }, () => next(256) - 128));
  assert.deepEqual(evaluateGraph(small, [data]), evaluateGraph(g, [data]));
});

Deno.test("a graph where every channel matters stays as it is", () => {
  const next = sequence(7), b = new Builder();
  const x: Value = { name: "x", type: { dtype: "int8", shape: [1, 2, 3, 3] } };
  const w = tensor("int8", [2, 2, 1, 1], Array.from({ length: 4 }, () => next(100) + 1));
  const [acc] = b.node(conv, { ...CONV, pads: [], group: 1, xZero: 0 }, [x, b.constant(w), null]);
  const g: Graph = {
    name: "g",
    inputs: [x],
    outputs: [acc],
    outputNames: ["y"],
    nodes: b.nodes,
    states: [],
  };
  assert.equal(channels(deadChannels(g)), channels(g));
});
