/**
 * Tiles of rows by streams of columns: what the stream holds means the products that it was made of,
 * and the C of all forms does the same, portable and in assembly under QEMU.
 */
import assert from "node:assert/strict";
import { type Random, random } from "../../tests/properties/random.ts";
import { runOnBoard } from "../run/mod.ts";
import { loadBoard } from "../target/boards.ts";
import { imm, mul, variable } from "../te/expr.ts";
import { columns } from "../tir/columns.ts";
import { columnsFit } from "../tir/columns_asm.ts";
import { interpretKernel } from "../tir/interp.ts";
import { spread } from "../tir/spread.ts";
import { SPREAD_ROWS, spreadRows } from "../tir/spread_rows.ts";
import { type Access, type Buffer, type Kernel, seq, type Stmt } from "../tir/stmt.ts";
import { canFix, canShare, type Columns, headOf, type Result, streamBlock } from "../tir/stream.ts";
import { dotTile, GROUP, rowStrides, type Tile } from "../tir/tile.ts";
import { verifyKernel } from "../tir/verify.ts";
import { tensor, type TensorData, zeros } from "../util/tensor.ts";
import { artifactOf, KERNELS_SOURCE } from "./testing.ts";

/** Calls of one form, each with rows of its own. */
const TRIALS = 6;

/** A kernel and the elements of its inputs. */
interface Case {
  readonly kernel: Kernel;
  readonly inputs: ReadonlyMap<Buffer, TensorData>;
  /** Elements of the output that somebody computes, and what they have to be. */
  readonly want: ReadonlyMap<number, number>;
}

function buffer(
  name: string,
  dtype: Buffer["dtype"],
  scope: Buffer["scope"],
  shape: readonly number[],
  strides: readonly number[],
  length: number,
): Buffer {
  return { name, dtype, shape, strides, offset: 0, scope, length, align: 4 };
}

const drawn = (r: Random, lo: number, hi: number): number =>
  r.oneIn(3) ? r.pick([lo, hi]) : r.int(lo, hi);

/** rint(float32(sum)·scale) + zero within [lo, hi], in plain arithmetic. */
function requantised(
  sum: number,
  scale: number,
  { zero, lo, hi }: Extract<Result, { k: "bytes" }>,
) {
  const x = Math.fround(Math.fround(sum) * scale);
  const even = Math.round(x) - (Math.abs(x % 1) === 0.5 && Math.round(x) % 2 !== 0 ? 1 : 0);
  return Math.min(hi, Math.max(lo, even + zero));
}

function formOf(r: Random): Columns {
  const rows = r.int(1, 3),
    pitch = r.int(rows, 3),
    groups = r.pick([1, 2, 3, 4, 7, 8, 9, 10, 16, 17, 25, 40]);
  const tile: Tile = {
    rows,
    pitch,
    cols: rows === 1 ? r.int(1, 4) : r.int(1, 2),
    groups,
    wide: r.oneIn(3),
  };
  const blocks = r.int(1, 5), all = blocks * tile.cols;
  const [dtype, min, max] = r.pick([["int8", -128, 127], ["uint8", 0, 255]] as const);
  const zero = r.pick([min, max, min, r.int(min, max), 0]);
  const bounded = r.oneIn(4);
  const [lo, hi] = bounded
    ? [r.oneIn(2) ? Math.min(0, zero) : r.int(min, zero), r.oneIn(2) ? max : r.int(zero, max)]
    : [min, max];
  const result: Result = r.oneIn(3) ? { k: "sums" } : { k: "bytes", dtype, zero, lo, hi };
  const colStep = r.oneIn(4) ? r.int(rows, 9) : 1;
  const f = {
    tile,
    blocks,
    result,
    // Columns that are apart leave room for the rows between them.
    rowStep: rows === 1 ? 0 : colStep > 1 ? 1 : all + r.pick([0, 0, 1, 30]),
    colStep,
    fixed: null,
    shared: false,
    bytes: rows === 1 && pitch === 1 && r.oneIn(2) ? r.pick(["int8", "uint8"] as const) : null,
  };
  return { ...f, fixed: canFix(f) && !r.oneIn(3) ? 0.5 : null, shared: canShare(f) && r.oneIn(2) };
}

/** Sums of the odd columns of pairs stay below 2^23, those of others within int32. */
function caseOf(r: Random, f: Columns, index: number): Case {
  const { tile: { rows, cols, groups, pitch, wide }, blocks, result, rowStep, colStep } = f;
  const length = GROUP * groups;
  const [least, most] = wide ? [-32768, 32767] : [-127, 127];
  const furthest = wide ? Math.floor(2 ** 30 / 32768 / length) : 255;
  const bias = wide ? 2 ** 29 : 2 ** 22;
  const stream = headOf(f);
  const weights: number[][] = [], starts: number[] = [], scales: number[] = [];
  for (let g = 0; g < blocks; g++) {
    const w = Array.from(
      { length: cols },
      () => Array.from({ length }, () => drawn(r, least, most)),
    );
    const b = Array.from({ length: cols }, () => drawn(r, -bias, bias));
    const usual = r.oneIn(2);
    const s = Array.from(
      { length: cols },
      () =>
        Math.fround(
          // Most scales of a size that networks have are multipliers too.
          usual
            ? r.int(2 ** 22, 2 ** 24) * 2 ** -r.int(28, 31)
            : r.pick([1e-9, 1e-5, 0.00004, 0.01, 0.5, 1, 1e6]) * (0.5 + r.int(0, 999) / 1000),
        ),
    );
    stream.push(...streamBlock(f, (c) => b[c], (k, c) => w[c][k], (c) => s[c])!);
    weights.push(...w);
    starts.push(...b);
    scales.push(...s);
  }
  const span = (rows - 1) * rowStep + (blocks * cols - 1) * colStep + 1;
  const type = result.k === "sums" ? "int32" : result.dtype;
  const y = buffer(`y${index}`, type, "output", [TRIALS * span], [1], TRIALS * span);
  const { bytes } = f, [min, max] = bytes === "uint8" ? [0, 255] : [-128, 127];
  const a = bytes
    ? buffer(`a${index}`, bytes, "input", [TRIALS * length], [1], TRIALS * length)
    : buffer(
      `a${index}`,
      "int16",
      "input",
      [pitch, TRIALS * groups, 2, 2],
      rowStrides(pitch),
      TRIALS * length * pitch,
    );
  const w = buffer(`w${index}`, "int32", "input", [stream.length], [1], stream.length);
  const values = Array.from(
    { length: a.length },
    () => bytes ? drawn(r, min, max) : drawn(r, -furthest, furthest),
  );
  const from = bytes ? drawn(r, min, max) : 0;
  const t = variable("t", "int32", [0, TRIALS - 1]);
  const args: Access[] = [
    { buf: y, idx: [mul(t, span)], axis: 0 },
    bytes
      ? { buf: a, idx: [mul(t, length)], axis: 0 }
      : { buf: a, idx: [imm(0), mul(t, groups), imm(0), imm(0)], axis: 3 },
    { buf: w, idx: [imm(0)], axis: 0 },
  ];
  const want = new Map<number, number>();
  for (let trial = 0; trial < TRIALS; trial++) {
    for (let p = 0; p < rows; p++) {
      for (let c = 0; c < blocks * cols; c++) {
        let sum = starts[c];
        for (let k = 0; k < length; k++) {
          const at = (trial * groups + (k >> 2)) * GROUP * pitch + k % 2 * 2 * pitch + 2 * p +
            (k % 4 >> 1);
          sum += (bytes ? values[trial * length + k] - from : values[at]) * weights[c][k];
        }
        want.set(
          trial * span + p * rowStep + c * colStep,
          result.k === "sums" ? sum : requantised(sum, scales[c], result),
        );
      }
    }
  }
  return {
    kernel: {
      name: `columns${index}`,
      buffers: [y, a, w],
      params: [],
      body: {
        k: "for",
        v: t,
        lo: imm(0),
        hi: imm(TRIALS),
        body: { k: "intrin", op: columns(f), args, scalars: bytes ? [from] : [] },
      },
      origin: [],
      ops: ["columns"],
      macs: 0,
    },
    inputs: new Map([
      [a, tensor(a.dtype, a.shape, values)],
      [w, tensor("int32", w.shape, stream)],
    ]),
    want,
  };
}

/** A tile that adds to sums in memory, of constants as they are packed. */
function tileCase(r: Random, index: number): Case {
  const rows = r.int(1, 3), pitch = r.int(rows, 3), groups = r.int(1, 12), wide = r.oneIn(2);
  const cols = r.int(1, 2), apart = cols + r.pick([0, 3]);
  const op = dotTile({ rows, cols, groups, pitch, wide }, apart);
  const length = GROUP * groups;
  const startOf = (p: number, c: number) => 1000 * p - 77 * c;
  const y = buffer(`y${index}`, "int32", "output", [rows, apart], [apart, 1], rows * apart);
  const a = buffer(
    `a${index}`,
    "int16",
    "input",
    [pitch, groups, 2, 2],
    rowStrides(pitch),
    length * pitch,
  );
  const shape = wide ? [1, groups, 2, cols, 2] : [1, groups, 2, 1, 2, 2];
  const strides = shape.map((_, i) => shape.slice(i + 1).reduce((n, e) => n * e, 1));
  const count = strides[0] * shape[0];
  const w = buffer(`w${index}`, wide ? "int16" : "int8", "input", shape, strides, count);
  const data = Array.from(
    { length: count },
    () => wide ? drawn(r, -300, 300) : drawn(r, -128, 127),
  );
  const values = Array.from({ length: a.length }, () => drawn(r, -255, 255));
  const want = new Map<number, number>();
  for (let p = 0; p < rows; p++) {
    for (let c = 0; c < cols; c++) {
      let sum = startOf(p, c);
      for (let k = 0; k < length; k++) {
        const g = k >> 2, b = k % 2, h = k % 4 >> 1;
        const x = values[g * GROUP * pitch + b * 2 * pitch + 2 * p + h];
        const at = (i: number) => data[((g * 2 + b) * 2 + h) * 2 + i];
        const v = wide
          ? data[((g * 2 + b) * cols + c) * 2 + h]
          : c === 0
          ? at(0)
          : at(1) + Number(at(0) < 0);
        sum += x * v;
      }
      want.set(p * apart + c, sum);
    }
  }
  const zero = () => imm(0);
  const starts = Array.from({ length: rows * cols }, (_, i): Stmt => {
    const [p, c] = [Math.floor(i / cols), i % cols];
    return { k: "store", buf: y, idx: [imm(p), imm(c)], value: imm(startOf(p, c)) };
  });
  const args: Access[] = [y, a, w].map((buf) => ({ buf, idx: buf.shape.map(zero), axis: 0 }));
  return {
    kernel: {
      name: op.name,
      buffers: [y, a, w],
      params: [],
      body: seq(...starts, { k: "intrin", op, args, scalars: [] }),
      origin: [],
      ops: [op.name],
      macs: 0,
    },
    inputs: new Map([
      [a, tensor("int16", a.shape, values)],
      [w, tensor(w.dtype, w.shape, data)],
    ]),
    want,
  };
}

/** Runs of bytes to each of the rows. */
function spreadCase(r: Random, index: number): Case {
  const [dtype, lo, hi] = r.pick([["int8", -128, 127], ["uint8", 0, 255]] as const);
  const rows = r.int(1, 3),
    count = GROUP * r.pick([1, 2, 3, 4, 5, 9]),
    times = r.pick([1, 1, 2, 5]);
  const stride = count + r.pick([0, 1, 7]), zero = drawn(r, lo, hi);
  const op = spread(dtype, rows, { count, times, stride });
  const groups = count * times / GROUP, size = (times - 1) * stride + count;
  const shape = [rows, groups, 2, 2];
  const y = buffer(`y${index}`, "int16", "output", shape, rowStrides(rows), GROUP * groups * rows);
  const x = buffer(`x${index}`, dtype, "input", [rows * size], [1], rows * size);
  const data = Array.from({ length: rows * size }, () => drawn(r, lo, hi));
  const want = new Map<number, number>();
  for (let p = 0; p < rows; p++) {
    for (let k = 0; k < count * times; k++) {
      const at = (k >> 2) * GROUP * rows + k % 2 * 2 * rows + 2 * p + (k % 4 >> 1);
      want.set(at, data[p * size + Math.floor(k / count) * stride + k % count] - zero);
    }
  }
  const scalars = { zero, count, times, stride };
  const p = variable("p", "int32", [0, rows - 1]);
  return {
    kernel: {
      name: op.name,
      buffers: [y, x],
      params: [],
      body: {
        k: "for",
        v: p,
        lo: imm(0),
        hi: imm(rows),
        body: {
          k: "intrin",
          op,
          args: [
            { buf: y, idx: [p, imm(0), imm(0), imm(0)], axis: 3 },
            { buf: x, idx: [mul(p, size)], axis: 0 },
          ],
          scalars: op.scalars.map((n) => scalars[n as keyof typeof scalars]),
        },
      },
      origin: [],
      ops: [op.name],
      macs: 0,
    },
    inputs: new Map([[x, tensor(dtype, x.shape, data)]]),
    want,
  };
}

/** Runs of bytes of three rows at once, wherever they lie. */
function spreadRowsCase(r: Random, index: number): Case {
  const [dtype, lo, hi] = r.pick([["int8", -128, 127], ["uint8", 0, 255]] as const);
  const count = GROUP * r.pick([1, 2, 4, 5, 9]), times = r.pick([1, 1, 2, 5]);
  const stride = count + r.pick([0, 1, 7]), zero = drawn(r, lo, hi);
  const op = spreadRows(dtype, { count, times, stride });
  const groups = count * times / GROUP, size = (times - 1) * stride + count;
  const shape = [SPREAD_ROWS, groups, 2, 2];
  const length = GROUP * groups * SPREAD_ROWS;
  const y = buffer(`y${index}`, "int16", "output", shape, rowStrides(SPREAD_ROWS), length);
  const x = buffer(`x${index}`, dtype, "input", [4 * size], [1], 4 * size);
  const data = Array.from({ length: 4 * size }, () => drawn(r, lo, hi));
  const sources = Array.from({ length: SPREAD_ROWS }, () => r.int(0, 3 * size));
  const want = new Map<number, number>();
  sources.forEach((from, p) => {
    for (let k = 0; k < count * times; k++) {
      const at = (k >> 2) * GROUP * SPREAD_ROWS + k % 2 * 2 * SPREAD_ROWS + 2 * p + (k % 4 >> 1);
      want.set(at, data[from + Math.floor(k / count) * stride + k % count] - zero);
    }
  });
  const scalars = { zero, count, times, stride };
  return {
    kernel: {
      name: op.name,
      buffers: [y, x],
      params: [],
      body: {
        k: "intrin",
        op,
        args: [
          { buf: y, idx: shape.map(() => imm(0)), axis: 3 },
          ...sources.map((from) => ({ buf: x, idx: [imm(from)], axis: 0 })),
        ],
        scalars: op.scalars.map((n) => scalars[n as keyof typeof scalars]),
      },
      origin: [],
      ops: [op.name],
      macs: 0,
    },
    inputs: new Map([[x, tensor(dtype, x.shape, data)]]),
    want,
  };
}

function cases(): Case[] {
  const r = random(20);
  const forms = Array.from({ length: 90 }, () => formOf(r)).filter(columnsFit);
  return [
    ...forms.map((f, i) => caseOf(r, f, i)),
    ...Array.from({ length: 12 }, (_, i) => tileCase(r, 100 + i)),
    ...Array.from({ length: 16 }, (_, i) => spreadCase(r, 200 + i)),
    ...Array.from({ length: 16 }, (_, i) => spreadRowsCase(r, 300 + i)),
  ];
}

const ALL = cases();

function assertWanted({ kernel, want }: Case, got: TensorData): void {
  for (const [at, value] of want) {
    assert.equal(Number(got.data[at]), value, `${kernel.name} (${kernel.ops[0]}), element ${at}`);
  }
}

Deno.test("a stream of columns means the products that it is made of", () => {
  for (const c of ALL) {
    verifyKernel(c.kernel);
    const memory = c.kernel.buffers.map((b) => c.inputs.get(b) ?? zeros(b.dtype, [b.length]));
    interpretKernel(c.kernel, { checked: true })(memory.map((m) => m.data));
    assertWanted(c, memory[0]);
  }
});

for (const board of ["host", "mps2-an386", "mps2-an505", "mps3-an547", "mps2-an385"]) {
  Deno.test(`the C of tiles and streams of columns: ${board}`, async () => {
    const artifact = artifactOf(ALL.map((c) => c.kernel), loadBoard(board));
    const assembly = artifact.sources.get(KERNELS_SOURCE)!.includes("smlad");
    assert.equal(assembly, board !== "host" && board !== "mps2-an385");
    const inputs = ALL.flatMap((c) =>
      c.kernel.buffers.flatMap((b) => b.scope === "input" ? [c.inputs.get(b)!] : [])
    );
    const { outputs } = await runOnBoard(artifact, loadBoard(board), [inputs]);
    ALL.forEach((c, i) => assertWanted(c, outputs[0][i]));
  });
}
