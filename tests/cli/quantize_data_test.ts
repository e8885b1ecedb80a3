/** `deno task quantize` with several inputs, symbolic sizes, and samples and labels that are damaged. */
import assert from "node:assert/strict";
import { quantize, type QuantizeRequest } from "../../src/cli/quantize.ts";
import { typeTask } from "../../src/cli/testing.ts";
import { BurinError } from "../../src/util/errors.ts";
import { writeNpy } from "../../src/util/npy.ts";
import { writeNpz } from "../../src/util/npz.ts";
import { tensor as array, type TensorData } from "../../src/util/tensor.ts";
import { inFolder, namesIn } from "../../src/util/testing.ts";
import { model, node, tensor, value } from "../onnx_builder.ts";

let state = 7;
const next = () => (state = Math.imul(state, 1664525) + 1013904223 >>> 0) / 2 ** 32 - 0.5;
const list = (n: number) => Array.from({ length: n }, () => next());
const product = (dims: readonly number[]) => dims.reduce((a, b) => a * b, 1);
const weights = (name: string, dims: number[]) =>
  tensor(name, "float32", dims, list(product(dims)));

/** A picture and four figures beside it, both of any batch, and three classes. */
const two = model({
  inputs: [
    value("image", "float32", ["batch", 1, 6, 6]),
    value("meta", "float32", ["batch", "fields"]),
  ],
  outputs: [value("score", "float32", ["batch", 3])],
  initializers: [weights("w0", [4, 1, 3, 3]), weights("w1", [8, 3]), weights("b1", [3])],
  nodes: [
    node("Conv", ["image", "w0"], ["c"], { strides: [2, 2], pads: [1, 1, 1, 1] }),
    node("Relu", ["c"], ["r"]),
    node("GlobalAveragePool", ["r"], ["p"]),
    node("Flatten", ["p"], ["f"]),
    node("Concat", ["f", "meta"], ["j"], { axis: 1 }),
    node("Gemm", ["j", "w1", "b1"], ["score"]),
  ],
});

/** One number in, one out. */
const curve = model({
  inputs: [value("x", "float32", ["batch", 1])],
  outputs: [value("y", "float32", ["batch", 1])],
  initializers: [weights("w0", [1, 8]), weights("b0", [8]), weights("w1", [8, 1])],
  nodes: [
    node("Gemm", ["x", "w0", "b0"], ["h"]),
    node("Relu", ["h"], ["r"]),
    node("MatMul", ["r", "w1"], ["y"]),
  ],
});

const COUNT = 24;
/** Waves with a little noise: neighbours are alike, as in real signals. */
const wave = (dims: readonly number[], count = COUNT) =>
  array(
    "float32",
    [count, ...dims],
    Array.from({ length: count * product(dims) }, (_, i) => Math.sin(i / 5) + next() * 0.2),
  );
const image = wave([1, 6, 6]), meta = wave([4]);
const put = (path: string, arrays: Record<string, TensorData>) =>
  Deno.writeFileSync(path, writeNpz(new Map(Object.entries(arrays))));
const changed = (t: TensorData, at: number, v: number): TensorData => ({
  ...t,
  data: (t.data as Float32Array).with(at, v),
});

const SIZES = { fields: 4 };

/** What a folder's files give, without a process for each. */
const inside = (cwd: string, calibration: string, more: Partial<QuantizeRequest> = {}) =>
  quantize({
    model: `${cwd}/two.onnx`,
    calibration: `${cwd}/${calibration}`,
    out: `${cwd}/q.onnx`,
    dims: SIZES,
    method: "minmax",
    ...more,
  });

/** A refusal in words, which leaves no file. */
async function refused(
  pattern: RegExp,
  cwd: string,
  calibration: string,
  more?: Partial<QuantizeRequest>,
) {
  await assert.rejects(inside(cwd, calibration, more), (e) => {
    assert(e instanceof BurinError, `${e}`);
    const said = `${e.message}\n${e.hint}`.replaceAll(`${cwd}/`, "");
    assert.match(said, pattern);
    assert.match(said, /^Cannot .*\n.+/, "a message and a hint");
    return true;
  });
  assert.deepEqual(namesIn(cwd).filter((n) => /^q|burin/.test(n)), []);
}

const TYPED = ["quantize", "two.onnx", "--method", "minmax", "--calibration"];

Deno.test("quantize: several inputs by index, by name, from a folder; the file runs", () =>
  inFolder(async (cwd) => {
    Deno.writeFileSync(`${cwd}/two.onnx`, two);
    put(`${cwd}/index.npz`, { in0: image, in1: meta });
    put(`${cwd}/name.npz`, { meta, other: meta, image });
    Deno.mkdirSync(`${cwd}/some parts`);
    const half = (t: TensorData, k: number): TensorData => {
      const size = t.data.length / 2,
        data = (t.data as Float32Array).slice(k * size, (k + 1) * size);
      return { ...t, shape: [COUNT / 2, ...t.shape.slice(1)], data };
    };
    for (const k of [0, 1]) {
      put(`${cwd}/some parts/p${k}.npz`, { image: half(image, k), meta: half(meta, k) });
    }
    const typed = [...TYPED, "some parts", "--dim", "fields=4", "-o", "q.onnx"];
    const { code, err } = await typeTask(typed, { cwd });
    assert.equal(code, 0, err);
    const file = [...Deno.readFileSync(`${cwd}/q.onnx`)];
    for (const from of ["index.npz", "name.npz"]) {
      const again = await inside(cwd, from, { out: `${cwd}/again.onnx` });
      assert.deepEqual([...again.file], file, from);
    }
    // The sizes stay symbols in the file.
    const run = ["run", "q.onnx", "--board", "host", "--inputs", "name.npz", "--json"];
    const open = await typeTask(run, { cwd });
    assert.match(open.err, /dimension 'fields' \(axis 1 of the input 'meta'\) has no size/);
    assert.equal(JSON.parse(open.out).error.code, "model/unbound-dimension");
    const bound = await typeTask([...run, "--dim", "fields=4"], { cwd });
    assert.equal(bound.code, 0, bound.err);
    assert.equal(JSON.parse(bound.out).samples, COUNT);
  }));

Deno.test("quantize: sizes of symbolic dimensions that are absent, wrong, or not the samples'", () =>
  inFolder(async (cwd) => {
    Deno.writeFileSync(`${cwd}/two.onnx`, two);
    put(`${cwd}/s.npz`, { image, meta });
    await refused(/'fields' .* has no size\n.*--dim fields=/, cwd, "s.npz", { dims: {} });
    await refused(/did you mean fields\?/, cwd, "s.npz", { dims: { field: 4 } });
    await refused(/\[1,9\] and \[8,3\] do not fit/, cwd, "s.npz", { dims: { fields: 5 } });
    await refused(/in0 \(image\) has shape \[24,1,6,6\], not \[5,1,6,6\]/, cwd, "s.npz", {
      dims: { ...SIZES, batch: 5 },
    });
    const batches = await inside(cwd, "s.npz", { dims: { ...SIZES, batch: 2 } });
    assert.match(batches.notes.join(), /12 samples are few/);
  }));

Deno.test("quantize: damaged samples are named by sample, input and element", () =>
  inFolder(async (cwd) => {
    Deno.writeFileSync(`${cwd}/two.onnx`, two);
    const whole = writeNpz(new Map([["image", image], ["meta", meta]]));
    Deno.writeFileSync(`${cwd}/cut.npz`, whole.subarray(0, whole.length >> 1));
    Deno.writeFileSync(`${cwd}/empty.npz`, new Uint8Array());
    Deno.writeFileSync(`${cwd}/one.npy`, writeNpy(image));
    Deno.mkdirSync(`${cwd}/folder`);
    put(`${cwd}/folder/a.npz`, { image, meta });
    put(`${cwd}/folder/b.npz`, { image, meta: wave([5]) });
    put(`${cwd}/absent.npz`, { image });
    put(`${cwd}/uneven.npz`, { image, meta: wave([4], COUNT - 1) });
    put(`${cwd}/nan.npz`, { image, meta: changed(meta, 4 * 19 + 1, NaN) });
    put(`${cwd}/inf.npz`, { image: changed(image, 36 * 3, -Infinity), meta });
    put(`${cwd}/ints.npz`, { image, meta: array("int32", [COUNT, 4], list(COUNT * 4)) });
    put(`${cwd}/none.npz`, { image: wave([1, 6, 6], 0), meta: wave([4], 0) });
    await refused(/Cannot read cut\.npz/, cwd, "cut.npz");
    await refused(/Cannot read empty\.npz/, cwd, "empty.npz");
    await refused(/one array and the model has 2 inputs\n.*image, meta/, cwd, "one.npy");
    await refused(/folder\/b\.npz .* in1 \(meta\) has shape \[24,5\]/, cwd, "folder");
    await refused(/no array in1 \(meta\)\n.*arrays are image/, cwd, "absent.npz");
    await refused(/in0 \(image\) holds 24 samples and in1 \(meta\) 23\n/, cwd, "uneven.npz");
    await refused(/sample 19 of 'meta' holds NaN at element 1\n/, cwd, "nan.npz");
    await refused(/sample 3 of 'image' holds -Infinity at element 0\n/, cwd, "inf.npz");
    await refused(/in1 \(meta\) is int32, not float32\n.*astype\("float32"\)/, cwd, "ints.npz");
    await refused(/there are no samples/, cwd, "none.npz");
    const typed = await typeTask([...TYPED, "nan.npz", "--dim", "fields=4", "--json"], { cwd });
    assert.equal(typed.code, 1);
    assert.match(typed.err, /^Cannot calibrate .*\n {2}\S.*\n {2}\[data\/calibration\]\n$/);
    const { error } = JSON.parse(typed.out);
    assert.deepEqual([error.code, typed.err.includes(error.message)], ["data/calibration", true]);
  }));

Deno.test("quantize: an input of one number; what says nothing is refused or noted", () =>
  inFolder(async (cwd) => {
    Deno.writeFileSync(`${cwd}/curve.onnx`, curve);
    Deno.writeFileSync(`${cwd}/two.onnx`, two);
    put(`${cwd}/x.npz`, { x: array("float32", [COUNT, 1], list(COUNT)) });
    put(`${cwd}/flat.npz`, { x: array("float32", [COUNT, 1], Array(COUNT).fill(3)) });
    put(`${cwd}/still.npz`, {
      image,
      meta: array("float32", [COUNT, 4], Array(COUNT * 4).fill(0)),
    });
    const once = (dims: readonly number[]) =>
      array("float32", [COUNT, ...dims], Array(COUNT).fill([...wave(dims, 1).data]).flat());
    put(`${cwd}/same.npz`, { image: once([1, 6, 6]), meta: once([4]) });
    const single = { model: `${cwd}/curve.onnx`, dims: {} };
    await refused(/every sample is constant/, cwd, "flat.npz", single);
    const { outputs } = await inside(cwd, "x.npz", single);
    assert(outputs[0].snr > 20, `${outputs[0].snr} dB`);
    const notes = async (file: string) => (await inside(cwd, file)).notes.join();
    const still = await notes("still.npz");
    assert.match(still, /samples of 'meta' are constant: they do not tell its range/);
    assert.doesNotMatch(still, /same one/);
    assert.match(await notes("same.npz"), /all 24 samples are the same one/);
  }));

Deno.test("quantize: labels that fit no output are refused, a column of classes is a list", () =>
  inFolder(async (cwd) => {
    Deno.writeFileSync(`${cwd}/two.onnx`, two);
    put(`${cwd}/s.npz`, { image, meta });
    const classes = Array.from({ length: COUNT }, (_, i) => i % 3), labels = `${cwd}/labels.npy`;
    const fails = async (pattern: RegExp, t: TensorData) => {
      Deno.writeFileSync(labels, writeNpy(t));
      await refused(pattern, cwd, "s.npz", { labels });
    };
    const whole = (values: readonly number[]) =>
      array("int64", [values.length], values.map(BigInt));
    await fails(
      /labels\.npy as the label of sample 5, 3, is no class of .*'score'\n.*0 to 2/,
      whole(classes.with(5, 3)),
    );
    await fails(/label of sample 0, -1, is no class/, whole(classes.map((c) => c - 1)));
    await fails(/label of sample 1, 0\.5, /, array("float32", [COUNT], classes.map((c) => c / 2)));
    await fails(
      /label of sample 2 holds NaN/,
      array("float32", [COUNT, 3], list(COUNT * 3).with(7, NaN)),
    );
    await fails(
      /a label has 5 elements and the output 'score' 3/,
      array("float32", [COUNT, 5], list(COUNT * 5)),
    );
    await fails(/23 labels for 24 samples/, whole(classes.slice(1)));
    await fails(/1 labels for 24 samples/, array("int64", [], [1n]));
    Deno.writeFileSync(labels, writeNpy(array("int64", [COUNT, 1], classes.map(BigInt))));
    const [{ accuracy, mse }] = (await inside(cwd, "s.npz", { labels })).outputs;
    assert(accuracy!.float > 0 && accuracy!.float < 1 && mse === null);
  }));
