/** Ratios, limits and tables of the benchmark. */
import assert from "node:assert/strict";
import { benchPage } from "./bench_page.ts";
import { type Baseline, type BenchRow, limitPerMac, ratiosOf } from "./bench_row.ts";
import { benchText, rowCells } from "./bench_text.ts";

const baselines: Baseline[] = [
  { model: "net", core: "m4", system: "other", instructions: 400, m4_cycle_estimate: 1000 },
  { model: "net", core: "m7", system: "other", instructions: 400, flash_bytes: 10 },
  { model: "others", core: "m4", system: "other", instructions: 400, arena_bytes: 10 },
];

const row: BenchRow = {
  model: "net",
  example: false,
  board: "mps2-an386",
  core: "m4",
  error: null,
  right: true,
  samples: 8,
  instructions: 100,
  cycles: 150,
  no_cycles: null,
  macs: 80,
  instructions_per_mac: 1.25,
  limit: 40,
  loads: 20,
  stores: 10,
  bytes: 70,
  flash_bytes: 1000,
  code_bytes: 400,
  params_bytes: 600,
  arena_bytes: 64,
  ram_bytes: 80,
  ratios: [],
  layers: null,
};
const tools = { burin: "1.2.3", gcc: "12.2", qemu: "7.2" };
const withRatios = (r: BenchRow): BenchRow => ({ ...r, ratios: ratiosOf(r, baselines) });

Deno.test("bench: ratios are ours by theirs, of the same model on the same core", () => {
  assert.deepEqual(ratiosOf(row, baselines), [
    { system: "other", instructions: 0.25, cycles: 0.15, flash: null, arena: null },
  ]);
  assert.deepEqual(ratiosOf({ ...row, core: "m7", cycles: null }, baselines), [
    { system: "other", instructions: 0.25, cycles: null, flash: 100, arena: null },
  ]);
  assert.deepEqual(ratiosOf({ ...row, core: "m33" }, baselines), []);
});

Deno.test("bench: a model whose outputs are not known to be right has no ratio anywhere", () => {
  const shown = benchText([withRatios(row)]);
  assert.match(shown, /^net +m4 +other +0\.25 +0\.15 +– +–$/m);
  for (const right of [false, null]) {
    const refused = withRatios({ ...row, right });
    assert.deepEqual(refused.ratios, []);
    const text = benchText([refused]);
    assert(!/theirs|0\.25|other/.test(text), text);
    assert.match(text, /^net on mps2-an386: no ratios, as its outputs are (wrong|not compared)$/m);
    assert(!benchPage([refused], tools).includes("## Against"));
  }
});

Deno.test("bench: what a multiply-accumulate takes at least follows from the core", () => {
  const m3 = ["clz", "umull", "div", "sat"] as const;
  assert.equal(limitPerMac([], true), 2);
  assert.equal(limitPerMac(m3, true), 1);
  assert.equal(limitPerMac(m3, false), null);
  assert.equal(limitPerMac([...m3, "dsp", "fpu"], true), 0.5);
  assert.equal(limitPerMac([...m3, "dsp", "fpu"], false), 1);
  assert.equal(limitPerMac([...m3, "dsp", "fpu", "mve"], true), 0.0625);
  assert.equal(limitPerMac([...m3, "dsp", "fpu", "mve"], false), 0.5);
});

Deno.test("bench: a figure that is absent is a dash, with its reason below", () => {
  assert.deepEqual(rowCells(row).slice(3, 7), ["100", "150", "1.250", "0.500"]);
  const none = { ...row, cycles: null, no_cycles: "no gcc", limit: 5 };
  assert.deepEqual(rowCells(none).slice(3, 7), ["100", "–", "1.250", "0.0625"]);
  assert.match(benchText([none]), /^no cycles on mps2-an386: no gcc$/m);
  const failed = { ...row, error: "does not fit" };
  assert.deepEqual(rowCells(failed).slice(2, 5), ["does not fit", "–", "–"]);
});

Deno.test("bench: the page has examples apart, layers, versions and the command that writes it", () => {
  const layer = {
    kernel: "net_k0_conv",
    ops: ["Conv"],
    macs: 80,
    instructions: 90,
    share: 1,
    limit: 40,
    cycles: 140,
    loads: 20,
    stores: 10,
    bytes: 70,
  };
  const page = benchPage([withRatios(row), {
    ...row,
    model: "own",
    example: true,
    layers: [layer],
  }], tools);
  assert.match(page, /Burin 1\.2\.3, arm-none-eabi-gcc 12\.2 .*qemu-system-arm 7\.2;/);
  assert.match(page, /## MLPerf Tiny[^#]*\| net [^#]*## Examples[^#]*\| own [^#]*## Against/);
  assert.match(
    page,
    /<summary>own on mps2-an386<\/summary>[^<]*\| 0 +\| Conv +\| 80 +\| 90 +\| 100\.0 % \| 1\.125 \| 0\.500 \|/,
  );
  assert.match(page, /^deno task bench --write docs\/benchmarks\.md$/m);
});
