/**
 * What is separate stays separate: another schedule is other C with the same outputs, another
 * definition of an operator is another result of interpreter and C alike.
 */
import assert from "node:assert/strict";
import { compileStages } from "../../src/compile.ts";
import type { Compute } from "../../src/te/compute.ts";
import { rewrite, sub } from "../../src/te/expr.ts";
import type { OpDef } from "../../src/ir/opdef.ts";
import { ops } from "../../src/ops/mod.ts";
import { candidates } from "../../src/schedule/rules/mod.ts";
import type { Workload } from "../../src/schedule/state.ts";
import type { Schedule, Step } from "../../src/schedule/steps.ts";
import { assertSameBits, board, compile, defaults, outputsOn, ownNet } from "./support.ts";

const host = board("host"), m4 = board("mps2-an386");
const KERNELS = "src/net_kernels.c";

/** A product without its intrinsic: the constants lie in their natural order. */
const natural = (s: Step, block?: number): readonly Step[] => {
  if (s.do === "tensorize") return [];
  if (s.do !== "gemm") return [s];
  const order = Array.from({ length: s.group }, (_, i) => i);
  return [{ ...s, block: block ?? s.block, order }];
};

/** Splits a loop of the tiles otherwise. */
const tiles = (s: Step, loop: "row" | "col", factor: number): Step =>
  s.do === "split" && s.loop === loop ? { ...s, factor } : s;

/** The schedule of each product as blocks of rows and columns, whatever the estimates prefer. */
const blocks = (w: Workload, rules: Schedule): Schedule =>
  candidates(w, m4.target, 3).find((c) => c.variant === "blocks")?.schedule ?? rules;

/** What to do with the steps of the rules; `name` says what changes. */
const CHANGES: readonly (readonly [string, (s: Step) => readonly Step[]])[] = [
  ["no tensorize", (s) => natural(s)],
  ["no unroll", (s) => s.do === "unroll" ? [] : [s]],
  ["tiles of 3 rows, no tensorize", (s) => natural(tiles(s, "row", 3))],
  ["tiles of 1 row", (s) => [tiles(s, "row", 1)]],
  ["tiles of 4 columns, no tensorize", (s) => natural(tiles(s, "col", 4), 4)],
  [
    "guards where rows are filled",
    (s) =>
      s.do === "split" && s.stage.endsWith("_rows") ? [{ ...s, factor: 3, tail: "guard" }] : [s],
  ],
];

for (const net of ["tf_conv_dense", "ort_cnn_qdq_u8s8_pc", "qop_conv_u8u8"].map(ownNet)) {
  Deno.test(`a changed schedule step changes the C and not the outputs: ${net.name}`, async () => {
    const rules = await compile(net.bytes, m4, { schedule: blocks });
    const want = net.samples.map((s) => rules.interpret(s));
    const unchanged = rules.sources.get(KERNELS);
    let different = 0;
    for (const [name, change] of CHANGES) {
      const changed = await compile(net.bytes, m4, {
        schedule: (w, s) => blocks(w, s).flatMap(change),
      });
      const text = changed.sources.get(KERNELS);
      // A net without such a loop has nothing to change.
      if (text === unchanged) continue;
      different++;
      assertSameBits(net.samples.map((s) => changed.interpret(s)), want, `${name}, interpreter`);
      assertSameBits(await outputsOn(changed, m4, net.samples), want, `${name}, mps2-an386`);
      const onHost = await compile(net.bytes, host, {
        schedule: (w, s) => blocks(w, s).flatMap(change),
      });
      assertSameBits(await outputsOn(onHost, host, net.samples), want, `${name}, host`);
    }
    assert.ok(different >= CHANGES.length - 1, `${different} changes change the C`);
    const plain = await compile(net.bytes, m4, { schedule: () => [] });
    assert.notEqual(plain.sources.get(KERNELS), unchanged);
    assertSameBits(await outputsOn(plain, m4, net.samples), want, "no steps at all");
  });
}

/** Runs `task` with the definition of one operator changed. */
async function withDefinition(
  name: string,
  change: (c: Compute) => Compute,
  task: () => Promise<void>,
): Promise<void> {
  const op = ops.find((o) => o.name === name) as OpDef<unknown>;
  const { body } = op;
  assert.ok(body.kind === "compute", name);
  const changed = {
    ...body,
    define: (...args: Parameters<typeof body.define>) => body.define(...args).map(change),
  };
  Object.assign(op, { body: changed });
  try {
    await task();
  } finally {
    Object.assign(op, { body });
  }
}

/** Products become differences. */
const subtracting = (c: Compute): Compute =>
  c.body.k === "reduce" && c.body.body.k === "bin"
    ? { ...c, body: { ...c.body, body: sub(c.body.body.a, c.body.body.b) } }
    : c;

/** A maximum becomes a minimum. */
const smallest = (c: Compute): Compute => ({
  ...c,
  body: rewrite(c.body, (e) => e.k === "bin" && e.op === "max" ? { ...e, op: "min" } : undefined),
});

for (
  const [op, change, name] of [
    ["Conv", subtracting, "corner_odd_shapes"],
    ["Conv", subtracting, "float_conv_bn"],
    ["Relu", smallest, "float_branches"],
  ] as const
) {
  Deno.test(`a changed definition of ${op} changes interpreter and C alike: ${name}`, async () => {
    const net = ownNet(name);
    const before = await compileStages(net.bytes, defaults(host));
    const was = net.samples.map((s) => before.artifact.interpret(s));
    await withDefinition(op, change, async () => {
      for (const optLevel of [0, 3] as const) {
        for (const on of [host, m4]) {
          const artifact = await compile(net.bytes, on, { optLevel });
          const is = net.samples.map((s) => artifact.interpret(s));
          assert.throws(() => assertSameBits(is, was, "changed"), assert.AssertionError);
          assertSameBits(await outputsOn(artifact, on, net.samples), is, `-O${optLevel}`);
        }
      }
    });
    const after = await compile(net.bytes, host);
    assert.deepEqual(after.sources, before.artifact.sources);
  });
}
