/** What the replay of loop programs refuses, accepts, and says of what it has not walked. */
import assert from "node:assert/strict";
import { add, type Expr, ge, imm, load, max, mul, select, sub, variable } from "../te/expr.ts";
import { widen4 } from "../tir/intrinsics.ts";
import { type Buffer, denseBuffer, type Kernel, seq, type Stmt } from "../tir/stmt.ts";
import type { DType } from "../util/dtype.ts";
import { type Replay, replay } from "./replay.ts";

const N = 16;
const i = variable("i", "int32", [0, N - 1]);

const buffer = (name: string, scope: Buffer["scope"], n = N, dtype: DType = "int8"): Buffer =>
  denseBuffer(name, dtype, [n], scope, [1], 4);
const x = buffer("x", "input"), y = buffer("y", "output");

const kernel = (
  name: string,
  buffers: readonly Buffer[],
  body: Stmt,
  params: Buffer[] = [],
): Kernel => ({
  name,
  buffers,
  params,
  body,
  origin: [],
  ops: [],
  macs: 0,
});
const each = (body: Stmt): Stmt => ({ k: "for", v: i, lo: imm(0), hi: imm(N), body });
const put = (buf: Buffer, at: Expr, value: Expr): Stmt => ({ k: "store", buf, idx: [at], value });
const zero = imm(0, "int8");

const make = kernel("make", [y], each(put(y, i, zero)));
/** Reads the element `by` further on, nothing behind the end. */
const shift = (by: number): Kernel =>
  kernel(
    "shift",
    [x, y],
    each(put(y, i, select(ge(imm(N - 1 - by), i), load(x, [add(i, by)]), zero))),
  );

const acc = buffer("acc", "local", 1, "int32");
const j = variable("j", "int32", [0, N - 1]);
/** Every element of the output reads the input from `from` on. */
const sum = (from: Expr): Kernel =>
  kernel(
    "sum",
    [x, y],
    each({
      k: "alloc",
      buf: acc,
      body: seq(
        {
          k: "for",
          v: j,
          lo: imm(0),
          hi: imm(N),
          body: put(acc, imm(0), { k: "cast", dtype: "int32", a: load(x, [max(j, from)]) }),
        },
        put(y, i, { k: "cast", dtype: "int8", a: load(acc, [imm(0)]) }),
      ),
    }),
  );
const reduce = sum(imm(0)), last = sum(i);

/** A value of 16 bytes at 0 that one kernel makes and the next one turns into another at `offset`. */
const two = (next: Kernel, offset: number): Replay => ({
  memories: [
    { name: "a", bytes: N, region: "arena", offset: 0 },
    { name: "b", bytes: N, region: "arena", offset },
  ],
  steps: [{ kernel: make, memories: [0] }, { kernel: next, memories: [0, 1] }],
  filled: [],
  wanted: [1],
});

const refused = (r: Replay, message: RegExp): void =>
  assert.throws(() => replay(r), { code: "internal/memory-plan", message });

Deno.test("an output over its input is accepted exactly where nothing is read behind the write", () => {
  assert.deepEqual(replay(two(shift(0), 0)), { sampled: [] });
  assert.deepEqual(replay(two(shift(0), 16)), { sampled: [] });
  // Reads run two ahead of the writes: the output may begin up to two bytes behind its input.
  for (const offset of [0, 1, 2]) assert.deepEqual(replay(two(shift(2), offset)), { sampled: [] });
  refused(
    two(shift(2), 3),
    /step 1 \(shift\) reads byte 3 of a \(arena 0 to 15\) after b \(arena 3/,
  );
  refused(two(shift(0), 8), /reads byte 8 of a .* after b \(arena 8 to 23\) was written over it/);
});

Deno.test("a value that outlives a step, an input and an output in the arena keep their bytes", () => {
  const r = two(shift(0), 0);
  refused({ ...r, wanted: [0, 1] }, /the caller, after the last step, reads byte 0 of a/);
  refused(
    { ...r, steps: [r.steps[1], r.steps[1]], filled: [0] },
    /step 1 \(shift\) reads byte 0 of a/,
  );
  replay({ ...r, steps: [r.steps[1]], filled: [0] });
});

Deno.test("other regions are other bytes", () => {
  const r = two(shift(0), 8);
  replay({ ...r, memories: [r.memories[0], { ...r.memories[1], region: "fast" }] });
});

Deno.test("an access beyond its memory is refused, unless a guard keeps it from happening", () => {
  const beyond = kernel("beyond", [x, y], each(put(y, add(i, 1), zero)));
  refused(two(beyond, 16), /step 1 \(beyond\) goes beyond b \(arena 16 to 31\), to byte 16/);
  // Data guard it: nobody knows, so nothing is said.
  const guarded = select(ge(load(x, [i]), zero), load(x, [add(i, 1)]), zero);
  const data = kernel("data", [x, y], each(put(y, i, guarded)));
  replay(two(data, 16));
});

Deno.test("an element that data choose may be any of its memory", () => {
  const at: Expr = { k: "cast", dtype: "int32", a: load(x, [i]) };
  const gather = kernel("gather", [x, y], each(put(y, i, load(x, [at]))));
  assert.deepEqual(replay(two(gather, 16)), { sampled: [] });
  refused(two(gather, 0), /reads byte 0 of a/);
  refused(two(gather, 15), /reads byte 15 of a/);
  const scatter = kernel("scatter", [x, y], each(put(y, at, zero)));
  refused(two(scatter, 12), /reads byte 12 of a/);
});

Deno.test("constants decide as they are", () => {
  const table: Buffer = {
    ...buffer("t", "param"),
    data: { dtype: "int8", shape: [N], data: Int8Array.from({ length: N }, (_, k) => N - 1 - k) },
  };
  const at: Expr = { k: "cast", dtype: "int32", a: load(table, [i]) };
  const turned = kernel("turned", [x, y], each(put(y, at, load(x, [at]))), [table]);
  replay(two(turned, 0));
  const crossed = kernel("crossed", [x, y], each(put(y, i, load(x, [at]))), [table]);
  refused(two(crossed, 0), /reads byte 7 of a/);
});

Deno.test("writes under a condition on data, and long loops, are walked in part and named", () => {
  const some = kernel(
    "some",
    [x, y],
    each({
      k: "if",
      cond: ge(load(x, [i]), zero),
      then: put(y, i, load(x, [i])),
      else: put(y, i, zero),
    }),
  );
  assert.deepEqual(replay(two(some, 0)), { sampled: [1] });
  refused(two(some, 8), /step 1 \(some\)/);
  assert.deepEqual(replay(two(shift(0), 0), 8), { sampled: [0, 1] });
  // All writes are walked, and the first and the last turns of what is read.
  assert.deepEqual(replay(two(reduce, 16), 100), { sampled: [] });
  assert.throws(() => replay(two(reduce, 15), 100), /reads byte 15 of a/);
  assert.deepEqual(replay(two(last, 0), 100), { sampled: [1] });
});

Deno.test("an intrinsic may not write over what it still has to read", () => {
  const wide = buffer("w", "scratch", N, "int16");
  const access = (buf: Buffer, at: Expr) => ({ buf, idx: [at], axis: 0 });
  const op = widen4("int8");
  const body = (o: typeof op): Stmt => ({
    k: "for",
    v: i,
    lo: imm(0),
    hi: imm(N / 4),
    body: {
      k: "intrin",
      op: o,
      args: [access(wide, sub(imm(12), mul(i, 4))), access(x, sub(imm(12), mul(i, 4)))],
      scalars: [0],
    },
  });
  const plan = (offset: number, o = op): Replay => ({
    memories: [
      { name: "a", bytes: N, region: "arena", offset },
      { name: "w", bytes: 2 * N, region: "arena", offset: 0 },
    ],
    steps: [
      { kernel: make, memories: [0] },
      { kernel: kernel("widen", [x, wide], body(o)), memories: [0, 1] },
    ],
    filled: [],
    wanted: [],
  });
  replay(plan(32));
  // Backwards, bytes become halfwords in the same place, but for the last four of them.
  refused(plan(0), /step 1 \(widen\) reads byte [0-3] of a/);
  replay(plan(0, { ...op, readsFirst: true }));
});

Deno.test("an overlap in loops without writes is found", () => {
  replay(two(reduce, 16));
  refused(two(reduce, 15), /reads byte 15 of a/);
});
