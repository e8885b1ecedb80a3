import { tensor } from "../util/tensor.ts";
import { ops } from "./fused_attention.ts";
import { agrees, named, pattern, refuses } from "./testing.ts";

const bytes = (...shape: number[]) =>
  tensor(
    "uint8",
    shape,
    Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => (i * 37 + 11) % 256),
  );

Deno.test("attention of a projected input, with each form of mask", () => {
  agrees(ops, {
    type: "Attention",
    attrs: { num_heads: 2 },
    ins: [pattern([2, 3, 4]), pattern([4, 12]), pattern([12])],
    outs: [[[2, 3, 4], [
      -2.048412,
      -0.1202534,
      0.8259606,
      -2.061061,
      2.125576,
      -0.4703728,
      0.2586453,
      -1.516601,
      -0.7338998,
      0.5857306,
      -1.25017,
      1.93434,
      1.747257,
      -0.5599654,
      0.2425527,
      -1.992555,
      -1.700102,
      2.320975,
      -0.9811218,
      -1.076498,
      -1.399201,
      2.062415,
      0.7246386,
      -2.415195,
    ]]],
  }, 1e-5);
  agrees(ops, {
    type: "Attention",
    attrs: { num_heads: 2 },
    ins: [pattern([2, 3, 4]), pattern([4, 12]), pattern([12]), tensor("int32", [2], [2, 3])],
    outs: [[[2, 3, 4], [
      -2.056104,
      -0.1195637,
      0.9962007,
      -2.195609,
      -0.8141358,
      0.9361094,
      0.834752,
      -1.8924,
      -1.076535,
      0.7130702,
      -1.299266,
      2.11539,
      1.747257,
      -0.5599654,
      0.2425527,
      -1.992555,
      -1.700102,
      2.320975,
      -0.9811218,
      -1.076498,
      -1.399201,
      2.062415,
      0.7246386,
      -2.415195,
    ]]],
  }, 1e-5);
  agrees(ops, {
    type: "Attention",
    attrs: { num_heads: 2 },
    ins: [
      pattern([2, 3, 4]),
      pattern([4, 12]),
      pattern([12]),
      tensor("int32", [2, 3], [1, 0, 1, 1, 1, 0]),
    ],
    outs: [[[2, 3, 4], [
      -0.02661692,
      0.5609311,
      -0.7091866,
      -0.1285775,
      2.125689,
      -0.4703822,
      -0.5578905,
      -0.6486577,
      -0.4241645,
      0.7514225,
      -1.377475,
      2.168663,
      1.749956,
      -0.5624961,
      0.2547825,
      -2.001709,
      0.03365012,
      -0.4110574,
      0.1911698,
      -1.945729,
      0.5025489,
      -0.4524308,
      0.7247782,
      -2.415305,
    ]]],
  }, 1e-5);
  agrees(ops, {
    type: "Attention",
    attrs: { num_heads: 2, mask_filter_value: -3.0 },
    ins: [
      pattern([2, 3, 4]),
      pattern([4, 12]),
      pattern([12]),
      tensor("int32", [2, 3, 3], [1, 0, 1, 1, 1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 1, 1]),
    ],
    outs: [[[2, 3, 4], [
      -1.812541,
      -0.04078382,
      -0.3358203,
      -0.5985807,
      1.295094,
      -0.07303497,
      0.7844069,
      -1.85956,
      -0.5737216,
      -0.1311359,
      -0.2071776,
      -0.5191063,
      1.695607,
      -0.5122485,
      0.6909049,
      -2.387788,
      -0.2761832,
      0.07717539,
      -0.7088792,
      -1.27836,
      -1.29535,
      2.274674,
      0.3610263,
      -2.095408,
    ]]],
  }, 1e-5);
  agrees(ops, {
    type: "Attention",
    attrs: { num_heads: 1, unidirectional: 1, scale: 0.25 },
    ins: [pattern([2, 3, 4]), pattern([4, 12]), pattern([12])],
    outs: [[[2, 3, 4], [
      -0.8125,
      0.9375,
      -1.4375,
      2.375,
      -1.019154,
      0.7618439,
      -1.013859,
      1.579381,
      -0.6061168,
      0.5719988,
      -0.8906476,
      1.136436,
      -2.5,
      -0.1875,
      0.75,
      -2.4375,
      -0.4486399,
      -0.3685024,
      -0.004176501,
      -1.773825,
      -1.513325,
      -0.09473447,
      0.29948,
      -2.049777,
    ]]],
  }, 1e-5);
});

Deno.test("keys and values of before come first, and go on", () => {
  agrees(ops, {
    type: "Attention",
    attrs: { num_heads: 2, unidirectional: 1 },
    ins: [pattern([1, 2, 4]), pattern([4, 12]), pattern([12]), null, pattern([2, 1, 2, 1, 2])],
    outs: [[[1, 2, 4], [
      -0.5352997,
      0.4972407,
      0.8667803,
      0.1298038,
      0.1464729,
      -0.5859627,
      0.9362615,
      -0.7299269,
    ]], [[2, 1, 2, 3, 2], [
      -1.25,
      0.5,
      -0.9375,
      -0.5625,
      1.875,
      -1.6875,
      -0.5,
      1.25,
      1.1875,
      -1.1875,
      0.25,
      1.5,
      0.25,
      -0.75,
      -0.8125,
      0.9375,
      -2.0625,
      -0.125,
      1,
      0,
      -1.4375,
      2.375,
      1.125,
      -2.4375,
    ]]],
  }, 1e-5);
});

Deno.test("heads of query, key and value, and what is added to their scores", () => {
  agrees(ops, {
    type: "MultiHeadAttention",
    attrs: { num_heads: 2 },
    ins: [pattern([1, 2, 4]), pattern([1, 3, 4]), pattern([1, 3, 6]), pattern([14])],
    outs: [[[1, 2, 6], [
      -1.466154,
      0.8148361,
      -0.01077237,
      -0.02775199,
      0.7222481,
      -1.251277,
      -1.186823,
      0.7943816,
      -0.2185123,
      -0.2385005,
      0.5114995,
      -1.292611,
    ]]],
  }, 1e-5);
  agrees(ops, {
    type: "MultiHeadAttention",
    attrs: { num_heads: 2 },
    ins: [pattern([1, 2, 4]), pattern([1, 2, 3, 2]), pattern([1, 2, 3, 2])],
    outs: [[[1, 2, 4], [
      -0.8375573,
      0.6576523,
      -0.5621703,
      0.4233132,
      -0.2329984,
      -0.1020271,
      0.39461,
      -0.2017346,
    ]]],
  }, 1e-5);
  agrees(ops, {
    type: "MultiHeadAttention",
    attrs: { num_heads: 2, scale: 0.5 },
    ins: [
      pattern([1, 2, 4]),
      pattern([1, 2, 4]),
      pattern([1, 2, 4]),
      null,
      null,
      pattern([1, 2, 2, 2]),
    ],
    outs: [[[1, 2, 4], [
      -0.316311,
      -0.2780742,
      -0.3443771,
      1.120314,
      0.125954,
      -0.6466283,
      0.1567353,
      0.7027206,
    ]]],
  }, 1e-5);
  agrees(ops, {
    type: "MultiHeadAttention",
    attrs: { num_heads: 2 },
    ins: [
      pattern([1, 2, 4]),
      pattern([1, 2, 4]),
      pattern([1, 2, 4]),
      null,
      null,
      null,
      pattern([1, 2, 1, 2]),
      pattern([1, 2, 1, 2]),
    ],
    outs: [
      [[1, 2, 4], [
        -1.132034,
        0.4016949,
        -0.3667946,
        1.138996,
        -0.412304,
        -0.19808,
        0.3862868,
        0.5114276,
      ]],
      [[1, 2, 3, 2], [-1.25, 0.5, -1.25, 0.5, 0.25, -0.75, -0.5, 1.25, -0.5, 1.25, 1, 0]],
      [[1, 2, 3, 2], [-1.25, 0.5, -1.25, 0.5, 0.25, -0.75, -0.5, 1.25, -0.5, 1.25, 1, 0]],
    ],
  }, 1e-5);
});

Deno.test("attention of stored integers", () => {
  agrees(ops, {
    type: "QAttention",
    attrs: { num_heads: 2 },
    ins: [
      bytes(1, 2, 4),
      bytes(4, 12),
      pattern([12]),
      tensor("float32", [], [0.0625]),
      tensor("float32", [], [0.03125]),
      null,
      tensor("uint8", [], [120]),
      tensor("uint8", [], [130]),
    ],
    outs: [[[1, 2, 4], [
      -2.417969,
      19.86719,
      4.183594,
      -44.5,
      -2.417969,
      19.86719,
      3.402344,
      4.4375,
    ]]],
  }, 1e-5);
});

Deno.test("operands that do not fit their heads are refused", () => {
  const type = (...shape: number[]) => ({ dtype: "float32" as const, shape });
  const core = { causal: false, scale: null, filter: -10000, outputs: 1 };
  const infer = (name: string, heads: number, ...ins: ReturnType<typeof type>[]) => () =>
    named(ops, name).infer({ ...core, heads, hidden: [] }, ins, () => undefined);
  const x = type(2, 3, 4), w = type(4, 12), b = type(12);
  refuses(infer("ProjectedAttention", 3, x, w, b), /4, 4, 4 do not divide into 3 heads/);
  refuses(infer("ProjectedAttention", 2, x, type(5, 12), b), /weights \[5,12\] do not fit/);
  refuses(infer("MultiHeadAttention", 2, x, x), /have none of its forms/);
  const nothing = new Array<never>(5), count = { ...type(1), dtype: "int32" as const };
  refuses(
    infer("MultiHeadAttention", 2, x, x, x, ...nothing.fill(null as never), count as never),
    /input 8 tells how much of a shared buffer is the past/,
  );
  refuses(
    infer("ProjectedAttention", 2, x, w, b, ...[null, null, null] as never[], count as never),
    /input 6 tells how much of a shared buffer is the past/,
  );
  const mask = { ...type(2, 4), dtype: "int32" as const };
  const masked = () =>
    named(ops, "ProjectedAttention")
      .infer({ ...core, heads: 2, hidden: [] }, [x, w, b, mask], () => undefined);
  refuses(masked, /mask \[2,4\] does not fit 2 × 3 queries of 3 keys/);
});
