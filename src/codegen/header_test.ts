/** What the header says of the ports is what the graph says, to the last bit. */
import assert from "node:assert/strict";
import { board, compile, ownNet } from "../../tests/e2e/support.ts";
import { loadBoard } from "../target/boards.ts";
import { modelJson, totalMacs } from "../project/model_json.ts";

const host = board("host");

for (const name of ["tf_conv_dense", "ort_cnn_qdq_s8s8_sym_pc"]) {
  Deno.test(`header: scales, zero points and sizes of ${name}`, async () => {
    const artifact = await compile(ownNet(name).bytes, host);
    const header = artifact.sources.get(`include/${artifact.name}.h`)!;
    const ports = [...artifact.inputs, ...artifact.outputs].filter((p) => p.scale !== undefined);
    for (const p of ports) {
      const macro = `${artifact.name}_${p.cName}`.toUpperCase();
      const value = (what: string): string =>
        new RegExp(`#define ${macro}_${what} \\(?(\\S+?)\\)?$`, "m").exec(header)?.[1] ?? "";
      const text = value("SCALE");
      assert.match(text, /^[\d.e+-]+f$/, `${macro}_SCALE`);
      assert.equal(Math.fround(Number(text.slice(0, -1))), Math.fround(p.scale!));
      assert.equal(Number(value("ZERO_POINT")), p.zeroPoint);
      assert.equal(Number(value("BYTES")), p.bytes);
    }
    assert.ok(ports.length > 0);
  });
}

Deno.test("model.json: the multiply-accumulates of all kernels together", async () => {
  const artifact = await compile(ownNet("tf_conv_dense").bytes, host);
  const each = artifact.kernels.map((k) => k.macs).filter((n) => n > 0);
  assert.ok(each.length > 1);
  assert.equal(totalMacs(artifact), each.reduce((a, b) => a + b));
  const json = modelJson(
    artifact,
    { board: loadBoard("stm32f746"), command: [], sharedMemory: [] },
    "plain",
    [],
  );
  assert.equal(json.macs, totalMacs(artifact));
});
