/** Operands that are shapes and axes at run time: worked out, checked, chosen by. */
import assert from "node:assert/strict";
import { compileModel } from "../../src/compile.ts";
import { DEFAULTS } from "../../src/compile/defaults.ts";
import { runBatch } from "../../src/run/batch.ts";
import { withWorkDir } from "../../src/run/workdir.ts";
import { loadBoard } from "../../src/target/boards.ts";
import { tensor, type TensorData } from "../../src/util/tensor.ts";
import { model, type ModelParts, node, value } from "../onnx_builder.ts";

const board = loadBoard("host");

/** Compiles a model and runs it on one sample. */
async function run(p: ModelParts, inputs: readonly TensorData[]) {
  const artifact = await compileModel(model(p), {
    board,
    fileStem: "m",
    name: "net",
    ...DEFAULTS,
  });
  const [outcome] = await withWorkDir((folder) =>
    runBatch([{ artifact, samples: [inputs] }], board, folder)
  );
  return { outcome, artifact };
}

const floats = (shape: number[], values: number[]) => tensor("float32", shape, values);
const ints = (...values: number[]) => tensor("int64", [values.length], values);

const reshaped: ModelParts = {
  nodes: [node("Reshape", ["x", "shape"], ["y"])],
  inputs: [value("x", "float32", [2, 3]), value("shape", "int64", [2])],
  outputs: [value("y", "float32", [3, 2])],
};

Deno.test("operands: a shape that is the declared one, also with -1 in it, is taken", async () => {
  const x = floats([2, 3], [1, 2, 3, 4, 5, 6]);
  for (const shape of [ints(3, 2), ints(-1, 2), ints(3, -1)]) {
    const { outcome } = await run(reshaped, [x, shape]);
    assert(outcome.kind === "ran");
    assert.deepEqual([...outcome.outputs[0][0].data], [1, 2, 3, 4, 5, 6]);
  }
});

Deno.test("operands: another shape ends the run with a status, on the interpreter too", async () => {
  const inputs = [floats([2, 3], [1, 2, 3, 4, 5, 6]), ints(6, 1)];
  const { outcome, artifact } = await run(reshaped, inputs);
  assert.equal(outcome.kind === "ran" ? "" : outcome.reason, "run returns status 3");
  assert.throws(() => artifact.interpret(inputs), { code: "data/wrong-operand" });
  assert.match(artifact.sources.get("include/net.h")!, /ERR_SHAPE +\/\* an input that is a shape/);
});

Deno.test("operands: of two axes that give the declared shape, the one that is given is reduced", async () => {
  const p: ModelParts = {
    nodes: [node("ReduceSum", ["x", "axes"], ["y"], { keepdims: 0 })],
    inputs: [value("x", "float32", [2, 2]), value("axes", "int64", [1])],
    outputs: [value("y", "float32", [2])],
  };
  const x = floats([2, 2], [1, 2, 10, 20]);
  for (const [axis, expected] of [[0, [11, 22]], [1, [3, 30]], [-1, [3, 30]]] as const) {
    const { outcome } = await run(p, [x, ints(axis)]);
    assert(outcome.kind === "ran");
    assert.deepEqual([...outcome.outputs[0][0].data], expected);
  }
  const { outcome } = await run(p, [x, ints(2)]);
  assert.equal(outcome.kind, "wrong");
});

Deno.test("operands: a declared shape that no value gives is refused", async () => {
  const p = { ...reshaped, outputs: [value("y", "float32", [4, 2])] };
  await assert.rejects(run(p, []), { code: "model/unsupported-operators" });
});
