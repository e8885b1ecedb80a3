/**
 * The further shared models, where they stand beside this checkout: recurrent nets, scikit-learn's,
 * dynamic quantisation, a streaming net whose states are fed back. Each runs as C on this computer.
 */
import assert from "node:assert/strict";
import { compileModel } from "../../src/compile.ts";
import { DEFAULTS } from "../../src/compile/defaults.ts";
import { folderFiles } from "../../src/cli/external.ts";
import { runOnBoard } from "../../src/run/mod.ts";
import { splitSamples } from "../../src/run/samples.ts";
import { isFloat } from "../../src/util/dtype.ts";
import { readNpz } from "../../src/util/npz.ts";
import { numbers, type TensorData } from "../../src/util/tensor.ts";
import { board, exists, SHARED } from "./support.ts";

const there = exists(SHARED);
if (!there) console.log("the shared models are not beside this checkout: their tests are skipped");

const MODELS = [
  "gtcrn_simple",
  "mnist-8",
  "pt_cnn_digits",
  "pt_cnn_digits_qdq_u8s8_pc",
  "pt_cnn_digits_ts13",
  "pt_lstm_digits",
  "pt_lstm_digits_dynquant",
  "pt_tcn_digits",
  "sk_logreg_wine_zipmap",
  "sk_mlp_digits",
  "sk_rf_digits",
];
const host = board("host");

async function compiled(stem: string, folder = new URL("dev/", SHARED)) {
  return await compileModel(Deno.readFileSync(new URL(`${stem}.onnx`, folder)), {
    board: host,
    fileStem: stem,
    name: "net",
    ...DEFAULTS,
    externalFiles: folderFiles(new URL(".", folder).pathname),
  });
}

/** Floats within 1e-4 of the largest one, integers equal. */
function near(got: TensorData, want: TensorData, what: string): void {
  const a = numbers(got), b = numbers(want);
  const slack = isFloat(want.dtype) ? 1e-4 * b.reduce((m, x) => Math.max(m, Math.abs(x)), 0) : 0;
  a.forEach((x, i) => assert(Math.abs(x - b[i]) <= slack, `${what}[${i}]: ${x}, not ${b[i]}`));
}

for (const stem of MODELS) {
  Deno.test({
    name: `shared model: ${stem} gives its stored outputs`,
    ignore: !there,
    async fn() {
      const artifact = await compiled(stem);
      const file = readNpz(Deno.readFileSync(new URL(`dev/${stem}.golden.npz`, SHARED)));
      const samples = splitSamples(file, artifact.inputs, "in", stem);
      const want = splitSamples(file, artifact.outputs, "out", stem);
      const { outputs } = await runOnBoard(artifact, host, samples, { optimisation: "-O1" });
      outputs.forEach((o, s) => o.forEach((t, i) => near(t, want[s][i], `${s}/${i}`)));
    },
  });
}

Deno.test({
  name: "shared model: gtcrn_simple, its own states fed back over 8 frames",
  ignore: !there,
  async fn() {
    const artifact = await compiled("gtcrn_simple");
    const file = readNpz(Deno.readFileSync(new URL("dev/gtcrn_simple.golden.npz", SHARED)));
    const samples = splitSamples(file, artifact.inputs, "in", "gtcrn");
    const want = splitSamples(file, artifact.outputs, "out", "gtcrn");
    let [, ...states] = samples[0];
    for (const [s, [frame]] of samples.entries()) {
      const [enhanced, ...next] = artifact.interpret([frame, ...states]);
      near(enhanced, want[s][0], `frame ${s}`);
      states = next;
    }
  },
});
