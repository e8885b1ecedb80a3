/**
 * Rows of windows within channels: the stream and the text mean what plain arithmetic says, on the
 * interpreter, in portable C and in assembly under QEMU.
 */
import assert from "node:assert/strict";
import { type Random, random } from "../../tests/properties/random.ts";
import { runOnBoard } from "../run/mod.ts";
import { loadBoard } from "../target/boards.ts";
import { imm } from "../te/expr.ts";
import { WORD_SHIFT } from "../te/rounding.ts";
import { interpretKernel } from "../tir/interp.ts";
import type { Buffer, Kernel } from "../tir/stmt.ts";
import { verifyKernel } from "../tir/verify.ts";
import {
  BLOCK_CHANNELS,
  casesOf,
  columnOf,
  fitsWindowRow,
  tapsAt,
  type WindowRow,
  windowRow,
  wordsOf,
} from "../tir/window_row.ts";
import { fixedPoint } from "../util/fixed_point.ts";
import { tensor, type TensorData, zeros } from "../util/tensor.ts";
import { artifactOf, KERNELS_SOURCE } from "./testing.ts";

interface Case {
  readonly kernel: Kernel;
  readonly inputs: ReadonlyMap<Buffer, TensorData>;
  readonly want: ReadonlyMap<number, number>;
}

const LIMITS = { int8: [-128, 127], uint8: [0, 255] } as const;

const drawn = (r: Random, lo: number, hi: number): number =>
  r.oneIn(3) ? r.pick([lo, hi]) : r.int(lo, hi);

function formOf(r: Random): WindowRow {
  const y = r.pick(["int8", "uint8"] as const), blocks = r.int(1, 5), channels = 4 * blocks;
  const cols = r.int(2, 5), stride = r.int(1, 2), dilation = r.oneIn(4) ? 2 : 1;
  const width = r.int(1, 9), first = -r.int(0, (cols - 1) * dilation);
  const outputs = r.int(1, 8);
  const [lo, hi] = LIMITS[y];
  return {
    x: r.pick(["int8", "uint8"] as const),
    y,
    taps: [r.int(1, 4), cols],
    stride,
    dilation,
    first,
    width,
    outputs,
    steps: [channels + r.pick([0, 0, 4, 7]), channels + r.pick([0, 0, 3])],
    blocks,
    zero: r.pick([lo, 0, r.int(lo, hi)]),
    limits: r.oneIn(4) ? [y === "int8" ? -16 : 0, 15] : [lo, hi],
    fixed: 1,
  };
}

/** round(float32(sum)·scale) half to even, + zero, within the limits. */
function requantised(sum: number, scale: number, { zero, limits: [lo, hi] }: WindowRow): number {
  const x = Math.fround(Math.fround(sum) * scale);
  const even = Math.round(x) - (Math.abs(x % 1) === 0.5 && Math.round(x) % 2 !== 0 ? 1 : 0);
  return Math.min(hi, Math.max(lo, even + zero));
}

function caseOf(r: Random, drawnForm: WindowRow, index: number): Case {
  const [rows, cols] = drawnForm.taps, { limits: [lo, hi], zero } = drawnForm;
  const { of, lists } = casesOf(drawnForm);
  const weights: number[][] = [],
    starts: number[][] = [],
    scales: number[] = [],
    stream: number[] = [];
  let fixedBlocks = 0;
  for (let g = 0; g < drawnForm.blocks; g++) {
    const w = Array.from(
      { length: BLOCK_CHANNELS },
      () => Array.from({ length: rows * cols }, () => drawn(r, -128, 127)),
    );
    const b = Array.from(
      { length: BLOCK_CHANNELS },
      () => lists.map(() => drawn(r, -(2 ** 20), 2 ** 20)),
    );
    const usual = r.oneIn(2);
    const s = b.map(() =>
      Math.fround(
        usual
          ? r.int(2 ** 22, 2 ** 24) * 2 ** -r.int(28, 31)
          : r.pick([1e-9, 0.00004, 0.01, 1, 1e6]) * (0.5 + r.int(0, 999) / 1000),
      )
    );
    lists.forEach((_, l) => stream.push(...b.map((x) => x[l])));
    for (let k = 0; k < rows * cols; k++) {
      for (const half of [0, 1]) stream.push((w[half][k] & 0xffff) | (w[half + 2][k] << 16));
    }
    const multipliers = s.map((scale) => fixedPoint({ scale, zero, lo, hi }, WORD_SHIFT));
    const all = multipliers.every((m) => m !== null);
    fixedBlocks += Number(all);
    stream.push(
      ...s.map((x, i) =>
        all ? -multipliers[i]!.multiplier : new Int32Array(Float32Array.of(x).buffer)[0]
      ),
    );
    weights.push(...w);
    starts.push(...b);
    scales.push(...s);
  }
  const f: WindowRow = { ...drawnForm, fixed: fixedBlocks / drawnForm.blocks };
  assert.equal(stream.length, wordsOf(f).all * f.blocks);
  const channels = BLOCK_CHANNELS * f.blocks;
  const buffer = (
    name: string,
    dtype: Buffer["dtype"],
    scope: Buffer["scope"],
    length: number,
  ): Buffer => ({ name, dtype, shape: [length], strides: [1], offset: 0, scope, length, align: 4 });
  const y = buffer(`y${index}`, f.y, "output", (f.outputs - 1) * f.steps[1] + channels);
  const size = (f.width - 1) * f.steps[0] + channels;
  const xs = Array.from({ length: rows }, (_, i) => buffer(`x${index}_${i}`, f.x, "input", size));
  const w = buffer(`w${index}`, "int32", "input", stream.length);
  const [min, max] = LIMITS[f.x];
  const values = xs.map(() => Array.from({ length: size }, () => drawn(r, min, max)));
  const want = new Map<number, number>();
  for (let j = 0; j < f.outputs; j++) {
    for (let c = 0; c < channels; c++) {
      let sum = starts[c][of[j]];
      for (let i = 0; i < rows; i++) {
        for (const k of tapsAt(f, j)) {
          sum += values[i][columnOf(f, j, k) * f.steps[0] + c] * weights[c][i * cols + k];
        }
      }
      want.set(j * f.steps[1] + c, requantised(sum, scales[c], f));
    }
  }
  const op = windowRow(f);
  return {
    kernel: {
      name: `row${index}`,
      buffers: [y, ...xs, w],
      params: [],
      body: {
        k: "intrin",
        op,
        args: [y, ...xs, w].map((buf) => ({ buf, idx: [imm(0)], axis: 0 })),
        scalars: [],
      },
      origin: [],
      ops: [op.name],
      macs: 0,
    },
    inputs: new Map([
      ...xs.map((x, i) => [x, tensor(f.x, [size], values[i])] as const),
      [w, tensor("int32", [stream.length], stream)],
    ]),
    want,
  };
}

const r = random(7);
const ALL = Array.from({ length: 90 }, () => formOf(r)).filter(fitsWindowRow)
  .map((f, i) => caseOf(r, f, i));

function assertWanted({ kernel, want }: Case, got: TensorData): void {
  for (const [at, value] of want) {
    assert.equal(Number(got.data[at]), value, `${kernel.ops[0]}, element ${at}`);
  }
}

Deno.test("a row of windows means the sums that it is made of", () => {
  assert.ok(ALL.length > 25, `${ALL.length} forms`);
  for (const ending of ["_q", "_f", "_qf"]) {
    assert.ok(ALL.some((c) => c.kernel.ops[0].endsWith(ending)), ending);
  }
  for (const c of ALL) {
    verifyKernel(c.kernel);
    const memory = c.kernel.buffers.map((b) => c.inputs.get(b) ?? zeros(b.dtype, [b.length]));
    interpretKernel(c.kernel, { checked: true })(memory.map((m) => m.data));
    assertWanted(c, memory[0]);
  }
});

for (const board of ["host", "mps2-an386", "mps2-an505"]) {
  Deno.test(`the C of rows of windows: ${board}`, async () => {
    const artifact = artifactOf(ALL.map((c) => c.kernel), loadBoard(board));
    const assembly = artifact.sources.get(KERNELS_SOURCE)!.includes("smlabb");
    assert.equal(assembly, board !== "host");
    const inputs = ALL.flatMap((c) =>
      c.kernel.buffers.flatMap((b) => b.scope === "input" ? [c.inputs.get(b)!] : [])
    );
    const { outputs } = await runOnBoard(artifact, loadBoard(board), [inputs]);
    ALL.forEach((c, i) => assertWanted(c, outputs[0][i]));
  });
}
