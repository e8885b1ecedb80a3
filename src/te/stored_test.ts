import assert from "node:assert/strict";
import fc from "fast-check";
import { type DType, DTYPES, isStored } from "../util/dtype.ts";
import { FLOAT_FORMATS, largestPattern, smallFloat } from "../util/small_floats.ts";
import { tensor, type TensorData } from "../util/tensor.ts";
import { compute, placeholder } from "./compute.ts";
import { bin, cast, type Expr, load } from "./expr.ts";
import { evaluate } from "./interp.ts";
import { SATURATING, toStored } from "./stored.ts";

/** Every element of a tensor through a conversion, on the interpreter. */
function each(x: TensorData, to: DType, convert: (e: Expr) => Expr): number[] {
  const source = placeholder("x", x.dtype, x.shape);
  const c = compute("y", to, x.shape, (i) => convert(load(source, [i])));
  const { data } = evaluate([c], new Map([[source, x]])).get(c.out)!;
  return Array.from(data as ArrayLike<number>);
}

const formats = Object.keys(FLOAT_FORMATS) as DType[];

Deno.test("stored: every pattern of a small float has the value that its format says", () => {
  for (const dtype of [...formats, "float8e8m0" as const]) {
    const count = dtype === "float4e2m1" ? 16 : 2 ** (8 * DTYPES[dtype].bytes);
    const patterns = Array.from({ length: count }, (_, i) => i);
    const got = each(tensor(dtype, [count], patterns), "float32", (e) => cast("float32", e));
    assert.deepEqual(got, patterns.map((p) => Math.fround(smallFloat(dtype, p))), dtype);
  }
});

Deno.test("stored: every pattern survives the way through float32", () => {
  for (const dtype of formats) {
    const count = dtype === "float4e2m1" ? 16 : 2 ** (8 * DTYPES[dtype].bytes);
    const patterns = Array.from({ length: count }, (_, i) => i)
      .filter((p) => !Number.isNaN(smallFloat(dtype, p)));
    const x = tensor(dtype, [patterns.length], patterns);
    assert.deepEqual(each(x, dtype, (e) => cast(dtype, cast("float32", e))), patterns, dtype);
  }
});

/** The nearest finite number of a format, the one with an even pattern of two that are as near. */
function nearest(dtype: DType, x: number): number {
  const most = largestPattern(FLOAT_FORMATS[dtype]!);
  const limit = smallFloat(dtype, most);
  x = Math.max(-limit, Math.min(limit, x));
  let best = 0;
  for (let p = 1; p <= most; p++) {
    const a = Math.abs(smallFloat(dtype, p) - Math.abs(x));
    const b = Math.abs(smallFloat(dtype, best) - Math.abs(x));
    if (a < b || (a === b && p % 2 === 0)) best = p;
  }
  return x < 0 ? -smallFloat(dtype, best) : smallFloat(dtype, best);
}

Deno.test("stored: numbers round half to even, beyond the largest they saturate", () => {
  const eight = formats.filter((d) => DTYPES[d].bytes === 1);
  fc.assert(
    fc.property(
      fc.constantFrom(...eight),
      fc.array(
        fc.oneof(
          fc.float({ noNaN: true }),
          fc.integer({ min: -4000, max: 4000 }).map((n) => n / 64),
        ),
        {
          minLength: 1,
        },
      ),
      (dtype, xs) => {
        const x = tensor("float32", [xs.length], xs);
        const got = each(x, dtype, (e) => toStored(dtype, e, SATURATING));
        got.forEach((p, i) => assert.equal(smallFloat(dtype, p) + 0, nearest(dtype, xs[i]) + 0));
      },
    ),
    { numRuns: 200 },
  );
});

Deno.test("stored: float16 overflows to infinity from half a step beyond the largest", () => {
  const x = tensor("float32", [4], [65504, 65519.996, 65520, -1e30]);
  const bits = each(x, "float16", (e) => cast("float16", e));
  assert.deepEqual(bits.map((b) => smallFloat("float16", b)), [65504, 65504, Infinity, -Infinity]);
});

Deno.test("stored: integers of less than a byte keep their low bits, sign-extended", () => {
  const x = tensor("int32", [5], [7, 8, -9, 15, 100]);
  const to = (d: DType): number[] => each(x, d, (e) => cast(d, e));
  assert.deepEqual(to("int4"), [7, -8, 7, -1, 4]);
  assert.deepEqual(to("uint4"), [7, 8, 7, 15, 4]);
  assert.deepEqual(to("int2"), [-1, 0, -1, -1, 0]);
  assert.deepEqual(to("uint2"), [3, 0, 3, 3, 0]);
});

Deno.test("stored: nothing but a conversion computes with such a type", () => {
  for (const dtype of Object.keys(DTYPES) as DType[]) {
    if (!isStored(dtype)) continue;
    const e = load(placeholder("x", dtype, [1]), [0]);
    assert.throws(() => bin("add", e, e), /storage only/);
  }
});
