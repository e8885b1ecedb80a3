/** Winograd's transforms and products in C do what they mean, on extreme operands too. */
import { random } from "../../tests/properties/random.ts";
import { type Case, checkCases, drawn, TRIALS } from "../../tests/properties/intrinsic_cases.ts";
import { bitsOf } from "../schedule/words.ts";
import { winogradInput } from "../tir/winograd.ts";
import { type WinogradBytes, winogradBytes, winogradOutput } from "../tir/winograd_output.ts";
import { winogradProducts } from "../tir/winograd_products.ts";
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

function productsCase(tiles: number, k: number, apart = tiles): Case {
  const r = random(10 * k + tiles);
  const v = [1, 1, 4, 4, k / 2, apart, 2], u = [1, 4, 4, k / 2, 2, 2];
  return {
    intrinsic: winogradProducts({ tiles, apart }, k),
    scalars: [],
    own: (n) => n % (2 * apart) < 2 * tiles,
    operands: [
      { shape: [1, 1, 2, 4, apart, 2], values: [] },
      { shape: v, values: drawn(r, TRIALS * sizeOf(v), -V, V) },
      { shape: u, values: drawn(r, TRIALS * sizeOf(u), -U, U) },
    ],
  };
}

/** Products whose sums are four times a whole number, as they are. */
function outputCase(tiles: number): Case {
  const r = random(tiles), position = 2 * tiles, h = [1, 1, 2, 4, tiles, 2];
  return {
    intrinsic: winogradOutput(position),
    scalars: [],
    operands: [
      { shape: [1, 1, 1, 1, 2, 2], values: [] },
      { shape: h, values: drawn(r, TRIALS * sizeOf(h), -(2 ** 25), 2 ** 25).map((n) => 4 * n) },
      { shape: [1], values: drawn(r, TRIALS, -(2 ** 27), 2 ** 27).map((n) => 4 * n) },
    ],
  };
}

/** The same as bytes: by multipliers and by scales, of results of all sizes. */
function bytesCase(b: WinogradBytes): Case {
  const r = random(b.tiles + b.zero), h = [1, 1, 2, 4, b.apart, 2];
  const words = Array.from({ length: TRIALS }, (_, i) => {
    const scales = [1e-6, 1e-3].map((s) => Math.fround(s * r.int(1, 4000) / 1000));
    return scales.map((s) => i / TRIALS < b.fixed ? -Math.round(s * 2 ** 34) : bitsOf(s));
  });
  const most = (i: number) => 2 ** (i % 26);
  return {
    intrinsic: winogradBytes(b),
    scalars: [],
    operands: [
      { shape: [1, 1, b.tiles, 2, 2, 2], values: [] },
      {
        shape: h,
        values: Array.from(
          { length: TRIALS * sizeOf(h) },
          (_, i) => 4 * r.int(-most(i), most(i)),
        ),
      },
      {
        shape: [2],
        values: drawn(r, 2 * TRIALS, -(2 ** 27), 2 ** 27).map((n, i) => 4 * n >> i % 28 & ~3),
      },
      { shape: [2], values: words.flat() },
    ],
  };
}

const CASES: readonly Case[] = [
  inputCase(4, 2, 1),
  inputCase(7, 6, 2),
  inputCase(40, 128, 2),
  ...[4, 8, 20, 128].flatMap((
    k,
  ) => [productsCase(1, k), productsCase(2, k), productsCase(1, k, 2)]),
  outputCase(1),
  outputCase(2),
  ...[[1, 1], [1, 2], [2, 2]].map(([tiles, apart]) => ({ tiles, apart })).flatMap((of) => [
    bytesCase({ ...of, y: "int8", zero: -128, limits: [-128, 127], fixed: 0.5 }),
    bytesCase({ ...of, y: "int8", zero: 5, limits: [-128, 127], fixed: 1 }),
    bytesCase({ ...of, y: "uint8", zero: 130, limits: [0, 255], fixed: 0.5 }),
    bytesCase({ ...of, y: "uint8", zero: 0, limits: [0, 127], fixed: 0.25 }),
  ]),
];

for (const board of ["host", "mps2-an386", "mps2-an385"]) {
  Deno.test(`winograd: transforms and products on ${board}`, async () => {
    await checkCases(CASES, board);
  });
}
