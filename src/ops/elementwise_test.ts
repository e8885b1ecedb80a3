import assert from "node:assert/strict";
import { numbers, tensor } from "../util/tensor.ts";
import { evaluateNode } from "../ir/evaluate.ts";
import { typeOf } from "../ir/graph.ts";
import { ops as activation } from "./activation.ts";
import { ops as cast } from "./cast.ts";
import { ops as elementwise } from "./elementwise.ts";
import { ops as unary } from "./unary.ts";
import {
  accumulator,
  close,
  expect,
  floats,
  named,
  quantContext,
  read,
  refuses,
} from "./testing.ts";

const infer = (name: string, ...ins: ReturnType<typeof floats>[]) =>
  named(elementwise, name).infer(null, ins.map(typeOf), () => undefined);

Deno.test("binary operators broadcast as numpy does", () => {
  const a = floats([2, 1, 3], [1, 2, 3, 4, 5, 6]), b = floats([2, 1], [10, 20]);
  const want = [11, 12, 13, 21, 22, 23, 14, 15, 16, 24, 25, 26];
  expect(named(elementwise, "Add"), null, [a, b], floats([2, 2, 3], want));
  expect(named(elementwise, "Mul"), null, [floats([], [2]), b], floats([2, 1], [20, 40]));
});

Deno.test("operands that do not fit are refused with what to do", () => {
  refuses(
    () => infer("Add", floats([2], [1, 2]), floats([3], [1, 2, 3])),
    /\[2\] and \[3\] do not broadcast/,
  );
  refuses(() => infer("Add", floats([1], [1]), tensor("int32", [1], [1])), /float32 and int32/);
  refuses(() => infer("Add", tensor("float16", [1], [1]), tensor("float16", [1], [1])), /float16/);
  refuses(() => infer("And", floats([1], [1]), floats([1], [1])), /float32/);
  refuses(() => infer("Add", floats([1], [1])), /input 1 is missing/);
});

Deno.test("integer division truncates, the remainder follows the divisor or the dividend", () => {
  const a = tensor("int32", [4], [-7, 7, -7, 7]), b = tensor("int32", [4], [2, -2, -2, 2]);
  expect(named(elementwise, "Div"), null, [a, b], tensor("int32", [4], [-3, -3, 3, 3]));
  expect(named(elementwise, "Mod"), { fmod: false }, [a, b], tensor("int32", [4], [1, -1, -1, 1]));
  expect(named(elementwise, "Mod"), { fmod: true }, [a, b], tensor("int32", [4], [-1, 1, -1, 1]));
});

Deno.test("Max, Sum and Mean take any number of inputs", () => {
  const xs = [floats([2], [1, 5]), floats([2], [4, 2]), floats([1], [3])];
  expect(named(elementwise, "Max"), null, xs, floats([2], [4, 5]));
  expect(named(elementwise, "Sum"), null, xs, floats([2], [8, 10]));
  close(evaluateNode(named(elementwise, "Mean"), null, xs)[0], [8 / 3, 10 / 3]);
});

Deno.test("Pow keeps the type of its base", () => {
  const [y] = evaluateNode(named(elementwise, "Pow"), null, [
    tensor("int32", [2], [3, -2]),
    floats([], [3]),
  ]);
  assert.deepEqual([y.dtype, ...numbers(y)], ["int32", 27, -8]);
});

Deno.test("comparisons, Where and logic give bools and take them", () => {
  const a = floats([3], [1, 2, 3]), b = floats([3], [3, 2, 1]);
  const less = tensor("bool", [3], [1, 0, 0]);
  expect(named(elementwise, "Less"), null, [a, b], less);
  expect(named(elementwise, "GreaterOrEqual"), null, [a, b], tensor("bool", [3], [0, 1, 1]));
  expect(named(elementwise, "Where"), null, [less, a, b], floats([3], [1, 2, 1]));
  expect(
    named(elementwise, "Xor"),
    null,
    [less, tensor("bool", [1], [1])],
    tensor("bool", [3], [0, 1, 1]),
  );
  expect(named(unary, "Not"), null, [less], tensor("bool", [3], [0, 1, 1]));
});

Deno.test("unary functions against JavaScript's", () => {
  const xs = [-2.5, -0.5, 0, 0.25, 1.5], x = floats([5], xs);
  const cases: Record<string, (v: number) => number> = {
    Abs: Math.abs,
    Sign: Math.sign,
    Floor: Math.floor,
    Ceil: Math.ceil,
    Exp: Math.exp,
    Sin: Math.sin,
    Atan: Math.atan,
    Neg: (v) => -v,
  };
  for (const [name, f] of Object.entries(cases)) {
    close(evaluateNode(named(unary, name), null, [x])[0], xs.map(f).map((v) => v + 0));
  }
  expect(
    named(unary, "Round"),
    null,
    [floats([4], [0.5, 1.5, -2.5, 2.6])],
    floats([4], [0, 2, -2, 3]),
  );
  expect(named(unary, "IsInf"), { positive: true, negative: false }, [
    floats([2], [Infinity, -Infinity]),
  ], tensor("bool", [2], [1, 0]));
});

Deno.test("activations against their formulas", () => {
  const xs = [-4, -1, -0.1, 0, 0.3, 2, 5], x = floats([7], xs);
  const sp = (v: number): number => Math.log1p(Math.exp(v));
  const cases: [string, unknown, (v: number) => number][] = [
    ["Relu", null, (v) => Math.max(v, 0)],
    ["LeakyRelu", { alpha: 0.1 }, (v) => v < 0 ? 0.1 * v : v],
    ["Elu", { alpha: 2 }, (v) => v > 0 ? v : 2 * Math.expm1(v)],
    ["Selu", { alpha: 1.6, gamma: 1.1 }, (v) => 1.1 * (v > 0 ? v : 1.6 * Math.expm1(v))],
    ["HardSigmoid", { alpha: 0.2, beta: 0.5 }, (v) => Math.min(1, Math.max(0, 0.2 * v + 0.5))],
    ["HardSwish", null, (v) => v * Math.min(1, Math.max(0, v / 6 + 0.5))],
    ["Sigmoid", null, (v) => 1 / (1 + Math.exp(-v))],
    ["Tanh", null, Math.tanh],
    ["Softplus", null, sp],
    ["Softsign", null, (v) => v / (1 + Math.abs(v))],
    ["Mish", null, (v) => v * Math.tanh(sp(v))],
    ["Clip", { lo: -0.5, hi: 1 }, (v) => Math.min(Math.max(v, -0.5), 1)],
  ];
  for (const [name, attrs, f] of cases) {
    close(evaluateNode(named(activation, name), attrs, [x])[0], xs.map(f), 2e-6);
  }
  const gelu = evaluateNode(named(activation, "Gelu"), { approximate: false }, [x])[0];
  const tanh = evaluateNode(named(activation, "Gelu"), { approximate: true }, [x])[0];
  close(gelu, [-0.000126685, -0.15865525, -0.046017216, 0, 0.18537343, 1.9544997, 4.9999986], 2e-6);
  close(tanh, numbers(gelu), 5e-4);
});

Deno.test("the first operator set is read, with its own default values", () => {
  const old = (ops: typeof unary, type: string) => read(named(ops, type), type, { opset: 1 });
  for (const type of ["Abs", "Ceil", "Exp", "Floor", "Log", "Neg", "Reciprocal", "Sqrt"]) {
    assert.doesNotThrow(() => old(unary, type), type);
  }
  for (const type of ["Relu", "Sigmoid", "Tanh", "LeakyRelu", "Elu", "HardSigmoid"]) {
    assert.doesNotThrow(() => old(activation, type), type);
  }
  assert.deepEqual(old(activation, "Selu"), { alpha: 1.6732, gamma: 1.0507 });
});

Deno.test("Shrink cuts integers to their type", () => {
  const op = named(activation, "Shrink"), attrs = { bias: 1.5, lambd: 2.5 };
  const x = tensor("int8", [5], [-4, -2, 0, 3, 9]);
  expect(op, attrs, [x], tensor("int8", [5], [-2, 0, 0, 1, 7]));
});

Deno.test("Cast truncates towards zero; text is refused", () => {
  const op = named(cast, "Cast");
  expect(op, { to: "int8" }, [floats([3], [1.9, -1.9, 0.5])], tensor("int8", [3], [1, -1, 0]));
  expect(op, { to: "bool" }, [floats([2], [0.5, 0])], tensor("bool", [2], [1, 0]));
  expect(op, { to: "uint8" }, [tensor("int32", [1], [300])], tensor("uint8", [1], [44]));
  assert.deepEqual(read(op, "Cast", { attrs: { to: 7 } }), { to: "int64" });
  refuses(() => read(op, "Cast", { attrs: { to: 8 } }), /text/);
  const named1 = (to: string) => read(op, "Cast", { opset: 1, attrs: { to } });
  assert.deepEqual([named1("FLOAT"), named1("INT64")], [{ to: "float32" }, { to: "int64" }]);
  refuses(() => named1("STRING"), /makes 'STRING'/);
  refuses(() => read(op, "Cast", { attrs: { to: 14 } }), /element type 14/);
  const half = tensor("float16", [1], [0]);
  assert.deepEqual(read(op, "CastLike", { inputs: [half, half] }), { to: "float16" });
});

Deno.test("Relu is a maximum on accumulators, Clip waits, and bounds that wait are clipped", () => {
  const relu = named(activation, "Relu"), clip = named(activation, "Clip"), ctx = quantContext();
  const plain = accumulator(), low = accumulator(-2, null), both = accumulator(-2, 4);
  const r = relu.quantized!(null, [plain], ctx);
  assert.ok(r?.k === "acc" && r.lo === null && r.hi === null);
  assert.equal(ctx.b.nodes.length, 1);
  assert.deepEqual(relu.quantized!(null, [low], ctx), { ...low, lo: 0, hi: null });
  assert.deepEqual(clip.quantized!({ lo: 0, hi: 6 }, [plain], ctx), { ...plain, lo: 0, hi: 6 });
  assert.deepEqual(clip.quantized!({ lo: 0, hi: 3 }, [both], ctx), { ...both, lo: 0, hi: 3 });
  assert.deepEqual(clip.quantized!({ lo: 5, hi: null }, [both], ctx), { ...both, lo: 5, hi: 5 });
  assert.equal(ctx.b.nodes.length, 1);
  expect(relu, null, [tensor("int32", [2], [-5, 5])], tensor("int32", [2], [0, 5]));
});
