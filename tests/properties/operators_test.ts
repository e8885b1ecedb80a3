/**
 * Random operators against plain loops: the definitions, the loop programs of the rules at every
 * level and of random schedules, and the generated C give what the formulas of DESIGN say.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { type CompileOptions, compileStages } from "../../src/compile.ts";
import { interpreter } from "../../src/compile/interpret.ts";
import { evaluateGraph } from "../../src/ir/evaluate.ts";
import type { Board } from "../../src/target/target.ts";
import { numbers, type TensorData } from "../../src/util/tensor.ts";
import { board, defaults, outputsOn, SANITIZE } from "../e2e/support.ts";
import {
  convPart,
  densePart,
  elementwisePart,
  floatConvPart,
  modelOf,
  type Part,
  poolPart,
} from "./parts.ts";
import { randomSchedule } from "./schedules.ts";

const host = board("host"), m4 = board("mps2-an386"), m55 = board("mps3-an547");

function assertOutputs(parts: readonly Part[], got: readonly TensorData[], what: string): void {
  const want = parts.flatMap((p) => p.outputs.map((o) => ({ ...o, part: p })));
  assert.equal(got.length, want.length);
  want.forEach(({ expected, part }, i) => {
    assert.deepEqual(numbers(got[i]), numbers(expected), `${what}: ${part.text}`);
  });
}
const inputsOf = (parts: readonly Part[]): TensorData[] =>
  parts.flatMap((p) => p.inputs.map((x) => x.data));

/** Compiles with checks on every access, runs on the interpreter, compares. */
async function interpreted(
  parts: readonly Part[],
  on: Board,
  options: Partial<CompileOptions>,
  what: string,
): Promise<void> {
  const { program, kernels } = await compileStages(modelOf(parts), { ...defaults(on), ...options });
  const run = interpreter(program, { checked: true });
  const steps = (): string => kernels.map((k) => JSON.stringify(k.schedule)).join("\n");
  let outputs;
  try {
    outputs = run(inputsOf(parts));
  } catch (e) {
    throw new Error(`${what}: ${e}, ${parts[0].text}\n${steps()}`, { cause: e });
  }
  assertOutputs(parts, outputs, `${what}\n${steps()}\n`);
}

const FAMILIES: readonly (readonly [string, fc.Arbitrary<Part>, number])[] = [
  ["convolution", convPart, 150],
  ["float convolution", floatConvPart, 60],
  ["dense", densePart, 50],
  ["pool", poolPart, 60],
  ["element-wise", elementwisePart, 60],
];

for (const [family, part, numRuns] of FAMILIES) {
  Deno.test(`random ${family}: definitions and loop programs under rules and random schedules`, async () => {
    await fc.assert(
      fc.asyncProperty(
        part,
        fc.array(fc.integer(), { minLength: 3, maxLength: 3 }),
        async (p, seeds) => {
          const { layout } = await compileStages(modelOf([p]), defaults(m4));
          assertOutputs([p], evaluateGraph(layout.graph, inputsOf([p])), "definitions");
          for (const optLevel of [0, 1, 2, 3] as const) {
            await interpreted([p], m4, { optLevel }, `-O${optLevel}`);
            if (optLevel >= 2) await interpreted([p], m55, { optLevel }, `-O${optLevel}, vectors`);
          }
          for (const seed of seeds) {
            for (const on of [m4, m55]) {
              await interpreted([p], on, {
                schedule: (w, _chosen, all) => randomSchedule(w, all, seed),
              }, `schedule ${seed} for ${on.name}`);
            }
          }
        },
      ),
      { seed: 20260101, numRuns, endOnFailure: false },
    );
  });

  Deno.test(`random ${family}: generated C on this computer, mps2-an386 and mps3-an547`, async () => {
    const [all] = fc.sample(fc.array(part, { minLength: 40, maxLength: 40 }), {
      seed: 7,
      numRuns: 1,
    });
    const parts = all.filter((p, i) =>
      all.findIndex((q) => q.inputs[0].name === p.inputs[0].name) === i
    );
    const bytes = modelOf(parts), inputs = inputsOf(parts);
    for (const on of [host, m4, m55]) {
      const schedules = [
        undefined,
        ...[1, 2].map((seed): CompileOptions["schedule"] => (w, _chosen, all) =>
          randomSchedule(w, all, seed)
        ),
      ];
      for (const [i, schedule] of schedules.entries()) {
        const { artifact } = await compileStages(bytes, { ...defaults(on), schedule });
        const run = on === host && i > 0 ? { extraFlags: SANITIZE } : {};
        const [outputs] = await outputsOn(artifact, on, [inputs], run);
        assertOutputs(parts, outputs, `${on.name}, schedule ${i}`);
      }
    }
  });
}
