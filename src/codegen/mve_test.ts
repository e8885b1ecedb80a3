/** Products and windows of vectors: the C does what they mean, on random shapes and extreme operands. */
import assert from "node:assert/strict";
import { random } from "../../tests/properties/random.ts";
import { productColumns, type ProductShape } from "../tir/mve_product.ts";
import { packedShape } from "../tir/mve_product_layout.ts";
import { bitsOf } from "../tir/mve.ts";
import { copyRuns, type CopyShape } from "../tir/mve_copy.ts";
import { gatherRuns, type GatherShape } from "../tir/mve_gather.ts";
import { mapBytes, type MapExpr } from "../tir/mve_map.ts";
import { sumPlaces, type SumShape } from "../tir/mve_sum.ts";
import { groupTaps, LANES, windowLanes, type WindowShape } from "../tir/mve_window.ts";
import type { Bounds } from "../tir/mve_requantize.ts";
import { sizeOf } from "../util/tensor.ts";
import { type Case, checkCases, drawn, TRIALS } from "../../tests/properties/intrinsic_cases.ts";

const BOUNDS: readonly Bounds[] = [
  { dtype: "int8", zero: -128, lo: -128, hi: 127 },
  { dtype: "int8", zero: 3, lo: -128, hi: 127 },
  { dtype: "int8", zero: 0, lo: -20, hi: 90 },
  { dtype: "uint8", zero: 7, lo: 0, hi: 255 },
  { dtype: "uint8", zero: 255, lo: 10, hi: 255 },
];

/** How far places lie apart in what is written, and rows that are at one place. */
const PLACE = 200, ONE = { places: 1, placeStep: 0, outPlace: 0 };

/** Sizes around those of vectors, groups and tiles, and at random; some rows lie apart. */
function shapes(seed: number, count: number): ProductShape[] {
  const r = random(seed);
  const fixed = [
    [1, 4, 1, 640],
    [1, 7, 1, 200],
    [3, 4, 1, 16],
    [5, 3, 3, 208],
    [4, 9, 3, 36],
    [4, 5, 3, 33],
    [1, 6, 1, 35],
    [7, 9, 1, 33],
  ];
  return Array.from({ length: count }, (_, i) => {
    const [rows, cols, runs, run] = fixed[i] ??
      [
        r.int(1, 8),
        r.int(1, 13),
        r.pick([1, 1, 2, 3, 5]),
        r.pick([1, 3, 15, 16, 17, 32, 34, 48, 67]),
      ];
    return {
      rows,
      rowStep: r.pick([1, run, run + 5]),
      outStep: cols + r.pick([0, 0, 3]),
      ...(i % 4 === 3
        ? { places: 3, placeStep: r.pick([run, 2 * run + 5]), outPlace: PLACE }
        : ONE),
      cols,
      runs,
      run,
      runStep: run + r.pick([0, 4, 300]),
      order: rows === 1 && i % 4 !== 3 && r.oneIn(2) ? "fours" : "pairs",
      bounds: BOUNDS[i % BOUNDS.length],
    };
  });
}

function productCase(s: ProductShape, seed: number): Case {
  const r = random(seed), intrinsic = productColumns(s, seed % 5 < 2);
  const [a, w] = [intrinsic.args[1].count, packedShape(s.cols, s)];
  const groups = w[0];
  // What fills a column up to whole vectors is zero.
  const weight = (i: number): number => {
    // Without lanes nothing is filled up.
    if (w.length === 2) return drawn(r, 1, -128, 127)[0];
    const lane = i % w[4], vector = Math.floor(i / w[4] / w[3]) % w[2];
    const k = vector % Math.ceil(s.run / 16) * 16 + lane;
    return k < s.run ? drawn(r, 1, -128, 127)[0] : 0;
  };
  const params = Array.from({ length: TRIALS * groups }, () => [
    ...drawn(r, 4, -1_000_000, 1_000_000),
    ...Array.from({ length: 4 }, () => bitsOf(r.pick([1e-9, 1e-4, 0.004, 0.5, 3]) * r.int(1, 9))),
  ]).flat();
  return {
    intrinsic,
    scalars: [],
    own: (n) => {
      const inPlace = n % (s.outPlace || n + 1);
      return inPlace < s.rows * s.outStep && inPlace % s.outStep < s.cols;
    },
    operands: [
      { shape: [intrinsic.args[0].count], values: [] },
      { shape: [a], values: drawn(r, TRIALS * a, -128, 127) },
      { shape: w, values: Array.from({ length: TRIALS * sizeOf(w) }, (_, i) => weight(i)) },
      { shape: [groups, 2, 4], values: params },
    ],
  };
}

for (const board of ["host", "mps3-an547"]) {
  Deno.test(`products of rows by all columns do what they mean: ${board}`, async () => {
    await checkCases(shapes(1, 40).map((s, i) => productCase(s, 100 + i)), board);
  });
}

/** Windows of every form: strides, dilations, few lanes, far rows; constants in as many groups as they need. */
function windowCase(seed: number): Case {
  const r = random(seed);
  const [kh, kw] = r.pick([[1, 1], [3, 3], [3, 3], [2, 5], [5, 1], [1, 4]]);
  const pitch = r.pick([64, 112, 800]), dilation = r.pick([1, 1, 2]), stride = r.pick([1, 1, 2]);
  const taps = Array.from(
    { length: kh * kw },
    (_, i) => Math.floor(i / kw) * pitch + i % kw * dilation * LANES,
  );
  const most = r.pick([20, 60, 128]);
  // The same constants in all calls: their sizes decide which taps share a halfword.
  const w = Array.from({ length: taps.length }, () => drawn(r, LANES, -most, most - 1));
  const [rows, cols, lanes] = [r.int(1, 4), r.int(1, 6), r.pick([16, 16, 8, 4, 1, 13])];
  const outCol = r.pick([lanes, lanes + 3, 200]);
  const shape: WindowShape = {
    rows,
    cols,
    lanes,
    taps,
    rowStep: pitch * stride,
    outRow: outCol * cols,
    colStep: LANES * stride,
    outCol,
    groups: groupTaps(w),
    bounds: r.pick(BOUNDS),
  };
  const intrinsic = windowLanes(shape), count = intrinsic.args.map((a) => a.count);
  const params = Array.from({ length: TRIALS }, () => [
    ...drawn(r, LANES, -100_000, 100_000),
    ...Array.from({ length: LANES }, () => bitsOf(r.pick([1e-9, 1e-4, 0.004, 0.5]) * r.int(1, 9))),
  ]).flat();
  return {
    intrinsic,
    scalars: [],
    own: (n) => n % outCol < lanes,
    operands: [
      { shape: [count[0]], values: [] },
      { shape: [count[1]], values: drawn(r, TRIALS * count[1], -128, 127) },
      { shape: [count[2]], values: Array.from({ length: TRIALS }, () => w.flat()).flat() },
      { shape: [count[3]], values: params },
    ],
  };
}

function copyCase(seed: number): Case {
  const r = random(seed), run = r.pick([1, 5, 16, 17, 48, 100]);
  const shape: CopyShape = {
    runs: r.int(1, 5),
    run,
    from: run + r.pick([0, 3, 130]),
    to: run + r.pick([0, 9, 200, 5000]),
    kind: r.pick(["same", "flip", { value: r.int(-128, 127) }] as const),
  };
  const intrinsic = copyRuns(shape);
  return {
    intrinsic,
    scalars: [],
    own: (n) => n % shape.to < run,
    operands: intrinsic.args.map((a, i) => ({
      shape: [a.count],
      values: i === 0
        ? []
        : drawn(r, TRIALS * a.count, a.dtype === "int8" ? -128 : 0, a.dtype === "int8" ? 127 : 255),
    })),
  };
}

Deno.test("taps share a halfword as long as it holds their sums", () => {
  assert.deepEqual(groupTaps([[100, 0], [100, 3], [55, 127]]), [[0, 1, 2]]);
  assert.deepEqual(groupTaps([[127], [-128], [1]]), [[0, 1], [2]]);
  assert.deepEqual(groupTaps([[128], [128]]), [[0], [1]]);
});

for (const board of ["host", "mps3-an547"]) {
  Deno.test(`windows within channels and copies do what they mean: ${board}`, async () => {
    const numbers = Array.from({ length: 32 }, (_, i) => i);
    await checkCases([...numbers.map((i) => windowCase(i)), ...numbers.map(copyCase)], board);
  });
}

function gatherCase(shape: GatherShape, seed: number): Case {
  const r = random(seed), intrinsic = gatherRuns(shape);
  return {
    intrinsic,
    scalars: [],
    operands: intrinsic.args.map((a, i) => ({
      shape: [a.count],
      values: i === 0 ? [] : drawn(r, TRIALS * a.count, -128, 127),
    })),
  };
}

const GATHERS: readonly GatherShape[] = [
  { places: 5, from: 2, runs: 3, runFrom: 92, run: 3 },
  { places: 4, from: 3, runs: 8, runFrom: 29, run: 3 },
  { places: 1, from: 0, runs: 8, runFrom: 20, run: 12 },
  { places: 3, from: 300, runs: 2, runFrom: 3, run: 1 },
  { places: 5, from: 2, runs: 10, runFrom: 12, run: 4 },
  { places: 1, from: 8, runs: 2, runFrom: 30, run: 16 },
  { places: 7, from: 6, runs: 3, runFrom: 291, run: 9 },
  { places: 3, from: 1, runs: 6, runFrom: 5000, run: 1 },
  { places: 4, from: 127, runs: 1, runFrom: 0, run: 15 },
];

const input = (index: number, zero: number): MapExpr => ({ op: "input", index, zero });
const by = (op: "add" | "sub" | "mul" | "div", a: MapExpr, b: MapExpr | number): MapExpr => ({
  op,
  a,
  b: typeof b === "number" ? { op: "literal", value: b } : b,
});

/** Sums, products and rescalings of quantised tensors, with scales at random. */
function mapCase(seed: number): Case {
  const r = random(seed), bounds = r.pick(BOUNDS);
  const scale = () => Math.fround((0.2 + r.int(0, 1000) / 400) / 50);
  const a = by("mul", input(0, r.pick([-128, 0, 5])), scale());
  const b = by("mul", input(1, r.int(-128, 255)), scale());
  const both = by("div", by(r.pick(["add", "sub", "mul"] as const), a, b), scale());
  const one = by("div", by("add", a, 0.25), scale());
  const value = r.oneIn(4) ? one : both, types = ["int8", "uint8"] as const;
  const inputs = (value === one ? [0] : [0, 1]).map(() => r.pick(types));
  const intrinsic = mapBytes({ count: r.pick([1, 4, 7, 32, 61]), inputs, value, bounds });
  assert(intrinsic, `no code for ${JSON.stringify(value)}`);
  return {
    intrinsic,
    scalars: [],
    operands: intrinsic.args.map((x, i) => ({
      shape: [x.count],
      values: i === 0
        ? []
        : drawn(r, TRIALS * x.count, x.dtype === "int8" ? -128 : 0, x.dtype === "int8" ? 127 : 255),
    })),
  };
}

for (const board of ["host", "mps3-an547"]) {
  Deno.test(`gathered runs and functions of bytes do what they mean: ${board}`, async () => {
    const maps = Array.from({ length: 40 }, (_, i) => mapCase(700 + i));
    await checkCases([...GATHERS.map(gatherCase), ...maps], board);
  });
}

function sumCase(shape: SumShape, seed: number): Case {
  const r = random(seed), intrinsic = sumPlaces(shape), signed = shape.dtype === "int8";
  const [lo, hi] = signed ? [-128, 127] : [0, 255], count = intrinsic.args[1].count;
  return {
    intrinsic,
    scalars: [r.pick([0, lo, hi, 3])],
    operands: [
      { shape: [8], values: drawn(r, TRIALS * 8, -1_000_000, 1_000_000) },
      {
        shape: [count],
        values: r.oneIn(3) ? Array(TRIALS * count).fill(hi) : drawn(r, TRIALS * count, lo, hi),
      },
    ],
  };
}

const SUMS: readonly SumShape[] = [
  { dtype: "int8", rows: 1, rowStep: 0, places: 300, step: 8 },
  { dtype: "uint8", rows: 1, rowStep: 0, places: 257, step: 8 },
  { dtype: "uint8", rows: 3, rowStep: 700, places: 4, step: 130 },
  { dtype: "int8", rows: 2, rowStep: 48, places: 2, step: 24 },
  { dtype: "int8", rows: 1, rowStep: 0, places: 1, step: 0 },
];

for (const board of ["host", "mps3-an547"]) {
  Deno.test(`sums of bytes of several places are what they mean: ${board}`, async () => {
    await checkCases(SUMS.map((s, i) => sumCase(s, 800 + i)), board);
  });
}
