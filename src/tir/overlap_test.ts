import assert from "node:assert/strict";
import fc from "fast-check";
import { bytesOf, type DType } from "../util/dtype.ts";
import { add, cast, type Expr, imm, load, mul, type Var, variable } from "../te/expr.ts";
import { interpretKernel } from "./interp.ts";
import { overlapShifts } from "./overlap.ts";
import { reverseKernel } from "./reverse.ts";
import { denseBuffer, type Kernel, seq, type Stmt } from "./stmt.ts";
import type { TensorIntrin } from "./intrinsics.ts";
import { timeAccesses, type Times } from "./times.ts";

/** y[o·i + j] = x[s·i + r] + x[s·i] for j < o, through `staged` or directly. */
function windows(n: number, s: number, o: number, reach: number, staged: boolean): Kernel {
  const x = denseBuffer("x", "int8", [(n - 1) * s + reach + 1], "input", [1], 1);
  const y = denseBuffer("y", "int8", [n * o], "output", [1], 1);
  const t = denseBuffer("t", "int8", [reach + 1], "scratch", [1], 1);
  const i = variable("i", "int32", [0, n - 1]), r = variable("r", "int32", [0, reach]);
  const from = (k: Expr): Expr => staged ? load(t, [k]) : load(x, [add(mul(i, s), k)]);
  const copy: Stmt = {
    k: "for",
    v: r,
    lo: imm(0),
    hi: imm(reach + 1),
    body: { k: "store", buf: t, idx: [r], value: load(x, [add(mul(i, s), r)]) },
  };
  const value = cast("int8", add(cast("int32", from(imm(0))), cast("int32", from(imm(reach)))));
  const stores = Array.from(
    { length: o },
    (_, j): Stmt => ({ k: "store", buf: y, idx: [add(mul(i, o), imm(j))], value }),
  );
  return {
    name: "windows",
    buffers: staged ? [x, y, t] : [x, y],
    params: [],
    body: { k: "for", v: i, lo: imm(0), hi: imm(n), body: seq(staged ? copy : null, ...stores) },
    origin: [],
    ops: [],
    macs: 0,
  };
}

/** The kernel's output with its memory `shift` elements behind the input's. */
function run(k: Kernel, shift: number | null): number[] {
  const [x, y] = k.buffers;
  const memory = new Int8Array(4 * (x.length + y.length));
  const at = x.length + y.length, to = shift === null ? 0 : at + shift;
  const input = memory.subarray(at, at + x.length), output = memory.subarray(to, to + y.length);
  input.forEach((_, i) => input[i] = (i * 37 + 11) % 61);
  interpretKernel(k)([input, output, new Int8Array(64)]);
  return [...output];
}

const kernel = fc.record({
  n: fc.integer({ min: 1, max: 9 }),
  s: fc.integer({ min: 0, max: 3 }),
  o: fc.integer({ min: 1, max: 4 }),
  reach: fc.integer({ min: 0, max: 5 }),
  staged: fc.boolean(),
  reversed: fc.boolean(),
});

Deno.test("an output over its input at an allowed distance is what it is elsewhere", () => {
  let [nearer, broken] = [0, 0];
  fc.assert(
    fc.property(kernel, ({ n, s, o, reach, staged, reversed }) => {
      const plain = windows(n, s, o, reach, staged);
      const k = reversed ? reverseKernel(plain) : plain;
      const want = run(plain, null);
      assert.deepEqual(run(k, null), want);
      const trace = timeAccesses(k)!;
      assert.equal(trace.carried, false);
      const size = (d: number) => Math.max(k.buffers[0].length, d + want.length) - Math.min(0, d);
      const shifts = overlapShifts(k, trace, 0, 1, 1);
      for (const d of shifts) {
        assert.deepEqual(run(k, d), want, `distance ${d}`);
        // What needs less memory on the same side is really wrong, or the values happen to agree.
        for (let e = 1 - want.length; e < k.buffers[0].length; e++) {
          if (Math.sign(e - 0.5) !== Math.sign(d - 0.5) || size(e) >= size(d)) continue;
          nearer++;
          broken += Number(run(k, e).join() !== want.join());
        }
      }
    }),
    { seed: 3, numRuns: 400 },
  );
  assert.ok(nearer > 300 && broken > 0.8 * nearer, `${broken} of ${nearer}`);
});

/** The same as `overlapShifts`, distance by distance and element by element. */
function plainShifts(k: Kernel, t: Times, step: number): number[] {
  const [x, y] = k.buffers.map((b, i) => {
    const size = bytesOf(b.dtype), times = i === 0 ? t.lastRead[0] : t.firstWrite[1];
    return Array.from({ length: b.length * size }, (_, byte) => times[Math.floor(byte / size)]);
  });
  const isSafe = (d: number): boolean => {
    const size = bytesOf(k.buffers[0].dtype);
    return y.every((write, at) => {
      // All of an element is read when a byte of it is.
      const e = Math.floor((at + d) / size) * size;
      return write < 0 || e < 0 || e >= x.length || x[e] <= write;
    });
  };
  const union = (d: number): number => Math.max(x.length, d + y.length) - Math.min(0, d);
  const all: number[] = [];
  for (let d = -Math.floor((y.length - 1) / step) * step; d < x.length; d += step) all.push(d);
  all.sort((a, b) => union(a) - union(b) || Math.abs(a) - Math.abs(b));
  const below = all.find((d) => d <= 0 && isSafe(d)), above = all.find((d) => d > 0 && isSafe(d));
  return [below, above].filter((d) => d !== undefined);
}

Deno.test("distances are those that no element forbids, however long the buffers are", () => {
  const some = { seed: 7, numRuns: 150 };
  const shape = fc.record({
    n: fc.integer({ min: 1, max: 300 }),
    m: fc.integer({ min: 1, max: 300 }),
    types: fc.constantFrom(["int8", "int8"], ["int8", "int32"], ["int16", "int8"], [
      "float32",
      "float32",
    ]) as fc.Arbitrary<[DType, DType]>,
    slope: fc.double({ min: 0.2, max: 2, noNaN: true }),
    seed: fc.integer(),
  });
  let inside = 0;
  fc.assert(
    fc.property(shape, ({ n, m, types, slope, seed }) => {
      // Reads that come later with the index, give or take some, with holes; writes likewise.
      const rough = (i: number, s: number): number => {
        const noise = (Math.imul(i + 1, s | 1) >>> 7) % 40;
        return noise === 0 ? -1 : Math.floor(slope * i) * 2 + noise;
      };
      const [x, y] = [n, m].map((length, i) =>
        denseBuffer("xy"[i], types[i], [length], i === 0 ? "input" : "output", [1], 4)
      );
      const none = new Int32Array(0);
      const t: Times = {
        lastRead: [Int32Array.from({ length: n }, (_, i) => rough(i, seed)), none],
        firstWrite: [none, Int32Array.from({ length: m }, (_, i) => rough(i, seed + 99))],
        carried: false,
      };
      const k: Kernel = { ...windows(1, 1, 1, 0, false), buffers: [x, y] };
      const step = Math.max(...types.map(bytesOf)), want = plainShifts(k, t, step);
      assert.deepEqual(overlapShifts(k, t, 0, 1, step), want);
      inside += Number(want.some((d) => d > -m && Math.abs(d) > 2));
    }),
    some,
  );
  assert.ok(inside > 50, `${inside} cases`);
});

Deno.test("what an intrinsic repeats is told once, and at one time", () => {
  const x = denseBuffer("x", "int8", [8], "input", [1], 1);
  const y = denseBuffer("y", "int8", [8], "output", [1], 1);
  const w = denseBuffer("w", "int8", [4], "param", [1], 1);
  const i = variable("i", "int32", [0, 3]), c = variable("c", "int32", [0, 3]);
  const j = variable("j", "int32", [0, 1]);
  // y[a + j] = Σ c: x[b + j]·w[c]
  const op: TensorIntrin = {
    name: "sums",
    args: [
      { name: "y", dtype: "int8", count: 2, mode: "write" },
      { name: "x", dtype: "int8", count: 2, mode: "read" },
    ],
    scalars: [],
    byValue: false,
    c: [],
    meaning: ([to, from]) => {
      const at = [add(from.idx[0], j)], product = mul(load(x, at), load(w, [c]));
      const sum = add(load(y, [add(to.idx[0], j)]), product);
      const store: Stmt = { k: "store", buf: y, idx: [add(to.idx[0], j)], value: sum };
      const over = (v: Var, n: number, body: Stmt): Stmt => ({
        k: "for",
        v,
        lo: imm(0),
        hi: imm(n),
        body,
      });
      return over(c, 4, over(j, 2, store));
    },
  };
  const call = (at: Expr): Stmt => ({
    k: "intrin",
    op,
    args: [{ buf: y, idx: [mul(at, 2)], axis: 0 }, { buf: x, idx: [mul(at, 2)], axis: 0 }],
    scalars: [],
  });
  const body: Stmt = { k: "for", v: i, lo: imm(0), hi: imm(4), body: call(i) };
  const times = timeAccesses({ ...windows(1, 1, 1, 0, false), buffers: [x, y], body })!;
  assert.deepEqual([...times.firstWrite[1]], [3, 3, 5, 5, 7, 7, 9, 9]);
  assert.deepEqual([...times.lastRead[0]], [4, 4, 6, 6, 8, 8, 10, 10]);
  assert.equal(times.carried, true);
});

Deno.test("what a loop carries from one turn to the next keeps its direction", () => {
  const { buffers: [x, y], ...rest } = windows(4, 1, 1, 0, false);
  const i = variable("i", "int32", [0, 3]);
  const k: Kernel = {
    ...rest,
    buffers: [x, y],
    body: seq(
      { k: "store", buf: y, idx: [imm(0)], value: load(x, [imm(0)]) },
      {
        k: "for",
        v: i,
        lo: imm(1),
        hi: imm(4),
        body: { k: "store", buf: y, idx: [i], value: load(y, [add(i, -1)]) },
      },
    ),
  };
  assert.equal(timeAccesses(k)!.carried, true);
});

Deno.test("memory of two types is shared only where C lets it be read", () => {
  const k = windows(4, 1, 1, 0, true);
  const trace = timeAccesses(k)!;
  const typed = (a: "int16" | "float32", b: "int16" | "float32"): Kernel => ({
    ...k,
    buffers: [{ ...k.buffers[0], dtype: a }, { ...k.buffers[1], dtype: b }, k.buffers[2]],
  });
  assert.deepEqual(overlapShifts(typed("int16", "float32"), trace, 0, 1, 4), []);
  assert.notDeepEqual(overlapShifts(typed("int16", "int16"), trace, 0, 1, 4), []);
});

Deno.test("data that decides what is touched leaves the question open", () => {
  const { buffers: [x, y], ...rest } = windows(4, 1, 1, 0, false);
  const value = load(x, [cast("int32", load(x, [imm(0)]))]);
  const body: Stmt = { k: "store", buf: y, idx: [imm(0)], value };
  assert.equal(timeAccesses({ ...rest, buffers: [x, y], body }), null);
});
