/**
 * The C of every intrinsic, portable on this computer, with DSP instructions on a Cortex-M4 and with
 * vectors on a Cortex-M55 under QEMU, does what its meaning says, on random and on extreme operands.
 */
import assert from "node:assert/strict";
import { type Random, random } from "../../tests/properties/random.ts";
import { INTRINSICS } from "../schedule/tensorize.ts";
import { has } from "../target/target.ts";
import { loadBoard } from "../target/boards.ts";
import { copyBytes, fillBytes } from "../tir/byte_rows.ts";
import { dotBlock, encodeOdd } from "../tir/dot_block.ts";
import { dotRow } from "../tir/dot_row.ts";
import { MAC_COLS, macBlock } from "../tir/mac_block.ts";
import { mlaFloats, sumFloats } from "../tir/float_block.ts";
import { planes4, type TensorIntrin } from "../tir/intrinsics.ts";
import { planeTile, TAPS } from "../tir/plane.ts";
import { bitsOf, fill, requantize4, windowProduct } from "../tir/mve.ts";
import { dotColumns } from "../tir/mve_dot.ts";
import { intRange } from "../util/dtype.ts";
import { type Case, checkCases, drawn, TRIALS } from "../../tests/properties/intrinsic_cases.ts";

/** Bounds of operands within which no sum passes int32. */
const LIMITS: Readonly<Record<string, readonly [number, number]>> = {
  int32: [-1_000_000_000, 1_000_000_000],
};

/** Scales that reach every part of a byte's range, and far beyond it. */
const scaleOf = (r: Random): number =>
  Math.fround(
    r.pick([1e-12, 2 ** -31, 1e-8, 0.0039, 0.5, 1, 2, 1e9]) * (0.5 + r.int(0, 999) / 1000),
  );

/** Requantisations: ties, extremes, bounds inside and outside of the type's range. */
function requantizeCases(y: "int8" | "uint8", shared: boolean, bounded: boolean): Case[] {
  const r = random(shared ? 71 : 72), { min, max } = intRange(y);
  return [min, 0, 3, max].map((zero) => {
    const bounds = bounded ? [r.int(min, zero), r.int(zero, max)] : [];
    const accs = drawn(r, TRIALS * 4, -(2 ** 31), 2 ** 31 - 1)
      .map((v) => r.oneIn(2) ? v : r.int(-600, 600));
    const scales = Array.from({ length: TRIALS * 4 }, () => scaleOf(r));
    return {
      intrinsic: requantize4(y, shared, bounded),
      scalars: [...(shared ? [bitsOf(r.pick([0.5, scaleOf(r)]))] : []), zero, ...bounds],
      operands: [
        { shape: [4], values: [] },
        { shape: [4], values: accs },
        ...(shared ? [] : [{ shape: [4], values: scales }]),
      ],
    };
  });
}

/** Products of whole rows and columns, with ends that fill no vector. */
function columnsCase(rows: number, cols: number, k: number, seed: number): Case {
  const r = random(seed);
  return {
    intrinsic: dotColumns(rows, cols, k, k),
    scalars: [],
    operands: [
      { shape: [rows, cols], values: drawn(r, TRIALS * rows * cols, -1_000_000, 1_000_000) },
      { shape: [rows, k], values: drawn(r, TRIALS * rows * k, -128, 127) },
      { shape: [cols, k, 1, 1], values: drawn(r, TRIALS * cols * k, -128, 127) },
    ],
  };
}

/** Windows whose taps lie near, far, and beyond what an instruction reaches. */
function windowCase(steps: readonly number[], seed: number): Case {
  const r = random(seed);
  const taps = steps.map((a, i) => ({ a, w: (steps.length - 1 - i) * (a > 4000 ? 1500 : 40) }));
  const [a, w] = [Math.max(...taps.map((t) => t.a)), Math.max(...taps.map((t) => t.w))];
  return {
    intrinsic: windowProduct(taps),
    scalars: [],
    operands: [
      { shape: [8], values: drawn(r, TRIALS * 8, -1_000_000, 1_000_000) },
      { shape: [a + 8], values: drawn(r, TRIALS * (a + 8), -128, 127) },
      { shape: [w + 8], values: drawn(r, TRIALS * (w + 8), -128, 127) },
    ],
  };
}

/** Tiles of planes, down to a single output, of rows near and as far apart as loads reach. */
function tileCase(rows: number, cols: number, pitch: number, seed: number): Case {
  const r = random(seed);
  const size = (rows + TAPS - 1) * pitch;
  const weights = Array.from({ length: TRIALS * TAPS }, () => {
    const [a, b, c] = drawn(r, 3, -128, 127);
    return [a, b, b, c];
  });
  return {
    intrinsic: planeTile(rows, cols, pitch),
    scalars: [],
    operands: [
      { shape: [rows * 2], values: drawn(r, TRIALS * rows * 2, -1_000_000, 1_000_000) },
      { shape: [size], values: drawn(r, TRIALS * size, -255, 255) },
      { shape: [TAPS * 4], values: weights.flat() },
    ],
  };
}

/** Four channels into planes that are five elements apart. */
function planesCase(x: "int8" | "uint8", seed: number): Case {
  const r = random(seed), { min, max } = intRange(x);
  return {
    intrinsic: planes4(x),
    scalars: [r.pick([min, max, 0, 7]), 5],
    // What lies between the elements of planes is nobody's.
    own: (n) => n % 5 === 0,
    operands: [
      { shape: [4, 5], values: [] },
      { shape: [4], values: drawn(r, TRIALS * 4, min, max) },
    ],
  };
}

/** Floats of many sizes, so that another order or a fused rounding would show in the bits. */
const floats = (r: Random, count: number): number[] =>
  Array.from({ length: count }, () => Math.fround(r.int(-(2 ** 24), 2 ** 24) * 2 ** r.int(-40, 4)));

function floatCase(intrinsic: TensorIntrin, seed: number): Case {
  const r = random(seed);
  return {
    intrinsic,
    scalars: [],
    operands: intrinsic.args.map((a) => ({
      shape: [a.count],
      values: floats(r, TRIALS * a.count),
    })),
  };
}

function casesOf(intrinsic: TensorIntrin, seed: number): Case[] {
  if (/^requantize4|^planes4|_f32/.test(intrinsic.name)) return [];
  const r = random(seed);
  const zeroPoints = intrinsic.scalars.length ? [0, 1, -128, 127, 128, 255] : [null];
  // Two int16 factors: four products of 2^14 · 2^14 and the accumulator stay below 2^31.
  const wide = intrinsic.args.filter((a) => a.dtype === "int16").length > 1;
  const inByte = intrinsic.args.length === 1 ? [0, 1, -128, 127] : zeroPoints;
  return inByte.map((zero) => ({
    intrinsic,
    scalars: zero === null ? [] : [zero],
    operands: intrinsic.args.map((a) => {
      const { min, max } = intRange(a.dtype);
      const [lo, hi] = a.dtype === "int16" && wide
        ? [-16384, 16383]
        : LIMITS[a.dtype] ?? [min, max];
      return { shape: [a.count], values: drawn(r, TRIALS * a.count, lo, hi) };
    }),
  }));
}

/** A block of rows by two columns, its weights encoded as the compiler does. */
function blockCase(rows: number, k: number, seed: number): Case {
  const r = random(seed);
  // No column's sum reaches 2^23.
  const most = Math.min(127, Math.floor(2 ** 23 / 255 / k) - 1);
  const pairs = Array.from({ length: TRIALS * k }, () => {
    const [even, odd] = drawn(r, 2, -most, most);
    return [even, encodeOdd(even, odd)];
  });
  return {
    intrinsic: dotBlock(rows, k, k),
    scalars: [],
    operands: [
      { shape: [rows, 2], values: drawn(r, TRIALS * rows * 2, -1_000_000, 1_000_000) },
      { shape: [rows, k], values: drawn(r, TRIALS * rows * k, -255, 255) },
      { shape: [1, k / 2, 2, 2], values: pairs.flat() },
    ],
  };
}

/** One row by two pairs of columns, encoded in the same way. */
function rowCase(k: number, seed: number): Case {
  const r = random(seed);
  const most = Math.min(127, Math.floor(2 ** 23 / 255 / k) - 1);
  // Word by word: two k of a pair of columns.
  const pairs = Array.from({ length: TRIALS * 2 * k }, () => {
    const [even, odd] = drawn(r, 2, -most, most);
    return [even, encodeOdd(even, odd)];
  });
  return {
    intrinsic: dotRow(k),
    scalars: [],
    operands: [
      { shape: [1, 4], values: drawn(r, TRIALS * 4, -1_000_000, 1_000_000) },
      { shape: [1, k], values: drawn(r, TRIALS * k, -255, 255) },
      { shape: [1, k / 2, 2, 2, 2], values: pairs.flat() },
    ],
  };
}

/** Rows by up to four columns, the constants of one k side by side. */
function macCase(rows: number, cols: number, k: number, seed: number): Case {
  const r = random(seed);
  return {
    intrinsic: macBlock({ rows, cols }, k, k),
    scalars: [],
    operands: [
      { shape: [rows, cols], values: drawn(r, TRIALS * rows * cols, -1_000_000, 1_000_000) },
      { shape: [rows, k], values: drawn(r, TRIALS * rows * k, -255, 255) },
      { shape: [1, k, MAC_COLS, 1], values: drawn(r, TRIALS * k * MAC_COLS, -128, 127) },
    ],
  };
}

/** Runs of bytes, of words alone and of whole turns with some behind them. */
function byteCases(x: "int8" | "uint8", count: number): Case[] {
  const r = random(count), { min, max } = intRange(x);
  const dst = { shape: [count], values: [] };
  return [
    {
      intrinsic: copyBytes(x, count),
      scalars: [count],
      operands: [dst, { shape: [count], values: drawn(r, TRIALS * count, min, max) }],
    },
    ...[min, 0, max].map((value) => ({
      intrinsic: fillBytes(x, count),
      scalars: [value, count],
      operands: [dst],
    })),
  ];
}

const vectors = [
  ...[...INTRINSICS.values(), fill(4), fill(8), fill(16)].flatMap((i, n) => casesOf(i, n + 1)),
  ...(["int8", "uint8"] as const).flatMap((y) =>
    [false, true].flatMap((shared) => [false, true].flatMap((b) => requantizeCases(y, shared, b)))
  ),
  ...(["int8", "uint8"] as const).flatMap((x) =>
    [4, 12, 16, 20, 64].flatMap((count) => byteCases(x, count))
  ),
];
const planes = [
  ...(["int8", "uint8"] as const).flatMap((x) => [0, 1, 2, 3].map((n) => planesCase(x, 90 + n))),
  ...[[1, 1], [1, 2], [2, 1], [2, 2]].flatMap(([rows, cols], n) =>
    [4, 6, 8, 50, 170].map((pitch, m) => tileCase(rows, cols, pitch, 10 * n + m))
  ),
];
const sums = [
  ...[4, 8].flatMap((channels, n) => [floatCase(mlaFloats(channels), 40 + n)]),
  ...[[1, 8, 8], [2, 4, 4], [3, 8, 24], [4, 4, 4], [7, 8, 8], [16, 8, 64], [3, 4, 1100]]
    .map(([length, channels, step], n) => floatCase(sumFloats(length, channels, step), 50 + n)),
];
const columns = [
  ...[[1, 1], [1, 4], [1, 5], [2, 1], [2, 4], [2, 3], [3, 2]].flatMap(([rows, cols], n) =>
    [1, 15, 16, 48, 64, 67, 80, 96, 288].map((k, m) => columnsCase(rows, cols, k, 10 * n + m))
  ),
  ...[[0], [0, 1, 2], [0, 64, 128, 448, 512, 576], [9, 0, 200, 100], [0, 4096, 9000]]
    .map((steps, n) => windowCase(steps, 500 + n)),
];
const blocks = [1, 2].flatMap((rows) =>
  // From 512 on the second row is out of reach of LDRD, from 2048 on of LDR.
  [4, 8, 12, 16, 20, 36, 64, 516, 2052].map((k, n) => blockCase(rows, k, 100 * rows + n))
).concat([4, 8, 12, 16, 64, 300, 640].map((k, n) => rowCase(k, 300 + n)))
  .concat(
    [1, 2].flatMap((rows) =>
      [1, 2, 3, 4].flatMap((cols, n) =>
        [4, 36, 64].map((k, m) => macCase(rows, cols, k, 400 + 10 * n + m))
      )
    ),
  );

const ALL = [["vector", vectors], ["block", blocks], ["plane", planes], ["float", sums], [
  "column and window",
  columns,
]] as const;
for (const [what, cases] of ALL) {
  for (const board of ["host", "mps2-an386", "mps3-an547", "qemu-rv32imc"]) {
    Deno.test(`the C of ${what} intrinsics does what they mean: ${board}`, async () => {
      const text = await checkCases(cases, board);
      const used = { dsp: /\bsmla|xtab16|sxtb16/.test(text), mve: /\bvldr[bw]/.test(text) };
      const { target } = loadBoard(board);
      if (what !== "column and window" && what !== "float") {
        assert.equal(used.dsp, has(target, "dsp"));
      }
      if (what === "vector" || what === "column and window") {
        assert.equal(used.mve, has(target, "mve"));
      }
    });
  }
}
