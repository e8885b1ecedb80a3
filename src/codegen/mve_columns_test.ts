/** Products column by column: the C does what they mean, on random shapes and extreme operands. */
import { random } from "../../tests/properties/random.ts";
import { columnsFit, productByColumns } from "../tir/mve_columns.ts";
import type { RowsByColumns } from "../tir/mve_product_shape.ts";
import { bitsOf } from "../tir/mve.ts";
import type { Bounds } from "../tir/mve_requantize.ts";
import { type Case, checkCases, drawn, TRIALS } from "../../tests/properties/intrinsic_cases.ts";
import assert from "node:assert/strict";

const BOUNDS: readonly Bounds[] = [
  { dtype: "int8", zero: -128, lo: -128, hi: 127 },
  { dtype: "int8", zero: 0, lo: -20, hi: 90 },
  { dtype: "uint8", zero: 7, lo: 0, hi: 255 },
  { dtype: "uint8", zero: 255, lo: 10, hi: 255 },
];

/** Rows around those of a turn, pieces that fill vectors and that do not, rows and places apart. */
function shapeOf(seed: number): RowsByColumns {
  const r = random(seed);
  const [runs, run] = r.pick([
    ...[[1, 16], [1, 9], [1, 1], [1, 12], [1, 27], [1, 32], [1, 48], [1, 40]],
    ...[[2, 16], [2, 5], [3, 15], [3, 16], [3, 3], [3, 9]],
  ]);
  const rows = r.pick([1, 2, 4, 5, 7, 8, 8, 9, 11, 15, 16, 17, 24, 27]);
  const cols = r.pick([1, 2, 5, 8, 13]);
  const rowStep = r.pick([run, run, run + 5, 1, 127, 140]), outStep = cols + r.pick([0, 0, 3, 200]);
  const outPlace = rows * outStep;
  return {
    rows,
    rowStep,
    outStep,
    ...(r.oneIn(4)
      ? { places: 3, placeStep: r.pick([run, 2 * run + 5]), outPlace }
      : { places: 1, placeStep: 0, outPlace: 0 }),
    cols,
    runs,
    run,
    runStep: run + r.pick([0, 4, 300]),
    bounds: r.pick(BOUNDS),
  };
}

function columnsCase(seed: number): Case {
  const s = shapeOf(seed), r = random(seed + 1000), intrinsic = productByColumns(s);
  assert(columnsFit(s), JSON.stringify(s));
  const vectors = Math.ceil(s.run / 16), count = intrinsic.args.map((a) => a.count);
  // What fills a column up to whole vectors is zero.
  const weight = (i: number) => i % (16 * vectors) < s.run ? drawn(r, 1, -128, 127)[0] : 0;
  const params = Array.from({ length: TRIALS * s.cols }, () => [
    ...drawn(r, 1, -1_000_000, 1_000_000),
    bitsOf(r.pick([1e-9, 1e-4, 0.004, 0.5, 3]) * r.int(1, 9)),
  ]).flat();
  return {
    intrinsic,
    scalars: [],
    own: (n) => n % s.outStep < s.cols,
    operands: [
      { shape: [count[0]], values: [] },
      { shape: [count[1]], values: drawn(r, TRIALS * count[1], -128, 127) },
      {
        shape: [s.cols, s.runs * vectors, 16],
        values: Array.from({ length: TRIALS * count[2] }, (_, i) => weight(i)),
      },
      { shape: [s.cols, 2], values: params },
    ],
  };
}

for (const board of ["host", "mps3-an547"]) {
  Deno.test(`products column by column do what they mean: ${board}`, async () => {
    await checkCases(Array.from({ length: 40 }, (_, i) => columnsCase(i)), board);
  });
}
