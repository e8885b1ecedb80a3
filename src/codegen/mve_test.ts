/** Products and windows of vectors: the C does what they mean, on random shapes and extreme operands. */
import { random } from "../../tests/properties/random.ts";
import { packedShape, productColumns, type ProductShape } from "../tir/mve_product.ts";
import { bitsOf } from "../tir/mve.ts";
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

/** Sizes around those of vectors, groups and tiles, and at random; some rows lie apart. */
function shapes(seed: number, count: number): ProductShape[] {
  const r = random(seed);
  const fixed = [[1, 4, 1, 640], [1, 7, 1, 200], [3, 4, 1, 16], [5, 3, 3, 208], [4, 9, 3, 36]];
  return Array.from({ length: count }, (_, i) => {
    const [rows, cols, runs, run] = fixed[i] ??
      [r.int(1, 8), r.int(1, 13), r.pick([1, 1, 2, 3, 5]), r.pick([1, 3, 15, 16, 17, 32, 48, 67])];
    return {
      rows,
      rowStep: r.pick([1, run, run + 5]),
      outStep: cols + r.pick([0, 0, 3]),
      cols,
      runs,
      run,
      runStep: run + r.pick([0, 4, 300]),
      order: rows === 1 && r.oneIn(2) ? "fours" : "pairs",
      bounds: BOUNDS[i % BOUNDS.length],
    };
  });
}

function productCase(s: ProductShape, seed: number): Case {
  const r = random(seed), intrinsic = productColumns(s);
  const [a, w] = [
    intrinsic.args[1].count,
    packedShape(s.cols, s.runs * Math.ceil(s.run / 16), s.order),
  ];
  const groups = w[0];
  // What fills a column up to whole vectors is zero.
  const weight = (i: number): number => {
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
    own: (n) => n % s.outStep < s.cols,
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
