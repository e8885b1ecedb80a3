/**
 * Maps of one channel, the copies that they are computed from, and pools: the C, portable on this computer
 * and in assembly on Cortex-M4 and M7 under QEMU, does what its meaning says for windows, strides, dilations,
 * shapes, memory steps, zero points and extremes drawn at random.
 */
import assert from "node:assert/strict";
import { type Random, random } from "../../tests/properties/random.ts";
import { runOnBoard } from "../run/mod.ts";
import { loadBoard } from "../target/boards.ts";
import { add, imm, mul, variable } from "../te/expr.ts";
import { gather } from "../tir/gather.ts";
import { canInterleave, interleave } from "../tir/interleave.ts";
import { poolBlock } from "../tir/pool_block.ts";
import { interpretKernel } from "../tir/interp.ts";
import type { TensorIntrin } from "../tir/intrinsics.ts";
import { bitsOf } from "../tir/mve.ts";
import { planeMap } from "../tir/plane_map.ts";
import { mapFits, type PlaneMap, planeWidth } from "../tir/plane_map_asm.ts";
import { fitsHalfwords } from "../tir/requantize_asm.ts";
import { type Buffer, denseBuffer, type Kernel, seq, type Stmt } from "../tir/stmt.ts";
import { verifyKernel } from "../tir/verify.ts";
import { intRange } from "../util/dtype.ts";
import { tensor, type TensorData, zeros } from "../util/tensor.ts";
import { artifactOf } from "./testing.ts";

/** Calls of one intrinsic, one after another through its operands' buffers. */
const TRIALS = 4;

interface Case {
  readonly intrinsic: TensorIntrin;
  readonly scalars: readonly number[];
  /** Elements of each operand of one call, the first of which is written. */
  readonly sizes: readonly number[];
  /** Where a call's part of the first operand begins; default 0. */
  readonly from?: number;
  readonly values: readonly (readonly number[])[];
}

function kernelOf(c: Case, index: number): Kernel {
  const buffers = c.intrinsic.args.map((a, i) =>
    denseBuffer(
      `${a.name}${index}`,
      a.dtype,
      [TRIALS * c.sizes[i]],
      i === 0 ? "output" : "input",
      [1],
      4,
    )
  );
  const [i, t] = [variable("i"), variable("t", "int32", [0, TRIALS - 1])];
  const out = buffers[0];
  // What the call leaves out has to stay as it is.
  const clear: Stmt = { k: "store", buf: out, idx: [i], value: imm(7, out.dtype) };
  const call: Stmt = {
    k: "intrin",
    op: c.intrinsic,
    args: buffers.map((buf, n) => {
      const at = mul(t, c.sizes[n]);
      return { buf, idx: [n === 0 ? add(at, c.from ?? 0) : at], axis: 0 };
    }),
    scalars: c.scalars,
  };
  return {
    name: c.intrinsic.name,
    buffers,
    params: [],
    body: seq(
      { k: "for", v: i, lo: imm(0), hi: imm(out.length), body: clear },
      { k: "for", v: t, lo: imm(0), hi: imm(TRIALS), body: call },
    ),
    origin: [],
    ops: [c.intrinsic.name],
    macs: 0,
  };
}

const dataOf = (c: Case, b: Buffer, i: number): TensorData =>
  i === 0 ? zeros(b.dtype, b.shape) : tensor(b.dtype, b.shape, c.values[i - 1]);

const drawn = (r: Random, count: number, lo: number, hi: number): number[] =>
  Array.from({ length: count }, () => r.oneIn(3) ? r.pick([lo, hi]) : r.int(lo, hi));

function mapCase(seed: number): Case | null {
  const r = random(seed);
  const rows = r.oneIn(3) ? 1 : r.int(2, 5);
  const taps = r.oneIn(2) ? [3, 3] as const : [rows, r.int(2, 7)] as const;
  const s = r.pick([1, 1, 2]);
  const stride = r.oneIn(4) ? [r.int(1, 3), r.int(1, 2)] as const : [s, s] as const;
  const shape = [r.int(1, 7), r.int(1, 9)] as const;
  const col = r.pick([1, 3, 64, 255, 256, 300, 2100]);
  const bounded = r.oneIn(4), y = r.pick(["int8", "uint8"] as const);
  const own = intRange(y);
  const zero = r.oneIn(3) ? 0 : r.oneIn(2) ? own.min : r.int(own.min, own.max);
  const half = !bounded && y === "int8" && zero >= 0 && r.oneIn(2);
  const [lo, hi] = bounded
    ? [r.int(own.min, zero), r.int(zero, own.max)]
    : [half ? 0 : own.min, own.max];
  const m = {
    taps,
    stride,
    dilation: r.pick([1, 1, 1, 2]),
    planes: r.pick([1, 1, 1, 2, 3]),
    apart: 0,
    shape,
    steps: [shape[1] * col + r.pick([0, 1, 5]), col] as const,
    shared: r.oneIn(3),
    y,
    bounded,
    limits: bounded ? [own.min, own.max] as const : [lo, hi] as const,
    rounding: "words" as const,
    pitch: 0,
    words: bounded || r.oneIn(2) ? null : r.pick([1, 0.5]),
  };
  const pitch = 2 * Math.ceil(planeWidth(m) / 2) + r.pick([0, 0, 2, 60]);
  const down = (shape[0] - 1) * stride[0] + (taps[0] - 1) * m.dilation + 1;
  const apart = m.planes > 1 ? down * pitch + r.pick([0, 2]) : 0;
  const size = (m.planes - 1) * apart + down * pitch;
  const width = 2 * m.planes * taps[0] * (taps[1] - 1);
  const large = Math.min(1_000_000, 2 ** r.int(1, 20));
  const most = m.planes * taps[0] * taps[1] * 255 * 128 + large;
  const small = r.oneIn(2);
  const limit = small ? 30000 / most : r.pick([1e-12, 0.01, 0.5, 1, 1e5]);
  const scale = () => Math.fround(limit * (0.3 + 0.7 * r.int(0, 1000) / 1000));
  const scales = Array.from({ length: TRIALS }, scale);
  const largest = most * Math.max(...scales);
  const full: PlaneMap = {
    ...m,
    pitch,
    apart,
    rounding: fitsHalfwords(largest, zero, lo, hi) ? "halfwords" : "words",
  };
  if (!mapFits(full)) return null;
  const words = scales.map((x) =>
    m.words === 1 || r.oneIn(2) ? -r.pick([r.int(1, 2 ** 31 - 1), 2 ** 31 - 1, 1]) : bitsOf(x)
  );
  const sizes = [
    (shape[0] - 1) * m.steps[0] + (shape[1] - 1) * col + 1,
    size,
    width,
    1,
    1,
  ];
  const weights = Array.from({ length: TRIALS * m.planes * taps[0] }, () => {
    const w = drawn(r, taps[1], -128, 127);
    return w.slice(1).flatMap((x, i) => [w[i], x]);
  });
  return {
    intrinsic: planeMap(full),
    scalars: [
      ...(m.shared ? [m.words === null ? bitsOf(scales[0]) : words[0]] : []),
      zero,
      ...(bounded ? [lo, hi] : []),
    ],
    sizes,
    values: [
      drawn(r, TRIALS * size, -255, 255),
      weights.flat(),
      drawn(r, TRIALS, -large, large),
      ...(m.shared ? [] : [m.words === null ? scales : words]),
    ],
  };
}

function gatherCase(seed: number): Case {
  const r = random(seed);
  const x = r.pick(["int8", "uint8"] as const), { min, max } = intRange(x);
  const [rows, cols] = [r.int(1, 5), r.int(1, 40)], col = r.pick([1, 2, 9, 64, 600]);
  const steps = [cols * col + r.int(0, 3), col] as const;
  const pitch = cols + r.pick([0, 1, 2, 3, 300]);
  const size = (rows - 1) * steps[0] + (cols - 1) * col + 1;
  const from = r.pick([0, 1]), length = rows * pitch + from;
  const lead = length % 2 === 0 ? from as 0 | 1 : null;
  return {
    intrinsic: gather({ x, rows, cols, pitch, steps, lead }),
    scalars: [],
    sizes: [length, size],
    from,
    values: [drawn(r, TRIALS * size, min, max)],
  };
}

function interleaveCase(seed: number): Case {
  const r = random(seed), flips = r.oneIn(3);
  const { min, max } = intRange(flips ? "uint8" : "int8");
  const [places, channels] = [r.int(1, 30), r.int(1, 9)];
  const from = r.pick([1, 1, 2, 255]), to = channels + r.pick([0, 0, 3]);
  const apart = r.pick([places * from, places * from + 7, 1, 5000]);
  const shape = { places, channels, from, to, apart, flips };
  assert(canInterleave(shape));
  const size = (places - 1) * from + (channels - 1) * apart + 1;
  return {
    intrinsic: interleave(shape),
    scalars: [],
    sizes: [(places - 1) * to + channels, size],
    values: [drawn(r, TRIALS * size, min, max)],
  };
}

function poolCase(seed: number): Case {
  const r = random(seed);
  const x = r.pick(["int8", "uint8"] as const), { min, max } = intRange(x);
  const op = r.pick(["sum", "max"] as const);
  const [rows, cols] = r.pick([[1, 1], [2, 2], [3, 3], [1, 17], [25, 5], [7, 40], [20, 20], [
    11,
    13,
  ]]);
  const col = r.pick([4, 5, 64]), steps = [cols * col + r.pick([0, 0, 3]), col] as const;
  const size = (rows - 1) * steps[0] + (cols - 1) * col + 4;
  const intrinsic = poolBlock({ op, x, rows, cols, steps });
  return {
    intrinsic,
    scalars: op === "sum" ? [r.int(min, max)] : [],
    sizes: [4, size],
    values: [drawn(r, TRIALS * size, min, max)],
  };
}

const all = [
  ...Array.from({ length: 90 }, (_, n) => mapCase(n + 1)).filter((c) => c !== null),
  ...Array.from({ length: 24 }, (_, n) => gatherCase(n + 1)),
  ...Array.from({ length: 16 }, (_, n) => interleaveCase(n + 1)),
  ...Array.from({ length: 32 }, (_, n) => poolCase(n + 1)),
];

/** Those that have vectors of their own. */
const vectors = Array.from({ length: 40 }, (_, n) => interleaveCase(n + 1));

for (const board of ["host", "mps2-an386", "mps2-an500", "mps2-an385", "mps3-an547"]) {
  Deno.test(`the C of maps, gathers and pools does what they mean: ${board}`, async () => {
    const cases = board === "mps3-an547" ? vectors : all;
    assert(cases.length >= 40);
    const kernels = cases.map(kernelOf);
    kernels.forEach(verifyKernel);
    const artifact = artifactOf(kernels, loadBoard(board));
    const memory = kernels.map((k, i) => k.buffers.map((b, j) => dataOf(cases[i], b, j)));
    const inputs = memory.flatMap((m) => m.slice(1));
    const { outputs } = await runOnBoard(artifact, loadBoard(board), [inputs]);
    kernels.forEach((k, i) => {
      interpretKernel(k, { checked: true })(memory[i].map((m) => m.data));
      assert.deepEqual(outputs[0][i].data, memory[i][0].data, k.name);
    });
  });
}
