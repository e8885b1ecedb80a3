/** `deno task quantize` as a user types it, on the models of the examples. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { typeTask } from "../../src/cli/testing.ts";
import { readNpz, writeNpz } from "../../src/util/npz.ts";
import { writeNpy } from "../../src/util/npy.ts";
import type { TensorData } from "../../src/util/tensor.ts";
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

/** An .npz of some of the vowels, as they are changed. */
function vowels(
  path: string,
  change: (t: TensorData) => Readonly<Record<string, TensorData>>,
): void {
  const all = readNpz(Deno.readFileSync(at("vowels/test_fp32.npz"))).get("in0")!;
  const size = all.data.length / all.shape[0],
    data = (all.data as Float32Array).slice(0, 20 * size);
  const some: TensorData = { dtype: "float32", shape: [20, ...all.shape.slice(1)], data };
  Deno.writeFileSync(path, writeNpz(new Map(Object.entries(change(some)))));
}

Deno.test("quantize: files that do not fit are named with the reason, in a line, and nothing is left", () =>
  inFolder(async (cwd) => {
    const model = at("vowels/vowels_fp32.onnx");
    const [good, ...bad]: [
      string,
      (t: TensorData) => Readonly<Record<string, TensorData>>,
      RegExp,
    ][] = [
      ["good", (t) => ({ in0: t }), /./],
      [
        "double",
        (t) => ({
          in0: { ...t, dtype: "float64", data: Float64Array.from(t.data as Float32Array) },
        }),
        /is float64, not float32/,
      ],
      [
        "flat",
        (t) => ({ in0: { ...t, shape: [t.data.length] } }),
        /has shape \[\d+\], not \[1,12,16\]|not \[1,1,12,16\]/,
      ],
      ["other", (t) => ({ other: t }), /it has no array in0 \(lpc\)[\s\S]*its arrays are other/],
      [
        "zero",
        (t) => ({ in0: { ...t, data: new Float32Array(t.data.length) } }),
        /every sample is constant/,
      ],
      [
        "none",
        (t) => ({ in0: { ...t, shape: [0, ...t.shape.slice(1)], data: new Float32Array(0) } }),
        /there are no samples/,
      ],
      [
        "broken",
        (t) => ({ in0: { ...t, data: new Float32Array(t.data.length).fill(NaN) } }),
        /sample 0 of 'lpc' holds NaN at element 0/,
      ],
    ];
    vowels(`${cwd}/good.npz`, good[1]);
    const refused = async (expected: number, pattern: RegExp, ...args: string[]) => {
      const { code, out, err } = await typeTask(["quantize", ...args], { cwd });
      assert.equal(code, expected, err);
      assert.match(err, pattern);
      assert.doesNotMatch(err, /at .*\.ts:\d+/, "no stack");
      assert.equal(out, "");
      assert.deepEqual([...Deno.readDirSync(cwd)].filter((e) => /onnx|html/.test(e.name)), []);
    };
    for (const [name, change, why] of bad) {
      vowels(`${cwd}/${name} one.npz`, change);
      await refused(1, why, model, "--calibration", `${name} one.npz`);
    }
    const args = [model, "--calibration", "good.npz"];
    Deno.mkdirSync(`${cwd}/a folder`);
    await refused(1, /Cannot write a folder as/, ...args, "-o", "a folder");
    await refused(1, /Cannot write no\/q.onnx as/, ...args, "-o", "no/q.onnx");
    await refused(1, /Cannot write no\/r.html as/, ...args, "--report", "no/r.html");
    await refused(1, /no samples[\s\S]*\.npz, \.npy/, model, "--calibration", "a folder");
    await refused(2, /nobody in int16/, ...args, "--int16", "nobody");
    await refused(2, /--ram-budget/, ...args, "--ram-budget", "much");
    await refused(2, /--instruction-budget/, ...args, "--instruction-budget", "-3%");
    await refused(2, /board/, ...args, "--ram-budget", "1", "--board", "nobody");
    // Without a C compiler there is nothing to run the model with, which is said before any work.
    Deno.mkdirSync(`${cwd}/bin`);
    Deno.symlinkSync(Deno.execPath(), `${cwd}/bin/deno`);
    const { code, err } = await typeTask(["quantize", ...args], {
      cwd,
      env: { PATH: `${cwd}/bin` },
    });
    assert.equal(code, 3, err);
    assert.match(err, /gcc is not installed[\s\S]*apt-get/);
  }));

Deno.test("quantize: Ctrl-C at any time ends it with 130 and leaves no file behind", () =>
  inFolder(async (cwd) => {
    Deno.mkdirSync(`${cwd}/tmp`);
    const main = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));
    const config = fileURLToPath(new URL("../../deno.json", import.meta.url));
    const [model, test] = [at("vowels/vowels_fp32.onnx"), at("vowels/test_fp32.npz")];
    for (const doing of ["in float", "measuring minmax"]) {
      const out = ["-o", "q.onnx", "--report", "q.html", "--method", "minmax"];
      const child = new Deno.Command(Deno.execPath(), {
        args: [
          ...["run", "-A", "--quiet", "--no-check", "--config", config, main],
          ...["quantize", model, "--calibration", test, ...out],
        ],
        cwd,
        env: { TMPDIR: `${cwd}/tmp`, NO_COLOR: "1", INIT_CWD: cwd },
        stdin: "null",
        stdout: "null",
        stderr: "piped",
      }).spawn();
      let said = "", killed = false;
      const decoder = new TextDecoder();
      for await (const chunk of child.stderr) {
        said += decoder.decode(chunk, { stream: true });
        if (!said.includes(doing) || killed) continue;
        killed = true;
        setTimeout(() => child.kill("SIGINT"), 150);
      }
      assert.equal((await child.status).code, 130, said);
      assert.deepEqual([...Deno.readDirSync(cwd)].map((e) => e.name), ["tmp"], doing);
      assert.deepEqual([...Deno.readDirSync(`${cwd}/tmp`)], [], doing);
    }
  }));
