/**
 * Six models on every core: the project as it is written is configured, built and tested by CMake,
 * Ninja, CTest and QEMU, its C without a warning. The golden vectors are samples whose outputs others
 * have computed.
 */
import assert from "node:assert/strict";
import { runOnBoard } from "../../../src/run/mod.ts";
import { loadBoard } from "../../../src/target/boards.ts";
import { inFolder } from "../../../src/util/testing.ts";
import { build, ctest, linesOf, makeProject, root } from "./support.ts";

interface Case {
  readonly model: string;
  /** Samples with the outputs of a reference. */
  readonly arrays: string;
  readonly io?: "arena";
  readonly boards: readonly string[];
}

const CASES: readonly Case[] = [
  {
    model: "examples/digits/digits_int8.onnx",
    arrays: "examples/digits/test.npz",
    boards: ["microbit", "stm32f746", "nucleo_u575zi_q"],
  },
  {
    model: "examples/motion/motion_fp32.onnx",
    arrays: "examples/motion/test_fp32.npz",
    boards: ["mps2-an385", "mps3-an547"],
  },
  {
    model: "examples/vowels/vowels_int8.onnx",
    arrays: "examples/vowels/test.npz",
    io: "arena",
    boards: ["mps2-an386", "qemu-rv32imc"],
  },
  {
    model: "tests/models/tf_residual.onnx",
    arrays: "tests/models/tf_residual.npz",
    boards: ["mps2-an505", "mps2-an500"],
  },
  {
    model: "tests/models/float_mlp.onnx",
    arrays: "tests/models/float_mlp.npz",
    boards: ["microbit", "netduinoplus2"],
  },
  {
    model: "tests/models/ort_cnn_qop_u8u8.onnx",
    arrays: "tests/models/ort_cnn_qop_u8u8.npz",
    boards: ["mps3-an547", "qemu-rv32imac", "rpi_pico"],
  },
];

const CORES = ["m0", "m0plus", "m3", "m4", "m7", "m33", "m55"].map((m) => `cortex-${m}`);

Deno.test("plain: every core and every model comes at least twice", () => {
  const cpus = CASES.flatMap((c) => c.boards.map((b) => loadBoard(b).target.cpu));
  for (const cpu of [...CORES, "rv32imc", "rv32imac"]) assert(cpus.includes(cpu), cpu);
  for (const c of CASES) assert(c.boards.length >= 2, c.model);
});

for (const { model, arrays, io, boards } of CASES) {
  for (const board of boards) {
    const name = model.split("/").at(-1)!.replace(".onnx", "");
    Deno.test(`plain: ${name} passes its self-test under CMake and QEMU for ${board}`, async () => {
      await inFolder(async (folder) => {
        const samples = { inputs: root(arrays), expect: root(arrays), golden: 3 };
        const project = await makeProject(folder, { model: root(model), board, io, ...samples });
        const notes = project.artifact.notes.filter((n) => /differ|self-test/.test(n));
        assert.deepEqual(notes, [], "the golden vectors are what the reference says");
        assert.equal(project.artifact.golden.length, 3);
        await build(project, "qemu");
        const { code, text } = await ctest(project.out, "--preset", "qemu");
        assert.equal(code, 0, text);
        const [line] = linesOf(text);
        const counted = new RegExp(`^BURIN ${name} PASS mismatches=0 instructions=(\\d+)$`).exec(
          line,
        );
        assert(counted, text);
        const { result } = await runOnBoard(
          project.artifact,
          project.board,
          project.artifact.golden.map((g) => g.inputs),
        );
        const most = Math.max(...result.instructions!);
        const off = Number(counted[1]) - most;
        assert(off >= 0 && off < 150 + most * 0.001, `${counted[1]} against ${most}`);
      });
    });
  }
}
