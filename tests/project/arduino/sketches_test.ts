import assert from "node:assert/strict";
import type { Artifact, Port } from "../../../src/project/mod.ts";
import type { ProjectRequest } from "../../../src/cli/compile.ts";
import { loadBoard } from "../../../src/target/boards.ts";
import { DTYPES, isFloat } from "../../../src/util/dtype.ts";
import { inFolder } from "../../../src/util/testing.ts";
import { allocate, numbers, sizeOf, type TensorData } from "../../../src/util/tensor.ts";
import { lintLibrary } from "./lint.ts";
import { buildSketch, exampleSketch, makeLibrary, root, runSketch } from "./support.ts";

const STANDIN = "arduino-builder with a stand-in core under QEMU";

/** Six models, int8 and float32, for boards that Arduino has: M4 with FPU, M3, M7, M0+. */
const LIBRARIES: readonly (ProjectRequest & { readonly model: string })[] = [
  { model: "examples/digits/digits_int8.onnx", board: "arduino_nano_33_ble" },
  { model: "examples/digits/digits_fp32.onnx", board: "arduino_uno_r4_minima" },
  { model: "examples/motion/motion_int8.onnx", board: "arduino_due" },
  { model: "examples/vowels/vowels_int8.onnx", board: "teensy41", io: "arena" },
  { model: "tests/models/tf_residual.onnx", board: "arduino_zero" },
  { model: "tests/models/float_branches.onnx", board: "rpi_pico" },
];

/** What Inference.ino feeds: zeros, as the integers that mean them. */
function zeros(port: Port): TensorData {
  const data = allocate(port.dtype, sizeOf(port.shape));
  const kind = DTYPES[port.dtype].kind;
  const zero = port.scale === undefined || !["int", "uint"].includes(kind)
    ? 0
    : port.zeroPoint ?? 0;
  for (let i = 0; i < data.length; i++) {
    data[i] = typeof data[i] === "bigint" ? BigInt(zero) : zero;
  }
  return { dtype: port.dtype, shape: port.shape, data };
}

/** Real values of an output as Inference.ino prints them: at most 16. */
function realValues(port: Port, t: TensorData): number[] {
  const { scale, zeroPoint = 0 } = port;
  const real = (q: number) =>
    scale === undefined || isFloat(port.dtype) ? q : Math.fround(scale) * (q - zeroPoint);
  return numbers(t).slice(0, 16).map(real);
}

function checkInference(m: Artifact, lines: readonly string[]): void {
  const outputs = m.interpret(m.inputs.map(zeros));
  m.outputs.forEach((port, i) => {
    const prefix = `${m.name} ${port.cName}:`;
    const line = lines.find((text) => text.startsWith(prefix));
    assert(line !== undefined, `${prefix} is missing in ${lines.join("\n")}`);
    const printed = line.slice(prefix.length).trim().split(" ").map(Number);
    const wanted = realValues(port, outputs[i]);
    assert.equal(printed.length, wanted.length, line);
    printed.forEach((v, k) => {
      assert(Math.abs(v - wanted[k]) < 1e-3, `${line}: element ${k} is not ${wanted[k]}`);
    });
  });
}

async function checkSketches(folder: string, request: ProjectRequest): Promise<void> {
  const { models, board, files } = await makeLibrary(folder, request);
  assert.deepEqual(lintLibrary(files), []);
  const selftest = await buildSketch(folder, exampleSketch(folder, "SelfTest"), board);
  const lines = (await runSketch(selftest, board)).trimEnd().split("\n");
  assert.equal(lines.length, models.length, lines.join("\n"));
  models.forEach((m, i) => {
    assert(m.golden.length > 0);
    // QEMU has no cycle counter, which the sketch notices.
    const line = new RegExp(`^BURIN ${m.name} PASS mismatches=0 microseconds=[1-9][0-9]*$`);
    assert.match(lines[i], line);
  });
  const inference = await buildSketch(folder, exampleSketch(folder, "Inference"), board);
  const text = await runSketch(inference, board);
  for (const m of models) checkInference(m, text.split("\n"));
}

for (const request of LIBRARIES) {
  const name = request.model.split("/").at(-1)!.replace(".onnx", "");
  const io = request.io ? ` --io ${request.io}` : "";
  Deno.test(`arduino: ${name}${io} for ${request.board}, ${STANDIN}`, () =>
    inFolder((folder) => checkSketches(folder, { ...request, model: root(request.model) })));
}

Deno.test(`arduino: two models that share an arena, ${STANDIN}`, () =>
  inFolder((folder) =>
    checkSketches(folder, {
      model: root("examples/digits/digits_int8.onnx"),
      others: [root("examples/vowels/vowels_int8.onnx")],
      shareArena: true,
      board: "mps2-an386",
      name: "both",
    })
  ));

Deno.test(`arduino: a wrong constant is reported, ${STANDIN}`, () =>
  inFolder(async (folder) => {
    const model = root("examples/digits/digits_int8.onnx");
    const { out, board } = await makeLibrary(folder, { model, board: "mps2-an386" });
    const params = `${out}/src/digits_int8_params.c`;
    const text = Deno.readTextFileSync(params);
    const broken = text.replace(
      /(int(?:8|16)_t \w*weights\d+\[\d+\] = \{)([^}]*)/,
      (_, head, list) => head + list.replace(/-?\d+/g, (w: string) => `${Number(w) ^ 64}`),
    );
    assert.notEqual(broken, text);
    Deno.writeTextFileSync(params, broken);
    const image = await buildSketch(folder, exampleSketch(folder, "SelfTest"), board);
    assert.match(await runSketch(image, board), /^BURIN digits_int8 FAIL mismatches=[1-9]/);
  }));

Deno.test("arduino: on a core without the instructions the compiler says for which board it is", () =>
  inFolder(async (folder) => {
    const model = root("examples/digits/digits_int8.onnx");
    await makeLibrary(folder, { model, board: "arduino_nano_33_ble" });
    await assert.rejects(
      () => buildSketch(folder, exampleSketch(folder, "SelfTest"), loadBoard("mps2-an385")),
      /#error "digits_int8 was compiled for Arduino Nano 33 BLE.*compile the model for this board/,
    );
  }));
