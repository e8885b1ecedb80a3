import assert from "node:assert/strict";
import { compileStages } from "../../compile.ts";
import { interpreter } from "../../compile/interpret.ts";
import { evaluateGraph } from "../../ir/evaluate.ts";
import { importModel } from "../../onnx/import.ts";
import { bytesOf } from "../../util/dtype.ts";
import { sizeOf, tensor as data } from "../../util/tensor.ts";
import { assertSameBits, board, defaults, outputsOn } from "../../../tests/e2e/support.ts";
import { model, node, tensor, value } from "../../../tests/onnx_builder.ts";
import { bytesOf as randomBytes, random } from "../../../tests/properties/random.ts";

interface Resized {
  readonly seed: number;
  readonly shape: readonly number[];
  readonly scales: readonly number[];
  readonly mode: "linear" | "cubic";
  readonly transform: string;
}

/** A map of bytes that is resized, between two layers or as it is. */
function makeResized({ seed, shape, scales, mode, transform }: Resized, layers: boolean) {
  const r = random(seed), out = shape.map((n, i) => Math.floor(n * scales[i])), c = shape[1];
  const nodes = [
    node("DequantizeLinear", ["x", "s", "z"], ["real"]),
    ...(layers
      ? [
        node("Conv", ["real", "weights"], ["sums"], { kernel_shape: shape.slice(2).map(() => 1) }),
        node("QuantizeLinear", ["sums", "s", "z"], ["bytes"]),
        node("DequantizeLinear", ["bytes", "s", "z"], ["map"]),
      ]
      : []),
    node("Resize", [layers ? "map" : "real", "", "scales"], ["resized"], {
      mode,
      coordinate_transformation_mode: transform,
    }),
    node("QuantizeLinear", ["resized", "s", "z"], ["y"]),
  ];
  const bytes = model({
    nodes: [
      ...nodes,
      ...(layers ? [node("DequantizeLinear", ["w", "sw", "zw"], ["weights"])] : []),
    ].toSorted((a, b) => Number(b.output![0] === "weights") - Number(a.output![0] === "weights")),
    initializers: [
      tensor("s", "float32", [], [1 / 16]),
      tensor("z", "int8", [], [r.int(-9, 9)]),
      tensor("sw", "float32", [], [1 / 64]),
      tensor("zw", "int8", [], [0]),
      tensor("w", "int8", [c, c, ...shape.slice(2).map(() => 1)], randomBytes(r, "int8", c * c)),
      tensor("scales", "float32", [scales.length], scales),
    ],
    inputs: [value("x", "int8", shape)],
    outputs: [value("y", "int8", out)],
  });
  const sample = [data("int8", [...shape], randomBytes(r, "int8", sizeOf(shape)))];
  return { bytes, sample, out };
}

const cases: readonly Resized[] = [
  { seed: 1, shape: [1, 8, 6, 5], scales: [1, 1, 2, 2], mode: "linear", transform: "half_pixel" },
  { seed: 2, shape: [1, 5, 7, 9], scales: [1, 1, 1.5, 3], mode: "linear", transform: "asymmetric" },
  { seed: 3, shape: [1, 4, 6, 6], scales: [1, 1, 2, 2], mode: "cubic", transform: "half_pixel" },
  { seed: 4, shape: [1, 3, 9, 8], scales: [1, 1, 0.5, 2], mode: "linear", transform: "half_pixel" },
  {
    seed: 5,
    shape: [1, 3, 4, 5, 6],
    scales: [1, 1, 2, 1.5, 2],
    mode: "linear",
    transform: "align_corners",
  },
];

Deno.test("maps of bytes are resized through rows of floats, not through maps of them", async () => {
  for (const c of cases) {
    const layers = c.seed % 2 === 1;
    const { bytes, sample, out } = makeResized(c, layers), what = `case ${c.seed}, ${layers}`;
    const want = [evaluateGraph(importModel(bytes).graph, sample)];
    for (const on of [board("mps2-an386"), board("mps3-an547"), board("host")]) {
      const made = await compileStages(bytes, defaults(on));
      const resize = made.kernels.find((k) =>
        k.group.nodes.some((n) => n.op.name === "Interpolate")
      )!;
      const names = resize.group.nodes.map((n) => n.op.name);
      assert.deepEqual(names, ["DequantizeLinear", "Interpolate", "QuantizeLinear"], what);
      const scratch = resize.kernel.buffers.filter((b) => b.scope === "scratch")
        .reduce((sum, b) => sum + b.length * bytesOf(b.dtype), 0);
      assert.ok(scratch <= 4 * sizeOf(out) / out[2], `${what}: ${scratch} bytes`);
      assertSameBits([interpreter(made.program, { checked: true })(sample)], want, what);
      if (on.name === "mps3-an547") continue;
      assertSameBits(await outputsOn(made.artifact, on, [sample]), want, `${on.name}, ${what}`);
    }
  }
});
