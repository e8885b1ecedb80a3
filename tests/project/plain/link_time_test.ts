/**
 * Link-time optimisation sees the program as a whole, constants with the code that reads them, and none of
 * the symbols that assembly names: the bits stay, and start-up code stays where it is reached.
 */
import assert from "node:assert/strict";
import { inFolder } from "../../../src/util/testing.ts";
import { build, ctest, linesOf, makeProject, root } from "./support.ts";

const digits = ["examples/digits/digits_int8.onnx", "examples/digits/test.npz"];
const vowels = ["examples/vowels/vowels_int8.onnx", "examples/vowels/test.npz"];

for (
  const [board, [model, arrays]] of [
    ["stm32f746", digits],
    ["mps3-an547", vowels],
    ["microbit", digits],
    ["qemu-rv32imac", digits],
  ] as const
) {
  Deno.test(`plain: with link-time optimisation every bit stays on ${board}`, () =>
    inFolder(async (folder) => {
      const samples = { inputs: root(arrays), expect: root(arrays), golden: 3 };
      const project = await makeProject(folder, { model: root(model), board, ...samples });
      for (const preset of ["qemu", "board"]) {
        await build(project, preset, "-DCMAKE_INTERPROCEDURAL_OPTIMIZATION=ON");
      }
      const { code, text } = await ctest(project.out, "--preset", "qemu");
      assert.equal(code, 0, text);
      assert.match(linesOf(text)[0], /^BURIN \w+ PASS mismatches=0 instructions=\d+$/);
    }));
}
