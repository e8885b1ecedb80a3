import assert from "node:assert/strict";
import { compileModel } from "../compile.ts";
import { DEFAULTS } from "../compile/defaults.ts";
import { runBatch } from "../run/batch.ts";
import { withWorkDir } from "../run/workdir.ts";
import { loadBoard } from "../target/boards.ts";
import { tensor } from "../util/tensor.ts";
import { model, node, tensor as onnxTensor, value } from "../../tests/onnx_builder.ts";

Deno.test("fuse: an operator of several results is not taken by the reader of one of them", async () => {
  const bytes = model({
    nodes: [
      node("DynamicQuantizeLinear", ["x"], ["q", "s", "z"]),
      node("Mul", ["s", "two"], ["y"]),
      node("DequantizeLinear", ["q", "s", "z"], ["back"]),
    ],
    inputs: [value("x", "float32", [4])],
    outputs: [value("y", "float32", []), value("back", "float32", [4])],
    initializers: [onnxTensor("two", "float32", [], [2])],
  });
  const board = loadBoard("host");
  for (const optLevel of [0, 1, 2, 3] as const) {
    const artifact = await compileModel(bytes, {
      board,
      fileStem: "net",
      ...DEFAULTS,
      optLevel,
    });
    const x = tensor("float32", [4], [0, 51, 102, 255]);
    const [o] = await withWorkDir((folder) =>
      runBatch([{ artifact, samples: [[x]] }], board, folder)
    );
    assert(o.kind === "ran", `-O${optLevel}`);
    assert.deepEqual(o.outputs[0].map((t) => [...t.data]), [[2], [0, 51, 102, 255]]);
  }
});
