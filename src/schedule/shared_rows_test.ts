import assert from "node:assert/strict";
import fc from "fast-check";
import { add, and, cast, type Expr, ge, imm, load, lt, mul, select, variable } from "../te/expr.ts";
import { interpretKernel } from "../tir/interp.ts";
import { type Buffer, denseBuffer, type Kernel, seq, type Stmt } from "../tir/stmt.ts";
import type { Reach } from "./band.ts";
import { earlyParts } from "./early_parts.ts";
import { bytesOver, bytesUnder, shiftsOver, shiftsUnder } from "./over_input.ts";
import { streamKernel } from "./row_stream.ts";
import {
  classesOf,
  planStream,
  type StreamMemory,
  type StreamPart,
  type StreamUse,
} from "./row_stream_plan.ts";
import { isPaced, sharedRows, withShared } from "./shared_rows.ts";

interface Shape {
  /** Rows of the input, and of the output one in `rate`. */
  readonly rows: number;
  readonly rate: number;
  /** Elements from one to the next that are read of a row, how many come of it, how far it looks. */
  readonly step: number;
  readonly each: number;
  readonly far: number;
  readonly count: number;
  readonly staged: boolean;
  /** Rows of a window, those before its first row, and how far behind the other branch is. */
  readonly taps: number;
  readonly pad: number;
  readonly lag: number;
  /** The other branch is what the windows are of; these are taken so many rows ahead. */
  readonly residual: boolean;
  readonly ahead: number;
}

const shapes: fc.Arbitrary<Shape> = fc.record({
  rows: fc.integer({ min: 1, max: 6 }).map((n) => 12 * n),
  rate: fc.integer({ min: 1, max: 3 }),
  step: fc.integer({ min: 0, max: 3 }),
  each: fc.integer({ min: 1, max: 4 }),
  far: fc.integer({ min: 0, max: 3 }),
  count: fc.integer({ min: 1, max: 7 }),
  staged: fc.boolean(),
  taps: fc.integer({ min: 1, max: 5 }),
  pad: fc.integer({ min: 0, max: 2 }),
  lag: fc.integer({ min: 0, max: 6 }),
  residual: fc.boolean(),
  ahead: fc.integer({ min: 0, max: 3 }),
}).map((f) => f.residual ? { ...f, rate: 1, lag: 0 } : { ...f, ahead: 0 });

const int8 = (e: Expr): Expr => cast("int8", e), int32 = (e: Expr): Expr => cast("int32", e);
const buffer = (name: string, shape: number[], scope: Buffer["scope"]): Buffer =>
  denseBuffer(name, "int8", shape, scope, [shape[1], 1], 1);

/** Parts that copy rows, compute on each, take windows and single rows of that, and add these. */
function partsOf(f: Shape): { parts: StreamPart[]; memories: StreamMemory[] } {
  const wide = (f.count - 1) * f.step + f.far + 1, made = f.count * f.each;
  const outRows = f.rows / f.rate;
  const memories: StreamMemory[] = [
    ["input", f.rows, wide, false],
    ["copy", f.rows, wide, true],
    ["made", f.rows, made, true],
    ["windows", outRows, made, true],
    ...(f.residual ? [] : [["singles", outRows, made, true] as const]),
    ["sums", outRows, made, true],
    ["output", outRows, made, false],
  ].map(([name, rows, stride, inside]) => ({ name, rows, stride, inside } as StreamMemory));
  const part = (
    from: readonly (readonly [number, Reach])[],
    to: number,
    body: (row: Expr, x: Buffer[], y: Buffer) => Stmt,
    scratch: Buffer[] = [],
  ): StreamPart => {
    const { rows, stride } = memories[to];
    const block = variable("row", "int32", [0, rows - 1]);
    const whole = (m: number, scope: Buffer["scope"]) =>
      buffer(memories[m].name, [memories[m].rows, memories[m].stride], scope);
    const x = from.map(([m]) => whole(m, "input"));
    const y = buffer(memories[to].name, [1, stride], "output");
    const use = (m: number, reach: Reach | null): StreamUse => ({
      memory: m,
      axis: 0,
      buffer: whole(m, reach ? "input" : "output"),
      reach,
      writes: reach === null,
    });
    const kernel: Kernel = {
      name: "part",
      buffers: [...x, y, ...scratch],
      params: [],
      body: body(block, x, y),
      origin: [],
      ops: [],
      macs: 0,
    };
    const uses = [...from.map(([m, r]) => use(m, r)), use(to, null), ...scratch.map(() => null)];
    return { kernel, block, blocks: rows, rows: 1, uses, finish: null, kept: new Set() };
  };
  const each = (n: number, body: (i: Expr) => Stmt): Stmt => {
    const v = variable("i", "int32", [0, n - 1]);
    return { k: "for", v, lo: imm(0), hi: imm(n), body: body(v) };
  };
  const store = (buf: Buffer, i: Expr, value: Expr): Stmt => ({
    k: "store",
    buf,
    idx: buf.shape.length > 1 ? [imm(0), i] : [i],
    value,
  });
  const same: Reach = { rate: 1, first: 0, last: 0 };
  const staging: Buffer = { ...buffer("staged", [1, 2], "scratch"), shape: [2], strides: [1] };
  const inside = (at: Expr, value: Expr): Expr =>
    select(and(ge(at, 0), lt(at, f.rows)), int32(value), imm(0));
  const sums = f.residual ? 4 : 5;
  const singles = f.residual ? [] : [part(
    [[2, { rate: f.rate, first: -f.lag, last: -f.lag }]],
    4,
    (row, [x], y) =>
      each(made, (i) => {
        const at = add(mul(row, f.rate), -f.lag);
        return store(y, i, int8(inside(at, load(x, [at, i]))));
      }),
  )];
  const parts = [
    part(
      [[0, same]],
      1,
      (row, [x], y) => each(wide, (i) => store(y, i, load(x, [row, i]))),
    ),
    part(
      [[1, same]],
      2,
      (row, [x], y) =>
        each(f.count, (i) => {
          const at = (by: number): Expr =>
            f.staged ? load(staging, [imm(by > 0 ? 1 : 0)]) : load(
              x,
              [row, add(mul(i, f.step), by)],
            );
          const value = int8(add(int32(at(0)), int32(at(f.far))));
          const copies = f.staged
            ? [0, f.far].map((by) =>
              store(
                staging,
                imm(by > 0 ? 1 : 0),
                load(x, [row, add(mul(i, f.step), by)]),
              )
            )
            : [];
          const stores = Array.from(
            { length: f.each },
            (_, j) => store(y, add(mul(i, f.each), j), value),
          );
          return seq(...copies, ...stores);
        }),
      f.staged ? [staging] : [],
    ),
    part(
      [[2, { rate: f.rate, first: -f.pad, last: f.taps - 1 - f.pad }]],
      3,
      (row, [x], y) =>
        each(made, (i) => {
          const rows = Array.from(
            { length: f.taps },
            (_, t) => add(mul(row, f.rate), t - f.pad),
          );
          const sum = rows.map((at) => inside(at, load(x, [at, i]))).reduce((a, b) => add(a, b));
          return store(y, i, int8(sum));
        }),
    ),
    ...singles,
    part(
      [[3, { rate: 1, first: f.ahead, last: f.ahead }], [f.residual ? 2 : 4, same]],
      sums,
      (row, [a, b], y) =>
        each(made, (i) => {
          const at = add(row, f.ahead);
          const window = select(lt(at, outRows), int32(load(a, [at, i])), imm(0));
          return store(y, i, int8(add(window, int32(load(b, [row, i])))));
        }),
    ),
    part(
      [[sums, same]],
      sums + 1,
      (row, [x], y) => each(made, (i) => store(y, i, load(x, [row, i]))),
    ),
  ];
  return { parts, memories };
}

/** The output as the definitions give it. */
function expected(f: Shape, input: Int8Array): number[] {
  const wide = (f.count - 1) * f.step + f.far + 1, made = f.count * f.each;
  const byte = (n: number): number => n << 24 >> 24;
  const x = (r: number, i: number) => input[r * wide + i];
  const y = (r: number, i: number): number => {
    if (r < 0 || r >= f.rows) return 0;
    const at = Math.floor(i / f.each) * f.step;
    return byte(x(r, at) + x(r, at + f.far));
  };
  return Array.from({ length: f.rows / f.rate * made }, (_, n) => {
    const row = Math.floor(n / made) * f.rate, i = n % made, first = row + f.ahead;
    let sum = 0;
    for (let t = 0; t < f.taps && first < f.rows; t++) sum += y(first + t - f.pad, i);
    return byte(byte(sum) + y(row - f.lag, i));
  });
}

/** Runs a stream in memory full of what was there before, one of its rings over input or output. */
function run(
  k: Kernel,
  input: Int8Array,
  length: number,
  over?: { readonly name: string; readonly buffer: string; readonly shift: number },
): number[] {
  const ROOM = 4096;
  const [inputs, outputs] = [input.length, length].map((n) =>
    new Int8Array(2 * (n + ROOM)).fill(55)
  );
  inputs.set(input, ROOM);
  const at = (memory: Int8Array, from: number, n: number): Int8Array =>
    memory.subarray(ROOM + from, ROOM + from + n);
  const data = k.buffers.map((b) => {
    if (over?.name === b.name) {
      return at(over.buffer === "input" ? inputs : outputs, over.shift, b.length);
    }
    if (b.name === "input") return at(inputs, 0, input.length);
    return b.name === "output" ? at(outputs, 0, length) : new Int8Array(b.length).fill(99);
  });
  interpretKernel(k)(data);
  return [...data[k.buffers.findIndex((b) => b.name === "output")]];
}

Deno.test("rows in others' memory, rings by classes, and rings over input or output lose nothing", () => {
  let shared = 0, residuals = 0, classes = 0, moved = 0, consumed = 0, under = 0, earlier = 0;
  fc.assert(
    fc.property(shapes, (f) => {
      const given = partsOf(f), [first] = given.memories;
      const early = { ...given, parts: earlyParts(given.parts).map((k) => given.parts[k]) };
      const plans = [given, early].map((p) => planStream(p.parts, p.memories));
      const kept = plans.map((p) => p?.rings.reduce((sum, r) => sum + r.rows, 0) ?? Infinity);
      const plain = kept[1] < kept[0] ? early : given;
      earlier += Number(kept[1] < kept[0]);
      const input = Int8Array.from({ length: first.rows * first.stride }, (_, i) => i * 37 % 119);
      const want = expected(f, input);
      const usual = planStream(plain.parts, plain.memories);
      assert.ok(usual);
      const rows = sharedRows(plain.parts, plain.memories, usual);
      for (const list of [[], ...rows.map((r) => [r]), rows]) {
        const made = withShared(plain.parts, plain.memories, list);
        const plan = planStream(made.parts, made.memories);
        assert.ok(plan);
        assert.ok(isPaced(plan, usual));
        residuals += Number(f.residual && list.some((r) => r.guest === 2));
        const kernel = streamKernel(made.parts, made.memories, plan);
        assert.deepEqual(run(kernel, input, want.length), want);
        for (const { name, over } of kernel.buffers) {
          for (const { buffer, shifts } of over ?? []) {
            for (const shift of new Set([shifts[0], shifts[1], shifts.at(-1)])) {
              if (shift === undefined) continue;
              if (buffer === "input") consumed++;
              else under++;
              assert.deepEqual(run(kernel, input, want.length, { name, buffer, shift }), want);
            }
          }
        }
        classes += Number(plan.rings.some((r) => r.classes.length > 1));
      }
      shared += rows.length;
      moved += Number(rows.some((r) => r.at > 0));
    }),
    { seed: 11, numRuns: 150 },
  );
  const counts = [shared, classes, moved, consumed, under, residuals, earlier];
  assert.ok(counts.every((n, i) => n > [50, 20, 5, 100, 100, 50, 20][i]), String(counts));
});

Deno.test("a row that is still read where another is written is not shared", () => {
  const far: Shape = {
    rows: 12,
    rate: 1,
    step: 1,
    each: 2,
    far: 1,
    count: 6,
    staged: true,
    taps: 1,
    pad: 0,
    lag: 0,
    residual: false,
    ahead: 0,
  };
  const rowsOf = ({ parts, memories }: ReturnType<typeof partsOf>) => {
    const plan = planStream(parts, memories);
    return plan ? sharedRows(parts, memories, plan) : [];
  };
  const placed = (f: Shape): (number | undefined)[] => {
    const made = partsOf(f);
    return [1, 5].map((m) => rowsOf(made).find((r) => r.guest === m || r.host === m)?.at);
  };
  // Twelve elements of seven, two by two: at the end of them each is read before it is written.
  assert.deepEqual(placed(far), [5, 0]);
  assert.deepEqual(placed({ ...far, far: 2 }), [undefined, 0]);
  // Nor is one of which more rows are made, or rows of others.
  const { parts, memories } = partsOf(far);
  for (
    const reach of [
      null,
      { rate: 1, first: 0, last: 1 },
      { rate: 1, first: -1, last: 0 },
      { rate: 2, first: 0, last: 0 },
    ]
  ) {
    const other = parts.map((p, k) =>
      k === 4 ? { ...p, uses: p.uses.map((u) => u && (u.writes ? u : { ...u, reach })) } : p
    );
    assert.ok(
      rowsOf({ parts: other, memories }).every((r) => r.host !== 5),
      JSON.stringify(reach),
    );
  }
  // What windows read lies in the memory of sums with it only where they are as far ahead as they look back.
  const residual: Shape = { ...far, residual: true, taps: 3, pad: 1 };
  const hosted = (ahead: number) =>
    rowsOf(partsOf({ ...residual, ahead })).flatMap((r) => r.host === 4 ? [r.guest] : []);
  assert.deepEqual(hosted(0), [3]);
  assert.deepEqual(hosted(1), [2]);
});

Deno.test("rings by classes keep each row until it is read, in no more rows than that takes", () => {
  const rows = fc.array(fc.tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: -3, max: 9 })), {
    minLength: 1,
    maxLength: 24,
  });
  fc.assert(
    fc.property(rows, fc.integer({ min: 1, max: 4 }), (list, count) => {
      let time = 0;
      const born = list.map(([later]) => time += 1 + later);
      // In the order of rows, as all reaches move forwards.
      let last = -1;
      const read = list.map(([, after], r) =>
        after < 0 ? -1 : last = Math.max(last, born[r] + after)
      );
      const kept = classesOf(born, read, count);
      const fits = (n: number, of: number): boolean =>
        born.every((_, r) => r % count !== of || r < n * count || read[r - n * count] < born[r]);
      kept.forEach((n, of) => {
        assert.ok(fits(n, of));
        assert.ok(n === 1 || !fits(n - 1, of));
      });
    }),
    { seed: 4, numRuns: 400 },
  );
});

Deno.test("what may lie over an input is written when all of it there was read, the nearest first", () => {
  const input = fc.record({
    rowBytes: fc.integer({ min: 1, max: 40 }),
    reads: fc.array(fc.integer({ min: -1, max: 30 }), { minLength: 1, maxLength: 20 }),
    bytes: fc.integer({ min: 1, max: 50 }),
    born: fc.array(fc.integer({ min: 0, max: 40 }), { minLength: 1, maxLength: 5 }),
  });
  let found = 0;
  fc.assert(
    fc.property(input, ({ rowBytes, reads, bytes, born }) => {
      const shifts = shiftsOver({ bytes, born }, reads, rowBytes), all = reads.length * rowBytes;
      found += shifts.length;
      for (let shift = 0; shift < all; shift += 16) {
        let safe = true;
        born.forEach((time, n) => {
          for (let b = 0; b < bytes; b++) {
            const row = Math.floor((shift + n * bytes + b) / rowBytes);
            if (row < reads.length && reads[row] >= time) safe = false;
          }
        });
        assert.equal(shifts.includes(shift), safe);
      }
      const two = [0, 1].map(() => ({ bytes, born, died: [] }));
      const over = bytesOver(two, reads, rowBytes);
      assert.ok(over <= all && over <= 2 * bytes * born.length);
      // As far over the begin of the input as is safe, or not at all.
      const size = bytes * born.length, before = shifts.filter((s) => s < 0);
      const isSafe = (shift: number): boolean =>
        born.every((time, n) =>
          reads.every((read, r) =>
            read < time || (r + 1) * rowBytes <= shift + n * bytes ||
            shift + (n + 1) * bytes <= r * rowBytes
          )
        );
      const best = Array.from({ length: Math.ceil(size / 16) }, (_, n) => -16 * (n + 1))
        .find((s) => s > -size && isSafe(s));
      assert.equal(before[0], best);
      assert.ok(shifts.every(isSafe));
    }),
    { seed: 2, numRuns: 300 },
  );
  assert.ok(found > 300, `${found} places`);
});

Deno.test("what may lie over an output is used no more when any of it there is written, the nearest first", () => {
  const output = fc.record({
    rowBytes: fc.integer({ min: 1, max: 40 }),
    writes: fc.array(fc.integer({ min: -1, max: 30 }), { minLength: 1, maxLength: 20 })
      .map((list) => list.toSorted((a, b) => a - b)),
    bytes: fc.integer({ min: 1, max: 50 }),
    died: fc.array(fc.integer({ min: -1, max: 30 }), { minLength: 1, maxLength: 5 }),
  });
  let found = 0;
  fc.assert(
    fc.property(output, ({ rowBytes, writes, bytes, died }) => {
      const shifts = shiftsUnder({ bytes, died }, writes, rowBytes);
      const all = writes.length * rowBytes;
      found += shifts.length;
      for (let shift = 0; shift < all; shift += 16) {
        let safe = true;
        died.forEach((time, n) => {
          for (let b = 0; b < bytes; b++) {
            const row = Math.floor((shift + n * bytes + b) / rowBytes);
            if (row < writes.length && writes[row] >= 0 && writes[row] <= time) safe = false;
          }
        });
        assert.equal(shifts.includes(shift), safe);
      }
      const under = bytesUnder({ bytes, died, born: [] }, writes, rowBytes);
      const most = shifts.length === 0 ? 0 : Math.min(bytes * died.length, all - shifts[0]);
      assert.equal(under, most);
    }),
    { seed: 6, numRuns: 300 },
  );
  assert.ok(found > 300, `${found} places`);
});
