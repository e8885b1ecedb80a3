import assert from "node:assert/strict";
import fc from "fast-check";
import { compileStages } from "../compile.ts";
import { board, defaults, ownNet } from "../../tests/e2e/support.ts";
import { add, imm, load, mul, variable } from "../te/expr.ts";
import { interpretKernel } from "../tir/interp.ts";
import { type Buffer, denseBuffer, type Kernel, type Stmt } from "../tir/stmt.ts";
import { verifyKernel } from "../tir/verify.ts";
import type { DType } from "../util/dtype.ts";
import { bytesOf } from "../util/dtype.ts";
import { BurinError } from "../util/errors.ts";
import { allocate, numbers, tensor, type TensorData } from "../util/tensor.ts";
import { lowered } from "./choose.ts";
import { compacted } from "./compact.ts";
import { candidates } from "./rules/mod.ts";

/** y[i, j] = w[i, j], row after row. */
function copy(data: TensorData): Kernel {
  const [rows, columns] = data.shape;
  const w: Buffer = {
    ...denseBuffer("w", data.dtype, data.shape, "param", [columns, 1], 4),
    data,
  };
  const y = denseBuffer("y", data.dtype, data.shape, "output", [columns, 1], 4);
  const i = variable("i", "int32", [0, rows - 1]), j = variable("j", "int32", [0, columns - 1]);
  const store: Stmt = { k: "store", buf: y, idx: [i, j], value: load(w, [i, j]) };
  const inner: Stmt = { k: "for", v: j, lo: imm(0), hi: imm(columns), body: store };
  return {
    name: "copy",
    buffers: [y],
    params: [w],
    body: { k: "for", v: i, lo: imm(0), hi: imm(rows), body: inner },
    origin: [],
    ops: [],
    macs: 0,
  };
}

/** What a kernel without inputs writes. */
function outputOf(k: Kernel): number[] {
  verifyKernel(k);
  const memory = k.buffers.map((b) => allocate(b.dtype, b.length));
  interpretKernel(k, { checked: true })([...memory, ...k.params.map((p) => p.data!.data)]);
  return Array.from(memory[0] as ArrayLike<number>, Number);
}

const constantBytes = (k: Kernel): number =>
  k.params.reduce((n, p) => n + p.length * bytesOf(p.dtype), 0);

/** Constants whose values fit in so many bits, and what part of their bytes is left. */
const KINDS: readonly { dtype: DType; lo: number; hi: number; part: number }[] = [
  { dtype: "int8", lo: -8, hi: 7, part: 1 / 2 },
  { dtype: "int8", lo: -128, hi: -113, part: 1 / 2 },
  { dtype: "int8", lo: 112, hi: 127, part: 1 / 2 },
  { dtype: "int8", lo: -2, hi: 1, part: 1 / 4 },
  { dtype: "uint8", lo: 0, hi: 15, part: 1 / 2 },
  { dtype: "uint8", lo: 240, hi: 255, part: 1 / 2 },
  { dtype: "uint8", lo: 126, hi: 129, part: 1 / 4 },
  { dtype: "int16", lo: -15, hi: 0, part: 1 / 4 },
  { dtype: "int16", lo: -32768, hi: -32753, part: 1 / 4 },
  { dtype: "int16", lo: -1, hi: 2, part: 1 / 8 },
  { dtype: "uint16", lo: 65520, hi: 65535, part: 1 / 4 },
];

Deno.test("compact: integers of few bits are unpacked to what they were, all at once and row by row", () => {
  for (const { dtype, lo, hi, part } of KINDS) {
    const values = fc.integer({ min: lo, max: hi });
    const shape = fc.record({
      rows: fc.integer({ min: 2, max: 6 }),
      columns: fc.integer({ min: 130, max: 180 }),
    });
    fc.assert(
      fc.property(shape, fc.array(values, { minLength: 1080, maxLength: 1080 }), (s, drawn) => {
        const { rows, columns } = s, n = rows * columns;
        const data = tensor(dtype, [rows, columns], [lo, hi, ...drawn].slice(0, n));
        const plain = copy(data);
        for (const depth of [0, 1]) {
          const k = compacted(plain, depth);
          assert.deepEqual(outputOf(k), numbers(data));
          // Rows begin with a word each.
          const most = part * n * bytesOf(dtype) + 4 * rows * 8;
          assert(constantBytes(k) <= most, `${constantBytes(k)} of ${n} ${dtype}`);
        }
      }),
      { numRuns: 15 },
    );
  }
});

Deno.test("compact: floats that 16 bits hold are stored so, in every bit of theirs, others are not", () => {
  const halves = Float32Array.from(
    { length: 0x10000 },
    (_, i) => new Float16Array(Uint16Array.of(i).buffer)[0],
  ).filter(Number.isFinite);
  const bits = (x: ArrayLike<number>) => [...new Uint32Array(Float32Array.from(x).buffer)];
  const stored = copy(tensor("float32", [4, halves.length / 4], halves));
  for (const depth of [0, 1]) {
    const k = compacted(stored, depth);
    assert.equal(k.params[0].dtype, "float16");
    assert.deepEqual(bits(outputOf(k)), bits(halves));
  }
  const brains = Float32Array.from({ length: 512 }, (_, i) => (i % 256 - 128) * 2 ** 60);
  const k = compacted(copy(tensor("float32", [2, 256], brains)), 0);
  assert.equal(k.params[0].dtype, "bfloat16");
  assert.deepEqual(bits(outputOf(k)), bits(brains));
  for (const other of [0.1, Infinity, NaN, 1 + 2 ** -11]) {
    const values = [...Array(511).fill(1), other];
    assert.throws(
      () => compacted(copy(tensor("float32", [2, 256], values)), 0),
      (e) => e instanceof BurinError && e.code === "model/schedule-step",
      String(other),
    );
  }
});

Deno.test("compact: constants of more bits, and small ones, stay as they are", () => {
  const wide = tensor("int8", [2, 200], Array.from({ length: 400 }, (_, i) => i % 17));
  const small = tensor("int8", [2, 100], Array.from({ length: 200 }, (_, i) => i % 4));
  for (const data of [wide, small]) {
    assert.throws(() => compacted(copy(data), 0), /none fit/);
  }
});

/** Of a kernel's candidates, what each computes of the same inputs. */
for (const name of ["corner_int4_stored", "float_half_weights"]) {
  Deno.test(`compact: every candidate of ${name} computes the same from stored constants`, async () => {
    const net = ownNet(name), found = new Map<string, number>();
    const on = board("mps2-an386");
    await compileStages(net.bytes, {
      ...defaults(on),
      schedule: (w, chosen) => {
        let want: string | null = null;
        const all = candidates(w, on.target, 3), last = all.at(-1)!;
        const stored = all.filter((x) => x.compact && !x.lean);
        for (const c of [last, ...stored]) {
          let k: Kernel;
          try {
            k = lowered(w, c);
          } catch {
            continue; // The rules propose what does not fit, too.
          }
          verifyKernel(k);
          const memory = k.buffers.map((b) => {
            const a = allocate(b.dtype, b.length) as Float32Array;
            if (b.scope !== "input") return a;
            const bytes = b.dtype !== "float32";
            return a.map((_, i) => bytes ? (37 * i + 11) % 256 - 128 : Math.sin(i));
          });
          interpretKernel(k)([...memory, ...k.params.map((p) => p.data!.data)]);
          const got = String(memory[k.buffers.findIndex((b) => b.scope === "output")]);
          want ??= got;
          const what = `${w.origin} for ${on.name}: ${c.rule}, ${c.variant}`;
          assert.equal(got, want, what);
          if (c.compact) found.set(c.rule, (found.get(c.rule) ?? 0) + 1);
        }
        return chosen;
      },
    });
    const rules = name.startsWith("float")
      ? ["single"]
      : ["tiles", "tiles in groups", "maps", "planes", "channels", "single"];
    for (const rule of rules) assert(found.has(rule), `${rule} is not among ${[...found.keys()]}`);
  });
}

Deno.test("compact: an intrinsic's operand is read where it is unpacked to", () => {
  // The distance of rows has nothing to do with what a row holds.
  const data = tensor("int8", [3, 160], Array.from({ length: 480 }, (_, i) => i % 15 - 7));
  const plain = copy(data), [w] = plain.params, [y] = plain.buffers;
  const i = variable("i", "int32", [0, 2]), j = variable("j", "int32", [0, 99]);
  const value = load(w, [i, add(mul(j, 1), 40)]);
  const store: Stmt = { k: "store", buf: y, idx: [i, j], value };
  const inner: Stmt = { k: "for", v: j, lo: imm(0), hi: imm(100), body: store };
  const part: Kernel = { ...plain, body: { k: "for", v: i, lo: imm(0), hi: imm(3), body: inner } };
  const k = compacted(part, 1);
  assert.deepEqual(outputOf(k), outputOf(part));
  assert.equal(k.buffers.at(-1)!.length, 104);
});

Deno.test("compact: the flash of constants falls, but where time alone counts", async () => {
  for (
    const [name, most] of [["corner_int4_stored", 0.62], ["float_half_weights", 0.56]] as const
  ) {
    const { bytes } = ownNet(name), on = defaults(board("mps2-an386"));
    const constants = async (optimize: "balanced" | "speed" | "flash") =>
      (await compileStages(bytes, { ...on, optimize })).artifact.paramsBytes;
    const plain = await constants("speed");
    for (const goal of ["balanced", "flash"] as const) {
      const left = await constants(goal);
      assert(left < most * plain, `${name}: ${left} of ${plain} bytes for ${goal}`);
    }
  }
});
