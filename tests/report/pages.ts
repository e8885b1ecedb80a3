/** Reports of nets for the tests, made in memory. */
import { reportPage } from "../../src/cli/report.ts";
import { type Compilation, compileStages } from "../../src/compile.ts";
import { DEFAULTS } from "../../src/compile/defaults.ts";
import type { MeasuredRun } from "../../src/report/html/data.ts";
import { loadBoard } from "../../src/target/boards.ts";
import { floatAttr, model, node, tensor, value } from "../onnx_builder.ts";

/** Compiles a model as `compile` does. */
export const compiled = (
  bytes: Uint8Array,
  fileStem: string,
  board = "stm32f746",
): Promise<Compilation> =>
  compileStages(bytes, {
    board: loadBoard(board),
    fileStem,
    name: "net",
    ...DEFAULTS,
  });

/** The report of a compilation. */
export const pageOf = (
  c: Compilation,
  fileStem: string,
  board = "stm32f746",
  measured?: MeasuredRun,
): Promise<string> =>
  reportPage(c, { board: loadBoard(board), model: `${fileStem}.onnx`, measured });

/** Figures of a run that never was, a hundredth above what is predicted. */
export function madeUpRun({ artifact }: Compilation): MeasuredRun {
  const layers = artifact.kernels.map((k) => Math.round(k.predictedInstructions * 1.01));
  return {
    engine: "made up <for> a test",
    samples: 3,
    instructions: layers.reduce((a, b) => a + b, 0) + 20,
    layers,
    codeBytes: 12_345,
    stackBytes: 678,
    ramBytes: artifact.arenaBytes + 2_000,
  };
}

/** Names that mean harm, wherever they are put unescaped. */
export const HOSTILE: readonly string[] = [
  `<script>window.hacked = 1</script>`,
  `"><img src=x onerror="window.hacked = 1">`,
  `' onmouseover='window.hacked = 1' x='`,
  `</title></svg></style><script>window.hacked = 1</script>`,
  `]]><!--{{name}}{{{script}}}`,
  `\u202egnp.exe \u0000\u0007 \ud800 ${"wide".repeat(400)}`,
  "javascript:window.hacked = 1",
];

/** A quantised net whose values, nodes and dimensions have those names. */
export function hostileModel(): Uint8Array {
  const [input, inputNode, conv, weights, middle, output, outputNode] = HOSTILE;
  const at = (name: string) => [name, "scale", "zero"];
  return model({
    inputs: [value(input, "int8", [1, 2, 6, 6])],
    outputs: [value(output, "int8", [1, 3, 4, 4])],
    initializers: [
      tensor("scale", "float32", [], [0.05]),
      tensor("zero", "int8", [], [3]),
      tensor(weights, "int8", [3, 2, 3, 3], Array.from({ length: 54 }, (_, i) => i % 17 - 8)),
      tensor("scales", "float32", [3], [0.01, 0.02, 0.05]),
      tensor("zeros", "int8", [3], [0, 0, 0]),
    ],
    nodes: [
      node("DequantizeLinear", at(input), ["x"], {}, inputNode),
      node("DequantizeLinear", [weights, "scales", "zeros"], ["w"], { axis: 0 }, "dequantised"),
      node("Conv", ["x", "w"], ["y"], {}, conv),
      node("LeakyRelu", ["y"], [middle], { alpha: floatAttr(0.1) }, middle),
      node("QuantizeLinear", [middle, "scale", "zero"], [output], {}, outputNode),
    ],
  });
}
