import assert from "node:assert/strict";
import { join } from "@std/path";
import proto from "onnx-proto";
import { runSuite } from "../../src/cli/conformance/run.ts";
import { listCases } from "../../src/cli/conformance/suite.ts";
import { loadBoard } from "../../src/target/boards.ts";
import { model, node, tensor, value } from "../onnx_builder.ts";

/** Writes a case with one operator on x [2] and its expected y. */
function writeCase(
  suite: string,
  name: string,
  op: string,
  y: readonly number[],
  own?: { rtol: number; atol: number },
): void {
  const folder = join(suite, name), set = join(folder, "test_data_set_0");
  Deno.mkdirSync(set, { recursive: true });
  const onnx = model({
    nodes: [node(op, ["x"], ["y"])],
    inputs: [value("x", "float32", [2])],
    outputs: [value("y", "float32", [2])],
  });
  const pb = (values: readonly number[], as: string): Uint8Array =>
    proto.onnx.TensorProto.encode(tensor(as, "float32", [2], values)).finish();
  Deno.writeFileSync(join(folder, "model.onnx"), onnx);
  Deno.writeFileSync(join(set, "input_0.pb"), pb([-1, 2], "x"));
  Deno.writeFileSync(join(set, "output_0.pb"), pb(y, "y"));
  if (own) Deno.writeTextFileSync(join(folder, "data.json"), JSON.stringify(own));
}

Deno.test("conformance: verdicts of cases that pass, differ, differ within their own tolerance, and are refused", async () => {
  const suite = Deno.makeTempDirSync();
  try {
    writeCase(suite, "a_passes", "Relu", [0, 2]);
    writeCase(suite, "b_differs", "Relu", [0, 2.1]);
    writeCase(suite, "c_own_tolerance", "Relu", [0, 2.1], { rtol: 0.1, atol: 0 });
    writeCase(suite, "d_unknown", "Sprocket", [0, 2]);
    const results = await runSuite(listCases(suite), {
      board: loadBoard("host"),
      optLevel: 3,
      sanitize: false,
      progress: () => {},
    });
    assert.deepEqual(results.map((r) => [r.name, r.verdict]), [
      ["a_passes", "passed"],
      ["b_differs", "wrong"],
      ["c_own_tolerance", "passed"],
      ["d_unknown", "refused"],
    ]);
    assert.match(results[1].reason, /element 1 is 2 where 2\.09/);
    assert.match(results[3].reason, /^Sprocket: /);
  } finally {
    Deno.removeSync(suite, { recursive: true });
  }
});

Deno.test("conformance: a folder without cases is refused", () => {
  const suite = Deno.makeTempDirSync();
  try {
    assert.throws(() => listCases(suite), { code: "data/no-suite" });
  } finally {
    Deno.removeSync(suite);
  }
});
