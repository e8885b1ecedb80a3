/** Grouped products: every candidate gives the bits of the definition; what does not fit is refused. */
import assert from "node:assert/strict";
import { assertSameBits, board, defaults } from "../../tests/e2e/support.ts";
import { type Layer, layerNet, textOf } from "../../tests/efficiency/layers.ts";
import { compileStages } from "../compile.ts";
import { interpreter } from "../compile/interpret.ts";
import { visitStmt } from "../tir/stmt.ts";
import { groupsOf } from "./groups.ts";
import { initialState } from "./state.ts";
import { applySteps } from "./steps.ts";

const LAYERS: readonly Layer[] = [
  { of: "convolution", map: [5, 4], cin: 8, cout: 12, kernel: [3, 3], group: 2 },
  { of: "convolution", map: [5, 4], cin: 12, cout: 6, kernel: [1, 1], group: 3, stride: 2 },
  { of: "convolution", map: [9], cin: 10, cout: 10, kernel: [3], group: 5, dilation: 2 },
];

for (const layer of LAYERS) {
  for (const name of ["mps2-an386", "mps3-an547", "mps2-an385"]) {
    Deno.test(`groups: ${textOf(layer)} for ${name} under every candidate`, async () => {
      const { bytes, sample } = layerNet([layer]);
      const options = defaults(board(name));
      const plain = await compileStages(bytes, { ...options, optLevel: 0 });
      const right = [interpreter(plain.program)(sample)];
      const rules = new Set<string>();
      for (let turn = 0, count = 1; turn < count; turn++) {
        const { program } = await compileStages(bytes, {
          ...options,
          schedule: (_w, _chosen, all) => {
            count = all.length;
            rules.add(all[turn].rule);
            return all[turn].schedule;
          },
        });
        assertSameBits([interpreter(program, { checked: true })(sample)], right, `${turn}`);
      }
      assert(rules.has("tiles in groups"), [...rules].join(", "));
    });
  }
}

Deno.test("groups: one loop around one group's program, constants one group after the other", async () => {
  const { bytes } = layerNet([LAYERS[0]]);
  const { kernels: [{ kernel, schedule }] } = await compileStages(bytes, {
    ...defaults(board("mps2-an386")),
    schedule: (_, chosen, all) => all.find((c) => c.rule === "tiles in groups")?.schedule ?? chosen,
  });
  assert.equal(schedule[0].do, "groups");
  assert(kernel.body.k === "for" && kernel.body.v.name === "group");
  let calls = 0;
  visitStmt(
    kernel.body,
    (s) => void (calls += Number(s.k === "intrin" && /^(dot|columns)_/.test(s.op.name))),
  );
  assert(calls > 0);
  const weights = kernel.params.find((p) => p.name.endsWith("_w"))!;
  assert.equal(weights.shape[0] % 2, 0);
});

Deno.test("groups: a product without groups, and steps out of order, are refused", async () => {
  const { bytes } = layerNet([LAYERS[0]]);
  const { kernels: [{ workload }] } = await compileStages(bytes, defaults(board("mps2-an386")));
  const s = initialState(workload), r = s.stages[0];
  const step = { do: "groups", ...groupsOf(r)! } as const;
  assert.deepEqual([step.axis, step.size], ["co", 6]);
  const twice = [step, step];
  assert.throws(() => applySteps(s, twice), { code: "model/schedule-step" });
  const late = [{ do: "split", stage: r.name, loop: "co", factor: 2, tail: "cut" }, step] as const;
  assert.throws(() => applySteps(s, late), { code: "model/schedule-step" });
  const other = layerNet([{ ...LAYERS[0], group: 1 }]);
  const { kernels: [plain] } = await compileStages(other.bytes, defaults(board("mps2-an386")));
  assert.equal(groupsOf(initialState(plain.workload).stages[0]), null);
});
