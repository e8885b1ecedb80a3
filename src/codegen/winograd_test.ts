/** Winograd's transforms and products in C do what they mean, on extreme operands too. */
import { random } from "../../tests/properties/random.ts";
import { type Case, checkCases, drawn, TRIALS } from "../../tests/properties/intrinsic_cases.ts";
import { winogradInput, winogradOutput, winogradProducts } from "../tir/winograd.ts";
import { sizeOf } from "../util/tensor.ts";

/** The largest input less its zero point, and what a transform makes of it and of a weight. */
const X = 255, V = 4 * X, U = 9 * 128;

function inputCase(width: number, channels: number, tiles: number): Case {
  const r = random(width), x = [1, 4, width, channels];
  const v = [1, 1, 4, 4, channels / 2, tiles, 2], position = channels * tiles;
  return {
    intrinsic: winogradInput({ row: width * channels, col: channels, position }),
    scalars: [],
    // What belongs to other channels and tiles is not the call's.
    own: (n) => n % position < 2,
    operands: [
      { shape: v, values: [] },
      { shape: x, values: drawn(r, TRIALS * sizeOf(x), -X, X) },
    ],
  };
}

function productsCase(tiles: number, k: number): Case {
  const r = random(10 * k + tiles);
  const v = [1, 1, 4, 4, k / 2, tiles, 2], u = [1, 4, 4, k / 2, 2, 2];
  return {
    intrinsic: winogradProducts(tiles, k),
    scalars: [],
    operands: [
      { shape: [1, 1, 4, 4, tiles, 2], values: [] },
      { shape: v, values: drawn(r, TRIALS * sizeOf(v), -V, V) },
      { shape: u, values: drawn(r, TRIALS * sizeOf(u), -U, U) },
    ],
  };
}

/** Products whose sums are four times a whole number, as they are. */
function outputCase(tiles: number): Case {
  const r = random(tiles), position = 2 * tiles, m = [1, 1, 4, 4, tiles, 2];
  return {
    intrinsic: winogradOutput(position),
    scalars: [],
    operands: [
      { shape: [1, 1, 1, 1, 2, 2], values: [] },
      { shape: m, values: drawn(r, TRIALS * sizeOf(m), -(2 ** 25), 2 ** 25).map((n) => 4 * n) },
      { shape: [1], values: drawn(r, TRIALS, -(2 ** 27), 2 ** 27).map((n) => 4 * n) },
    ],
  };
}

const CASES: readonly Case[] = [
  inputCase(4, 2, 1),
  inputCase(7, 6, 2),
  inputCase(40, 128, 2),
  ...[4, 8, 20, 128].flatMap((k) => [productsCase(1, k), productsCase(2, k)]),
  outputCase(1),
  outputCase(2),
];

for (const board of ["host", "mps2-an386", "mps2-an385"]) {
  Deno.test(`winograd: transforms and products on ${board}`, async () => {
    await checkCases(CASES, board);
  });
}
