/**
 * Graphs after the passes, on the interpreter, against reference outputs that others made: what the
 * nets of tests/models and, where they are there, the shared models say. Every -O level, every graph
 * verified after every pass.
 */
import assert from "node:assert/strict";
import { numbers, sizeOf, type TensorData } from "../../src/util/tensor.ts";
import { readNpz } from "../../src/util/npz.ts";
import { evaluateGraph } from "../../src/ir/evaluate.ts";
import { dims, type Graph } from "../../src/ir/graph.ts";
import { verifyGraph } from "../../src/ir/verify.ts";
import { importModel } from "../../src/onnx/import.ts";
import { runPasses } from "../../src/passes/pipeline.ts";

type Tolerance = "exact" | "float" | "softmax";

/** The passes' result, verified on the way. */
function compiled(file: URL, level: number): Graph {
  const { graph } = importModel(Deno.readFileSync(file));
  return runPasses(graph, { level, observe: (pass, g) => verifyGraph(g, pass) });
}

/** Sample `s` of an array whose first axis counts samples, in the shape that is asked for. */
function sample(t: TensorData, s: number, shape: readonly number[]): TensorData {
  const n = sizeOf(shape);
  assert.equal(t.data.length, n * t.shape[0], "the reference has another size");
  return { dtype: t.dtype, shape, data: t.data.slice(n * s, n * (s + 1)) };
}

/** Compares all samples of a graph with their references. */
function check(g: Graph, arrays: ReadonlyMap<string, TensorData>, tolerance: Tolerance): void {
  const count = arrays.get("in0")!.shape[0];
  const largest = g.outputs.map((_, i) =>
    Math.max(...numbers(arrays.get(`out${i}`)!).map(Math.abs))
  );
  for (let s = 0; s < count; s++) {
    const outs = evaluateGraph(
      g,
      g.inputs.map((v, i) => sample(arrays.get(`in${i}`)!, s, dims(v.type))),
    );
    outs.forEach((t, i) => {
      const want = numbers(sample(arrays.get(`out${i}`)!, s, t.shape)), got = numbers(t);
      if (tolerance === "exact") return assert.deepEqual(got, want, `sample ${s}, output ${i}`);
      const allowed = tolerance === "float" ? 1e-4 * largest[i] : step(arrays.get(`out${i}`)!);
      const worst = Math.max(...got.map((v, k) => Math.abs(v - want[k])));
      assert.ok(worst <= allowed, `sample ${s}, output ${i} differs by ${worst}`);
    });
  }
}

/** One quantisation step of an output: 1, or the smallest distance of two of its float values. */
function step(t: TensorData): number {
  if (t.dtype !== "float32") return 1;
  const values = [...new Set(numbers(t))].sort((a, b) => a - b);
  return Math.min(...values.slice(1).map((v, i) => v - values[i])) * (1 + 1e-6);
}

const nets = new URL("../models/", import.meta.url);
const list: { name: string; tolerance: Tolerance }[] = JSON.parse(
  Deno.readTextFileSync(new URL("models.json", nets)),
);
/**
 * onnxruntime's QLinearAdd, QLinearMul and average pools break ties in ways of their own, which differ
 * between processors; here they mean what their QDQ forms mean, so these nets are no reference.
 */
const OTHER_TIES = ["qop_add_mul_ties_u8", "qop_add_mul_ties_s8", "qop_pools_ties_u8"];
for (const { name, tolerance } of list.filter((n) => !OTHER_TIES.includes(n.name))) {
  Deno.test(`nets: ${name}`, () => {
    const arrays = readNpz(Deno.readFileSync(new URL(`${name}.npz`, nets)));
    for (const level of [0, 3]) {
      check(compiled(new URL(`${name}.onnx`, nets), level), arrays, tolerance);
    }
  });
}

const shared = new URL("../../../shared/models/", import.meta.url);
const there = ((): boolean => {
  try {
    return Deno.statSync(shared).isDirectory;
  } catch {
    console.log("the shared models are not beside this checkout: their tests are skipped");
    return false;
  }
})();
/** Stem and which reference: exact integer arithmetic, or onnxruntime's outputs. */
const SHARED: readonly [string, "exact" | "golden", Tolerance][] = [
  ["dev/hello_world_int8", "exact", "exact"],
  ["dev/micro_speech_int8", "exact", "softmax"],
  ["dev/tinymaix_mnist_resnet_int8", "exact", "softmax"],
  ["dev/pt_cnn_digits_qdq_u8s8_pc", "golden", "exact"],
  ["mlperf_tiny/kws01_int8", "exact", "softmax"],
  ["mlperf_tiny/kws01_ort_qdq_u8s8_pc", "exact", "softmax"],
  ["mlperf_tiny/kws01_ort_qdq_s8s8_sym_pc", "exact", "softmax"],
  ["mlperf_tiny/kws01_ort_qop_u8s8_pc", "golden", "softmax"],
  ["mlperf_tiny/kws01_dynrange", "golden", "float"],
  ["mlperf_tiny/ad01_int8", "exact", "exact"],
  ["mlperf_tiny/ad01_ort_qdq_u8s8_pc", "exact", "exact"],
  ["mlperf_tiny/ad01_ort_qop_u8s8_pc", "golden", "exact"],
  ["mlperf_tiny/ad01_fp32", "golden", "float"],
  ["mlperf_tiny/ic01_int8", "exact", "softmax"],
  ["mlperf_tiny/ic01_ort_qdq_s8s8_sym_pc", "exact", "softmax"],
  ["mlperf_tiny/ic01_ort_qop_u8s8_pc", "golden", "softmax"],
  ["mlperf_tiny/sww01_int8", "exact", "softmax"],
  ["mlperf_tiny/sww01_ort_qop_u8u8", "golden", "softmax"],
  ["mlperf_tiny/vww01_int8", "exact", "softmax"],
];
for (const [stem, kind, tolerance] of SHARED) {
  Deno.test({
    name: `shared: ${stem}`,
    ignore: !there,
    fn() {
      const arrays = readNpz(Deno.readFileSync(new URL(`${stem}.${kind}.npz`, shared)));
      check(compiled(new URL(`${stem}.onnx`, shared), 3), arrays, tolerance);
    },
  });
}
