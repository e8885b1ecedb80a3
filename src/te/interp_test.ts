import assert from "node:assert/strict";
import { numbers, tensor } from "../util/tensor.ts";
import { axis, compute, placeholder, reduce, sum } from "./compute.ts";
import { add, cast, eq, ge, imm, load, lt, mul, rint, select, sub } from "./expr.ts";
import { evaluate } from "./interp.ts";

Deno.test("a stage is evaluated element by element, later stages read earlier ones", () => {
  const x = placeholder("x", "int32", [2, 3]);
  const a = compute("a", "int32", [3, 2], (i, j) => mul(load(x, [j, i]), 10));
  const b = compute("b", "int32", [3, 2], (i, j) => add(load(a.out, [i, j]), i));
  const env = evaluate([a, b], new Map([[x, tensor("int32", [2, 3], [1, 2, 3, 4, 5, 6])]]));
  assert.deepEqual(numbers(env.get(b.out)!), [10, 40, 21, 51, 32, 62]);
});

Deno.test("a reduction starts with init and takes what its conditions hold for", () => {
  const x = placeholder("x", "int32", [4]);
  const k = axis("k", 3);
  const at = (i: Parameters<typeof add>[0]) => sub(add(i, k.v), 1);
  const y = compute("y", "int32", [4], (i) =>
    sum([k], load(x, [at(i)]), {
      init: imm(100),
      where: [ge(at(i), 0), lt(at(i), 4)],
    }));
  const env = evaluate([y], new Map([[x, tensor("int32", [4], [1, 2, 3, 4])]]));
  assert.deepEqual(numbers(env.get(y.out)!), [103, 106, 109, 107]);
});

Deno.test("floats are summed in the order of the axes, each step rounded to float32", () => {
  const x = placeholder("x", "float32", [2, 2]);
  const i = axis("i", 2), j = axis("j", 2);
  const y = compute("y", "float32", [], () => sum([i, j], load(x, [i.v, j.v])));
  const z = compute("z", "float32", [], () => sum([j, i], load(x, [i.v, j.v])));
  const data = tensor("float32", [2, 2], [1e8, 1, -1e8, 1]);
  const env = evaluate([y, z], new Map([[x, data]]));
  // 1e8 + 1 is 1e8 in float32.
  assert.deepEqual([numbers(env.get(y.out)!), numbers(env.get(z.out)!)], [[1], [2]]);
});

Deno.test("maxima and minima start with their bounds", () => {
  const x = placeholder("x", "int8", [3]);
  const k = axis("k", 3);
  const of = (op: "max" | "min", init: number) =>
    compute(op, "int8", [], () => reduce(op, [k], load(x, [k.v]), { init: imm(init, "int8") }));
  const hi = of("max", -128), lo = of("min", 127);
  const env = evaluate([hi, lo], new Map([[x, tensor("int8", [3], [-128, 5, -7])]]));
  assert.deepEqual([numbers(env.get(hi.out)!), numbers(env.get(lo.out)!)], [[5], [-128]]);
});

Deno.test("only the chosen branch of a select is evaluated", () => {
  const x = placeholder("x", "int32", [2]);
  const y = compute("y", "int32", [4], (i) => select(lt(i, 2), load(x, [i]), imm(-1)));
  const env = evaluate([y], new Map([[x, tensor("int32", [2], [7, 8])]]));
  assert.deepEqual(numbers(env.get(y.out)!), [7, 8, -1, -1]);
});

Deno.test("integers wrap and floats round as their C types do", () => {
  const x = placeholder("x", "int32", [2]), f = placeholder("f", "float32", [4]);
  const wrapped = compute("w", "int8", [2], (i) => cast("int8", load(x, [i])));
  const big = compute(
    "b",
    "int64",
    [2],
    (i) => mul(cast("int64", load(x, [i])), cast("int64", load(x, [i]))),
  );
  const even = compute("e", "int32", [4], (i) => cast("int32", rint(load(f, [i]))));
  const same = compute("s", "bool", [2], (i) => eq(load(x, [i]), imm(300)));
  const env = evaluate(
    [wrapped, big, even, same],
    new Map([
      [x, tensor("int32", [2], [300, -2147483648])],
      [f, tensor("float32", [4], [0.5, 1.5, -2.5, 3e10])],
    ]),
  );
  assert.deepEqual(numbers(env.get(wrapped.out)!), [44, 0]);
  assert.deepEqual([...env.get(big.out)!.data as BigInt64Array], [90000n, 4611686018427387904n]);
  assert.deepEqual(numbers(env.get(even.out)!).map((v) => v + 0), [0, 2, -2, 2147483647]);
  assert.deepEqual(numbers(env.get(same.out)!), [1, 0]);
});

Deno.test("an input without data is named", () => {
  const x = placeholder("missing", "int32", [1]);
  const y = compute("y", "int32", [1], (i) => load(x, [i]));
  assert.throws(() => evaluate([y], new Map()), /no data for missing/);
});
