/**
 * Random chains of windows, residuals, concatenations and pools that pass rows on to each other: the
 * same outputs as the imported graph gives, bit for bit, on the interpreter and in C.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import type proto from "onnx-proto";
import { compileStages } from "../../src/compile.ts";
import { interpreter } from "../../src/compile/interpret.ts";
import { evaluateGraph } from "../../src/ir/evaluate.ts";
import { importModel } from "../../src/onnx/import.ts";
import { BurinError } from "../../src/util/errors.ts";
import { visitStmt } from "../../src/tir/stmt.ts";
import { tensor as data, type TensorData } from "../../src/util/tensor.ts";
import { assertSameBits, board, defaults, outputsOn, SANITIZE } from "../e2e/support.ts";
import { model, node, tensor, value } from "../onnx_builder.ts";
import { bytesOf, type Random, random } from "./random.ts";

interface Made {
  readonly name: string;
  readonly shape: readonly [number, number, number];
}

/** A chain of quantised layers on images; scales are powers of two, so that floats are exact. */
class Chain {
  readonly nodes: proto.onnx.INodeProto[] = [];
  readonly initializers: proto.onnx.ITensorProto[] = [];
  #count = 0;

  constructor(readonly r: Random) {}

  #name(): string {
    return `v${this.#count++}`;
  }
  #constant(dtype: string, dims: number[], values: readonly number[]): string {
    const name = this.#name();
    this.initializers.push(tensor(name, dtype, dims, values));
    return name;
  }
  #scale = (v: number): string => this.#constant("float32", [], [v]);
  #zero = (): string => this.#constant("int8", [], [this.r.int(-20, 20)]);

  add(type: string, ins: string[], attrs = {}): string {
    const name = this.#name();
    this.nodes.push(node(type, ins, [name], attrs));
    return name;
  }

  conv(
    x: Made,
    options: {
      keep?: boolean;
      depthwise?: boolean;
      channels?: number;
      window?: readonly [number, number];
    } = {},
  ): Made {
    const { r } = this, [c, h, w] = x.shape;
    const one = r.oneIn(3);
    const [kh, kw] = options.window ?? (one ? [1, 1] : [r.int(1, 4), r.int(1, 3)]);
    const k = [Math.min(h, kh), Math.min(w, kw)];
    const d = k.map((n, i) => n > 1 && (n - 1) * 2 < x.shape[i + 1] ? r.int(1, 2) : 1);
    const s = options.keep ? 1 : r.pick([1, 1, 2]);
    const span = k.map((n, i) => (n - 1) * d[i]);
    const begin = span.map((n) => options.keep ? Math.floor(n / 2) : r.int(0, n));
    const end = span.map((n, i) => options.keep ? n - begin[i] : r.int(0, n));
    const out = [h, w].map((n, i) => Math.floor((n + begin[i] + end[i] - span[i] - 1) / s) + 1);
    if (out.some((n) => n < 1)) return x;
    const group = options.depthwise ? c : 1;
    const cout = options.keep || group > 1 ? c : options.channels ?? r.int(1, 6);
    const weights = bytesOf(r, "int8", cout * (c / group) * k[0] * k[1]);
    const name = this.add("QLinearConv", [
      x.name,
      this.#scale(0.5),
      this.#zero(),
      this.#constant("int8", [cout, c / group, ...k], weights),
      this.#scale(0.25),
      this.#constant("int8", [], [0]),
      this.#scale(32),
      this.#zero(),
    ], { kernel_shape: k, strides: [s, s], dilations: d, group, pads: [...begin, ...end] });
    return { name, shape: [cout, out[0], out[1]] };
  }

  max(a: Made, b: Made): Made {
    return { name: this.add("Max", [a.name, b.name]), shape: a.shape };
  }

  concat(a: Made, b: Made): Made {
    const name = this.add("Concat", [a.name, b.name], { axis: 1 });
    return { name, shape: [a.shape[0] + b.shape[0], a.shape[1], a.shape[2]] };
  }

  pool(x: Made): Made {
    const [c, h, w] = x.shape, k = [Math.min(2, h), Math.min(3, w)];
    const out = [h, w].map((n, i) => Math.floor((n - k[i]) / 2) + 1);
    const attrs = { kernel_shape: k, strides: [2, 2] };
    return { name: this.add("MaxPool", [x.name], attrs), shape: [c, out[0], out[1]] };
  }

  /** A step of its own between numbers and floats. */
  #floats(x: string, scale: number): string {
    return this.add("DequantizeLinear", [x, this.#scale(scale), this.#zero()]);
  }
  #bytes(x: string, scale: number): string {
    return this.add("QuantizeLinear", [x, this.#scale(scale), this.#zero()]);
  }

  /** What is looked up by its input. */
  table(x: Made): Made {
    const y = this.add("Sigmoid", [this.#floats(x.name, 1 / 16)]);
    return { ...x, name: this.#bytes(y, 1 / 256) };
  }

  /** Twice as many rows, each from one or two of the input. */
  grown(x: Made): Made {
    const { r } = this, [c, h, w] = x.shape, cout = r.int(1, 4);
    const k = [r.int(2, 4), r.int(1, 3)], before = r.int(0, k[0] - 2);
    const weights = this.#constant(
      "int8",
      [c, cout, ...k],
      bytesOf(r, "int8", c * cout * k[0] * k[1]),
    );
    const w0 = this.add("DequantizeLinear", [
      weights,
      this.#scale(0.25),
      this.#constant("int8", [], [0]),
    ]);
    const y = this.add("ConvTranspose", [this.#floats(x.name, 0.5), w0], {
      kernel_shape: k,
      strides: [2, 1],
      pads: [before, 0, k[0] - 2 - before, k[1] - 1],
    });
    return { name: this.#bytes(y, 32), shape: [cout, 2 * h, w] };
  }

  /** The mean of each channel: small maps have sums of int16. */
  mean(x: Made): Made {
    const means = this.add("GlobalAveragePool", [this.#floats(x.name, 32)]);
    return { name: this.#bytes(means, 32), shape: [x.shape[0], 1, 1] };
  }

  grow(x: Made): Made {
    switch (this.r.pick(["conv", "conv", "depthwise", "residual", "concat", "pool"])) {
      case "conv":
        return this.conv(x);
      case "depthwise":
        return this.conv(x, { depthwise: true });
      case "residual":
        return this.max(x, this.conv(this.conv(x, { keep: true }), { keep: true }));
      case "concat":
        return x.shape[0] > 8 ? x : this.concat(x, this.conv(x, { keep: true }));
      default:
        return this.pool(x);
    }
  }
}

function makeChain(seed: number, layers: number) {
  const r = random(seed), chain = new Chain(r);
  const shape = [r.int(1, 5), r.int(4, 18), r.int(2, 9)] as const;
  let x: Made = chain.conv({ name: "x", shape });
  const values = [x];
  for (let i = 0; i < layers; i++) values.push(x = chain.grow(x));
  return finished(chain, shape, values);
}

/** Windows within channels, which come in fours, and sums across them, by turns. */
function makeSeparable(seed: number, layers: number) {
  const r = random(seed), chain = new Chain(r);
  const shape = [r.int(1, 3), r.int(16, 24), r.int(4, 8)] as const;
  let x: Made = chain.conv({ name: "x", shape }, { channels: 8, window: [2, 2] });
  const values = [x];
  for (let i = 0; i < layers; i++) {
    const window = [r.int(1, 4), r.int(2, 3)] as const;
    values.push(x = chain.conv(x, { depthwise: true, keep: r.oneIn(2), window }));
    values.push(x = chain.conv(x, { channels: r.pick([8, 12]), window: [1, 1] }));
  }
  return finished(chain, shape, [r.oneIn(3) ? x : chain.mean(x)]);
}

function finished(
  chain: Chain,
  shape: readonly [number, number, number],
  values: readonly Made[],
) {
  const { r } = chain, x = values.at(-1)!;
  const outputs = [x, ...(r.oneIn(4) ? [r.pick(values)] : [])];
  const names = new Map(outputs.map((v) => [v.name, v]));
  names.delete("x");
  const bytes = model({
    nodes: chain.nodes,
    initializers: chain.initializers,
    inputs: [value("x", "int8", [1, ...shape])],
    outputs: [...names.values()].map((v) => value(v.name, "int8", [1, ...v.shape])),
  });
  const size = shape.reduce((a, b) => a * b, 1);
  const samples: TensorData[][] = [0, 1].map(() => [
    data("int8", [1, ...shape], bytesOf(r, "int8", size)),
  ]);
  return { bytes, samples, empty: names.size === 0 };
}

/** Maps that grow and shrink again, tables between, and at times a single column. */
function makeHourglass(seed: number, layers: number) {
  const r = random(seed), chain = new Chain(r);
  const shape = [r.int(1, 4), r.int(6, 14), r.pick([1, 1, 5])] as const;
  let x: Made = chain.conv({ name: "x", shape });
  for (let i = 0; i < layers; i++) {
    if (x.shape[1] < 20) x = chain.grown(x);
    if (r.oneIn(2)) x = chain.table(x);
    x = chain.conv(x, { channels: r.int(1, 5) });
    if (r.oneIn(2)) x = chain.table(x);
  }
  return finished(chain, shape, [r.oneIn(2) ? x : chain.mean(x)]);
}

const host = board("host"), m4 = board("mps2-an386"), m55 = board("mps3-an547");
const arbitrary = fc.tuple(fc.integer(), fc.integer({ min: 1, max: 7 }));

Deno.test("random chains pass rows on: interpreter, dirty memory, inputs inside and outside", async () => {
  let streams = 0;
  await fc.assert(
    fc.asyncProperty(arbitrary, async ([seed, layers]) => {
      const { bytes, samples, empty } = makeChain(seed, layers);
      if (empty) return;
      const { graph } = importModel(bytes);
      const want = samples.map((s) => evaluateGraph(graph, s));
      for (const [on, io] of [[m4, "caller"], [m4, "arena"], [m55, "caller"]] as const) {
        const c = await compileStages(bytes, { ...defaults(on), optimize: "ram", io });
        streams += Number(c.kernels.some((k) => k.members));
        const run = interpreter(c.program, { checked: true });
        const what = `${on.name}, io ${io}, makeChain(${seed}, ${layers})`;
        assertSameBits(samples.map((s) => run(s)), want, what);
        assertSameBits(samples.map((s) => run(s)), want, `${what}, dirty`);
      }
    }),
    { seed: 31, numRuns: 26 },
  );
  assert.ok(streams > 16, `${streams} streams`);
});

Deno.test("random chains pass rows on: generated C in poisoned memory", async () => {
  for (const [seed, layers] of fc.sample(arbitrary, { seed: 8, numRuns: 4 })) {
    const { bytes, samples, empty } = makeChain(seed, layers);
    if (empty) continue;
    const { graph } = importModel(bytes);
    const want = samples.map((s) => evaluateGraph(graph, s));
    const what = `makeChain(${seed}, ${layers})`;
    for (const on of [host, m4]) {
      const c = await compileStages(bytes, { ...defaults(on), optimize: "ram" });
      const options = on === host ? { extraFlags: SANITIZE } : {};
      assertSameBits(
        await outputsOn(c.artifact, on, samples, options),
        want,
        `${on.name}, ${what}`,
      );
    }
  }
});

Deno.test("random chains in stripes: the bytes of a budget are kept to, with the same outputs", async () => {
  let striped = 0, kept = 0, refused = 0;
  for (const [seed, layers] of fc.sample(arbitrary, { seed: 3, numRuns: 6 })) {
    const { bytes, samples, empty } = makeChain(seed, layers);
    if (empty) continue;
    const want = samples.map((s) => evaluateGraph(importModel(bytes).graph, s));
    const least = await compileStages(bytes, { ...defaults(m4), optimize: "ram" });
    const { arenaBytes, frontier } = least.artifact;
    // A byte less than the least of what computes nothing twice, and less again.
    for (const ramBudget of [frontier.at(0)?.arenaBytes ?? 0, 0.8 * arenaBytes]) {
      const budget = Math.floor(ramBudget) - 1;
      if (budget < 1) continue;
      const what = `makeChain(${seed}, ${layers}) in ${budget} bytes`;
      try {
        const c = await compileStages(bytes, { ...defaults(m4), ramBudget: budget });
        kept++;
        assert.ok(c.artifact.arenaBytes <= budget, what);
        const twice = c.kernels.flatMap((k) => k.kernel.origin);
        striped += Number(new Set(twice).size < twice.length);
        const run = interpreter(c.program, { checked: true });
        assertSameBits(samples.map((s) => run(s)), want, what);
        assertSameBits(samples.map((s) => run(s)), want, `${what}, dirty`);
      } catch (e) {
        if (!(e instanceof BurinError) || e.code !== "model/does-not-fit") throw e;
        assert.match(e.message, new RegExp(`an arena of ${budget.toLocaleString("en-US")} bytes`));
        refused++;
      }
    }
  }
  assert.ok(striped > 0 && refused > 0, `${kept} kept, ${striped} striped, ${refused} refused`);
});

Deno.test("rows of windows in streams: interpreter and C, at every border", async () => {
  let rows = 0;
  const sums = new Set<string>();
  const nets = fc.sample(fc.tuple(fc.integer(), fc.integer({ min: 2, max: 4 })), {
    seed: 5,
    numRuns: 6,
  });
  for (const [n, [seed, layers]] of nets.entries()) {
    const { bytes, samples, empty } = makeSeparable(seed, layers);
    if (empty) continue;
    const { graph } = importModel(bytes);
    const want = samples.map((s) => evaluateGraph(graph, s));
    const c = await compileStages(bytes, { ...defaults(m4), optimize: "ram" });
    for (const { kernel } of c.kernels) {
      kernel.buffers.filter((b) => /_sums/.test(b.name)).forEach((b) => sums.add(b.dtype));
      visitStmt(kernel.body, (s) => rows += Number(s.k === "intrin" && /^row_/.test(s.op.name)));
    }
    const run = interpreter(c.program, { checked: true }),
      what = `makeSeparable(${seed}, ${layers})`;
    assertSameBits(samples.map((s) => run(s)), want, what);
    if (n % 2 === 0) assertSameBits(await outputsOn(c.artifact, m4, samples), want, `C, ${what}`);
  }
  assert.ok(rows > 8, `${rows} rows of windows`);
  assert.ok(sums.has("int16"));
});

Deno.test("maps that grow, tables and single columns pass rows on: interpreter and C", async () => {
  const members = new Set<string>();
  let streams = 0;
  const nets = fc.sample(fc.tuple(fc.integer(), fc.integer({ min: 1, max: 4 })), {
    seed: 12,
    numRuns: 10,
  });
  for (const [n, [seed, layers]] of nets.entries()) {
    const { bytes, samples, empty } = makeHourglass(seed, layers);
    if (empty) continue;
    const { graph } = importModel(bytes);
    const want = samples.map((s) => evaluateGraph(graph, s));
    const c = await compileStages(bytes, { ...defaults(m4), optimize: "ram" });
    const fused = c.kernels.filter((k) => k.members);
    streams += fused.length;
    fused.forEach((k) => k.group.nodes.forEach((node) => members.add(node.op.name)));
    const run = interpreter(c.program, { checked: true });
    const what = `makeHourglass(${seed}, ${layers})`;
    assertSameBits(samples.map((s) => run(s)), want, what);
    assertSameBits(samples.map((s) => run(s)), want, `${what}, dirty`);
    if (n % 3 === 0) assertSameBits(await outputsOn(c.artifact, m4, samples), want, `C, ${what}`);
  }
  assert.ok(streams > 5, `${streams} streams`);
  for (const op of ["ConvTranspose", "Table"]) assert.ok(members.has(op), [...members].join());
});
