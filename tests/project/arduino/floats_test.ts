import assert from "node:assert/strict";
import { join } from "@std/path";
import type { Artifact } from "../../../src/project/mod.ts";
import { loadBoard } from "../../../src/target/boards.ts";
import { inFolder } from "../../../src/util/testing.ts";
import { bytes, type TensorData } from "../../../src/util/tensor.ts";
import { buildSketch, makeLibrary, root, runSketch } from "./support.ts";

const BOARD = "arduino_nano_33_ble";
const MODELS = [
  ["digits_fp32", "examples/digits/digits_fp32.onnx"],
  ["float_conv_bn", "tests/models/float_conv_bn.onnx"],
] as const;

/** Flags of Arduino's cores, and what a user may choose there; each would contract a * b + c. */
const FLAGS = ["-Os -ffp-contract=fast", "-O3 -ffp-contract=fast"];

const words = (t: TensorData): string[] =>
  Array.from(new Uint32Array(bytes(t).slice().buffer), (w) => `0x${w.toString(16)}`);

/** A sketch that runs the golden inputs and prints the bits of what comes out. */
function bitsSketch(m: Artifact): string {
  const [input] = m.inputs, [output] = m.outputs;
  const samples = m.golden.map((g) => words(g.inputs[0]));
  const rows = samples.map((list) => `  { ${list.map((w) => `${w}u`).join(", ")} },`).join("\n");
  return `#include <Burin_${m.name}.h>

static const uint32_t samples[${samples.length}][${samples[0].length}] = {
${rows}
};
static uint32_t result[${words(m.golden[0].outputs[0]).length}];

void setup() {
  for (const auto &sample : samples) {
    const ${m.name}_inputs inputs = { (const ${input.cType} *)sample };
    const ${m.name}_outputs outputs = { (${output.cType} *)result };
    ${m.name}_run(&inputs, &outputs);
    for (uint32_t word : result) Serial.println((unsigned long)word);
  }
}

void loop() {}
`;
}

/** How many elements of the golden outputs come out in other bits. */
async function differing(folder: string, m: Artifact, flags: string): Promise<number> {
  const sketch = join(folder, "Bits", "Bits.ino");
  Deno.mkdirSync(join(folder, "Bits"), { recursive: true });
  Deno.writeTextFileSync(sketch, bitsSketch(m));
  const { board } = m.options;
  const image = await buildSketch(folder, sketch, loadBoard(board), { flags });
  const printed = (await runSketch(image, loadBoard(board))).trimEnd().split("\n").map(Number);
  const wanted = m.golden.flatMap((g) => words(g.outputs[0])).map(Number);
  assert.equal(printed.length, wanted.length);
  return printed.filter((bits, i) => bits !== wanted[i]).length;
}

for (const [name, model] of MODELS) {
  Deno.test(`arduino: ${name} has the same bits under flags that contract floats`, () =>
    inFolder(async (folder) => {
      const { artifact, out } = await makeLibrary(folder, { model: root(model), board: BOARD });
      assert(artifact.golden.length > 1 && artifact.outputs.length === 1);
      for (const flags of FLAGS) assert.equal(await differing(folder, artifact, flags), 0, flags);
      // Without the pragma they are others: the flags do contract, and the test would see it.
      const kernels = `${out}/src/${name}_kernels.c`;
      const text = Deno.readTextFileSync(kernels);
      const pragma = /^#pragma GCC optimize .*$/m;
      assert.match(text, pragma);
      Deno.writeTextFileSync(kernels, text.replace(pragma, ""));
      for (const flags of FLAGS) assert(await differing(folder, artifact, flags) > 0, flags);
    }));
}
