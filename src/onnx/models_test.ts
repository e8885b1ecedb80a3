/** Whole models: imported, verified, and evaluated as they stand against their stored outputs. */
import assert from "node:assert/strict";
import { evaluateGraph } from "../ir/evaluate.ts";
import { dims } from "../ir/graph.ts";
import { printGraph } from "../ir/print.ts";
import { verifyGraph } from "../ir/verify.ts";
import { readNpz } from "../util/npz.ts";
import { type ElementArray, numbers, sizeOf, type TensorData } from "../util/tensor.ts";
import { importModel, UnsupportedNodes } from "./import.ts";

const MODELS = new URL("../../tests/models/", import.meta.url);
const SHARED = new URL("../../../shared/models/", import.meta.url);

interface Entry {
  readonly name: string;
  readonly tolerance: "exact" | "softmax" | "float";
}

/** Before the integer passes a quantised graph computes in float32: ties may go the other way. */
const TIES = new Set([
  "corner_tiny_scales",
  "qop_add_mul_ties_s8",
  "qop_add_mul_ties_u8",
  "qop_pools_ties_u8",
]);
const SAMPLES = 2;

function sample(t: TensorData, i: number, shape: readonly number[]): TensorData {
  const n = sizeOf(shape);
  return { dtype: t.dtype, shape, data: t.data.slice(i * n, (i + 1) * n) as ElementArray };
}

function compare(name: string, tolerance: Entry["tolerance"], y: TensorData, want: TensorData) {
  const a = numbers(y), b = numbers(want);
  const largest = b.reduce((m, x) => Math.max(m, Math.abs(x)), 0);
  const float = y.dtype === "float32";
  // A float output behind quantised operators is the same bits unless float sums came before it.
  const allowed = float ? 1e-4 * largest : tolerance === "softmax" || TIES.has(name) ? 1 : 0;
  a.forEach((x, i) => {
    assert(Math.abs(x - b[i]) <= allowed, `${name}: element ${i} is ${x} instead of ${b[i]}`);
  });
}

const list: Entry[] = JSON.parse(Deno.readTextFileSync(new URL("models.json", MODELS)));
for (const { name, tolerance } of list) {
  Deno.test(`imported and evaluated: ${name}`, () => {
    const { graph } = importModel(Deno.readFileSync(new URL(`${name}.onnx`, MODELS)), { name });
    verifyGraph(graph, "import");
    const stored = readNpz(Deno.readFileSync(new URL(`${name}.npz`, MODELS)), name);
    for (let i = 0; i < SAMPLES; i++) {
      const inputs = graph.inputs.map((v, k) => sample(stored.get(`in${k}`)!, i, dims(v.type)));
      evaluateGraph(graph, inputs).forEach((y, k) =>
        compare(name, tolerance, y, sample(stored.get(`out${k}`)!, i, y.shape))
      );
    }
  });
}

function exists(url: URL): boolean {
  try {
    return Deno.statSync(url).isDirectory;
  } catch {
    return false;
  }
}

const shared = exists(SHARED);
if (!shared) console.log("the shared models are not here: their import is not tested");

Deno.test({
  name: "every shared model is imported, or refused with all of its unsupported nodes",
  ignore: !shared,
  fn() {
    let imported = 0;
    for (const folder of ["mlperf_tiny/", "dev/"]) {
      for (const { name } of Deno.readDirSync(new URL(folder, SHARED))) {
        if (!name.endsWith(".onnx")) continue;
        const bytes = Deno.readFileSync(new URL(folder + name, SHARED));
        try {
          const { graph } = importModel(bytes);
          verifyGraph(graph, `import of ${name}`);
          assert.equal(printGraph(graph), printGraph(importModel(bytes).graph));
          imported++;
        } catch (e) {
          assert(e instanceof UnsupportedNodes && folder === "dev/", `${name}: ${e}`);
          for (const p of e.problems) assert(p.node !== "" && p.reason !== "", `${name}: ${e}`);
        }
      }
    }
    assert(imported >= 25, `${imported} imported`);
  },
});

Deno.test({
  name: "weights in another file are refused with the reason",
  ignore: !shared,
  fn() {
    const bytes = Deno.readFileSync(new URL("dev/pt_cnn_digits_extdata/model.onnx", SHARED));
    assert.throws(() => importModel(bytes), /in another file \('model\.onnx\.data'\)/);
  },
});
