/** Sums of two bytes in integers: the same results for all pairs, or refused. */
import assert from "node:assert/strict";
import { random } from "../../tests/properties/random.ts";
import { compute, placeholder } from "../te/compute.ts";
import { add, call, cast, div, type Expr, f32, imm, load, mul, sub } from "../te/expr.ts";
import { evaluate } from "../te/interp.ts";
import { ROUND_CLAMP, SHIFT_CLAMP } from "../te/rounding.ts";
import { numbers, tensor } from "../util/tensor.ts";
import { affine, affineStep } from "./affine.ts";
import { plainStage, type State } from "./state.ts";

const BYTES = 256;
const a = placeholder("a", "int8", [BYTES]), b = placeholder("b", "uint8", [BYTES]);
const values = new Map([
  [a, tensor("int8", [BYTES], Array.from({ length: BYTES }, (_, i) => i - 128))],
  [b, tensor("uint8", [BYTES], Array.from({ length: BYTES }, (_, i) => i))],
]);

/** y[i, j] = round((a[i] − z)·s, joined with (b[j] − w)·t, ÷ u) + zero. */
function stateOf(
  [s, t, u]: readonly number[],
  [z, w, zero]: readonly number[],
  join: (x: Expr, y: Expr) => Expr,
): State {
  const scaled = (e: Expr, by: number): Expr => mul(cast("float32", e), f32(by));
  const y = compute("y", "int8", [BYTES, BYTES], (i, j) => {
    const x = join(
      scaled(sub(cast("int32", load(a, [i])), z), s),
      scaled(sub(cast("int32", load(b, [j])), w), t),
    );
    return cast("int8", call(ROUND_CLAMP, div(x, f32(u)), imm(zero), imm(-128), imm(127)));
  });
  return { stages: [plainStage(y)], consts: new Map() };
}

const resultsOf = (s: State): number[] => {
  const { compute: c } = s.stages[0];
  return numbers(evaluate([c], values).get(c.out)!);
};

Deno.test("sums of two bytes in integers give every result of the floats", () => {
  const r = random(7);
  let found = 0;
  const trials = 24;
  for (let i = 0; i < trials; i++) {
    const scales = [0, 1, 2].map(() => 0.02 + r.int(0, 9999) / 1e5);
    const zeros = [r.int(-128, 127), r.int(0, 255), r.pick([-128, 127, r.int(-128, 127)])];
    const s = stateOf(scales, zeros, add), step = affineStep(s.stages[0]);
    if (!step) continue;
    found++;
    const after = affine(s, step);
    assert(JSON.stringify(after.stages[0].compute.body).includes(SHIFT_CLAMP.name));
    assert.deepEqual(resultsOf(after), resultsOf(s), `${scales} ${zeros}`);
    // One multiplier beside it, not even the offset is the same.
    const [p, q] = step.multipliers;
    const other = { ...step, multipliers: [p + 4000, q] as const };
    assert.throws(() => affine(s, other), { code: "model/schedule-step" });
  }
  assert(found > trials / 2, `${found} of ${trials}`);
});

Deno.test("what is no sum of two bytes stays in floats", () => {
  const product = stateOf([0.05, 0.07, 0.002], [3, 100, 0], mul);
  assert.equal(affineStep(product.stages[0]), null);
  // A half step of one operand meets ties, which floats round to even.
  const ties = stateOf([0.5, 0.25, 0.5], [0, 0, 0], add);
  assert.equal(affineStep(ties.stages[0]), null);
});
