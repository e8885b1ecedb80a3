/** The order of steps: smaller arenas, the same bits, in the generated C too. */
import assert from "node:assert/strict";
import { compileStages } from "../../src/compile.ts";
import { zeros } from "../../src/util/tensor.ts";
import { model, node, tensor, value } from "../onnx_builder.ts";
import { assertSameBits, board, defaults, outputsOn } from "./support.ts";

const BRANCHES = 5, CHANNELS = 12, SIZE = 10;

/** Branches that begin wide and end small, all their beginnings before all their ends. */
const each = <T>(f: (i: number) => T): T[] => Array.from({ length: BRANCHES }, (_, i) => f(i));
const weights = (i: number): number[] =>
  Array.from({ length: 4 * CHANNELS }, (_, k) => (7 * k + 3 * i) % 11 / 8 - 0.5);
const breadthFirst = model({
  inputs: [value("x", "float32", [1, 4, SIZE, SIZE])],
  outputs: [value("y", "float32", [1, CHANNELS * BRANCHES, 1, 1])],
  initializers: each((i) => tensor(`w${i}`, "float32", [CHANNELS, 4, 1, 1], weights(i))),
  nodes: [
    ...each((i) => node("Conv", ["x", `w${i}`], [`wide${i}`])),
    ...each((i) => node("GlobalAveragePool", [`wide${i}`], [`small${i}`])),
    node("Concat", each((i) => `small${i}`), ["y"], { axis: 1 }),
  ],
});

Deno.test("branches are computed one after the other where that takes less memory", async () => {
  const x = zeros("float32", [1, 4, SIZE, SIZE]);
  x.data.forEach((_, k) => x.data[k] = Math.sin(k));
  for (const io of ["caller", "arena"] as const) {
    const compiled = await Promise.all(
      (["host", "mps2-an386"] as const).flatMap((on) =>
        ([1, 2] as const).map((optLevel) =>
          compileStages(breadthFirst, { ...defaults(board(on)), optLevel, io })
        )
      ),
    );
    const wide = 4 * CHANNELS * SIZE * SIZE;
    compiled.forEach(({ artifact, kernels }, n) => {
      const inOrder = n % 2 === 0;
      const firsts = kernels.slice(0, 2).map((k) => k.kernel.origin.join());
      assert.deepEqual(
        firsts,
        inOrder ? ["wide0_node", "wide1_node"] : ["wide0_node", "small0_node"],
      );
      assert.equal(artifact.arenaBytes >= BRANCHES * wide, inOrder);
      if (!inOrder) assert.ok(artifact.arenaBytes < 2 * wide, `${artifact.arenaBytes}`);
    });
    const [given, ordered] = compiled.map((c) => c.artifact);
    const want = [given.interpret([x])];
    assertSameBits([ordered.interpret([x])], want, `${io}, interpreter`);
    assertSameBits(await outputsOn(ordered, board("host"), [[x]]), want, `${io}, host`);
  }
});

Deno.test("a chain keeps its order", async () => {
  const chain = model({
    inputs: [value("x", "float32", [1, 4, SIZE, SIZE])],
    outputs: [value("y", "float32", [1, CHANNELS, 1, 1])],
    initializers: [tensor("w0", "float32", [CHANNELS, 4, 1, 1], weights(0))],
    nodes: [node("Conv", ["x", "w0"], ["a"]), node("GlobalAveragePool", ["a"], ["y"])],
  });
  const { kernels } = await compileStages(chain, defaults(board("host")));
  assert.deepEqual(kernels.map((k) => k.kernel.origin.join()), ["a_node", "y_node"]);
});
