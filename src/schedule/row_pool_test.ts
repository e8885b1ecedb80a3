import assert from "node:assert/strict";
import fc from "fast-check";
import { add, and, cast, type Expr, ge, imm, load, lt, mul, select, variable } from "../te/expr.ts";
import { interpretKernel } from "../tir/interp.ts";
import { type Buffer, denseBuffer, seq, type Stmt } from "../tir/stmt.ts";
import { isRead, withPools } from "./row_pool.ts";
import { streamKernel } from "./row_stream.ts";
import { planStream, type StreamMemory, type StreamPart } from "./row_stream_plan.ts";
import { findSlots, type Lives } from "./slots.ts";

/** A layer: windows of `taps` rows, one in `rate`, of a row's element i the one `far` behind it, if any. */
interface Layer {
  readonly taps: number;
  readonly pad: number;
  readonly rate: 1 | 2;
  readonly far: number;
  /** Elements of its rows that it has fewer than the one before. */
  readonly less: number;
  /** Whether it reads all of a row before it writes any. */
  readonly staged: boolean;
}

const layer: fc.Arbitrary<Layer> = fc.record({
  taps: fc.integer({ min: 1, max: 4 }),
  pad: fc.integer({ min: 0, max: 2 }),
  rate: fc.constantFrom<1 | 2>(1, 1, 2),
  far: fc.integer({ min: -1, max: 1 }),
  less: fc.integer({ min: 0, max: 2 }),
  staged: fc.boolean(),
});

const ROWS = 32, WIDE = 24;

interface Net {
  readonly parts: StreamPart[];
  readonly memories: StreamMemory[];
  readonly want: (input: Int8Array) => number[];
}

/** Layers one after another between a copied input and an output. */
function netOf(layers: readonly Layer[]): Net {
  const memories: StreamMemory[] = [
    { name: "input", rows: ROWS, stride: WIDE, inside: false },
    { name: "copy", rows: ROWS, stride: WIDE, inside: true },
  ];
  const all = [{ taps: 1, pad: 0, rate: 1, far: 0, less: 0, staged: false }, ...layers];
  layers.forEach(({ rate, less }, n) => {
    const { rows, stride } = memories.at(-1)!;
    const inside = n + 1 < layers.length;
    memories.push({ name: `m${n}`, rows: rows / rate, stride: stride - less, inside });
  });
  const parts = all.map((f, k): StreamPart => {
    const x = memories[k], y = memories[k + 1];
    const whole = (m: StreamMemory, scope: Buffer["scope"], rows = m.rows): Buffer =>
      denseBuffer(m.name, "int8", [rows, m.stride], scope, [m.stride, 1], 1);
    const block = variable("row", "int32", [0, y.rows - 1]);
    const from = whole(x, "input"), to = whole(y, "output", 1);
    const stage = denseBuffer("stage", "int8", [y.stride], "scratch", [1], 1);
    const each = (body: (i: Expr) => Stmt): Stmt => {
      const v = variable("i", "int32", [0, y.stride - 1]);
      return { k: "for", v, lo: imm(0), hi: imm(y.stride), body: body(v) };
    };
    const int32 = (e: Expr): Expr => cast("int32", e);
    const value = (i: Expr): Expr => {
      const near = add(i, f.far);
      const column = select(and(ge(near, 0), lt(near, x.stride)), near, i);
      const taps = Array.from({ length: f.taps }, (_, t): Expr => {
        const at = add(mul(block, f.rate), t - f.pad);
        return select(and(ge(at, 0), lt(at, x.rows)), int32(load(from, [at, column])), imm(0));
      });
      return cast("int8", taps.reduce((a, b) => add(a, b)));
    };
    const store = (i: Expr, e: Expr): Stmt => ({ k: "store", buf: to, idx: [imm(0), i], value: e });
    const body = f.staged
      ? seq(
        each((i) => ({ k: "store", buf: stage, idx: [i], value: value(i) })),
        each((i) => store(i, load(stage, [i]))),
      )
      : each((i) => store(i, value(i)));
    const reach = { rate: f.rate, first: -f.pad, last: f.taps - 1 - f.pad };
    return {
      kernel: {
        name: "part",
        buffers: [from, to, ...(f.staged ? [stage] : [])],
        params: [],
        body,
        origin: [],
        ops: [],
        macs: 0,
      },
      block,
      blocks: y.rows,
      rows: 1,
      uses: [
        { memory: k, axis: 0, buffer: from, reach, writes: false },
        { memory: k + 1, axis: 0, buffer: whole(y, "output"), reach: null, writes: true },
        ...(f.staged ? [null] : []),
      ],
      finish: null,
      kept: new Set(),
    };
  });
  const want = (input: Int8Array): number[] => {
    let now = [...input];
    all.forEach((f, k) => {
      const x = memories[k], y = memories[k + 1], before = now;
      now = Array.from({ length: y.rows * y.stride }, (_, n) => {
        const row = Math.floor(n / y.stride), i = n % y.stride;
        const near = i + f.far, column = 0 <= near && near < x.stride ? near : i;
        let sum = 0;
        for (let t = 0; t < f.taps; t++) {
          const at = row * f.rate + t - f.pad;
          if (at >= 0 && at < x.rows) sum += before[at * x.stride + column];
        }
        return sum << 24 >> 24;
      });
    });
    return now;
  };
  return { parts, memories, want };
}

Deno.test("rings in pools give the same outputs in fewer bytes, whatever was there before", () => {
  let pools = 0, follows = 0;
  fc.assert(
    fc.property(fc.array(layer, { minLength: 2, maxLength: 5 }), fc.boolean(), (layers, all) => {
      const { parts, memories, want } = netOf(layers);
      const plan = planStream(parts, memories);
      if (!plan) return;
      const made = withPools(parts, memories, plan, all);
      if (!made) return;
      pools++;
      follows += made.follows.length;
      const bytes = (kernel: ReturnType<typeof streamKernel>): number =>
        kernel.buffers.reduce((sum, b) => sum + b.length, 0);
      const kernel = streamKernel(parts, memories, made.plan);
      assert.ok(bytes(kernel) < bytes(streamKernel(parts, memories, plan)));
      const input = Int8Array.from({ length: ROWS * WIDE }, (_, i) => i * 37 % 119);
      const out = memories.at(-1)!;
      for (const fill of [99, -1]) {
        const data = kernel.buffers.map((b) =>
          b.name === "input" ? input : new Int8Array(b.length).fill(fill)
        );
        interpretKernel(kernel)(data);
        const at = kernel.buffers.findIndex((b) => b.name === out.name);
        assert.deepEqual([...data[at]], want(input));
      }
    }),
    { seed: 3, numRuns: 120 },
  );
  assert.ok(pools > 20 && follows > 100, `${pools} pools, ${follows} rows over others`);
});

Deno.test("a row lies over one that is read where it is written only if all of that is read first", () => {
  const window: Layer = { taps: 3, pad: 1, rate: 1, far: 0, less: 0, staged: false };
  const follow = (change: Partial<Layer>, row: number, before: number): boolean => {
    const { parts, memories } = netOf([window, { ...window, ...change }, window]);
    return isRead(parts[2], memories, {
      row: { memory: 3, row },
      before: { memory: 2, row: before },
    });
  };
  assert.ok(follow({}, 5, 4));
  // Two others are still to be read, by the next row and the one behind it.
  assert.ok(!follow({}, 5, 5) && !follow({}, 5, 6));
  // What lies behind the element that is written is read before that, what lies at it is not.
  assert.ok(follow({ far: 1 }, 5, 4));
  assert.ok(follow({ far: 1, staged: true }, 5, 4));
  assert.ok(!follow({ taps: 4 }, 5, 5));
  assert.ok(!follow({ far: -1 }, 5, 4));
  assert.ok(follow({ far: -1, staged: true }, 5, 4));
});

Deno.test("slots hold each row until it is used no more, and are as few as rows at a time at best", () => {
  const memory = fc.record({
    period: fc.integer({ min: 1, max: 3 }),
    start: fc.integer({ min: 0, max: 5 }),
    stay: fc.integer({ min: 0, max: 40 }),
  });
  let found = 0, least = 0, over = 0;
  fc.assert(
    fc.property(fc.array(memory, { minLength: 1, maxLength: 4 }), fc.boolean(), (list, meets) => {
      const STEP = 12, STEPS = 8;
      const lives = list.map(({ period, start, stay }, m): Lives => {
        // No two rows are written at one time.
        const born = Array.from(
          { length: STEPS * period },
          (_, r) => 4 * (start + r * STEP / period) + m,
        );
        const end = born.map((t, r) => r % 5 === 4 ? -1 : t + stay);
        return { born, end, period };
      });
      const rows = lives.flatMap((l, memory) =>
        l.born.map((from, row) => ({ memory, row, from, end: Math.max(from, l.end[row]) }))
      );
      const at = (t: number) => rows.filter((r) => r.from <= t && t <= r.end).length;
      const peak = Math.max(...rows.map((r) => at(r.from)));
      const slots = findSlots(lives, 12, () => meets);
      if (!slots) return;
      found++;
      least += Number(slots.count === peak);
      over += slots.follows.length;
      assert.ok(slots.count < 12 && (meets || slots.count >= peak));
      const slot = ({ memory, row }: { memory: number; row: number }): number => {
        const of = slots.of[memory];
        return of[row % of.length];
      };
      for (const a of rows) {
        assert.ok(0 <= slot(a) && slot(a) < slots.count);
        for (const b of rows) {
          if (a === b || slot(a) !== slot(b) || a.from > b.from) continue;
          const meet = a.end === b.from &&
            slots.follows.some(([y, x]) =>
              y.memory === b.memory && y.row === b.row && x.memory === a.memory && x.row === a.row
            );
          assert.ok(a.end < b.from || (meets && meet));
        }
      }
    }),
    { seed: 9, numRuns: 200 },
  );
  assert.ok(found > 100 && least > 50 && over > 5, `${found} found, ${least} least, ${over} over`);
});
