/** `deno task quantize` as a user types it, on the models of the examples. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { typeTask } from "../../src/cli/testing.ts";
import { readNpz, writeNpz } from "../../src/util/npz.ts";
import { writeNpy } from "../../src/util/npy.ts";
import { inFolder } from "../../src/util/testing.ts";

const at = (path: string) => fileURLToPath(new URL(`../../examples/${path}`, import.meta.url));

/** The largest loss of accuracy, in parts of one. */
const LOSS = 0.005;

for (const name of ["digits", "motion", "vowels"]) {
  Deno.test(`quantize: ${name} loses at most half a point of accuracy, input files untouched`, () =>
    inFolder(async (cwd) => {
      const model = at(`${name}/${name}_fp32.onnx`), test = at(`${name}/test_fp32.npz`);
      const before = Deno.readFileSync(model);
      // Half of the samples, of all classes, find the ranges; all are judged.
      const arrays = readNpz(Deno.readFileSync(test));
      const input = arrays.get("in0")!, [count, ...rest] = input.shape;
      const size = rest.reduce((a, b) => a * b, 1);
      const picked = Array.from({ length: Math.ceil(count / 2) }, (_, i) => i * 7 % count);
      const part = new Float32Array(picked.length * size);
      picked.forEach((s, i) =>
        part.set((input.data as Float32Array).subarray(s * size, (s + 1) * size), i * size)
      );
      const calibration = { dtype: input.dtype, shape: [picked.length, ...rest], data: part };
      Deno.writeFileSync(`${cwd}/some samples.npz`, writeNpz(new Map([["in0", calibration]])));
      const args = ["quantize", model, "--calibration", "some samples.npz", "-o", "q 8.onnx"];
      const { code, out, err } = await typeTask([...args, "--method", "mse"], { cwd });
      assert.equal(code, 0, err);
      assert.match(out, /^Wrote q 8\.onnx, made of \w+_fp32\.onnx/);
      assert.deepEqual(Deno.readFileSync(model), before);
      const accuracy = async (file: string) => {
        const run = ["run", file, "--board", "host", "--inputs", test, "--outputs", "o.npz"];
        const answer = await typeTask(run, { cwd });
        assert.equal(answer.code, 0, answer.err);
        const y = readNpz(Deno.readFileSync(`${cwd}/o.npz`)).get("out0")!;
        const classes = y.data.length / count, labels = arrays.get("labels")!.data;
        let right = 0;
        for (let s = 0; s < count; s++) {
          const row = Array.from(y.data.slice(s * classes, (s + 1) * classes) as Float32Array);
          if (row.indexOf(Math.max(...row)) === Number(labels[s])) right++;
        }
        return right / count;
      };
      const [float, int8] = [await accuracy(model), await accuracy("q 8.onnx")];
      assert(int8 >= float - LOSS, `${int8} after ${float}`);
    }));
}

Deno.test("quantize: --json, labels, and the same bytes again", () =>
  inFolder(async (cwd) => {
    const test = at("vowels/test_fp32.npz");
    Deno.writeFileSync(
      `${cwd}/labels.npy`,
      writeNpy(readNpz(Deno.readFileSync(test)).get("labels")!),
    );
    const args = [
      "quantize",
      at("vowels/vowels_fp32.onnx"),
      "--calibration",
      test,
      "--method",
      "minmax",
    ];
    const { code, out, err } = await typeTask(
      [
        ...args,
        "--labels",
        "labels.npy",
        "--integer-io",
        "--json",
        "--sensitivity",
        "--report",
        "r.html",
      ],
      { cwd },
    );
    assert.equal(code, 0, err);
    const r = JSON.parse(out);
    assert.deepEqual([r.model, r.path, r.setting.method], [
      "vowels_fp32.onnx",
      "vowels_fp32_int8.onnx",
      "minmax",
    ]);
    assert(r.outputs[0].accuracy.quantised > 0.95 && r.outputs[0].agreement > 0.98);
    assert(r.tensors.every((t: { snr: number }) => t.snr > 15));
    assert(r.layers.every((l: { alone: { snr: number } }) => l.alone.snr > 15));
    const page = Deno.readTextFileSync(`${cwd}/r.html`);
    assert.match(page, /<h1>vowels_fp32.onnx<\/h1>/);
    assert.match(page, /accuracy 9\d\.\d\d/);
    for (const t of r.tensors) assert(page.includes(`title="${t.tensor}"`), t.tensor);
    const first = Deno.readFileSync(`${cwd}/vowels_fp32_int8.onnx`);
    assert.equal((await typeTask([...args, "--integer-io"], { cwd })).code, 0);
    assert.deepEqual(Deno.readFileSync(`${cwd}/vowels_fp32_int8.onnx`), first);
  }));

Deno.test("quantize: wrong usage is answered in a line, nothing is written", () =>
  inFolder(async (cwd) => {
    const model = at("vowels/vowels_fp32.onnx"), test = at("vowels/test_fp32.npz");
    const refused = async (expected: number, pattern: RegExp, ...args: string[]) => {
      const { code, err } = await typeTask(["quantize", ...args], { cwd });
      assert.equal(code, expected, err);
      assert.match(err, pattern);
      assert.deepEqual([...Deno.readDirSync(cwd)].filter((e) => e.name.endsWith(".onnx")), []);
    };
    await refused(2, /no model is named/);
    await refused(2, /no samples are named[\s\S]*--calibration/, model);
    await refused(2, /--calibration/, model, "--calibrate", test);
    await refused(1, /there is no such file/, model, "--calibration", "none.npz");
    await refused(2, /takes auto, minmax/, model, "--calibration", test, "--method", "magic");
    await refused(2, /--percentile/, model, "--calibration", test, "--percentile", "200");
    await refused(
      1,
      /quantised already/,
      at("vowels/vowels_int8.onnx"),
      "--calibration",
      at("vowels/test.npz"),
    );
    await refused(2, /is the float model/, model, "--calibration", test, "-o", model);
    Deno.writeFileSync(
      `${cwd}/two.npy`,
      writeNpy({ dtype: "uint8", shape: [2], data: new Uint8Array(2) }),
    );
    await refused(1, /2 labels for/, model, "--calibration", test, "--labels", "two.npy");
  }));
