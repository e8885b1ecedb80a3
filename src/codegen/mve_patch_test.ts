/** Windows by patches of bytes: the C does what they mean, on random forms and extreme operands. */
import assert from "node:assert/strict";
import { random } from "../../tests/properties/random.ts";
import { patchFits, type PatchShape, vectorsOf, windowPatches } from "../tir/mve_patch.ts";
import { planPatches } from "../tir/mve_patch_tiles.ts";
import { patchLayout } from "../schedule/patches.ts";
import { bitsOf } from "../tir/mve.ts";
import type { Bounds } from "../tir/mve_requantize.ts";
import { type Case, checkCases, drawn, TRIALS } from "../../tests/properties/intrinsic_cases.ts";

const BOUNDS: readonly Bounds[] = [
  { dtype: "int8", zero: -128, lo: -128, hi: 127 },
  { dtype: "int8", zero: 0, lo: -20, hi: 90 },
  { dtype: "uint8", zero: 7, lo: 0, hi: 255 },
  { dtype: "uint8", zero: 255, lo: 10, hi: 255 },
];

/** Windows of every form: strides, dilations, one axis or two, few channels, single rows. */
function shapeOf(seed: number): PatchShape {
  const r = random(seed);
  const [kh, kw] = r.pick([
    ...[[3, 3], [3, 3], [3, 3], [2, 4], [1, 9], [1, 5], [4, 4], [3, 1], [1, 3]],
    ...[[5, 5], [5, 5], [7, 7], [5, 3], [3, 5], [7, 1], [1, 20], [9, 2], [2, 9]],
  ]);
  const dilation = r.pick([1, 1, 2]), stride = r.pick([1, 1, 2]), spread = r.pick([1, 1, 2]);
  const [rows, cols] = r.pick([[2, 2], [3, 5], [1, 6], [5, 1], [4, 7], [1, 1], [7, 4]]);
  const channels = r.pick([16, 8, 5, 1, 3]), width = r.pick([channels, 16]);
  const pitch = ((kw - 1) * dilation + (cols - 1) * stride + 1) * width;
  const outCol = channels + r.pick([0, 3, 60]), flat = kh === 1 || kw === 1;
  const lanes = flat ? [1, 1] : [1, 4 * Math.ceil(kh / 4)];
  return {
    rows: { extent: rows, step: pitch * stride * spread, out: outCol * cols },
    cols: { extent: cols, step: width * stride, out: outCol },
    channels,
    taps: [
      { extent: kh, step: pitch * spread, lane: lanes[0] },
      { extent: kw, step: width * dilation, lane: lanes[1] },
    ].filter((t) => t.extent > 1),
    ...patchLayout([kh, kw], lanes),
    bounds: r.pick(BOUNDS),
  };
}

function patchCase(seed: number): Case {
  const s = shapeOf(seed), r = random(seed + 1000);
  assert(patchFits(s), JSON.stringify(s));
  const intrinsic = windowPatches(s), count = intrinsic.args.map((a) => a.count);
  const lanes = s.taps.reduce<number[]>(
    (all, t) => all.flatMap((l) => Array.from({ length: t.extent }, (_, i) => l + i * t.lane)),
    [s.lead],
  );
  // What is no tap is zero.
  const channel = () => {
    const bytes = Array<number>(s.length).fill(0);
    for (const l of lanes) bytes[l] = drawn(r, 1, -128, 127)[0];
    return bytes;
  };
  const params = Array.from({ length: TRIALS * s.channels }, () => [
    ...drawn(r, 1, -100_000, 100_000),
    bitsOf(r.pick([1e-9, 1e-4, 0.004, 0.5]) * r.int(1, 9)),
  ]).flat();
  return {
    intrinsic,
    scalars: [],
    own: (n) => n % s.cols.out < s.channels,
    operands: [
      { shape: [count[0]], values: [] },
      { shape: [count[1]], values: drawn(r, TRIALS * count[1], -128, 127) },
      {
        shape: [s.channels, s.length],
        values: Array.from({ length: TRIALS * s.channels }, channel).flat(),
      },
      { shape: [s.channels, 2], values: params },
      { shape: [count[4]], values: [] },
    ],
  };
}

for (const board of ["host", "mps3-an547"]) {
  for (const from of [0, 24]) {
    Deno.test(`windows by patches do what they mean: ${board}, from ${from} on`, async () => {
      await checkCases(Array.from({ length: 24 }, (_, i) => patchCase(from + i)), board);
    });
  }
}

Deno.test("tiles cover all outputs, each by its own window", () => {
  for (let seed = 0; seed < 300; seed++) {
    const s = shapeOf(seed), p = planPatches(s.taps, s.rows, s.cols, vectorsOf(s))!;
    const outs = new Set(p.tiles.flatMap((t) => p.outs.map((o) => t.out + o)));
    const want = Array.from(
      { length: s.rows.extent * s.cols.extent },
      (_, i) => Math.floor(i / s.cols.extent) * s.rows.out + i % s.cols.extent * s.cols.out,
    );
    assert.deepEqual([...outs].sort((a, b) => a - b), want, JSON.stringify(s));
  }
});
