/**
 * All shared models for development, where they stand beside this checkout: recurrent nets,
 * scikit-learn's, dynamic quantisation, weights in a file of their own, a detector of faces, a
 * streaming net whose states are fed back. Each runs as C on this computer.
 */
import assert from "node:assert/strict";
import type { Artifact } from "../../src/codegen/artifact.ts";
import { compileModel } from "../../src/compile.ts";
import { DEFAULTS } from "../../src/compile/defaults.ts";
import { folderFiles } from "../../src/cli/external.ts";
import { runOnBoard } from "../../src/run/mod.ts";
import { type Sample, splitSamples } from "../../src/run/samples.ts";
import { isFloat } from "../../src/util/dtype.ts";
import { readNpz } from "../../src/util/npz.ts";
import { numbers } from "../../src/util/tensor.ts";
import { assertSameBits, board, exists, SHARED } from "./support.ts";

const there = exists(SHARED);
if (!there) console.log("the shared models are not beside this checkout: their tests are skipped");

/** Folder and stem of each, and whose outputs it has to give. */
const MODELS: readonly [folder: string, stem: string, reference: "exact" | "golden"][] = [
  ["dev/", "gtcrn_simple", "golden"],
  ["dev/", "hello_world_int8", "exact"],
  ["dev/", "micro_speech_int8", "exact"],
  ["dev/", "mnist-8", "golden"],
  ["dev/", "pt_cnn_digits", "golden"],
  ["dev/pt_cnn_digits_extdata/", "model", "golden"],
  ["dev/", "pt_cnn_digits_qdq_u8s8_pc", "golden"],
  ["dev/", "pt_cnn_digits_ts13", "golden"],
  ["dev/", "pt_lstm_digits", "golden"],
  ["dev/", "pt_lstm_digits_dynquant", "golden"],
  ["dev/", "pt_tcn_digits", "golden"],
  ["dev/", "sk_logreg_wine_zipmap", "golden"],
  ["dev/", "sk_mlp_digits", "golden"],
  ["dev/", "sk_rf_digits", "golden"],
  ["dev/", "tinymaix_mnist_resnet_int8", "exact"],
  ["dev/", "yunet_s_320_320", "golden"],
];
const host = board("host");

const artifacts = new Map<string, Promise<Artifact>>();

/** The model compiled, once for all tests. */
function compiled(within: string, stem: string): Promise<Artifact> {
  const folder = new URL(within, SHARED);
  const artifact = artifacts.get(within + stem) ??
    compileModel(Deno.readFileSync(new URL(`${stem}.onnx`, folder)), {
      board: host,
      fileStem: stem,
      name: "net",
      ...DEFAULTS,
      externalFiles: folderFiles(folder.pathname),
    });
  artifacts.set(within + stem, artifact);
  return artifact;
}

/** Floats within 1e-4 of the largest one of all samples, integers equal. */
function near(got: readonly Sample[], want: readonly Sample[]): void {
  assert.equal(got.length, want.length);
  want[0].forEach((first, o) => {
    const largest = want.flatMap((s) => numbers(s[o])).reduce(
      (m, x) => Math.max(m, Math.abs(x)),
      0,
    );
    const slack = isFloat(first.dtype) ? 1e-4 * largest : 0;
    got.forEach((sample, n) => {
      const a = numbers(sample[o]), b = numbers(want[n][o]), what = `sample ${n}, output ${o}`;
      assert.deepEqual([sample[o].dtype, a.length], [first.dtype, b.length], what);
      a.forEach((x, i) => assert(Math.abs(x - b[i]) <= slack, `${what}[${i}]: ${x}, not ${b[i]}`));
    });
  });
}

for (const [folder, stem, reference] of MODELS) {
  Deno.test({
    name: `shared model: ${folder}${stem} gives its stored outputs`,
    ignore: !there,
    async fn() {
      const artifact = await compiled(folder, stem);
      const file = readNpz(
        Deno.readFileSync(new URL(`${folder}${stem}.${reference}.npz`, SHARED)),
      );
      const samples = splitSamples(file, artifact.inputs, "in", stem);
      const want = splitSamples(file, artifact.outputs, "out", stem);
      assert.equal(want.length, 8);
      const { outputs } = await runOnBoard(artifact, host, samples, { optimisation: "-O1" });
      near(outputs, want);
    },
  });
}

Deno.test("shared models for development: none is left out", { ignore: !there }, () => {
  const found = (folder: string): string[] =>
    [...Deno.readDirSync(new URL(folder, SHARED))].flatMap((e) =>
      e.isDirectory
        ? found(`${folder}${e.name}/`)
        : e.name.endsWith(".onnx")
        ? [`${folder}${e.name.slice(0, -".onnx".length)}`]
        : []
    );
  const tested = MODELS.map(([folder, stem]) => folder + stem);
  assert.deepEqual(found("dev/").filter((name) => !tested.includes(name)), []);
});

Deno.test({
  name: "shared model: gtcrn_simple, its own states fed back over 8 frames",
  ignore: !there,
  async fn() {
    const artifact = await compiled("dev/", "gtcrn_simple");
    const file = readNpz(Deno.readFileSync(new URL("dev/gtcrn_simple.golden.npz", SHARED)));
    const golden = splitSamples(file, artifact.inputs, "in", "gtcrn");
    const want = splitSamples(file, artifact.outputs, "out", "gtcrn");
    // The states of each frame are those that the C gives: it equals the interpreter in every bit.
    let [, ...states] = golden[0];
    const frames = golden.map(([frame]) => {
      const inputs = [frame, ...states], outputs = artifact.interpret(inputs);
      states = outputs.slice(1);
      return { inputs, outputs };
    });
    const inputs = frames.map((f) => f.inputs);
    const { outputs } = await runOnBoard(artifact, host, inputs, { optimisation: "-O1" });
    assertSameBits(outputs, frames.map((f) => f.outputs), "C and interpreter");
    near(outputs, want);
  },
});
