import assert from "node:assert/strict";
import { compute, placeholder } from "./compute.ts";
import { call, load, visit } from "./expr.ts";
import { evaluate } from "./interp.ts";
import type { ScalarFn } from "./functions.ts";
import { erf, exp, libm, log, sigmoid, tanh } from "./scalar.ts";

/** Values of a function over a sample, as the interpreter computes them. */
function run(fn: ScalarFn, xs: Float32Array): Float32Array {
  const x = placeholder("x", "float32", [xs.length]);
  const c = compute("y", "float32", [xs.length], (i) => call(fn, load(x, [i])));
  const env = evaluate([c], new Map([[x, { dtype: "float32", shape: x.shape, data: xs }]]));
  return env.get(c.out)!.data as Float32Array;
}

/** Every `step`-th float32 bit pattern of both signs, finite or not, NaN left out. */
function everyFloat(step: number): Float32Array {
  const half = Math.floor(0x7f800000 / step) + 1;
  const bits = new Uint32Array(2 * half);
  for (let i = 0; i < half; i++) {
    bits[i] = i * step;
    bits[half + i] = (0x80000000 + i * step) >>> 0;
  }
  return new Float32Array(bits.buffer);
}
/** Evenly spaced arguments. */
const between = (a: number, b: number, n: number): Float32Array =>
  Float32Array.from({ length: n }, (_, i) => a + ((b - a) * i) / (n - 1));

/** Distance in units in the last place of the float32 nearest to the exact value. */
function ulps(got: number, exact: number): number {
  const near = Math.fround(exact);
  if (Object.is(got, near) || got === near) {
    return Number.isFinite(near) ? Math.abs(got - exact) / ulp(near) : 0;
  }
  if (!Number.isFinite(got) && !Number.isFinite(near)) return Infinity;
  // Overflow: infinity stands for 2^128.
  const value = (v: number): number => Number.isFinite(v) ? v : Math.sign(v) * 2 ** 128;
  return Math.abs(value(got) - exact) / ulp(Number.isFinite(near) ? near : 3.4e38);
}
const ulp = (v: number): number =>
  v === 0 ? 2 ** -149 : 2 ** Math.max(Math.floor(Math.log2(Math.abs(v))) - 23, -149);

/** The error function by its series and continued fraction, in float64. */
function erf64(x: number): number {
  const a = Math.abs(x);
  if (a > 6) return Math.sign(x);
  if (a < 2.5) {
    let term = a, total = a;
    for (let n = 1; Math.abs(term) > 1e-18 * total; n++) {
      term *= -a * a / n;
      total += term / (2 * n + 1);
    }
    return Math.sign(x) * total * 2 / Math.sqrt(Math.PI);
  }
  let f = a;
  for (let n = 60; n > 0; n--) f = a + n / 2 / f;
  return Math.sign(x) * (1 - Math.exp(-a * a) / (f * Math.sqrt(Math.PI)));
}

const cases: readonly [ScalarFn, (x: number) => number, Float32Array, number][] = [
  [exp, Math.exp, between(-104.5, 89, 500_003), 1],
  [log, Math.log, between(0, 8, 500_003), 0.8],
  [tanh, Math.tanh, between(-10, 10, 500_003), 1.1],
  [sigmoid, (x) => 1 / (1 + Math.exp(-x)), between(-104.5, 20, 500_003), 1.8],
  [erf, erf64, between(-4.2, 4.2, 500_003), 1.3],
];

for (const [fn, exact, dense, documented] of cases) {
  Deno.test(`${fn.name} stays within its documented error`, () => {
    let worst = 0, at = 0;
    for (const xs of [dense, everyFloat(9973)]) {
      const ys = run(fn, xs);
      for (let i = 0; i < xs.length; i++) {
        const want = exact(xs[i]);
        if (Number.isNaN(want)) {
          assert.ok(Number.isNaN(ys[i]), `${fn.name}(${xs[i]}) is ${ys[i]}`);
          continue;
        }
        const u = ulps(ys[i], want);
        if (u > worst) [worst, at] = [u, xs[i]];
      }
    }
    assert.ok(worst <= documented, `${worst} ulp at ${at}`);
  });
}

Deno.test("special values", () => {
  const xs = Float32Array.of(NaN, -Infinity, -0, 0, Infinity, 2 ** -149, 3.4e38, -3.4e38);
  const rows: [ScalarFn, number[]][] = [
    [exp, [NaN, 0, 1, 1, Infinity, 1, Infinity, 0]],
    [log, [NaN, NaN, -Infinity, -Infinity, Infinity, -103.27893, 88.72201, NaN]],
    [tanh, [NaN, -1, 0, 0, 1, 2 ** -149, 1, -1]],
    [sigmoid, [NaN, 0, 0.5, 0.5, 1, 0.5, 1, 0]],
    [erf, [NaN, -1, 0, 0, 1, 2 ** -149, 1, -1]],
  ];
  for (const [fn, want] of rows) {
    run(fn, xs).forEach((y, i) => {
      const close = Number.isFinite(want[i]) && Math.abs(y - want[i]) <= 1e-6 * Math.abs(want[i]);
      assert.ok(Object.is(y, want[i]) || y === want[i] || close, `${fn.name}(${xs[i]}) = ${y}`);
    });
  }
});

Deno.test("the generated functions are the basic operations alone", () => {
  for (const fn of [exp, log, tanh, sigmoid, erf]) {
    assert.equal(fn.def.kind, "code");
    if (fn.def.kind !== "code") continue;
    for (const e of [...fn.def.lets.map(([, e]) => e), fn.def.result]) {
      visit(e, (x) => {
        if (x.k === "call") assert.equal(x.fn.def.kind, "code");
        if (x.k === "un") assert.ok(x.op === "abs" || x.op === "neg");
      });
    }
  }
});

Deno.test("functions of libm carry the name of their type", () => {
  assert.equal(libm("sin").name, "sinf");
  assert.equal(libm("sin", "float64").name, "sin");
  assert.equal(libm("sin"), libm("sin"));
  assert.equal(run(libm("cos"), Float32Array.of(0))[0], 1);
});
