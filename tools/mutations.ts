/**
 * Faults that the tests must find: each changes one place of the compiler so that it computes, plans
 * or prints something wrong. `deno task mutate` applies them one at a time to a copy.
 */

export interface Mutation {
  /** For `--only`. */
  readonly name: string;
  /** The module, from the root of the checkout. */
  readonly file: string;
  /** Text that stands in the module exactly once. */
  readonly find: string;
  readonly replace: string;
  /** What is wrong then. */
  readonly breaks: string;
  /** The fastest tests that have to fail. */
  readonly tests: readonly string[];
  /** Of those files only the tests whose name contains this. */
  readonly filter?: string;
}

/** Operators: what they compute. */
const OPERATORS: readonly Mutation[] = [
  {
    name: "pad-sign",
    file: "src/ops/conv.ts",
    find: "sub(add(mul(v, g.strides[i]), mul(kernel[i].v,",
    replace: "add(add(mul(v, g.strides[i]), mul(kernel[i].v,",
    breaks: "padding moves the window of a convolution the wrong way",
    tests: ["src/ops/conv_test.ts"],
  },
  {
    name: "stride-swap",
    file: "src/ops/window.ts",
    find: "sub(add(mul(v, g.strides[i])",
    replace: "sub(add(mul(v, g.strides[o.length - 1 - i])",
    breaks: "a pool steps down by its horizontal stride",
    tests: ["src/ops/window_test.ts"],
  },
  {
    name: "same-upper-swap",
    file: "src/ops/conv.ts",
    find: "? [small, large] : [large, small]",
    replace: "? [large, small] : [small, large]",
    breaks: "the odd element of automatic padding is on the wrong side",
    tests: ["src/ops/pool_test.ts"],
  },
  {
    name: "conv-group",
    file: "src/ops/conv.ts",
    find: "mul(floordiv(co, groupOut), perGroup)",
    replace: "mul(floordiv(co, perGroup), perGroup)",
    breaks: "a grouped convolution reads the channels of another group",
    tests: ["src/ops/conv_test.ts"],
  },
  {
    name: "window-count",
    file: "src/ops/window.ts",
    find: "floordiv(sub(imm(end - 1), start), d)",
    replace: "floordiv(sub(imm(end), start), d)",
    breaks: "an average divides by one element too many at the far border",
    tests: ["src/ops/pool_test.ts"],
  },
  {
    name: "zero-point-dropped",
    file: "src/ops/integer.ts",
    find: "zero === 0 ? e : sub(e, imm(zero, e.dtype))",
    replace: "e",
    breaks: "integer products forget the zero point of the activation",
    tests: ["src/ops/qlinear_test.ts", "src/ops/conv_test.ts", "src/ops/matmul_test.ts"],
  },
  {
    name: "saturation-bound",
    file: "src/ops/quantize.ts",
    find: "imm(lo ?? min)",
    replace: "imm(lo ?? min + 1)",
    breaks: "the lowest stored value is never reached",
    tests: ["src/ops/quantize_test.ts"],
  },
  {
    name: "dequantise-order",
    file: "src/ops/quantize.ts",
    find: 'return mul(cast("float32", q), scaleOf(a, ins, at));',
    replace: `const [s, f] = [scaleOf(a, ins, at), (e: Expr) => cast("float32", e)];
        return sub(mul(f(load(ins[0]!, at)), s), mul(f(zeroOf(a, ins, at)), s));`,
    breaks: "the zero point is subtracted after scaling, with a rounding more",
    tests: ["src/ops/dequantize_test.ts"],
  },
  {
    name: "table-signedness",
    file: "src/ops/quantize.ts",
    find: 'cast("int32", cast("uint8", load(q!, at)))',
    replace: 'cast("int32", load(q!, at))',
    breaks: "a negative byte indexes in front of its table",
    tests: ["src/ops/quantize_test.ts"],
  },
  {
    name: "softmax-max-dropped",
    file: "src/ops/softmax.ts",
    find: "sub(load(x, at), load(top.out, kept(at)))",
    replace: "load(x, at)",
    breaks: "Softmax overflows for large inputs",
    tests: ["src/ops/reduce_test.ts"],
  },
  {
    name: "broadcast-axis",
    file: "src/ops/common.ts",
    find: "axes[axes.length - t.shape.length + i]",
    replace: "axes[i]",
    breaks: "shapes are aligned from the left when they broadcast",
    tests: ["src/ops/elementwise_test.ts"],
  },
  {
    name: "broadcast-stride",
    file: "src/ops/movement.ts",
    find: "strides[i - extra] ?? 0 : 0)",
    replace: "strides[i - extra] ?? 0 : 1)",
    breaks: "a repeated element is read from its neighbours' memory",
    tests: ["src/ops/movement_test.ts"],
  },
  {
    name: "transpose-inverted",
    file: "src/ops/movement.ts",
    find: "at[p.indexOf(i)]",
    replace: "at[p[i]]",
    breaks: "Transpose uses the inverse of its permutation",
    tests: ["src/ops/movement_test.ts"],
  },
  {
    name: "concat-offset",
    file: "src/ops/concat.ts",
    find: "i === axis ? n : 0",
    replace: "i === axis ? Math.max(n - 1, 0) : 0",
    breaks: "the second part of a concatenation overwrites the end of the first",
    tests: ["src/ops/movement_test.ts"],
  },
  {
    name: "reshape-not-contiguous",
    file: "src/ops/views.ts",
    find: "if (old[k].stride !== old[k + 1].n * old[k + 1].stride) return null;",
    replace: "",
    breaks: "memory with gaps is seen through another shape without a copy",
    tests: ["src/ops/movement_test.ts"],
  },
];

/** What rounds, and what the generated functions approximate. */
const ARITHMETIC: readonly Mutation[] = [
  {
    name: "round-half-up",
    file: "src/te/js.ts",
    find: "return r - x === 0.5 && r % 2 !== 0 ? r - 1 : r;",
    replace: "return r;",
    breaks: "ties are rounded up instead of to even",
    tests: ["src/ops/quantize_test.ts"],
  },
  {
    name: "requantise-clamp",
    file: "src/te/expr.ts",
    find: "Expr => min(max(e, lo), hi);",
    replace: "Expr => max(e, lo);",
    breaks: "nothing saturates at its upper bound",
    tests: ["src/ops/quantize_test.ts"],
  },
  {
    name: "exp-constant",
    file: "src/te/scalar.ts",
    find: "0.00836923945901,",
    replace: "0.00836,",
    breaks: "exp is off by more than its documented error",
    tests: ["src/te/scalar_test.ts"],
  },
  {
    name: "index-range",
    file: "src/te/linear.ts",
    find: "r[0] >= 0 && r[1] < d",
    replace: "r[0] >= 0 && r[1] <= d",
    breaks: "a division vanishes from an index that reaches its divisor",
    tests: ["src/te/quotient_test.ts"],
  },
];

/** Passes over the graph. */
const PASSES: readonly Mutation[] = [
  {
    name: "merge-bias-dropped",
    file: "src/passes/merge_bias.ts",
    find: "[p.ins[0], p.ins[1], bias, ...p.ins.slice(3)]",
    replace: "[p.ins[0], p.ins[1], null, ...p.ins.slice(3)]",
    breaks: "the Add that becomes a bias vanishes",
    tests: ["src/passes/passes_test.ts"],
  },
  {
    name: "batch-norm-bias",
    file: "src/passes/fold_batch_norm.ts",
    find: "?.map((v, i) => v * factor[i])",
    replace: "",
    breaks: "a folded factor does not reach the bias",
    tests: ["src/passes/passes_test.ts"],
  },
  {
    name: "fold-at-borders",
    file: "src/passes/channel_facts.ts",
    find: "v === undefined || (p.padded && v !== p.xZero)",
    replace: "v === undefined",
    breaks: "a constant channel is folded into a bias although borders see padding instead",
    tests: ["src/passes/dead_channels_test.ts"],
  },
  {
    name: "relu-bound-dropped",
    file: "src/passes/integerize.ts",
    find: "positive ? Math.max(lowest, stored(0, 0)) : lowest",
    replace: "lowest",
    breaks: "a Relu on an accumulator is forgotten when its bound becomes the result's",
    tests: ["src/passes/integerize_test.ts"],
  },
  {
    name: "accumulator-width",
    file: "src/ops/integer.ts",
    find: "v <= 2 ** 31 - 1",
    replace: "v <= 2 ** 32",
    breaks: "sums past 2^31 get 32 bits",
    tests: ["src/passes/integerize_test.ts"],
  },
  {
    name: "table-order",
    file: "src/passes/lut.ts",
    find: "i << 24 >> 24 : i",
    replace: "i - 128 : i",
    breaks: "tables of int8 begin with the lowest value, not with 0",
    tests: ["src/passes/integerize_test.ts"],
  },
];

/** Schedules and the loop programs that they give. */
const SCHEDULES: readonly Mutation[] = [
  {
    name: "packed-order",
    file: "src/schedule/gemm.ts",
    find: "c * group + order.indexOf(i)",
    replace: "c * group + i",
    breaks: "weights lie in another order than the intrinsic reads them",
    tests: ["src/schedule/rules_test.ts"],
  },
  {
    name: "encode-odd-dropped",
    file: "src/tir/dot_block.ts",
    find: "even < 0 ? odd - 1 : odd",
    replace: "odd",
    breaks: "odd columns are one too large beside negative even ones",
    tests: ["src/schedule/rules_test.ts"],
  },
  {
    name: "cut-tail-dropped",
    file: "src/schedule/lower.ts",
    find: "return seq(main, inside(tail));",
    replace: "return seq(main);",
    breaks: "the remainder of a split loop is not computed",
    tests: ["src/schedule/steps_test.ts"],
  },
  {
    name: "guard-off-by-one",
    file: "src/schedule/lower.ts",
    find: "lt(values.get(g.loop)!, g.total)",
    replace: "lt(values.get(g.loop)!, g.total + 1)",
    breaks: "a guarded split computes one element behind its end",
    tests: ["src/schedule/steps_test.ts"],
  },
  {
    name: "specialise-off-by-one",
    file: "src/schedule/conditions.ts",
    find: '(c.op === "lt") ? n - 1 : 0',
    replace: '(c.op === "lt") ? n - 2 : 0',
    breaks: "a window over the border is computed without conditions",
    tests: ["src/schedule/rules_test.ts"],
  },
  {
    name: "region-off-by-one",
    file: "src/schedule/region.ts",
    find: "extent: hi - lo + 1 };",
    replace: "extent: hi - lo };",
    breaks: "a stage computes one row less than its reader needs",
    tests: ["src/schedule/steps_test.ts"],
  },
  {
    name: "dot-order",
    file: "src/tir/intrinsics.ts",
    find: 'w === "int8" ? [0, 2, 1, 3]',
    replace: 'w === "int8" ? [0, 1, 2, 3]',
    breaks: "the meaning of an intrinsic is not what its instructions do",
    tests: ["src/codegen/intrinsics_test.ts"],
  },
];

/** Memory: who lies where, and until when. */
const MEMORY: readonly Mutation[] = [
  {
    name: "planner-off-by-one",
    file: "src/memory/placement.ts",
    find: "if (start >= at + bytes) break;",
    replace: "if (start >= at + bytes - 1) break;",
    breaks: "a buffer is placed in a gap that is a byte too small",
    tests: ["src/memory/planner_test.ts"],
  },
  {
    name: "checker-step",
    file: "src/memory/checker.ts",
    find: "now <= p.request.last",
    replace: "now < p.request.last",
    breaks: "the checker forgets buffers in their last step",
    tests: ["src/memory/checker_test.ts"],
  },
  {
    name: "checker-byte",
    file: "src/memory/checker.ts",
    find: "below.offset + below.request.bytes > p.offset",
    replace: "below.offset + below.request.bytes > p.offset + 1",
    breaks: "the checker accepts that two buffers share one byte",
    tests: ["src/memory/checker_test.ts"],
  },
  {
    name: "live-range-short",
    file: "src/compile/place.ts",
    find: "if (r) r.last = i;",
    replace: "if (r) r.last = Math.max(r.first, i - 1);",
    breaks: "a buffer is given away in the step that reads it last",
    tests: ["tests/properties/graphs_test.ts"],
    filter: "every level",
  },
  {
    name: "in-place-always",
    file: "src/tir/in_place.ts",
    find: "return safe;",
    replace: "return true;",
    breaks: "a kernel overwrites input that it has still to read",
    tests: ["tests/properties/graphs_test.ts"],
    filter: "every level",
  },
  {
    name: "view-offset",
    file: "src/passes/layout.ts",
    find: "const offset = s.offset + v.offset;",
    replace: "const offset = v.offset;",
    breaks: "a view of a part of a concatenation begins where the whole begins",
    tests: ["tests/properties/graphs_test.ts"],
    filter: "every level",
  },
  {
    name: "part-taken-twice",
    file: "src/passes/layout.ts",
    find: "!taken.has(v) && !g.outputs.includes(v)",
    replace: "!g.outputs.includes(v)",
    breaks: "a value that a concatenation holds twice is written to one of its places only",
    tests: ["tests/properties/graphs_test.ts"],
    filter: "every level",
  },
];

/** The C. */
const CODE: readonly Mutation[] = [
  {
    name: "float-digits",
    file: "src/codegen/expr_c.ts",
    find: "Math.fround(Number(s)) === v",
    replace: "Math.abs(Math.fround(Number(s)) - v) <= 1e-6 * Math.abs(v)",
    breaks: "float constants lose their last bits",
    tests: ["src/codegen/printed_numbers_test.ts"],
  },
  {
    name: "precedence",
    file: "src/codegen/expr_c.ts",
    find: "grouped(e.b, right, level + 1)",
    replace: "grouped(e.b, right, level)",
    breaks: "a - (b - c) is printed without parentheses",
    tests: ["src/codegen/printed_numbers_test.ts"],
  },
  {
    name: "floor-of-negatives",
    file: "src/codegen/expr_c.ts",
    find: "return a / b - (a % b != 0 && (a < 0) != (b < 0));",
    replace: "return a / b;",
    breaks: "the C divides negative integers towards zero",
    tests: ["src/codegen/printed_numbers_test.ts"],
  },
  {
    name: "name-collision",
    file: "src/util/names.ts",
    find: "this.#taken.add(name);",
    replace: "",
    breaks: "two tensors get one C name",
    tests: ["src/codegen/library_test.ts"],
  },
];

/** What comes in, and what is compared. */
const RIMS: readonly Mutation[] = [
  {
    name: "negative-dimension",
    file: "src/onnx/tensors.ts",
    find: "|| d < 0",
    replace: "|| d < -1",
    breaks: "a tensor of a hostile file has a negative size",
    tests: ["src/onnx/element_count_test.ts"],
  },
  {
    name: "softmax-opset",
    file: "src/ops/softmax.ts",
    find: "onnx(name, 13, read(-1, false))",
    replace: "onnx(name, 13, read(1, false))",
    breaks: "the default axis of operator set 13 is that of operator set 1",
    tests: ["src/ops/reduce_test.ts"],
  },
  {
    name: "npz-axis-order",
    file: "src/util/npy.ts",
    find: 'fortran === "True" && shape.length > 1 ? fromFortran(t) : t',
    replace: "t",
    breaks: "column-major arrays are read as row-major",
    tests: ["src/util/npz_test.ts"],
  },
  {
    name: "compare-nan",
    file: "src/run/compare.ts",
    find: "if (Number.isNaN(out[i])) out[i] = Infinity;",
    replace: "if (Number.isNaN(out[i])) out[i] = 0;",
    breaks: "NaN equals any number",
    tests: ["src/run/compare_test.ts"],
  },
  {
    name: "compare-tolerance",
    file: "src/run/compare.ts",
    find: "steps <= (tolerance.maxLsb ?? 0)",
    replace: "steps <= (tolerance.maxLsb ?? 1)",
    breaks: "an output one step beside the expected one passes",
    tests: ["src/run/compare_test.ts"],
  },
];

export const MUTATIONS: readonly Mutation[] = [
  ...OPERATORS,
  ...ARITHMETIC,
  ...PASSES,
  ...SCHEDULES,
  ...MEMORY,
  ...CODE,
  ...RIMS,
];
