/** Conditions that unrolled loops decide: each iteration takes the branch that is its own. */
import assert from "node:assert/strict";
import { compute, placeholder } from "../te/compute.ts";
import {
  add,
  and,
  type Expr,
  ge,
  imm,
  type Indexable,
  load,
  lt,
  select,
  sub,
  variable,
} from "../te/expr.ts";
import { interpretKernel } from "../tir/interp.ts";
import { denseBuffer } from "../tir/stmt.ts";
import { evaluate } from "../tir/trips.ts";
import { tightest } from "./conditions.ts";
import { lower } from "./lower.ts";
import { initialState, type Workload } from "./state.ts";
import { applySteps, type Schedule } from "./steps.ts";

const ROWS = 7, COLS = 5;

/** y[n, c] = 2 ≤ n < 5 and c ≥ 1 ? x[n − 2, c − 1] + 1 : −9: a padded copy. */
function workload(): Workload {
  const x = placeholder("x", "int32", [3, COLS - 1]);
  const y = compute("y", "int32", [ROWS, COLS], (n, c) => {
    const inside = and(ge(sub(n, 2), 0), lt(sub(n, 2), 3), ge(sub(c, 1), 0));
    return select(inside, add(load(x, [sub(n, 2), sub(c, 1)]), 1), imm(-9));
  }, ["n", "c"]);
  const buffer = (t: Indexable, scope: "input" | "output") =>
    denseBuffer(t.name, t.dtype, t.shape, scope, [t.shape[1], 1], 4);
  return {
    name: "test",
    computes: [y],
    buffers: new Map<Indexable, ReturnType<typeof buffer>>([
      [x, buffer(x, "input")],
      [y.out, buffer(y.out, "output")],
    ]),
    consts: new Map(),
    origin: [],
    ops: [],
    macs: 0,
  };
}

const unroll = (loop: string) => ({ do: "unroll", stage: "y", loop }) as const;
const SCHEDULES: readonly (readonly [string, Schedule])[] = [
  ["loops as they are", []],
  ["rows one by one", [unroll("n")]],
  ["columns one by one", [unroll("c")]],
  ["everything one by one", [unroll("n"), unroll("c")]],
  ["columns outside", [{ do: "reorder", stage: "y", loops: ["c", "n"] }, unroll("c")]],
  ["rows in twos", [
    { do: "split", stage: "y", loop: "n", factor: 2, tail: "cut" },
    unroll("n_o"),
    unroll("n_i"),
  ]],
];

for (const [what, steps] of SCHEDULES) {
  Deno.test(`a padded copy, ${what}`, () => {
    const w = workload(), x = Int32Array.from({ length: 3 * (COLS - 1) }, (_, i) => 10 * i);
    const y = new Int32Array(ROWS * COLS);
    interpretKernel(lower(w, applySteps(initialState(w), steps)), { checked: true })([x, y]);
    const want = Array.from({ length: ROWS * COLS }, (_, i) => {
      const n = Math.floor(i / COLS) - 2, c = i % COLS - 1;
      return n >= 0 && n < 3 && c >= 0 ? x[n * (COLS - 1) + c] + 1 : -9;
    });
    assert.deepEqual([...y], want);
  });
}

Deno.test("of bounds of one sum the tightest is left, others all", () => {
  const n = variable("n"), c = variable("c");
  const bounds = [
    ge(sub(n, 1), 0),
    ge(n, 0),
    ge(sub(n, 3), 0),
    lt(add(n, 2), 9),
    lt(add(n, 4), 9),
    lt(n, 9),
    ge(sub(c, 1), 0),
  ];
  const left = tightest(bounds);
  assert.deepEqual(left, [bounds[2], bounds[4], bounds[6]]);
  for (let v = -2; v < 12; v++) {
    const holds = (es: readonly Expr[]) =>
      es.every((e) => evaluate(e, new Map([[n, v], [c, 1]])) === 1);
    assert.equal(holds(left), holds(bounds), `n = ${v}`);
  }
});
