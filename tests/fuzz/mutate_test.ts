import assert from "node:assert/strict";
import { checkImport } from "./check.ts";
import { KINDS, mutant } from "./mutate.ts";

const MODELS = [
  "tf_kernel_10x4",
  "float_grouped",
  "quirk_computed_shapes",
  "ort_mixed_qdq_u8s8_pc",
];
const read = (name: string): Uint8Array =>
  Deno.readFileSync(new URL(`../models/${name}.onnx`, import.meta.url));

for (const kind of KINDS) {
  Deno.test(`damaged files end in a graph or a message: ${kind}`, () => {
    MODELS.forEach((name, i) => {
      const model = read(name);
      for (let seed = 0; seed < 3; seed++) {
        const { what, bytes } = mutant(model, kind, 1000 * i + seed);
        checkImport(bytes, `${name} (${what})`);
      }
    });
  });
}

Deno.test("a file cut anywhere ends in a message", () => {
  const model = read("quirk_names");
  for (let length = 0; length < model.length; length += 1) {
    const outcome = checkImport(model.slice(0, length), `${length} bytes`);
    // A cut between two fields of the model leaves a valid file, which lacks its operator sets.
    assert.notEqual(outcome, "imported", `${length} of ${model.length} bytes`);
  }
});

Deno.test("the same seed damages a file in the same way", () => {
  const model = read("quirk_names");
  for (const kind of KINDS) assert.deepEqual(mutant(model, kind, 7), mutant(model, kind, 7));
});
