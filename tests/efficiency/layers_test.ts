/**
 * Layers in sizes that no benchmark has take as few instructions a multiply-accumulate as the nearest
 * layer of the benchmarks: what is gained there is not gained by their shapes. Counted under QEMU.
 */
import assert from "node:assert/strict";
import { board } from "../e2e/support.ts";
import { type Layer, type LayerClass, textOf } from "./layers.ts";
import { perMac } from "./measure.ts";

/** How many times the nearest benchmark layer's instructions a MAC a layer may take. */
const LIMIT = 1.2;

type Map2 = readonly [number, number];

const square = (
  of: LayerClass,
  map: Map2,
  cin: number,
  cout: number,
  size: number,
  more: Partial<Layer> = {},
): Layer => ({ of, map, cin, cout, kernel: [size, size], ...more });
const pointwise = (map: Map2, cin: number, cout: number) => square("pointwise", map, cin, cout, 1);
const conv = (map: Map2, cin: number, cout: number, more?: Partial<Layer>) =>
  square("convolution", map, cin, cout, 3, more);
const depthwise = (map: Map2, c: number, more?: Partial<Layer>) =>
  square("depthwise", map, c, c, 3, { group: c, ...more });
const dense = (cin: number, cout: number): Layer => ({
  of: "dense",
  map: [1],
  cin,
  cout,
  kernel: [1],
});
const first = (map: Map2, cin: number, cout: number, kernel: Map2): Layer => ({
  of: "first",
  map,
  cin,
  cout,
  kernel,
  stride: 2,
});

/** A layer of a benchmark and what is near it; `name` says which layer of MLPerf Tiny it is. */
interface Class {
  readonly name: string;
  readonly benchmark: Layer;
  readonly near: readonly Layer[];
}

const CLASSES: readonly Class[] = [
  {
    name: "visual wake words, pointwise 8→16",
    benchmark: pointwise([48, 48], 8, 16),
    near: [pointwise([44, 36], 8, 20)],
  },
  {
    name: "visual wake words, pointwise 16→32",
    benchmark: pointwise([24, 24], 16, 32),
    near: [pointwise([27, 7], 20, 36)],
  },
  {
    name: "visual wake words, pointwise 32→32",
    benchmark: pointwise([24, 24], 32, 32),
    near: [pointwise([27, 7], 36, 60), pointwise([27, 7], 33, 61), pointwise([27, 7], 35, 50)],
  },
  {
    name: "keyword spotting, pointwise 64→64",
    benchmark: pointwise([25, 5], 64, 64),
    near: [pointwise([27, 7], 60, 68), pointwise([9, 7], 68, 61)],
  },
  {
    name: "visual wake words, pointwise 128→128",
    benchmark: pointwise([6, 6], 128, 128),
    near: [pointwise([9, 7], 132, 132)],
  },
  {
    name: "image classification, 3x3 16→16",
    benchmark: conv([32, 32], 16, 16),
    near: [
      conv([27, 7], 20, 20),
      conv([27, 7], 20, 20, { dilation: 2 }),
      conv([27, 7], 21, 21),
      conv([13, 7], 60, 60, { group: 4 }),
      { of: "convolution", map: [132], cin: 20, cout: 36, kernel: [5] },
      { of: "convolution", map: [132], cin: 36, cout: 36, kernel: [3], dilation: 4 },
      conv([27, 7], 60, 60, { group: 4 }),
      conv([27, 7], 36, 36, { group: 4 }),
      conv([27, 7], 12, 20, { channelsOuter: true }),
      { ...first([44, 36], 3, 12, [7, 7]), channelsOuter: true },
      { of: "convolution", map: [132], cin: 20, cout: 36, kernel: [3], channelsOuter: true },
      { of: "convolution", map: [100], cin: 6, cout: 20, kernel: [9], channelsOuter: true },
    ],
  },
  {
    name: "image classification, 3x3 16→32, stride 2",
    benchmark: conv([32, 32], 16, 32, { stride: 2 }),
    near: [conv([27, 7], 36, 36, { stride: 2 })],
  },
  {
    name: "image classification, 3x3 32→32",
    benchmark: conv([16, 16], 32, 32),
    near: [conv([27, 7], 36, 36), conv([13, 7], 60, 60, { group: 2 })],
  },
  {
    name: "image classification, 3x3 64→64",
    benchmark: conv([8, 8], 64, 64),
    near: [conv([13, 7], 60, 60), conv([13, 7], 68, 68), conv([9, 7], 132, 132)],
  },
  {
    name: "keyword spotting, depthwise 64",
    benchmark: depthwise([25, 5], 64),
    near: [
      depthwise([27, 7], 20),
      depthwise([27, 7], 33),
      depthwise([27, 7], 68),
      depthwise([27, 7], 132),
      depthwise([44, 36], 20),
      depthwise([88, 72], 12),
      depthwise([27, 7], 60, { dilation: 2 }),
      depthwise([27, 7], 60, { kernel: [5, 5] }),
      depthwise([27, 7], 20, { kernel: [5, 5] }),
      depthwise([27, 7], 36, { kernel: [5, 5], dilation: 2 }),
      depthwise([27, 7], 20, { kernel: [7, 7] }),
      depthwise([27, 7], 36, { kernel: [5, 3] }),
      { of: "depthwise", map: [132], cin: 60, cout: 60, kernel: [9], group: 60 },
      { of: "depthwise", map: [189], cin: 36, cout: 36, kernel: [5], group: 36 },
      { of: "depthwise", map: [189], cin: 68, cout: 68, kernel: [3], group: 68 },
      depthwise([27, 7], 36, { kernel: [1, 7] }),
    ],
  },
  {
    name: "visual wake words, depthwise 16, stride 2",
    benchmark: depthwise([48, 48], 16, { stride: 2 }),
    near: [
      depthwise([44, 36], 20, { stride: 2 }),
      depthwise([27, 7], 36, { stride: 2 }),
      depthwise([27, 27], 20, { stride: 3 }),
      depthwise([13, 9], 36, { kernel: [5, 5], stride: 2 }),
    ],
  },
  {
    name: "visual wake words, first 3x3",
    benchmark: first([96, 96], 3, 8, [3, 3]),
    near: [
      first([88, 72], 3, 20, [3, 3]),
      first([88, 27], 1, 20, [8, 3]),
      first([88, 72], 1, 20, [3, 3]),
      { ...first([88, 72], 3, 12, [3, 3]), channelsOuter: true },
      { of: "first", map: [132], cin: 3, cout: 20, kernel: [5], channelsOuter: true },
      { of: "first", map: [189], cin: 1, cout: 12, kernel: [7], stride: 2, channelsOuter: true },
    ],
  },
  {
    name: "keyword spotting, first 10x4",
    benchmark: first([49, 10], 1, 64, [10, 4]),
    near: [first([49, 27], 1, 36, [10, 4])],
  },
  {
    name: "anomaly detection, dense 128→128",
    benchmark: dense(128, 128),
    near: [dense(132, 68), dense(133, 67)],
  },
];

/** How many times the instructions of int8 weights uint8 weights with a zero point may take. */
const ASYMMETRIC_LIMIT = 1.15;

Deno.test("efficiency on mps2-an386: weights less a zero point", async () => {
  const layers = [
    conv([27, 7], 20, 20),
    pointwise([27, 7], 36, 60),
    depthwise([27, 7], 20),
    depthwise([27, 7], 36, { stride: 2 }),
    { of: "depthwise", map: [132], cin: 60, cout: 60, kernel: [9], group: 60 } as const,
    first([49, 27], 1, 36, [10, 4]),
    dense(132, 68),
  ];
  const asymmetric = layers.map((l) => ({ ...l, weightZero: 117 }));
  const macs = await perMac([...layers, ...asymmetric], board("mps2-an386"));
  const missed = layers.flatMap((l, i) => {
    const times = macs[layers.length + i] / macs[i];
    return times > ASYMMETRIC_LIMIT ? [`${textOf(l)}: ${times.toFixed(2)} times`] : [];
  });
  assert.deepEqual(missed, []);
});

/** Layers that are further away for now, and how far: nothing may become worse. */
const FURTHER: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  "mps2-an386": {
    // Three multiply-accumulates an output that is rounded and stored, or no neighbours that share.
    "depthwise 3 68→68 on 189": 1.65,
    "depthwise 3x3 20→20 on 27x27, stride 3": 1.45,
    // Runs of 21 products take 24.
    "first 7x7 3→12 on 44x36, stride 2, channels outermost": 1.28,
    // Nine columns a group read rows that are put together for them alone.
    "convolution 3x3 36→36 on 27x7, 4 groups": 1.3,
  },
  "mps3-an547": {
    // Copied a channel after another first.
    "convolution 3x3 12→20 on 27x7, channels outermost": 1.5,
    "convolution 3 20→36 on 132, channels outermost": 1.37,
    "convolution 9 6→20 on 100, channels outermost": 1.42,
    "first 7x7 3→12 on 44x36, stride 2, channels outermost": 1.7,
    "first 7 1→12 on 189, stride 2, channels outermost": 2.15,
    "convolution 3x3 36→36 on 27x7, 4 groups": 1.75,
    "depthwise 5 36→36 on 189": 1.6,
    "depthwise 3 68→68 on 189": 2.5,
    "depthwise 1x7 36→36 on 27x7": 1.5,
    "depthwise 3x3 20→20 on 27x27, stride 3": 1.55,
    // Nine products an output that is rounded and stored.
    "first 3x3 1→20 on 88x72, stride 2": 1.9,
    // Three elements beyond two vectors, which the benchmark's layer holds in registers.
    "pointwise 1x1 35→50 on 27x7": 1.25,
  },
};

for (const name of ["mps2-an386", "mps3-an547"]) {
  for (const { name: of, benchmark, near } of CLASSES) {
    Deno.test(`efficiency on ${name}: what is near ${of}`, async () => {
      const [best, ...others] = await perMac([benchmark, ...near], board(name));
      const missed: string[] = [];
      others.forEach((n, i) => {
        const text = textOf(near[i]), times = n / best;
        const limit = FURTHER[name][text] ?? LIMIT;
        if (times > limit) missed.push(`${text}: ${n.toFixed(3)} a MAC, ${times.toFixed(2)} times`);
      });
      assert.deepEqual(missed, [], `${best.toFixed(3)} a MAC at ${textOf(benchmark)}`);
    });
  }
}
