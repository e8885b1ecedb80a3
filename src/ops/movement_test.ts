import assert from "node:assert/strict";
import { allocate, numbers, rowMajor, tensor, type TensorData } from "../util/tensor.ts";
import { evaluateNode } from "../ir/evaluate.ts";
import { typeOf } from "../ir/graph.ts";
import type { OpDef } from "../ir/opdef.ts";
import { concat } from "./concat.ts";
import { dropout } from "./dropout.ts";
import { ops as gathers } from "./gather.ts";
import { ops as movement, slice, split, transpose } from "./movement.ts";
import { pad } from "./pad.ts";
import { identity, ops as reshapes, reshape, squeeze, unsqueeze } from "./reshape.ts";
import { ops as shapes } from "./shape.ts";
import {
  accumulator,
  counting,
  dequantized,
  expect,
  floats,
  int64s,
  named,
  quantContext,
  read,
  refuses,
} from "./testing.ts";
import { reshapeStrides } from "./views.ts";

/** Reads a tensor through a view of a buffer that holds it with gaps. */
function throughView<A>(op: OpDef<A>, attrs: A, x: TensorData, gap: number): number[] | null {
  const io = { ins: [typeOf(x)], outs: op.infer(attrs, [typeOf(x)], () => undefined) };
  const strides = rowMajor(x.shape).map((s, i) => i === 0 && x.shape.length > 1 ? s * gap : s);
  const buffer = allocate("float32", 1 + x.shape.reduce((n, d, i) => n + (d - 1) * strides[i], 0));
  const walk = (shape: readonly number[], by: readonly number[], at: number): number[] =>
    shape.length === 0
      ? [at]
      : Array.from({ length: shape[0] }, (_, i) =>
        walk(shape.slice(1), by.slice(1), at + i * by[0]))
        .flat();
  walk(x.shape, strides, 0).forEach((to, i) => buffer[to] = x.data[i]);
  const view = op.view!(attrs, io, strides);
  if (!view) return null;
  const shape = io.outs[0].shape as number[];
  return walk(shape, view.strides, view.offset).map((at) => Number(buffer[at]));
}

Deno.test("every view reads what the definition computes", () => {
  const x = counting([2, 3, 4]);
  const cases: [OpDef<unknown>, unknown, TensorData, boolean][] = ([
    [transpose, { perm: [2, 0, 1] }, x, true],
    [transpose, { perm: null }, x, true],
    [slice, { starts: [1, -1], ends: [3, -5], axes: [1, 2], steps: [1, -2] }, x, true],
    [reshape, { shape: [2, 12], allowZero: false }, x, true],
    [reshape, { shape: [2, 1, 6, 2], allowZero: false }, x, true],
    [reshape, { shape: [24], allowZero: false }, x, false],
    [reshape, { shape: [3, 8], allowZero: false }, x, false],
    [unsqueeze, { axes: [0, -1] }, x, true],
    [squeeze, { axes: null }, counting([2, 1, 3, 1]), true],
    [identity, null, x, true],
    [named(reshapes, "Flatten"), { axis: 1 }, x, true],
    [named(movement, "Expand"), { shape: [5, 2, 3, 4] }, x, true],
  ] as const).map(([op, ...rest]) => [op as OpDef<unknown>, ...rest]);
  for (const [op, attrs, input, strided] of cases) {
    const want = numbers(evaluateNode(op, attrs, [input])[0]);
    assert.deepEqual(throughView(op, attrs, input, 1), want, op.name);
    assert.deepEqual(throughView(op, attrs, input, 3), strided ? want : null, op.name);
  }
});

Deno.test("strides of a reshape without a copy", () => {
  assert.deepEqual(reshapeStrides([2, 3, 4], [12, 4, 1], [6, 4]), [4, 1]);
  assert.deepEqual(reshapeStrides([2, 3, 4], [24, 4, 1], [6, 4]), null);
  assert.deepEqual(reshapeStrides([2, 3, 4], [24, 4, 1], [2, 2, 6]), [24, 6, 1]);
  assert.deepEqual(reshapeStrides([1, 6], [99, 2], [2, 1, 3]), [6, 6, 2]);
  assert.deepEqual(reshapeStrides([3], [-1], [3, 1])?.[0], -1);
});

Deno.test("Reshape keeps, infers and refuses sizes", () => {
  const x = counting([2, 3, 4]), attrs = read(reshape, "Reshape", { inputs: [x, int64s(0, -1)] });
  expect(reshape, attrs, [x], counting([2, 12]));
  refuses(
    () => reshape.infer({ shape: [5, -1], allowZero: false }, [typeOf(x)], () => undefined),
    /24 elements/,
  );
  refuses(
    () => reshape.infer({ shape: [0, 24], allowZero: true }, [typeOf(x)], () => undefined),
    /24 elements/,
  );
  expect(reshape, { shape: [4, 6], allowZero: false }, [x], counting([4, 6]));
});

Deno.test("Squeeze and Unsqueeze read axes from attributes or inputs", () => {
  const x = counting([1, 2, 1]);
  assert.deepEqual(read(squeeze, "Squeeze", { opset: 11, attrs: { axes: [0] } }), { axes: [0] });
  assert.deepEqual(read(squeeze, "Squeeze", { opset: 13, inputs: [x, int64s(2)] }), { axes: [2] });
  assert.deepEqual(read(squeeze, "Squeeze", { opset: 13, inputs: [x] }), { axes: null });
  expect(squeeze, { axes: [-1] }, [x], counting([1, 2]));
  expect(squeeze, { axes: [] }, [x], counting([2]));
  refuses(() => squeeze.infer({ axes: [1] }, [typeOf(x)], () => undefined), /drops axis 1/);
  refuses(() => unsqueeze.infer({ axes: [0, 0] }, [typeOf(x)], () => undefined), /repeat/);
});

Deno.test("Slice reads both forms and clamps its bounds", () => {
  const x = counting([5]), attribute = { starts: [1], ends: [99] };
  const old = read(slice, "Slice", { opset: 9, attrs: attribute, inputs: [x] });
  expect(slice, old, [x], floats([4], [1, 2, 3, 4]));
  const inputs = [x, int64s(-2), int64s(-100), int64s(0), int64s(-2)];
  expect(slice, read(slice, "Slice", { inputs }), [x], floats([2], [3, 1]));
  expect(slice, read(slice, "DynamicSlice", { opset: 1, inputs }), [x], floats([2], [3, 1]));
  expect(slice, read(slice, "Slice", { inputs: [x, int64s(3), int64s(2)] }), [x], floats([0], []));
});

Deno.test("Split is slices, of sizes given or equal", () => {
  const x = counting([2, 5]);
  const attrs = read(split, "Split", { attrs: { axis: 1 }, inputs: [x, int64s(2, 3)], outputs: 2 });
  const [a, b] = evaluateNode(split, attrs, [x]);
  assert.deepEqual([numbers(a), numbers(b)], [[0, 1, 5, 6], [2, 3, 4, 7, 8, 9]]);
  const uneven = evaluateNode(split, { axis: -1, split: null, parts: 2 }, [x]);
  assert.deepEqual(uneven.map((t) => t.shape), [[2, 3], [2, 2]]);
  refuses(
    () => split.infer({ axis: 1, split: [1, 1], parts: 2 }, [typeOf(x)], () => undefined),
    /add up to 5/,
  );
});

Deno.test("Concat places its inputs and computes the same", () => {
  const a = counting([2, 1]), b = floats([2, 2], [10, 11, 12, 13]);
  expect(concat, { axis: -1 }, [a, b], floats([2, 3], [0, 10, 11, 1, 12, 13]));
  const io = { ins: [typeOf(a), typeOf(b)], outs: [{ dtype: "float32" as const, shape: [2, 3] }] };
  assert.deepEqual(concat.place!({ axis: 1 }, io), [{ input: 0, start: [0, 0] }, {
    input: 1,
    start: [0, 1],
  }]);
  refuses(() => concat.infer({ axis: 0 }, io.ins, () => undefined), /differ outside of axis 0/);
});

Deno.test("Pad in every mode", () => {
  const x = floats([3], [1, 2, 3]);
  const attrs = (mode: "constant" | "edge" | "reflect" | "wrap", ...pads: number[]) => ({
    mode,
    pads,
    axes: null,
    value: 9,
  });
  expect(pad, attrs("constant", 1, 2), [x], floats([6], [9, 1, 2, 3, 9, 9]));
  expect(pad, attrs("edge", 2, 1), [x], floats([6], [1, 1, 1, 2, 3, 3]));
  expect(pad, attrs("reflect", 2, 2), [x], floats([7], [3, 2, 1, 2, 3, 2, 1]));
  expect(pad, attrs("wrap", 2, 1), [x], floats([6], [2, 3, 1, 2, 3, 1]));
  expect(pad, attrs("constant", -1, 1), [x], floats([3], [2, 3, 9]));
  const inputs = [counting([1, 2]), int64s(1, 1), floats([], [4]), int64s(-1)];
  expect(pad, read(pad, "Pad", { inputs }), [inputs[0]], floats([1, 4], [4, 0, 1, 4]));
  refuses(() => pad.infer(attrs("reflect", 3, 0), [typeOf(x)], () => undefined), /too large/);
});

Deno.test("Gather takes slices at constant and computed indices, counted from either end", () => {
  const x = counting([3, 2]), gather = named(gathers, "Gather");
  expect(gather, { axis: 0 }, [x, int64s(2, -3)], floats([2, 2], [4, 5, 0, 1]));
  expect(gather, { axis: 1 }, [x, tensor("int64", [], [1])], floats([3], [1, 3, 5]));
  const elements = tensor("int64", [1, 2], [2, 0]);
  expect(named(gathers, "GatherElements"), { axis: 0 }, [x, elements], floats([1, 2], [4, 1]));
  expect(
    named(gathers, "GatherND"),
    { batch: 0 },
    [x, tensor("int64", [1, 2], [1, 1])],
    floats([1], [3]),
  );
});

Deno.test("Tile, DepthToSpace and SpaceToDepth", () => {
  expect(
    named(movement, "Tile"),
    { repeats: [2, 2] },
    [floats([1, 2], [1, 2])],
    floats([2, 4], [1, 2, 1, 2, 1, 2, 1, 2]),
  );
  const x = counting([1, 8, 1, 1]), d2s = named(movement, "DepthToSpace");
  expect(d2s, { block: 2, depthFirst: false }, [x], floats([1, 2, 2, 2], [0, 2, 4, 6, 1, 3, 5, 7]));
  expect(d2s, { block: 2, depthFirst: true }, [x], counting([1, 2, 2, 2]));
  const [there] = evaluateNode(d2s, { block: 2, depthFirst: false }, [x]);
  expect(named(movement, "SpaceToDepth"), { block: 2, depthFirst: false }, [there], x);
  refuses(
    () => d2s.infer({ block: 3, depthFirst: false }, [typeOf(x)], () => undefined),
    /blocks of 9/,
  );
});

Deno.test("shapes are constants", () => {
  const x = counting([2, 3, 4]);
  expect(named(shapes, "Shape"), { start: 0, end: null }, [x], int64s(2, 3, 4));
  expect(named(shapes, "Shape"), { start: -2, end: -1 }, [x], int64s(3));
  expect(named(shapes, "Size"), null, [x], tensor("int64", [], [24]));
  const fill = named(shapes, "ConstantOfShape"), range = named(shapes, "Range");
  const attrs = read(fill, "ConstantOfShape", {
    attrs: { value: tensor("int8", [1], [7]) },
    inputs: [int64s(2)],
  });
  expect(fill, attrs, [], tensor("int8", [2], [7, 7]));
  const bounds = [5, 1, -2].map((v) => tensor("int64", [], [v]));
  expect(range, read(range, "Range", { inputs: bounds }), [], int64s(5, 3));
});

Deno.test("Dropout keeps its input and everything in its mask", () => {
  const x = counting([2]), attrs = read(dropout, "Dropout", { inputs: [x], outputs: 2 });
  const [y, mask] = evaluateNode(dropout, attrs, [x]);
  assert.deepEqual([numbers(y), mask.dtype, numbers(mask)], [[0, 1], "bool", [1, 1]]);
  const old = { opset: 6, attrs: { is_test: 1, ratio: 0.5 }, inputs: [x], outputs: 2 };
  const [, floats] = evaluateNode(dropout, read(dropout, "Dropout", old), [x]);
  assert.deepEqual([floats.dtype, numbers(floats)], ["float32", [1, 1]]);
  const training = [x, null, tensor("bool", [], [1])];
  refuses(() => read(dropout, "Dropout", { inputs: training }), /training mode/);
});

Deno.test("Pad on integers pads with the integer that stands for the value", () => {
  const q = tensor("int8", [1, 2, 1, 1], [0, 0]), ctx = quantContext();
  const attrs = { mode: "constant" as const, pads: [0, 0, 1, 0, 0, 0, 0, 0], axes: null, value: 0 };
  const r = pad.quantized!(attrs, [dequantized(q, [0.5], [-3]).rep], ctx);
  assert.ok(r?.k === "deq");
  assert.deepEqual(r.q.type.shape, [1, 2, 2, 1]);
  assert.equal((ctx.b.nodes[0].attrs as typeof attrs).value, -3);
  const one = { ...attrs, value: 1 }, between = { ...attrs, value: 0.25 };
  assert.equal(pad.quantized!(one, [dequantized(q, [0.5], [-3]).rep], ctx)?.k, "deq");
  assert.equal(pad.quantized!(between, [dequantized(q, [0.5], [-3]).rep], ctx), null);
  assert.equal(pad.quantized!(attrs, [dequantized(q, [0.5, 1], [0, 1]).rep], ctx), null);
  assert.equal(pad.quantized!(attrs, [dequantized(q, [0.5, 1], [1, 1]).rep], ctx)?.k, "deq");
  assert.equal(pad.quantized!(attrs, [accumulator()], ctx)?.k, "acc");
  assert.equal(pad.quantized!(attrs, [accumulator(1, null)], ctx), null);
});

Deno.test("Gather moves integers, and the axis of their scales", () => {
  const q = tensor("int8", [1, 2, 3, 1], [0, 0, 0, 0, 0, 0]), gather = named(gathers, "Gather");
  const idx = { k: "flt" as const, x: { name: "i", type: typeOf(int64s(0, 1)) } };
  const scales = dequantized(q, [1, 2, 3], [0, 0, 0], 2).rep;
  const r = gather.quantized!({ axis: 2 }, [scales, idx], quantContext());
  assert.equal(r, null);
  const matrix = { k: "flt" as const, x: { name: "i", type: typeOf(counting([2, 2], "int64")) } };
  const moved = gather.quantized!({ axis: 1 }, [scales, matrix], quantContext());
  assert.ok(moved?.k === "deq" && moved.axis === 3);
});
