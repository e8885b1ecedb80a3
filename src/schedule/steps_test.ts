/** Steps that do not fit: each is refused with its code, why, and what would fit. */
import assert from "node:assert/strict";
import { BurinError } from "../util/errors.ts";
import { tensor } from "../util/tensor.ts";
import { axis, compute, placeholder, sum } from "../te/compute.ts";
import { add, cast, type Indexable, load, mul } from "../te/expr.ts";
import { interpretKernel } from "../tir/interp.ts";
import { type Buffer, denseBuffer } from "../tir/stmt.ts";
import { kernelText } from "../tir/print.ts";
import { lower } from "./lower.ts";
import { initialState, type Workload } from "./state.ts";
import { applySteps, type Schedule } from "./steps.ts";

/** acc[n, c] = Σ k: x[n, k]·w[k, c], doubled = acc + acc, y = doubled + 1 over 7 × 5. */
function workload(dtype: "int32" | "float32" = "int32"): Workload {
  const integers = dtype === "int32";
  const x = placeholder("x", integers ? "int8" : "float32", [7, 6]);
  const w = placeholder("w", integers ? "int8" : "float32", [6, 5]);
  const k = axis("k", 6);
  const acc = compute(
    "acc",
    dtype,
    [7, 5],
    (n, c) => sum([k], mul(cast(dtype, load(x, [n, k.v])), cast(dtype, load(w, [k.v, c])))),
    ["n", "c"],
  );
  const doubled = compute(
    "doubled",
    dtype,
    [7, 5],
    (n, c) => add(load(acc.out, [n, c]), load(acc.out, [n, c])),
    ["n", "c"],
  );
  const y = compute("y", dtype, [7, 5], (n, c) => add(load(doubled.out, [n, c]), 1), ["n", "c"]);
  const buffer = (t: Indexable, scope: "input" | "output"): Buffer =>
    denseBuffer(t.name, t.dtype, t.shape, scope, [t.shape[1], 1], 4);
  const values = Array.from({ length: 30 }, (_, i) => i * 37 % 256 - 128);
  return {
    name: "test",
    computes: [acc, doubled, y],
    buffers: new Map([[x, buffer(x, "input")], [y.out, buffer(y.out, "output")]] as const),
    consts: new Map([[w, tensor(w.dtype, [6, 5], values)]]),
    origin: [],
    ops: [],
    macs: 0,
  };
}

const split = (loop: string, factor: number, tail: "exact" | "guard" | "cut", stage = "y") =>
  ({ do: "split", stage, loop, factor, tail }) as const;
const at = (stage: string, loop: string) => ({ do: "computeAt", stage, at: "y", loop }) as const;
const INLINE = { do: "inline", stage: "doubled" } as const;
const GEMM = {
  do: "gemm",
  stage: "acc",
  block: 4,
  group: 4,
  order: [0, 1, 2, 3],
  dtype: "int8",
} as const;

const REFUSED: readonly (readonly [string, Schedule, RegExp])[] = [
  ["an unknown stage", [split("n", 2, "cut", "z")], /stage 'z'.*stages: acc, doubled, y/s],
  ["an unknown loop", [split("m", 2, "cut")], /loop 'm' of y.*its loops: n, c/s],
  ["a factor of nothing", [split("n", 0, "cut")], /split n by 0.*not a positive integer/],
  ["a factor that is no integer", [split("n", 1.5, "cut")], /split n by 1.5/],
  ["an exact split with a rest", [split("n", 2, "exact")], /does not divide 7.*'cut' or 'guard'/s],
  [
    "a rest that is split again",
    [split("n", 2, "cut"), split("n_o", 2, "cut")],
    /split n by 2.*n_o is not a loop of its own/,
  ],
  [
    "a cut whose inner loop stands outside",
    [split("n", 2, "cut"), { do: "reorder", stage: "y", loops: ["n_i", "n_o"] }],
    /n_i stands outside of the loop that is cut.*'guard'/s,
  ],
  [
    "fusing what is apart",
    [{ do: "fuse", stage: "acc", loops: ["n", "k"], into: "nk" }],
    /fuse n, k.*do not follow each other/,
  ],
  [
    "inlining a reduction",
    [{ do: "inline", stage: "acc" }],
    /acc as it is a reduction.*computeAt/s,
  ],
  ["inlining the output", [{ do: "inline", stage: "y" }], /y as it is the output/],
  ["an unknown intrinsic", [
    { do: "tensorize", stage: "y", loop: "c", intrinsic: "matmul" },
  ], /no such intrinsic.*dot4/s],
  [
    "computing a stage where another reads it too",
    [at("acc", "n")],
    /compute acc at y as doubled reads it too/,
  ],
  [
    "computing a stage after its reader",
    [at("doubled", "n"), at("acc", "c")],
    /doubled reads acc and would be computed before it/,
  ],
  [
    "attaching what is split already",
    [INLINE, split("n", 2, "cut", "acc"), at("acc", "n")],
    /its loops are split already.*attach it first/s,
  ],
  [
    "splitting the loop that a stage is attached to",
    [INLINE, at("acc", "c"), split("c", 2, "cut")],
    /acc is computed at the loop c of y/,
  ],
  [
    "attaching inside a guard",
    [INLINE, split("c", 2, "guard"), at("acc", "c_o")],
    /c is split with a guard around it.*'cut'/s,
  ],
  [
    "packing what is no constant",
    [{ do: "pack", stage: "acc", tensor: "x", perm: [1, 0] }],
    /acc reads no such constant/,
  ],
  ["a product that is none", [{ ...GEMM, stage: "y" }], /gemm y as it is not a sum of products/],
  [
    "a packed order that no intrinsic takes",
    [INLINE, { ...GEMM, order: [0, 2, 1, 3] }],
    /no intrinsic takes its packed order/,
  ],
];

for (const [what, steps, message] of REFUSED) {
  Deno.test(`a schedule is refused: ${what}`, () => {
    const w = workload();
    assert.throws(() => lower(w, applySteps(initialState(w), steps)), (e) => {
      assert.ok(e instanceof BurinError, `${e}`);
      assert.equal(e.code, "model/schedule-step");
      assert.match(`${e.message} ${e.hint}`, message);
      assert.ok(e.hint);
      assert.match(e.message, /^Cannot /);
      return true;
    });
  });
}

Deno.test("floats are summed in the order of the definition: their reduction loops stay in order", () => {
  const w = workload("float32"), s = initialState(w);
  const steps: Schedule = [
    split("k", 2, "exact", "acc"),
    { do: "reorder", stage: "acc", loops: ["k_i", "k_o"] },
  ];
  assert.throws(() => applySteps(s, steps), /floats are summed in the order of the definition/);
  const integers = workload();
  applySteps(initialState(integers), steps);
});

const ACCEPTED: readonly (readonly [string, Schedule])[] = [
  ["nothing", []],
  ["inline", [INLINE]],
  ["split with a guard", [split("n", 3, "guard"), split("c", 4, "guard")]],
  ["split with a cut", [split("n", 3, "cut"), split("c", 4, "cut")]],
  ["a tail longer than the loop", [split("c", 9, "cut"), split("n", 9, "guard")]],
  ["fuse", [{ do: "fuse", stage: "y", loops: ["n", "c"], into: "i" }]],
  ["reorder", [{ do: "reorder", stage: "acc", loops: ["k", "c", "n"] }]],
  ["a cut inside a reduction", [
    split("c", 3, "cut", "acc"),
    { do: "reorder", stage: "acc", loops: ["k", "n", "c_o", "c_i"] },
  ]],
  ["unroll", [split("c", 2, "cut"), { do: "unroll", stage: "y", loop: "c_i" }]],
  ["computeAt", [INLINE, at("acc", "c")]],
  ["computeAt of two", [at("doubled", "c"), at("acc", "n")]],
  ["gemm", [INLINE, GEMM]],
  ["pack", [{ do: "pack", stage: "acc", tensor: "w", perm: [1, 0] }]],
];

Deno.test("accepted steps change the loop program and not what it computes", () => {
  const texts = new Set<string>();
  const x = Int8Array.from({ length: 42 }, (_, i) => i * 53 % 256 - 128);
  const run = (steps: Schedule): number[] => {
    const w = workload(), kernel = lower(w, applySteps(initialState(w), steps));
    texts.add(kernelText(kernel));
    const memory = [...kernel.buffers, ...kernel.params].map((b) =>
      b.scope === "input" ? x : b.data?.data ??
        (b.dtype === "int16" ? new Int16Array(b.length) : new Int32Array(b.length))
    );
    interpretKernel(kernel, { checked: true })(memory);
    return [...memory[1] as Int32Array];
  };
  const want = run([]);
  for (const [what, steps] of ACCEPTED) assert.deepEqual(run(steps), want, what);
  assert.equal(texts.size, ACCEPTED.length);
});
