/**
 * Random graphs of operators that move, choose and keep elements: the same outputs whatever memory
 * the planner gives them, whatever lay there before, at every level, on interpreter and in C.
 */
import fc from "fast-check";
import type proto from "onnx-proto";
import { compileStages } from "../../src/compile.ts";
import { interpreter } from "../../src/compile/interpret.ts";
import { evaluateGraph } from "../../src/ir/evaluate.ts";
import { importModel } from "../../src/onnx/import.ts";
import { tensor as data, type TensorData } from "../../src/util/tensor.ts";
import { assertSameBits, board, defaults, outputsOn, SANITIZE } from "../e2e/support.ts";
import { model, node, tensor, value } from "../onnx_builder.ts";
import { bytesOf, type Random, random } from "./random.ts";

interface RandomGraph {
  readonly bytes: Uint8Array;
  readonly samples: readonly (readonly TensorData[])[];
}

/** A value under construction: [1, C, H, W]. */
interface Made {
  readonly name: string;
  readonly shape: readonly number[];
}

class GraphMaker {
  readonly nodes: proto.onnx.INodeProto[] = [];
  readonly initializers: proto.onnx.ITensorProto[] = [];
  readonly values: Made[] = [];
  #count = 0;

  constructor(readonly r: Random) {}

  #name(): string {
    return `v${this.#count++}`;
  }
  #add(type: string, ins: string[], shape: readonly number[], attrs = {}): void {
    const name = this.#name();
    this.nodes.push(node(type, ins, [name], attrs));
    this.values.push({ name, shape });
  }
  #constant(dtype: string, dims: number[], values: readonly number[]): string {
    const name = this.#name();
    this.initializers.push(tensor(name, dtype, dims, values));
    return name;
  }
  input(name: string, shape: readonly number[]): void {
    this.values.push({ name, shape });
  }

  /** One more node on values made before, late ones preferred. */
  grow(): void {
    const { r } = this;
    const x = r.oneIn(3) ? r.pick(this.values) : r.pick(this.values.slice(-3));
    const [, c, h, w] = x.shape;
    const alike = this.values.filter((v) => v.shape.join() === x.shape.join());
    switch (
      r.pick([
        "relu",
        "max",
        "min",
        "concat",
        "slice",
        "pool",
        "transpose",
        "pad",
        "conv",
        "reshape",
        "split",
      ])
    ) {
      case "relu":
        return this.#add("Relu", [x.name], x.shape);
      case "max":
        return this.#add("Max", [x.name, r.pick(alike).name], x.shape);
      case "min":
        return this.#add("Min", [r.pick(alike).name, x.name], x.shape);
      case "concat": {
        const axis = r.pick([1, 2, 3]);
        const fits = this.values.filter((v) =>
          v.shape.every((n, i) => i === axis || n === x.shape[i])
        );
        const parts = Array.from({ length: r.int(2, 3) }, () => r.pick(fits));
        const shape = x.shape.map((n, i) =>
          i === axis ? parts.reduce((s, v) => s + v.shape[i], 0) : n
        );
        if (shape.reduce((a, b) => a * b, 1) > 600) return;
        return this.#add("Concat", parts.map((v) => v.name), shape, { axis });
      }
      case "slice": {
        const axis = r.pick([1, 2, 3]), n = x.shape[axis];
        const start = r.int(0, n - 1), end = r.int(start + 1, n), step = r.int(1, 2);
        const ints = (v: number) => this.#constant("int64", [1], [v]);
        const shape = x.shape.map((m, i) => i === axis ? Math.ceil((end - start) / step) : m);
        return this.#add("Slice", [x.name, ints(start), ints(end), ints(axis), ints(step)], shape);
      }
      case "split": {
        if (c < 2) return;
        const at = r.int(1, c - 1), sizes = this.#constant("int64", [2], [at, c - at]);
        const [a, b] = [this.#name(), this.#name()];
        this.nodes.push(node("Split", [x.name, sizes], [a, b], { axis: 1 }));
        this.values.push({ name: a, shape: [1, at, h, w] }, { name: b, shape: [1, c - at, h, w] });
        return;
      }
      case "pool": {
        const k = [Math.min(2, h), Math.min(3, w)], stride = r.int(1, 2);
        const out = [h, w].map((n, i) => Math.floor((n - k[i]) / stride) + 1);
        return this.#add("MaxPool", [x.name], [1, c, ...out], {
          kernel_shape: k,
          strides: [stride, stride],
        });
      }
      case "transpose": {
        const perm = [0, ...r.shuffle([1, 2, 3])];
        return this.#add("Transpose", [x.name], perm.map((p) => x.shape[p]), { perm });
      }
      case "pad": {
        const pads = [0, 0, r.int(0, 1), r.int(0, 2), 0, r.int(0, 1), r.int(0, 1), 0];
        const shape = x.shape.map((n, i) => n + pads[i] + pads[i + 4]);
        if (shape.reduce((a, b) => a * b, 1) > 600) return;
        const fill = this.#constant("int8", [], [r.int(-128, 127)]);
        return this.#add("Pad", [x.name, this.#constant("int64", [8], pads), fill], shape);
      }
      case "reshape": {
        const shape = [1, ...r.shuffle(x.shape.slice(1))];
        return this.#add("Reshape", [x.name, this.#constant("int64", [4], shape)], shape);
      }
      case "conv":
        return this.#conv(x);
    }
  }

  #conv({ name, shape: [, c, h, w] }: Made): void {
    const { r } = this;
    const cout = r.int(1, 6), k = [Math.min(h, r.int(1, 3)), Math.min(w, r.int(1, 3))];
    // Scales are powers of two: the imported graph computes in float32, and exactly with these.
    const f = (v: number) => this.#constant("float32", [], [v]);
    const z = (v: number) => this.#constant("int8", [], [v]);
    const ws = bytesOf(r, "int8", cout * c * k[0] * k[1]);
    this.#add(
      "QLinearConv",
      [
        name,
        f(0.5),
        z(r.int(-128, 127)),
        this.#constant("int8", [cout, c, ...k], ws),
        f(0.25),
        z(0),
        f(16),
        z(r.int(-20, 20)),
      ],
      [1, cout, h, w],
      { kernel_shape: k, auto_pad: "SAME_UPPER" },
    );
  }
}

function makeGraph(seed: number, nodes: number): RandomGraph {
  const r = random(seed), g = new GraphMaker(r);
  const inputs = ["a", "b"].map((name) => ({
    name,
    shape: [1, r.int(1, 5), r.int(1, 6), r.int(1, 6)],
  }));
  inputs.forEach((x) => g.input(x.name, x.shape));
  for (let i = 0; i < nodes; i++) g.grow();
  const read = new Set(g.nodes.flatMap((n) => n.input!));
  // What nobody reads leaves the graph, and now and then something that is read too.
  const outputs = g.values.slice(2).filter((v) => !read.has(v.name) || r.oneIn(8));
  const samples = [0, 1].map(() =>
    inputs.map(({ shape }) =>
      data("int8", shape, bytesOf(r, "int8", shape.reduce((a, b) => a * b, 1)))
    )
  );
  const bytes = model({
    nodes: g.nodes,
    initializers: g.initializers,
    inputs: inputs.map((x) => value(x.name, "int8", x.shape)),
    outputs: outputs.map((v) => value(v.name, "int8", [...v.shape])),
  });
  return { bytes, samples };
}

const host = board("host"), m4 = board("mps2-an386");

/** A seed and how many nodes; a graph without any node is none. */
const arbitrary = fc.tuple(fc.integer(), fc.integer({ min: 4, max: 24 }));

Deno.test("random graphs: every level, inputs and outputs inside and outside the arena, dirty memory", async () => {
  await fc.assert(
    fc.asyncProperty(arbitrary, async ([seed, nodes]) => {
      const { bytes, samples } = makeGraph(seed, nodes);
      const { graph } = importModel(bytes);
      const want = samples.map((s) => evaluateGraph(graph, s));
      for (const optLevel of [0, 1, 2, 3] as const) {
        for (const io of ["caller", "arena"] as const) {
          const { program } = await compileStages(bytes, { ...defaults(m4), optLevel, io });
          const run = interpreter(program, { checked: true });
          const what = `-O${optLevel}, io ${io}, makeGraph(${seed}, ${nodes})`;
          assertSameBits(samples.map((s) => run(s)), want, what);
          // The arena now holds what the last sample left.
          assertSameBits(samples.map((s) => run(s)), want, `${what}, dirty`);
        }
      }
    }),
    // An output seen through a shape beside a concatenation; a padding behind a convolution.
    { seed: 77, numRuns: 120, examples: [[[9, 4]], [[-313328464, 16]]] },
  );
});

Deno.test("random graphs: generated C in poisoned memory", async () => {
  for (const [seed, nodes] of fc.sample(arbitrary, { seed: 5, numRuns: 16 })) {
    const { bytes, samples } = makeGraph(seed, nodes);
    const { graph } = importModel(bytes);
    const want = samples.map((s) => evaluateGraph(graph, s));
    const io = seed % 2 ? "arena" : "caller", what = `io ${io}, makeGraph(${seed}, ${nodes})`;
    // The harness fills arena and outputs with patterns that the interpreter does not have.
    const onHost = await compileStages(bytes, { ...defaults(host), io });
    const options = { extraFlags: SANITIZE };
    assertSameBits(await outputsOn(onHost.artifact, host, samples, options), want, `host, ${what}`);
    const onM4 = await compileStages(bytes, { ...defaults(m4), io });
    assertSameBits(await outputsOn(onM4.artifact, m4, samples), want, `mps2-an386, ${what}`);
  }
});
