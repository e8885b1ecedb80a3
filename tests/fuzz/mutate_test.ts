import assert from "node:assert/strict";
import { checkFile } from "./check.ts";
import { KINDS, mutant } from "./mutate.ts";

const MODELS = [
  "tf_kernel_10x4",
  "float_grouped",
  "quirk_computed_shapes",
  "ort_mixed_qdq_u8s8_pc",
  "ort_mixed_qop_u8s8",
];
const SEEDS = 4;
const read = (name: string): Uint8Array =>
  Deno.readFileSync(new URL(`../models/${name}.onnx`, import.meta.url));

for (const kind of KINDS) {
  Deno.test(`damaged files end in a project or a message: ${kind}`, async () => {
    for (const [i, name] of MODELS.entries()) {
      const model = read(name);
      for (let seed = 0; seed < SEEDS; seed++) {
        const { what, bytes } = mutant(model, kind, 1000 * i + seed);
        await checkFile(bytes, `${name} (${what})`);
      }
    }
  });
}

Deno.test("a file cut anywhere ends in a message", async () => {
  const model = read("quirk_names");
  for (let length = 0; length < model.length; length += 1) {
    const { code } = await checkFile(model.slice(0, length), `${length} bytes`);
    // A cut between two fields of the model leaves a valid file, which lacks its operator sets.
    assert.notEqual(code, "compiled", `${length} of ${model.length} bytes`);
  }
});

Deno.test("the same seed damages a file in the same way", () => {
  const model = read("quirk_names");
  for (const kind of KINDS) assert.deepEqual(mutant(model, kind, 7), mutant(model, kind, 7));
});
