/**
 * Six models as Zephyr modules, built and executed with a stand-in for Zephyr: the real Kconfig and
 * CMake files of the modules, the real sample and tests, but not Zephyr's kernel.
 */
import assert from "node:assert/strict";
import type { ProjectRequest } from "../../../src/cli/compile.ts";
import { runOnBoard } from "../../../src/run/mod.ts";
import { inFolder } from "../../../src/util/testing.ts";
import { buildApplication, executeApplication, makeModule, root } from "./support.ts";

const CASES: readonly ProjectRequest[] = [
  { model: "examples/digits/digits_int8.onnx", board: "mps2-an385" },
  { model: "examples/motion/motion_int8.onnx", board: "nucleo_l4r5zi", io: "arena" },
  { model: "examples/vowels/vowels_fp32.onnx", board: "stm32f746" },
  { model: "tests/models/ort_cnn_qdq_u8s8_pc.onnx", board: "nrf5340dk" },
  { model: "tests/models/float_mlp.onnx", board: "microbit" },
  { model: "tests/models/ort_cnn_qop_s8s8.onnx", board: "mps3-an547" },
];

/** `BURIN kws PASS mismatches=0 instructions=123`: its figure. */
function passed(line: string, name: string): number {
  const found = /^BURIN (\w+) PASS mismatches=0 instructions=(\d+)$/.exec(line);
  assert(found, line);
  assert.equal(found[1], name);
  return Number(found[2]);
}

for (const request of CASES) {
  const name = request.model!.split("/").at(-1)!.replace(".onnx", "");
  const title = `${name} for ${request.board}${request.io ? `, io ${request.io}` : ""}`;
  Deno.test(`zephyr, stand-in, not Zephyr: ${title}`, () =>
    inFolder(async (folder) => {
      const project = await makeModule(folder, { ...request, model: root(request.model!) });
      const { artifact, board } = project;
      const module = name.replaceAll("_", "-");

      const sample = await buildApplication(folder, `samples/${module}`, board);
      const { code, lines } = await executeApplication(sample, board);
      assert.equal(code, 0, lines.join("\n"));
      const counted = passed(lines[0], name);
      const inputs = artifact.golden.map((g) => g.inputs);
      const slowest = Math.max(...(await runOnBoard(artifact, board, inputs)).result.instructions!);
      const ratio = counted / slowest; // Reading the counter takes a few too.
      assert(ratio > 0.99 && ratio < 1.05, `${counted} instead of ${slowest}`);
      assert.match(lines[1], new RegExp(`^${name} window 1: .* is largest at \\d+ of \\d+$`));
      assert.match(lines.at(-1)!, new RegExp(`^${name} window 3: `));

      const tests = await buildApplication(folder, `tests/${module}`, board);
      const ran = await executeApplication(tests, board);
      assert.equal(ran.code, 0, ran.lines.join("\n"));
      assert.deepEqual(ran.lines.sort(), [
        ...(artifact.regions.length > 0 ? ["4 tests, 0 failures"] : ["3 tests, 0 failures"]),
        `PASS - ${name}.test_golden_vectors`,
        ...(artifact.regions.length > 0 ? [`PASS - ${name}.test_misaligned_is_refused`] : []),
        `PASS - ${name}.test_null_is_refused`,
        `PASS - ${name}.test_two_arenas_at_once`,
      ]);
    }));
}
